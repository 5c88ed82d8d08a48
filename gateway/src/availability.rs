//! What is left, in a word and a number.

use std::collections::BTreeMap;

use admission::TierStock;
use domain::TierId;
use domain::sale::Stock;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::sale::Sale;

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
    /// Every unit is ordered or sold, or as many of them as may be in this phase.
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
    /// What is left of a tier, of which no more than so many units may be gone.
    pub(crate) fn of(stock: TierStock, allowed: Option<u32>) -> Self {
        // A sale that an earlier version loaded says nothing of all.
        let all = stock.all.max(stock.free.saturating_add(stock.held));
        let offered = allowed.unwrap_or(all).min(all);
        let gone = all - stock.free;
        let remaining = stock.free.min(offered.saturating_sub(gone));
        let level = match remaining {
            0 if stock.held > 0 && gone - stock.held < offered => Level::AllHeld,
            0 => Level::None,
            some if some.saturating_mul(FEW_PARTS) <= offered => Level::Few,
            _ => Level::Many,
        };
        Self { level, remaining }
    }
}

/// What is left of each tier, in the order of the sale.
pub(crate) fn of_tiers(sale: &Sale, stock: &BTreeMap<TierId, TierStock>, now: Timestamp) -> Vec<TierAvailability> {
    let of_tier = |tier: &domain::sale::TierConfig| TierAvailability {
        tier: tier.id.clone(),
        left: Availability::of(stock.get(&tier.id).copied().unwrap_or_default(), sale.allowed_of(&tier.id, now)),
    };
    sale.config().tiers.iter().map(of_tier).collect()
}

/// Whether anything is left at all.
pub(crate) fn stock(stock: &BTreeMap<TierId, TierStock>) -> Stock {
    if stock.values().all(|tier| tier.free == 0 && tier.held == 0) { Stock::Gone } else { Stock::Left }
}

#[cfg(test)]
mod tests;
