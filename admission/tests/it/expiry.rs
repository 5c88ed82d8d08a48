//! When a hold expires: at the end of the time that its buyer lived through, once, whatever the clock of Redis does and
//! however many sweep.

use std::collections::{BTreeMap, BTreeSet};

use admission::{Expired, FREEZE_S, Lose, Pace, TakeHold};
use domain::{HoldId, PlaceNumber};
use tokio::task::JoinSet;

use crate::onsale::{OPEN, Onsale, floor, taken, wish};
use crate::pace::CLOSED;
use crate::random::Random;
use crate::soak;

const RUNS: u64 = 4;
const RUNS_SOAK: u64 = 400;
const STEPS: usize = 250;
const BUYERS: usize = 12;
const SWEEPERS_MAX: usize = 8;
/// The most that a hold lasts: longer than a freeze, so that some frozen holds are asked about and some are over.
const TTL_S_MAX: usize = 60;
/// From here on a leap of the clock is one, and no time that passed.
const LEAP_MS_MIN: usize = 6_000;
const LEAP_MS_MAX: usize = 3_600_000;
/// Turns and sessions play no part here.
const FOREVER_S: u32 = 1_000_000;
const FREEZE_MS: i64 = FREEZE_S as i64 * 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_expires_once_when_its_time_was_lived_however_the_clock_leaps() {
    let runs = if soak::is_on() { RUNS_SOAK } else { RUNS };
    let mut ended = 0;
    for seed in 1..=runs {
        let mut run = Run::start(seed).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        ended += run.ended;
    }
    assert!(ended > usize::try_from(runs).unwrap() * STEPS / 50, "only {ended} holds came to an end");
}

/// A hold as its buyer lives it.
struct Lived {
    number: PlaceNumber,
    left_ms: i64,
    /// For a frozen one, when a sweep looks at it.
    looked_at_ms: Option<i64>,
}

