//! Which units of a tier somebody wants.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use domain::{TierId, UnitNo};
use fred::types::Value;

use crate::queue::text;

/// Which units of a tier somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitsWish {
    /// So many: the lowest free ones.
    Any(NonZeroU32),
    /// These and no others.
    Seats(BTreeSet<UnitNo>),
    /// So many side by side: in the first row that has them, as near to its middle as they are free.
    Together(NonZeroU32),
    /// The same, and any where no row has so many.
    TogetherOrAny(NonZeroU32),
}

impl UnitsWish {
    /// How many units that is.
    #[must_use]
    pub fn quantity(&self) -> u32 {
        match self {
            Self::Any(quantity) | Self::Together(quantity) | Self::TogetherOrAny(quantity) => quantity.get(),
            Self::Seats(units) => u32::try_from(units.len()).unwrap_or(u32::MAX),
        }
    }

    /// As the script takes it.
    pub(super) fn arguments(&self, tier: &TierId, allowed: Option<&u32>) -> [Value; 4] {
        let (way, units) = match self {
            Self::Any(quantity) => ("any", quantity.to_string()),
            Self::Seats(units) => ("seats", units.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            Self::Together(quantity) => ("together", quantity.to_string()),
            Self::TogetherOrAny(quantity) => ("together_or_any", quantity.to_string()),
        };
        [text(tier), text(way), text(units), text(allowed.map(ToString::to_string).unwrap_or_default())]
    }
}
