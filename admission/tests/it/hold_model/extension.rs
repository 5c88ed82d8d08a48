//! More time, as the oracle sees it.

use admission::{Extend, ExtendHold, NOBODY};
use domain::hold::HoldState;

use super::{OracleHold, Run, STEP_S, is_live};
use crate::onsale::some_request;

const EXTENSIONS_MAX: u32 = 2;
/// How far ahead a hold may end, in steps.
const AHEAD_MAX: u32 = 2;

impl OracleHold {
    /// What an extension by one step comes to: the state of the hold afterwards is what it is now.
    fn extend(&mut self, now: u32) -> Result<(), Extend> {
        if self.state == HoldState::Committed {
            return Err(Extend::Committed);
        }
        if !is_live(self.state) || self.over <= now {
            return Err(Extend::Expired);
        }
        if self.extensions == EXTENSIONS_MAX {
            return Err(Extend::UsedUp);
        }
        if self.number == NOBODY {
            return Err(Extend::Longest); // nobody has a session
        }
        let over = (self.over + 1).min(now + AHEAD_MAX);
        if over <= self.over {
            return Err(Extend::Longest);
        }
        (self.over, self.extensions) = (over, self.extensions + 1);
        Ok(())
    }
}

impl Run {
    pub(super) async fn extend(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let hold = self.oracle.holds.get_mut(&id).unwrap();
        let wish = ExtendHold {
            hold: id,
            number: hold.number,
            request: some_request(),
            ttl_s: STEP_S,
            max_ttl_s: AHEAD_MAX * STEP_S,
            extensions_max: EXTENSIONS_MAX,
        };
        let extended = self.sale.holds.extend(self.sale.id, &wish).await.unwrap();
        match hold.extend(self.oracle.now) {
            Ok(()) => {
                let Extend::Extended(view) = extended else { panic!("{wish:?}: {extended:?}") };
                assert_eq!((view.state, view.extensions, &view.units), (hold.state, hold.extensions, &hold.units));
                self.presses.push(wish);
            }
            Err(refusal) => assert_eq!(extended, refusal, "{wish:?}"),
        }
    }

    pub(super) async fn repeat_extend(&mut self) {
        let Some(press) = self.random.of(&self.presses) else { return };
        let extended = self.sale.holds.extend(self.sale.id, press).await.unwrap();
        let Extend::Replayed(view) = extended else { panic!("{press:?}: {extended:?}") };
        let known = &self.oracle.holds[&press.hold];
        assert_eq!((view.state, view.extensions), (known.state, known.extensions));
    }
}
