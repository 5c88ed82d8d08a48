//! Whose turn it is and who shops, until when: the part of a view that is carried on from one view to the next.
//!
//! It is the one part whose size has no bound of its own: 50,000 may be inside. Read whole they are a megabyte of digits, and
//! some 70 ms of Redis a view: two gateways that look five times a second leave it hardly any time for holds and signs of
//! life. So Redis numbers the *moves* (a turn or a session begins, ends or gets another deadline), and a view that follows
//! another one reads those since: with nothing new it costs the same, about 0.1 ms, however many are inside (`cargo bench
//! --bench line`). What cannot be followed is read whole: another epoch, a standstill that moved all deadlines, more moves
//! than Redis keeps.
//!
//! Guarantee: after each view as many are known as Redis counts, or everybody is read again. So a build that does not say
//! what it moves may run beside this one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

/// Numbers, and until when.
pub(super) type Deadlines = HashMap<u64, Timestamp>;

/// Who is inside at a moment. Copies are cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// Who has a turn.
    pub(super) turns: Arc<Deadlines>,
    /// Who shops.
    pub(super) shopping: Arc<Deadlines>,
}

/// What a view says of who is inside.
pub(super) struct Moves {
    /// Of whom; none when of everybody.
    pub(super) moved: Option<Vec<u64>>,
    /// Who of them has a turn.
    pub(super) turns: Deadlines,
    /// Who of them shops.
    pub(super) shopping: Deadlines,
    /// How many have a turn and how many shop, of everybody.
    pub(super) counts: (usize, usize),
}

impl Inside {
    /// What it is after the moves; none when they do not add up to what Redis has.
    pub(super) fn after(&self, moves: Moves) -> Option<Self> {
        let inside = match moves.moved {
            None => Self { turns: Arc::new(moves.turns), shopping: Arc::new(moves.shopping) },
            Some(moved) => Self {
                turns: carried(&self.turns, &moved, moves.turns),
                shopping: carried(&self.shopping, &moved, moves.shopping),
            },
        };
        (inside.counts() == moves.counts).then_some(inside)
    }

    fn counts(&self) -> (usize, usize) {
        (self.turns.len(), self.shopping.len())
    }
}

/// The same deadlines when nobody moved.
fn carried(last: &Arc<Deadlines>, moved: &[u64], now: Deadlines) -> Arc<Deadlines> {
    let mut deadlines = Arc::clone(last);
    if !moved.is_empty() {
        let deadlines = Arc::make_mut(&mut deadlines);
        for number in moved {
            deadlines.remove(number);
        }
        deadlines.extend(now);
    }
    deadlines
}

#[cfg(test)]
mod tests;
