//! A sale: its configuration, and the states it goes through.
//!
//! [`SaleConfig`] is what an organizer sends and what the database keeps; only name, currency, `opens_at` and tiers are
//! required. It parses strictly (unknown fields are refused) and [`SaleConfig::faults`] names everything wrong at once.
//!
//! Two kinds of state: the database stores what people decided ([`StoredState`]); what visitors see also depends on
//! the time and on what is left ([`SaleState`], computed by [`SaleState::of`]).
//!
//! | stored    | `publish`   | `pause`   | `resume`    | `close`   | `cancel`    |
//! |-----------|-------------|-----------|-------------|-----------|-------------|
//! | draft     | published   | –         | –           | –         | cancelled   |
//! | published | –           | paused    | –           | closed    | cancelled   |
//! | paused    | –           | –         | published   | closed    | cancelled   |
//! | closed    | –           | –         | –           | –         | cancelled   |
//! | cancelled | –           | –         | –           | –         | –           |

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::TierId;
use crate::money::{Currency, Money};

pub mod letters;
mod performance;
mod phase;
mod refund;
mod seating;
mod tier;
mod validation;
mod withheld;

pub use letters::{LetterConfig, LetterKind};
pub use performance::{PERFORMANCES_MAX, PerformanceConfig, TERMS_CHARS_MAX};
pub use phase::{Door, DoorKind, PHASES_MAX, Phase, PhaseAccess, PhaseConfig, PhaseNo, doors, opened_draws};
pub use refund::{RefundConfig, RefundedFees};
pub use seating::Seating;
pub use tier::{ROW_NAME_CHARS_MAX, ROW_SEATS_MAX, ROWS_MAX, RowConfig, TierConfig};
pub use validation::Fault;
pub use withheld::Withheld;

/// The most units one sale sells.
pub const UNITS_MAX: u32 = 100_000;
/// The most tiers of one sale: each is a bitmap in Redis and a row on the page.
pub const TIERS_MAX: usize = 32;
/// The most units one buyer may be allowed.
pub const PER_BUYER_LIMIT_MAX: u32 = 20;
/// The most zero bits a proof of work may ask for: some twenty seconds on a slow phone, which is as long as anybody waits.
pub const PROOF_OF_WORK_BITS_MAX: u8 = 24;

/// Whether a time lies after the year 0: the database keeps no time before 4713 BC.
#[must_use]
pub fn is_of_our_era(time: &Timestamp) -> bool {
    const YEAR_0: i64 = -62_167_219_200;
    time.as_second() > YEAR_0
}

/// What an organizer configures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaleConfig {
    /// What people call it.
    pub name: String,
    /// Its name in URLs; made from the name when it is left out.
    #[serde(default)]
    pub slug: String,
    /// The one currency of all its prices.
    pub currency: Currency,
    /// IANA name of the zone in which its dates are read.
    #[serde(default = "defaults::time_zone")]
    pub time_zone: String,
    /// A word to search by.
    #[serde(default)]
    pub category: String,
    /// Where it takes place.
    #[serde(default)]
    pub venue: String,
    /// The dates it sells for; none where no date is known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub performances: Vec<PerformanceConfig>,
    /// What its tickets say in small print.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub terms: String,
    /// What its letters say in place of our words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub letters: BTreeMap<LetterKind, LetterConfig>,
    /// When visitors may register before the first phase; 30 minutes before `opens_at` when it is left out.
    #[serde(default)]
    pub prequeue_opens_at: Option<Timestamp>,
    /// When admission begins: the first phase's opening.
    pub opens_at: Timestamp,
    /// When selling ends.
    #[serde(default)]
    pub closes_at: Option<Timestamp>,
    /// Its phases in time order; when there are none, one for everybody made of the times above.
    #[serde(default)]
    pub phases: Vec<PhaseConfig>,
    /// The most units of one buyer: in one hold, and over all orders with one e-mail address or by one pass.
    #[serde(default = "defaults::per_buyer_limit")]
    pub per_buyer_limit: u32,
    /// What is sold, in the order it is shown.
    pub tiers: Vec<TierConfig>,
    /// What is kept back when it is published; a tier that is not named is sold whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withheld: BTreeMap<TierId, Withheld>,
    /// What joining takes.
    #[serde(default)]
    pub join: JoinConfig,
    /// How visitors are let in.
    #[serde(default)]
    pub admission: AdmissionConfig,
    /// How long units are held.
    #[serde(default)]
    pub hold: HoldConfig,
    /// How long an offer of the waitlist lives; half an hour, or the longest hold if that is longer, when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_ttl_s: Option<u32>,
    /// How payments are taken.
    #[serde(default)]
    pub payment: PaymentConfig,
    /// What is added to each price.
    #[serde(default)]
    pub fees: Vec<Fee>,
    /// What the state takes.
    #[serde(default)]
    pub taxes: Vec<Tax>,
    /// Whether fees go back with the rest.
    #[serde(default)]
    pub refunds: RefundConfig,
}

