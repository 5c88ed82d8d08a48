//! What runs came across.

use std::collections::BTreeMap;

use super::step::Step;

/// Something that a step may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    Joined,
    Granted,
    Claimed,
    Lapsed,
    /// Of those waiting, somebody was live before the step and is not after it.
    Died,
    Returned,
    Cut,
    Left,
    NoShow,
    Bypassed,
    Paused,
    Drawn,
    Epoch,
    Standstill,
    Gap,
    Slept,
}

const OFTEN: [Sight; 8] = [
    Sight::Joined,
    Sight::Granted,
    Sight::Claimed,
    Sight::Lapsed,
    Sight::Died,
    Sight::Returned,
    Sight::Cut,
    Sight::Left,
];
const SOMETIMES: [Sight; 8] = [
    Sight::NoShow,
    Sight::Bypassed,
    Sight::Paused,
    Sight::Drawn,
    Sight::Epoch,
    Sight::Standstill,
    Sight::Gap,
    Sight::Slept,
];

/// The steps of a run and what it came across, so that it can be seen to have been worth it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) steps: BTreeMap<Step, u64>,
    pub(crate) sights: BTreeMap<Sight, u64>,
}

impl Seen {
    pub(super) fn step(&mut self, step: Step) {
        *self.steps.entry(step).or_default() += 1;
    }

    pub(super) fn saw(&mut self, sight: Sight, times: u64) {
        *self.sights.entry(sight).or_default() += times;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (step, times) in &other.steps {
            *self.steps.entry(*step).or_default() += times;
        }
        for (sight, times) in &other.sights {
            self.saw(*sight, *times);
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.values().sum()
    }

    pub(crate) fn is_enough_of(&self, steps: u64) -> bool {
        let above = |sights: &[Sight], least: u64| sights.iter().all(|sight| self.sights.get(sight) > Some(&least));
        self.steps() >= steps && above(&OFTEN, steps / 200) && above(&SOMETIMES, steps / 2_000)
    }
}
