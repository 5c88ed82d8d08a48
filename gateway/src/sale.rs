//! A sale with what is computed from its configuration once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use admission::{Pace, PaceState};
use domain::price::{OrderLine, UnitPrice, lines_of, unit_price};
use domain::sale::{
    Door, Phase, PhaseNo, SaleConfig, SaleState, Seating, Stock, StoredState, TierConfig, doors, opened_draws,
};
use domain::token::Allowance;
use domain::{OrganizerId, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use ledger::notices::Notice;
use ledger::sales::SaleRow;

/// A sale.
#[derive(Debug)]
pub(crate) struct Sale {
    row: SaleRow,
    prices: Vec<UnitPrice>,
    seatings: Vec<Option<Seating>>,
    phases: Vec<Phase>,
}

impl Sale {
    /// A sale as it is stored.
    pub(crate) fn new(row: SaleRow) -> Self {
        let price = |tier| unit_price(&row.config, tier).expect("a stored configuration has prices in range");
        let prices = row.config.tiers.iter().map(price).collect();
        let seatings = row.config.tiers.iter().map(Seating::of).collect();
        let phases = row.config.phases();
        Self { row, prices, seatings, phases }
    }

    /// Whether nothing has changed in the row that matters here. Of a measurement only what comes of it does.
    pub(crate) fn is_as(&self, row: &SaleRow) -> bool {
        let matters = |row: &SaleRow| (row.version, row.epoch, row.hold_ttl_s());
        matters(&self.row) == matters(row)
    }

    pub(crate) const fn id(&self) -> SaleId {
        self.row.id
    }

    pub(crate) const fn organizer(&self) -> OrganizerId {
        self.row.organizer
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

    /// When its first phase opens.
    pub(crate) fn opens_at(&self) -> Timestamp {
        self.phases.first().map_or(self.row.config.opens_at, |first| first.opens_at)
    }

    /// What visitors see of it.
    pub(crate) fn state(&self, now: Timestamp, stock: Stock) -> SaleState {
        SaleState::of(self.row.state, &self.phases, self.published_at(), now, stock)
    }

    /// The phase of that number.
    pub(crate) fn phase(&self, no: PhaseNo) -> Option<&Phase> {
        self.phases.get(usize::from(no.0))
    }

    /// How many phases it has.
    pub(crate) const fn phases(&self) -> usize {
        self.phases.len()
    }

    /// Whether any phase has a prequeue, and with it a draw.
    pub(crate) fn has_draws(&self) -> bool {
        self.phases.iter().any(|phase| phase.has_prequeue(self.published_at()))
    }

    /// What a visitor may enter, in the order to try.
    pub(crate) fn doors(&self, now: Timestamp) -> Vec<Door<'_>> {
        doors(&self.phases, self.published_at(), now)
    }

    /// How many draws should have been held by now.
    pub(crate) fn opened_draws(&self, now: Timestamp) -> u32 {
        opened_draws(&self.phases, self.published_at(), now)
    }

    /// How many units of a tier may be held, ordered or sold at that time, where the phase that opened last says so. Its bound
    /// outlasts it: whoever is as late as the last view of the sale finds it bounded, and not free for all.
    pub(crate) fn allowed(&self, now: Timestamp) -> Option<&BTreeMap<TierId, u32>> {
        let last = self.phases.iter().rev().find(|phase| phase.opens_at <= now)?;
        Some(&last.allowed).filter(|allowed| !allowed.is_empty())
    }

    /// The same of one tier.
    pub(crate) fn allowed_of(&self, tier: &TierId, now: Timestamp) -> Option<u32> {
        self.allowed(now)?.get(tier).copied()
    }

    /// When the next phase opens in which more of a tier may go than now.
    pub(crate) fn more_may_go_at(&self, tier: &TierId, now: Timestamp) -> Option<Timestamp> {
        let now_allowed = self.allowed_of(tier, now)?;
        let sells_more = |phase: &&Phase| phase.allowed.get(tier).is_none_or(|allowed| *allowed > now_allowed);
        self.phases.iter().filter(|phase| phase.opens_at > now).find(sells_more).map(|phase| phase.opens_at)
    }

    /// What the organizer tells everyone waiting.
    pub(crate) const fn notice(&self) -> Option<&Notice> {
        self.row.notice.as_ref()
    }

    /// Tiers with the price of one unit.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = (&TierConfig, &UnitPrice)> {
        self.row.config.tiers.iter().zip(&self.prices)
    }

    /// The price of one unit.
    pub(crate) fn price(&self, tier: &TierId) -> Option<&UnitPrice> {
        self.tiers().find_map(|(config, price)| (config.id == *tier).then_some(price))
    }

    /// The seats of a tier; none when it has no rows.
    pub(crate) fn seating(&self, tier: &TierId) -> Option<&Seating> {
        let index = self.row.config.tiers.iter().position(|config| config.id == *tier)?;
        self.seatings[index].as_ref()
    }

    /// What the seat of a unit is called; none for general admission.
    pub(crate) fn seat(&self, tier: &TierId, unit: UnitNo) -> Option<String> {
        self.seating(tier)?.seat(unit)
    }

    /// What so many units of a tier cost, line by line.
    pub(crate) fn lines(&self, tier: &TierId, quantity: NonZeroU32) -> Option<Vec<OrderLine>> {
        let tier = self.row.config.tier(tier)?;
        Some(lines_of(&self.row.config, tier, quantity).expect("a stored configuration has prices in range"))
    }

    /// How long a hold lasts of somebody who was given so much time.
    pub(crate) fn hold_ttl_s(&self, allowance: Allowance) -> u32 {
        self.row.hold_ttl_s().saturating_mul(allowance.factor())
    }

    /// How long a shopping session lasts of somebody who was given so much time.
    pub(crate) const fn session_s(&self, allowance: Allowance) -> u32 {
        self.row.config.admission.session_s.saturating_mul(allowance.factor())
    }

    /// How visitors are let in at that time.
    pub(crate) fn pace(&self, state: PaceState, now: Timestamp, budget_shoppers: u32) -> Pace {
        let admission = &self.row.config.admission;
        Pace {
            rate_per_s: admission.rate_per_s,
            burst: admission.burst,
            max_shoppers: admission.max_shoppers,
            session_s: admission.session_s,
            claim_window_s: admission.claim_window_s,
            overbook: admission.overbook,
            budget_shoppers,
            cohorts: self.opened_draws(now),
            state,
        }
    }

    /// How long a grant may count as inside: its claim window and then its session.
    pub(crate) fn grant_bound_s(&self) -> u32 {
        let admission = &self.row.config.admission;
        admission.claim_window_s.saturating_add(admission.session_s)
    }
}