/// What joining takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinConfig {
    /// Zero bits that a proof of work must show; 0 asks for none.
    pub proof_of_work_bits: u8,
}

/// How visitors are let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionConfig {
    /// Turns given per second.
    pub rate_per_s: u32,
    /// Turns that may be given at once after a lull.
    pub burst: u32,
    /// The most shoppers inside, unused turns included.
    pub max_shoppers: u32,
    /// How long a shopping session lasts from its first hold.
    pub session_s: u32,
    /// How long a turn waits to be used.
    pub claim_window_s: u32,
    /// How many more turns may be out than there are units free.
    pub overbook: u32,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self { rate_per_s: 50, burst: 50, max_shoppers: 2_000, session_s: 900, claim_window_s: 120, overbook: 0 }
    }
}

/// How long units are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldConfig {
    /// Time to fill in the form.
    pub checkout_window_s: u32,
    /// The shortest TTL of a hold.
    pub min_ttl_s: u32,
    /// The longest TTL of a hold.
    pub max_ttl_s: u32,
    /// How many times the measured p99 of paying is added to the checkout window.
    pub p99_multiple: u32,
    /// How often a buyer may ask for more time.
    pub extensions_max: u32,
    /// After Redis was lost: how long only holds of before are given back, before new ones are taken.
    pub reclaim_window_s: u32,
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self {
            checkout_window_s: 180,
            min_ttl_s: 60,
            max_ttl_s: 900,
            p99_multiple: 3,
            extensions_max: 1,
            reclaim_window_s: 30,
        }
    }
}

impl HoldConfig {
    /// The TTL of a hold when 99 of 100 payments are through within `payment_p99`: checkout window + multiple × p99, in whole
    /// seconds, within the bounds.
    #[must_use]
    pub fn ttl_s(&self, payment_p99: Duration) -> u32 {
        let paying_ms = payment_p99.as_millis().saturating_mul(u128::from(self.p99_multiple));
        let paying_s = u32::try_from(paying_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        paying_s.saturating_add(self.checkout_window_s).clamp(self.min_ttl_s, self.max_ttl_s)
    }
}

/// How payments are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentConfig {
    /// When an authorised payment is captured.
    pub capture: CaptureMode,
    /// Whether one card is one buyer.
    pub same_card: SameCard,
}

/// Whose limit counts what one card pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameCard {
    /// Whoever pays with it, `per_buyer_limit` is for all of it together.
    #[default]
    OneBuyer,
    /// It does not matter: families and offices buy with one card.
    SeparateBuyers,
}

/// When an authorised payment is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// By us, once the units are pinned: a late payment is cancelled and nothing was charged.
    #[default]
    Manual,
    /// By Stripe at once: a late payment is refunded.
    Automatic,
}

/// What is added to the price of each unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// What the buyer reads.
    pub name: String,
    /// A fixed amount a unit, in minor units.
    #[serde(default)]
    pub per_unit: i64,
    /// A share of the base price, in 1/10,000.
    #[serde(default)]
    pub basis_points: u32,
}

/// A tax on base price and fees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tax {
    /// What the buyer reads.
    pub name: String,
    /// The rate, in 1/10,000.
    pub basis_points: u32,
}

impl SaleConfig {
    /// The tier of that name.
    #[must_use]
    pub fn tier(&self, id: &TierId) -> Option<&TierConfig> {
        self.tiers.iter().find(|tier| tier.id == *id)
    }

    /// The date it sells for, if one is known.
    #[must_use]
    pub fn performance(&self) -> Option<&PerformanceConfig> {
        self.performances.first()
    }

    /// Where it takes place: the performance's own venue, or the sale's; may be empty.
    #[must_use]
    pub fn place(&self) -> &str {
        self.performance()
            .map(|performance| performance.venue.as_str())
            .filter(|venue| !venue.is_empty())
            .unwrap_or(&self.venue)
    }

