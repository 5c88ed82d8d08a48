//! What tiers, rows and their number must satisfy.

use std::collections::BTreeSet;

use super::super::tier::{ROW_NAME_CHARS_MAX, ROW_SEATS_MAX, ROWS_MAX, TierConfig};
use super::super::{PER_BUYER_LIMIT_MAX, SaleConfig, TIERS_MAX, UNITS_MAX};
use super::{Faults, NAME_CHARS_MAX, PRICE_MAX, is_name};

impl SaleConfig {
    pub(super) fn check_tiers(&self, faults: &mut Faults) {
        faults.require((1..=TIERS_MAX).contains(&self.tiers.len()), "/tiers", format!("1 to {TIERS_MAX} tiers"));
        let mut seen = BTreeSet::new();
        for (index, tier) in self.tiers.iter().enumerate() {
            let at = |field: &str| format!("/tiers/{index}/{field}");
            faults.require(seen.insert(&tier.id), at("id"), "different from the other tiers' ids");
            faults.require(is_name(&tier.name), at("name"), format!("1 to {NAME_CHARS_MAX} characters"));
            faults.require((0..=PRICE_MAX).contains(&tier.price), at("price"), format!("0 to {PRICE_MAX}"));
            let bounded = tier.per_buyer_limit.is_none_or(|limit| (1..=self.per_buyer_limit).contains(&limit));
            faults.require(bounded, at("per_buyer_limit"), "1 to the sale's per_buyer_limit");
            check_places(tier, &at, faults);
        }
        let units: u64 = self.tiers.iter().map(|tier| u64::from(tier.capacity())).sum();
        faults.require(units <= u64::from(UNITS_MAX), "/tiers", format!("at most {UNITS_MAX} units together"));
        faults.require(
            (1..=PER_BUYER_LIMIT_MAX).contains(&self.per_buyer_limit),
            "/per_buyer_limit",
            format!("1 to {PER_BUYER_LIMIT_MAX}"),
        );
    }
}

/// Exactly one of capacity and rows.
fn check_places(tier: &TierConfig, at: &impl Fn(&str) -> String, faults: &mut Faults) {
    match (tier.capacity, tier.rows.is_empty()) {
        (Some(capacity), true) => {
            faults.require((1..=UNITS_MAX).contains(&capacity), at("capacity"), format!("1 to {UNITS_MAX}"));
        }
        (None, false) => check_rows(tier, at, faults),
        (None, true) => faults.require(false, at("capacity"), "given, where there are no rows"),
        (Some(_), false) => faults.require(false, at("rows"), "left out, where there is a capacity"),
    }
}

fn check_rows(tier: &TierConfig, at: &impl Fn(&str) -> String, faults: &mut Faults) {
    faults.require(tier.rows.len() <= ROWS_MAX, at("rows"), format!("at most {ROWS_MAX} rows"));
    let mut names = BTreeSet::new();
    for (index, row) in tier.rows.iter().take(ROWS_MAX).enumerate() {
        let at = |field: &str| at(&format!("rows/{index}/{field}"));
        let fits = is_name(&row.row) && row.row.trim() == row.row && row.row.chars().count() <= ROW_NAME_CHARS_MAX;
        faults.require(fits, at("row"), format!("1 to {ROW_NAME_CHARS_MAX} characters without space around them"));
        faults.require(names.insert(&row.row), at("row"), "different from the other rows' names");
        faults.require((1..=ROW_SEATS_MAX).contains(&row.seats), at("seats"), format!("1 to {ROW_SEATS_MAX}"));
    }
}