struct Run {
    seed: u64,
    sale: Onsale,
    random: Random,
    buyers: Vec<PlaceNumber>,
    holds: BTreeMap<HoldId, Lived>,
    ended: usize,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let sale = Onsale::of_tiers(vec![floor("ga", u32::try_from(BUYERS).unwrap())]).await;
        let buyers = sale.join_many(BUYERS).await;
        sale.advance_s(1).await;
        sale.admits(&Pace { claim_window_s: FOREVER_S, ..OPEN }).await;
        Self { seed, sale, random: Random(seed), buyers, holds: BTreeMap::new(), ended: 0 }
    }

    async fn step(&mut self) {
        match self.random.below(10) {
            0..=2 => self.take().await,
            3 => self.freeze().await,
            4 => self.leap().await,
            5..=7 => self.lives().await,
            _ => self.sweep().await,
        }
    }

    async fn take(&mut self) {
        let number = *self.random.of(&self.buyers).unwrap();
        if self.holds.values().any(|hold| hold.number == number) {
            return;
        }
        let ttl_s = 1 + self.random.below(TTL_S_MAX);
        let ttl_s = u32::try_from(ttl_s).unwrap();
        let wish = TakeHold { ttl_s, session_s: FOREVER_S, ..wish(number, &[("ga", 1)]) };
        let hold = taken(self.sale.holds.take(self.sale.id, &wish).await.unwrap());
        self.holds.insert(hold.id, Lived { number, left_ms: i64::from(ttl_s) * 1_000, looked_at_ms: None });
    }

    async fn freeze(&mut self) {
        let live: Vec<_> = self.holds.iter().filter(|(_, hold)| hold.left_ms > 0).map(|(id, _)| *id).collect();
        let Some(id) = self.random.of(&live) else { return };
        let hold = self.holds.get_mut(id).unwrap();
        self.sale.holds.freeze(self.sale.id, *id, hold.number).await.unwrap();
        hold.looked_at_ms = Some(FREEZE_MS);
    }

    async fn lives(&mut self) {
        let ms = i64::try_from(1 + self.random.below(4_000)).unwrap();
        self.sale.advance_ms(ms).await;
        for hold in self.holds.values_mut() {
            hold.left_ms -= ms;
            hold.looked_at_ms = hold.looked_at_ms.map(|at_ms| at_ms - ms);
        }
    }

    /// Forward or back; sweeps come before the tick that notices.
    async fn leap(&mut self) {
        let far = i64::try_from(LEAP_MS_MIN + self.random.below(LEAP_MS_MAX - LEAP_MS_MIN)).unwrap();
        if self.random.below(2) == 0 {
            self.sale.gap_ms(far).await;
            for hold in self.holds.values_mut() {
                hold.looked_at_ms = hold.looked_at_ms.map(|at_ms| at_ms - far);
            }
            let swept = self.all_sweep().await;
            assert_eq!(swept.released, [], "seed {}: nobody lived through the leap", self.seed);
            self.settles(swept).await;
        } else {
            self.sale.gap_ms(-far).await;
            assert_eq!(self.all_sweep().await, Expired::default(), "seed {}: {far} ms back", self.seed);
        }
        self.sale.tick(&CLOSED).await;
    }

    async fn sweep(&mut self) {
        let swept = self.all_sweep().await;
        let due = self.holds.iter().filter(|(_, hold)| hold.looked_at_ms.is_none() && hold.left_ms <= 0);
        let due: BTreeSet<_> = due.map(|(id, _)| *id).collect();
        assert_eq!(swept.released.iter().copied().collect::<BTreeSet<_>>(), due, "seed {}", self.seed);
        for id in due {
            self.holds.remove(&id);
            self.ended += 1;
        }
        self.settles(swept).await;
    }

    /// The frozen holds that were named are those that are to be looked at; one that is over ends by its tombstone.
    async fn settles(&mut self, swept: Expired) {
        let looked_at = |over: bool| {
            let named = self.holds.iter().filter(move |(_, hold)| {
                hold.looked_at_ms.is_some_and(|at_ms| at_ms <= 0) && (hold.left_ms <= 0) == over
            });
            named.map(|(id, _)| *id).collect::<BTreeSet<_>>()
        };
        let (asked, over) = (looked_at(false), looked_at(true));
        let named = [swept.frozen_due, swept.frozen_over].map(BTreeSet::from_iter);
        assert_eq!(named, [asked.clone(), over.clone()], "seed {}", self.seed);
        for id in asked {
            let hold = self.holds.get_mut(&id).unwrap();
            hold.looked_at_ms = Some(hold.left_ms.min(FREEZE_MS));
        }
        for id in over {
            assert_eq!(self.sale.holds.expire_frozen(self.sale.id, id).await.unwrap(), Lose::Released);
            self.holds.remove(&id);
            self.ended += 1;
        }
    }

    /// One to eight sweep at once: together they name each hold once, and the stock is right afterwards.
    async fn all_sweep(&mut self) -> Expired {
        let mut sweepers: JoinSet<Expired> = (0..1 + self.random.below(SWEEPERS_MAX))
            .map(|_| {
                let (holds, sale) = (self.sale.holds.clone(), self.sale.id);
                async move { holds.expire_due(sale, 100).await.unwrap() }
            })
            .collect();
        let mut all = Expired::default();
        while let Some(swept) = sweepers.join_next().await {
            let Expired { released, frozen_due, frozen_over } = swept.unwrap();
            all.released.extend(released);
            all.frozen_due.extend(frozen_due);
            all.frozen_over.extend(frozen_over);
        }
        let named: Vec<_> = [&all.released, &all.frozen_due, &all.frozen_over].into_iter().flatten().collect();
        assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "seed {}: {all:?}", self.seed);
        let inventory = self.sale.holds.inventory(self.sale.id).await.unwrap();
        assert_eq!(inventory.faults(), [], "seed {}", self.seed);
        assert_eq!(inventory.holds.len() + all.released.len(), self.holds.len(), "seed {}", self.seed);
        all
    }
}
