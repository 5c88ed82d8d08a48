//! What is left, in a word and a number.

use std::collections::BTreeMap;

use admission::TierStock;
use domain::TierId;
use domain::sale::{SaleConfig, Stock};
use serde::Serialize;
use utoipa::ToSchema;

/// Up to a fifth of a tier is few: when people should hurry but not despair.
const FEW_PARTS: u32 = 5;

/// How much of a tier is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// More than a fifth.
    Many,
    /// A fifth or less.
    Few,
    /// Nothing is free, and some that is held may come back.
    AllHeld,
    /// Every unit is ordered or sold.
    None,
}

/// What is left of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Availability {
    /// In a word.
    pub(crate) level: Level,
    /// Units that can be held now.
    pub(crate) remaining: u32,
}

/// What is left of a tier, with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TierAvailability {
    /// The tier.
    #[schema(value_type = String)]
    pub(crate) tier: TierId,
    /// What is left of it.
    #[serde(flatten)]
    pub(crate) left: Availability,
}

impl Availability {
    /// What is left of `capacity`.
    pub(crate) fn of(stock: TierStock, capacity: u32) -> Self {
        let level = match (stock.free, stock.held) {
            (0, 0) => Level::None,
            (0, _) => Level::AllHeld,
            (free, _) if free.saturating_mul(FEW_PARTS) <= capacity => Level::Few,
            _ => Level::Many,
        };
        Self { level, remaining: stock.free }
    }
}

/// What is left of each tier, in the order of the sale.
pub(crate) fn of_tiers(config: &SaleConfig, stock: &BTreeMap<TierId, TierStock>) -> Vec<TierAvailability> {
    let of_tier = |tier: &domain::sale::TierConfig| TierAvailability {
        tier: tier.id.clone(),
        left: Availability::of(stock.get(&tier.id).copied().unwrap_or_default(), tier.capacity()),
    };
    config.tiers.iter().map(of_tier).collect()
}

/// Whether anything is left at all.
pub(crate) fn stock(stock: &BTreeMap<TierId, TierStock>) -> Stock {
    if stock.values().all(|tier| tier.free == 0 && tier.held == 0) { Stock::Gone } else { Stock::Left }
}

#[cfg(test)]
mod tests;
