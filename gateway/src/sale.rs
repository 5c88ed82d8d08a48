//! A sale with what is computed from its configuration once.

use std::num::NonZeroU32;

use admission::{Pace, PaceState};
use domain::price::{OrderLine, UnitPrice, lines_of, unit_price};
use domain::sale::{SaleConfig, SaleState, Stock, StoredState, TierConfig};
use domain::{SaleId, TierId};
use jiff::Timestamp;
use ledger::sales::SaleRow;

/// What paying takes at the 99th percentile until it is measured: cards answer in seconds, and a 3-D Secure challenge,
/// which one payment in a hundred meets, is over in about 40 s. Measured values replace it once workers publish them.
const DEFAULT_PAYMENT_P99_S: u32 = 40;

/// A sale.
#[derive(Debug)]
pub(crate) struct Sale {
    row: SaleRow,
    prices: Vec<UnitPrice>,
}

impl Sale {
    /// A sale as it is stored.
    pub(crate) fn new(row: SaleRow) -> Self {
        let price = |tier| unit_price(&row.config, tier).expect("a stored configuration has prices in range");
        let prices = row.config.tiers.iter().map(price).collect();
        Self { row, prices }
    }

    pub(crate) const fn id(&self) -> SaleId {
        self.row.id
    }

    pub(crate) fn slug(&self) -> &str {
        &self.row.slug
    }

    pub(crate) const fn config(&self) -> &SaleConfig {
        &self.row.config
    }

    pub(crate) const fn version(&self) -> u64 {
        self.row.version
    }

    pub(crate) const fn epoch(&self) -> u32 {
        self.row.epoch
    }

    pub(crate) const fn stored_state(&self) -> StoredState {
        self.row.state
    }

    /// Whether it may have visitors, holds or open orders.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.row.state, StoredState::Published | StoredState::Paused)
    }

    /// When it was published; a sale that visitors see always was.
    pub(crate) fn published_at(&self) -> Timestamp {
        self.row.published_at.unwrap_or(self.row.config.opens_at)
    }

    /// What visitors see of it.
    pub(crate) fn state(&self, now: Timestamp, stock: Stock) -> SaleState {
        SaleState::of(self.row.state, &self.row.config, now, stock)
    }

    /// Tiers with the price of one unit.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = (&TierConfig, &UnitPrice)> {
        self.row.config.tiers.iter().zip(&self.prices)
    }

    /// The price of one unit.
    pub(crate) fn price(&self, tier: &TierId) -> Option<&UnitPrice> {
        self.tiers().find_map(|(config, price)| (config.id == *tier).then_some(price))
    }

    /// What so many units of a tier cost, line by line.
    pub(crate) fn lines(&self, tier: &TierId, quantity: NonZeroU32) -> Option<Vec<OrderLine>> {
        let tier = self.row.config.tier(tier)?;
        Some(lines_of(&self.row.config, tier, quantity).expect("a stored configuration has prices in range"))
    }

    /// How long a hold lasts.
    pub(crate) fn hold_ttl_s(&self) -> u32 {
        self.row.config.hold.ttl_s(DEFAULT_PAYMENT_P99_S)
    }

    /// How visitors are let in.
    pub(crate) fn pace(&self, state: PaceState) -> Pace {
        let admission = &self.row.config.admission;
        Pace {
            rate_per_s: admission.rate_per_s,
            burst: admission.burst,
            max_shoppers: admission.max_shoppers,
            session_s: admission.session_s,
            claim_window_s: admission.claim_window_s,
            state,
        }
    }

    /// How long a grant may count as inside: its claim window and then its session.
    pub(crate) fn grant_bound_s(&self) -> u32 {
        let admission = &self.row.config.admission;
        admission.claim_window_s.saturating_add(admission.session_s)
    }
}
