//! What a place token says beside whose it is: which place, and how much time its holder asked for.
//!
//! Both are fields of fixed size. A spot is 10 bytes: its kind (0 a number, 1 a registration), the phase, and the number
//! or index. Every value has one writing; another one is no token.

use crate::ids::PlaceNumber;
use crate::sale::PhaseNo;
use crate::token::wire::{Reader, Writer};

/// Which place in the queue a visitor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spot {
    /// A number in the line.
    Number(PlaceNumber),
    /// A registration in the prequeue of a phase; its number comes from the draw.
    Registration {
        /// The phase.
        phase: PhaseNo,
        /// How many registered before.
        index: u32,
    },
}

/// How much time a visitor asked for before joining. No proof is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Allowance {
    /// What the sale gives everybody.
    #[default]
    Usual,
    /// Longer windows, for who needs longer to read or to type.
    MoreTime,
}

const NUMBER: u8 = 0;
const REGISTRATION: u8 = 1;

impl Spot {
    /// The number, when it has one of its own.
    #[must_use]
    pub const fn number(self) -> Option<PlaceNumber> {
        match self {
            Self::Number(number) => Some(number),
            Self::Registration { .. } => None,
        }
    }

    pub(super) fn write(self, body: &mut Writer) {
        let (kind, phase, value) = match self {
            Self::Number(number) => (NUMBER, 0, number.0),
            Self::Registration { phase, index } => (REGISTRATION, phase.0, u64::from(index)),
        };
        body.u8(kind);
        body.u8(phase);
        body.u64(value);
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Option<Self> {
        match (body.u8()?, body.u8()?, body.u64()?) {
            (NUMBER, 0, number) => Some(Self::Number(PlaceNumber(number))),
            (REGISTRATION, phase, index) => {
                Some(Self::Registration { phase: PhaseNo(phase), index: u32::try_from(index).ok()? })
            }
            _ => None,
        }
    }
}

impl Allowance {
    /// How many times longer claim window, session and hold are.
    #[must_use]
    pub const fn factor(self) -> u32 {
        match self {
            Self::Usual => 1,
            Self::MoreTime => 3,
        }
    }

    pub(super) fn write(self, body: &mut Writer) {
        body.u8(match self {
            Self::Usual => 0,
            Self::MoreTime => 1,
        });
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Option<Self> {
        match body.u8()? {
            0 => Some(Self::Usual),
            1 => Some(Self::MoreTime),
            _ => None,
        }
    }
}
