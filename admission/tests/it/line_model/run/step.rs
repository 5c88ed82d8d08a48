//! The kinds of step, and how often each is taken.

use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Join,
    Hear,
    Tick,
    Advance,
    Take,
    EndHold,
    Sweep,
    Leave,
    EndSession,
    Bypass,
    Pause,
    Wake,
    Draw,
    EverybodyIsHere,
    NewEpoch,
    HalfAnHour,
    AllowMoreTime,
}

impl Step {
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(100) {
            0..=13 => Self::Join,
            14..=21 => Self::Hear,
            22..=45 => Self::Tick,
            46..=63 => Self::Advance,
            64..=73 => Self::Take,
            74..=77 => Self::EndHold,
            78..=80 => Self::Sweep,
            81..=83 => Self::Leave,
            84..=86 => Self::EndSession,
            87..=89 => Self::Bypass,
            90..=92 => Self::Pause,
            93..=95 => Self::Wake,
            96..=97 => Self::Draw,
            98 => Self::EverybodyIsHere,
            _ if random.below(3) == 0 => Self::NewEpoch,
            _ if random.below(20) == 0 => Self::HalfAnHour,
            _ => Self::AllowMoreTime,
        }
    }
}
