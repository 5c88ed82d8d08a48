//! Units that an organizer keeps back from a sale, tier by tier: so many, or seats by name.
//!
//! A number means those that would go last: the highest numbers of general admission, the back of a tier of rows. They are
//! withheld when the sale is published; what changes afterwards is decided unit by unit and is no configuration.

use serde::{Deserialize, Serialize};

use super::{SaleConfig, TierConfig};

/// Which units of a tier are kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Withheld {
    /// So many, from the end.
    Number(u32),
    /// These seats.
    Seats(Vec<String>),
}

impl SaleConfig {
    /// How many units of a tier it puts on sale.
    #[must_use]
    pub fn for_sale(&self, tier: &TierConfig) -> u32 {
        let withheld = match self.withheld.get(&tier.id) {
            Some(Withheld::Number(number)) => *number,
            Some(Withheld::Seats(seats)) => u32::try_from(seats.len()).unwrap_or(u32::MAX),
            None => 0,
        };
        tier.capacity().saturating_sub(withheld)
    }
}

#[cfg(test)]
mod tests;
