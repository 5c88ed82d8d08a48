//! What may change of a sale, by the state it is in.
//!
//! | field | published, paused | closed |
//! |---|---|---|
//! | `name`, `time_zone`, `category`, `venue`, `performances`, `terms`, `letters`, a tier's `name` | yes | yes |
//! | `closes_at`, of the sale and of its last phase; `join`, `admission`, `offer_ttl_s` | yes | – |
//! | `per_buyer_limit`, of the sale and of a tier | up | – |
//! | a tier's `capacity` | up | – |
//! | everything else | – | – |
//!
//! Of a draft everything may change, of a sale that was called off nothing. A field that is not named here may not: whoever bought
//! relies on it, or what it decided is done. A tier never shrinks, not even by what is free: units are withheld for that, which
//! Redis must hear of first.

use super::super::{PhaseConfig, SaleConfig, StoredState, TierConfig};
use super::{Fault, Faults};

/// What a sale that is on sale, or was, must be.
const AS_IT_WAS: &str = "as it was: the sale is published";

impl SaleConfig {
    /// Where another configuration differs from this one and may not, a sale being in that state; empty when it may take its place.
    #[must_use]
    pub fn refused_changes(&self, after: &Self, state: StoredState) -> Vec<Fault> {
        let mut faults = Faults::default();
        match state {
            StoredState::Draft => {}
            StoredState::Published | StoredState::Paused => {
                self.check_grown(after, &mut faults);
                self.check_standing(&after.with_terms_of_sale(self), &mut faults);
            }
            StoredState::Closed => self.check_standing(after, &mut faults),
            StoredState::Cancelled => faults.require(self == after, "", "as it was: the sale was called off"),
        }
        faults.0
    }

    /// What may only become more, or is the last word while it sells.
    fn check_grown(&self, after: &Self, faults: &mut Faults) {
        let more = after.per_buyer_limit >= self.per_buyer_limit;
        faults.require(
            more,
            "/per_buyer_limit",
            format!("at least {}: nobody loses what was promised", self.per_buyer_limit),
        );
        for (index, (before, after)) in self.tiers.iter().zip(&after.tiers).enumerate() {
            let at = |field: &str| format!("/tiers/{index}/{field}");
            // Nothing said is no bound of its own.
            let limit = before.per_buyer_limit.unwrap_or(u32::MAX);
            let more = after.per_buyer_limit.unwrap_or(u32::MAX) >= limit;
            faults.require(more, at("per_buyer_limit"), "no lower than it was: nobody loses what was promised");
            if let (Some(before), Some(after)) = (before.capacity, after.capacity) {
                let rule =
                    format!("at least {before}: a tier grows and never shrinks; withhold units to keep them back");
                faults.require(after >= before, at("capacity"), rule);
            }
        }
    }

    /// The same with what may change while it sells as another has it.
    fn with_terms_of_sale(&self, other: &Self) -> Self {
        let mut same = self.clone();
        same.closes_at = other.closes_at;
        same.join = other.join.clone();
        same.admission = other.admission.clone();
        same.offer_ttl_s = other.offer_ttl_s;
        same.per_buyer_limit = other.per_buyer_limit;
        if let (Some(last), Some(other)) = (same.phases.last_mut(), other.phases.last()) {
            last.closes_at = other.closes_at;
        }
        for (tier, other) in same.tiers.iter_mut().zip(&other.tiers) {
            tier.per_buyer_limit = other.per_buyer_limit;
            tier.capacity = tier.capacity.and(other.capacity);
        }
        same
    }

    /// The same with what visitors are told as another has it.
    fn with_words_of(&self, other: &Self) -> Self {
        let mut same = self.clone();
        same.name.clone_from(&other.name);
        same.time_zone.clone_from(&other.time_zone);
        same.category.clone_from(&other.category);
        same.venue.clone_from(&other.venue);
        same.performances.clone_from(&other.performances);
        same.terms.clone_from(&other.terms);
        same.letters.clone_from(&other.letters);
        for (tier, other) in same.tiers.iter_mut().zip(&other.tiers) {
            tier.name.clone_from(&other.name);
        }
        same
    }

    /// Nothing differs but what visitors are told.
    fn check_standing(&self, after: &Self, faults: &mut Faults) {
        let after = after.with_words_of(self);
        for (pointer, same) in [
            ("/slug", self.slug == after.slug),
            ("/currency", self.currency == after.currency),
            ("/prequeue_opens_at", self.prequeue_opens_at == after.prequeue_opens_at),
            ("/opens_at", self.opens_at == after.opens_at),
            ("/closes_at", self.closes_at == after.closes_at),
            ("/per_buyer_limit", self.per_buyer_limit == after.per_buyer_limit),
            ("/withheld", self.withheld == after.withheld),
            ("/join", self.join == after.join),
            ("/admission", self.admission == after.admission),
            ("/hold", self.hold == after.hold),
            ("/offer_ttl_s", self.offer_ttl_s == after.offer_ttl_s),
            ("/payment", self.payment == after.payment),
            ("/fees", self.fees == after.fees),
            ("/taxes", self.taxes == after.taxes),
            ("/refunds", self.refunds == after.refunds),
        ] {
            faults.require(same, pointer, AS_IT_WAS);
        }
        check_phases(&self.phases, &after.phases, faults);
        check_tiers(&self.tiers, &after.tiers, faults);
        // A field that nobody thought of here may not change either.
        faults.require(!faults.0.is_empty() || *self == after, "", AS_IT_WAS);
    }
}

fn check_phases(before: &[PhaseConfig], after: &[PhaseConfig], faults: &mut Faults) {
    faults.require(before.len() == after.len(), "/phases", AS_IT_WAS);
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        faults.require(before == after, format!("/phases/{index}"), AS_IT_WAS);
    }
}

fn check_tiers(before: &[TierConfig], after: &[TierConfig], faults: &mut Faults) {
    faults.require(before.len() == after.len(), "/tiers", "those that there were: the sale is published");
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        for (field, same) in [
            ("id", before.id == after.id),
            ("price", before.price == after.price),
            ("capacity", before.capacity == after.capacity),
            ("rows", before.rows == after.rows),
            ("per_buyer_limit", before.per_buyer_limit == after.per_buyer_limit),
        ] {
            faults.require(same, format!("/tiers/{index}/{field}"), AS_IT_WAS);
        }
    }
}

#[cfg(test)]
mod tests;