    /// The base price of one unit of a tier.
    #[must_use]
    pub const fn base_price(&self, tier: &TierConfig) -> Money {
        Money::new(tier.price, self.currency)
    }

    /// The slug the organizer chose, or one made from the name.
    #[must_use]
    pub fn slug_or_from_name(&self) -> String {
        if self.slug.is_empty() { slug_of(&self.name) } else { self.slug.clone() }
    }
}

/// The longest slug.
const SLUG_BYTES_MAX: usize = 64;

fn slug_of(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let mut slug = plain.split_whitespace().collect::<Vec<_>>().join("-");
    slug.truncate(SLUG_BYTES_MAX);
    slug.trim_matches('-').to_owned()
}

mod defaults {
    pub(super) fn time_zone() -> String {
        "UTC".to_owned()
    }

    pub(super) const fn per_buyer_limit() -> u32 {
        6
    }
}

/// What people decided about a sale; the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredState {
    /// Being written; nobody sees it.
    Draft,
    /// On sale, or going to be.
    Published,
    /// Stopped for a while.
    Paused,
    /// Ended.
    Closed,
    /// Called off.
    Cancelled,
}

/// A decision about a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Put it on sale.
    Publish,
    /// Stop admission and new holds for a while.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Close,
    /// Call it off.
    Cancel,
}

impl StoredState {
    /// Every state, in the order of a sale's life.
    pub const ALL: [Self; 5] = [Self::Draft, Self::Published, Self::Paused, Self::Closed, Self::Cancelled];

    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Where a decision leads, or nothing when it makes no sense here.
    #[must_use]
    pub const fn after(self, decision: Decision) -> Option<Self> {
        match (self, decision) {
            (Self::Draft, Decision::Publish) | (Self::Paused, Decision::Resume) => Some(Self::Published),
            (Self::Published, Decision::Pause) => Some(Self::Paused),
            (Self::Published | Self::Paused, Decision::Close) => Some(Self::Closed),
            (Self::Draft | Self::Published | Self::Paused | Self::Closed, Decision::Cancel) => Some(Self::Cancelled),
            (Self::Draft, Decision::Pause | Decision::Resume | Decision::Close)
            | (Self::Published, Decision::Publish | Decision::Resume)
            | (Self::Paused, Decision::Publish | Decision::Pause)
            | (Self::Closed, Decision::Publish | Decision::Pause | Decision::Resume | Decision::Close)
            | (
                Self::Cancelled,
                Decision::Publish | Decision::Pause | Decision::Resume | Decision::Close | Decision::Cancel,
            ) => None,
        }
    }
}

/// What visitors see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    /// Being written.
    Draft,
    /// Published; no phase is open, nor a prequeue.
    Scheduled,
    /// Visitors may register before an opening.
    Prequeue,
    /// Selling.
    Open,
    /// Stopped for a while.
    Paused,
    /// Every unit is ordered or sold.
    SoldOut,
    /// Ended.
    Closed,
    /// Called off.
    Cancelled,
}

/// Whether a sale has units that nobody ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    /// Some unit is free or only held.
    Left,
    /// Every unit is ordered or sold.
    Gone,
}

impl SaleState {
    /// What visitors see of a stored state at a time.
    #[must_use]
    pub fn of(stored: StoredState, phases: &[Phase], published_at: Timestamp, now: Timestamp, stock: Stock) -> Self {
        match stored {
            StoredState::Draft => Self::Draft,
            StoredState::Paused => Self::Paused,
            StoredState::Closed => Self::Closed,
            StoredState::Cancelled => Self::Cancelled,
            StoredState::Published => Self::of_published(phases, published_at, now, stock),
        }
    }

    fn of_published(phases: &[Phase], published_at: Timestamp, now: Timestamp, stock: Stock) -> Self {
        if phases.last().is_some_and(|last| last.is_over(now)) {
            return Self::Closed;
        }
        match (doors(phases, published_at, now).first().map(|door| door.kind), stock) {
            (Some(DoorKind::Open), Stock::Left) => Self::Open,
            (Some(DoorKind::Open), Stock::Gone) => Self::SoldOut,
            (Some(DoorKind::Prequeue), Stock::Left | Stock::Gone) => Self::Prequeue,
            (None, Stock::Left | Stock::Gone) => Self::Scheduled,
        }
    }

    /// The word in JSON and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Prequeue => "prequeue",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests;
