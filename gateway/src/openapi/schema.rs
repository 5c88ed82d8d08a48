//! Shapes of the document whose types belong to crates that know nothing of OpenAPI. A test compares them with what those
//! types really write.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Serialize, ToSchema)]
#[schema(as = Money)]
pub(crate) struct MoneyBody {
    /// Minor units as Stripe counts them.
    #[schema(example = 4500)]
    amount: i64,
    /// Three lower-case letters.
    #[schema(example = "eur")]
    currency: String,
}

/// The price of one unit with its parts.
#[derive(Serialize, ToSchema)]
#[schema(as = UnitPrice)]
pub(crate) struct UnitPriceBody {
    /// All in.
    total: MoneyBody,
    /// The organizer's.
    base: MoneyBody,
    /// All fees.
    fees: MoneyBody,
    /// All taxes.
    taxes: MoneyBody,
}

/// What an organizer configures; only name, currency, `opens_at` and tiers are required.
#[derive(Serialize, ToSchema)]
#[schema(as = SaleConfig)]
pub(crate) struct SaleConfigBody {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its name in URLs; made from the name when it is left out.
    #[schema(required = false, max_length = 64)]
    slug: String,
    /// The one currency of all its prices.
    #[schema(example = "eur")]
    currency: String,
    /// IANA name of the zone in which its dates are read.
    #[schema(required = false, example = "Europe/Berlin")]
    time_zone: String,
    /// A word to search by.
    #[schema(required = false)]
    category: String,
    /// Where it takes place.
    #[schema(required = false)]
    venue: String,
    /// The dates it sells for; none where no date is known yet.
    #[schema(required = false, max_items = 1)]
    performances: Vec<PerformanceConfigBody>,
    /// What its tickets say in small print.
    #[schema(required = false, max_length = 2000)]
    terms: String,
    /// What letters say in place of our words, by kind: `subject` and `opening`, with `{{name}}`, `{{sale}}`, `{{venue}}`, `{{when}}`,
    /// `{{order}}`, `{{total}}` and `{{amount}}`; in those of the waitlist `{{sale}}`, `{{venue}}`, `{{when}}`, `{{wish}}`, and once there
    /// is an offer `{{offer}}` and `{{until}}`. `onsale letters preview` shows one.
    #[schema(required = false, value_type = Object, example = json!({ "order_paid": { "subject": "See you at {{sale}}", "opening": "Here are your tickets." } }))]
    letters: BTreeMap<String, Value>,
    /// When visitors may register before the first phase; 30 minutes before `opens_at` when it is left out.
    #[schema(required = false, format = DateTime)]
    prequeue_opens_at: Option<String>,
    /// When admission begins; a time in the past opens at publishing.
    #[schema(format = DateTime)]
    opens_at: String,
    /// When selling ends.
    #[schema(required = false, format = DateTime)]
    closes_at: Option<String>,
    /// Its phases in time order; when there are none, one for everybody made of the times above.
    #[schema(required = false, max_items = 8)]
    phases: Vec<PhaseConfigBody>,
    /// The most units of one buyer: in one hold, and over all orders with one e-mail address or by one pass.
    #[schema(required = false, minimum = 1, maximum = 20)]
    per_buyer_limit: u32,
    /// What is sold, in the order it is shown.
    #[schema(min_items = 1, max_items = 32)]
    tiers: Vec<TierConfigBody>,
    /// What is kept back of a tier when it is published: so many units, from the end, or seats by name.
    #[schema(required = false, value_type = Object, example = json!({ "ga": 20, "balcony": ["A-1", "A-2"] }))]
    withheld: BTreeMap<String, Value>,
    /// What joining takes.
    #[schema(required = false)]
    join: JoinConfigBody,
    /// How visitors are let in.
    #[schema(required = false)]
    admission: AdmissionConfigBody,
    /// How long units are held.
    #[schema(required = false)]
    hold: HoldConfigBody,
    /// How long an offer of the waitlist lives, at least `hold.max_ttl_s`; half an hour, or that, when left out.
    #[schema(required = false, minimum = 1, maximum = 604_800)]
    offer_ttl_s: Option<u32>,
    /// How payments are taken.
    #[schema(required = false)]
    payment: PaymentConfigBody,
    /// What is added to each price.
    #[schema(required = false, max_items = 8)]
    fees: Vec<FeeBody>,
    /// What the state takes.
    #[schema(required = false, max_items = 8)]
    taxes: Vec<TaxBody>,
    /// Whether fees go back with the rest.
    #[schema(required = false)]
    refunds: RefundConfigBody,
}

/// A date.
#[derive(Serialize, ToSchema)]
#[schema(as = PerformanceConfig)]
pub(crate) struct PerformanceConfigBody {
    /// Its name in URLs.
    #[schema(required = false, example = "main", pattern = "^[a-z0-9][a-z0-9_-]{0,31}$")]
    id: String,
    /// What people call it; nothing where the sale's name is enough.
    #[schema(required = false, max_length = 200)]
    name: String,
    /// When it begins.
    #[schema(format = DateTime)]
    starts_at: String,
    /// When it ends, if that is known.
    #[schema(required = false, format = DateTime)]
    ends_at: Option<String>,
    /// Where, when that is not the sale's venue.
    #[schema(required = false, max_length = 200)]
    venue: String,
}

/// A price category.
#[derive(Serialize, ToSchema)]
#[schema(as = TierConfig)]
pub(crate) struct TierConfigBody {
    /// Its name in URLs, keys and labels.
    #[schema(example = "ga", pattern = "^[a-z0-9][a-z0-9_-]{0,31}$")]
    id: String,
    /// What people call it.
    name: String,
    /// The base price of one unit, in minor units of the sale's currency.
    #[schema(minimum = 0, maximum = 99_999_999)]
    price: i64,
    /// How many numbered general-admission units there are; left out when there are rows.
    #[schema(required = false, minimum = 1, maximum = 100_000)]
    capacity: u32,
    /// Its rows of seats, the best first; left out for general admission.
    #[schema(required = false, max_items = 4096)]
    rows: Vec<RowConfigBody>,
    /// The most units of it that one buyer may have, at most the sale's; only that one counts when it is left out.
    #[schema(required = false, minimum = 1, maximum = 20)]
    per_buyer_limit: u32,
}

/// A row of seats, numbered from 1: the first seat of row `A` is `A-1`.
#[derive(Serialize, ToSchema)]
#[schema(as = RowConfig)]
pub(crate) struct RowConfigBody {
    /// What people call it.
    #[schema(example = "A", min_length = 1, max_length = 16)]
    row: String,
    /// How many seats it has, side by side.
    #[schema(minimum = 1, maximum = 500)]
    seats: u32,
}

/// A window with its access rule.
#[derive(Serialize, ToSchema)]
#[schema(as = PhaseConfig)]
pub(crate) struct PhaseConfigBody {
    /// Its name in URLs and labels.
    #[schema(example = "presale", pattern = "^[a-z0-9][a-z0-9_-]{0,31}$")]
    id: String,
    /// When visitors may register; 30 minutes before `opens_at` when left out, no prequeue when equal to it.
    #[schema(required = false, format = DateTime)]
    prequeue_opens_at: Option<String>,
    /// When its admission begins.
    #[schema(format = DateTime)]
    opens_at: String,
    /// When it ends; the next phase's opening, or the sale's end, when left out.
    #[schema(required = false, format = DateTime)]
    closes_at: Option<String>,
    /// `public`, or `code` for who has an access code.
    #[schema(required = false, example = "public")]
    access: String,
    /// How many units of a tier are for it, beside what earlier phases leave of theirs; no bound when a tier is not named.
    #[schema(required = false, example = json!({ "ga": 100 }))]
    allocation: BTreeMap<String, u32>,
}

/// What joining takes.
#[derive(Serialize, ToSchema)]
#[schema(as = JoinConfig)]
pub(crate) struct JoinConfigBody {
    /// Zero bits that a proof of work must show; 0 asks for none.
    #[schema(required = false, maximum = 24)]
    proof_of_work_bits: u8,
}

/// How visitors are let in.
#[derive(Serialize, ToSchema)]
#[schema(as = AdmissionConfig)]
pub(crate) struct AdmissionConfigBody {
    /// Turns given per second.
    #[schema(required = false)]
    rate_per_s: u32,
    /// Turns that may be given at once after a lull.
    #[schema(required = false)]
    burst: u32,
    /// The most shoppers inside, unused turns included.
    #[schema(required = false)]
    max_shoppers: u32,
    /// How long a shopping session lasts from its first hold.
    #[schema(required = false)]
    session_s: u32,
    /// How long a turn waits to be used.
    #[schema(required = false)]
    claim_window_s: u32,
    /// How many more turns may be out than there are units free.
    #[schema(required = false)]
    overbook: u32,
}

/// How long units are held.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldConfig)]
pub(crate) struct HoldConfigBody {
    /// Time to fill in the form.
    #[schema(required = false)]
    checkout_window_s: u32,
    /// The shortest TTL of a hold.
    #[schema(required = false)]
    min_ttl_s: u32,
    /// The longest TTL of a hold.
    #[schema(required = false)]
    max_ttl_s: u32,
    /// How many times the measured p99 of paying is added to the checkout window.
    #[schema(required = false)]
    p99_multiple: u32,
    /// How often a buyer may ask for more time.
    #[schema(required = false)]
    extensions_max: u32,
    /// After Redis was lost: how long only holds of before are given back, before new ones are taken.
    #[schema(required = false, minimum = 3, maximum = 300)]
    reclaim_window_s: u32,
}

/// How payments are taken.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentConfig)]
pub(crate) struct PaymentConfigBody {
    /// `manual` or `automatic`.
    #[schema(required = false, example = "manual")]
    capture: String,
    /// `one_buyer`: what one card pays for counts together against the limits for one buyer. `separate_buyers`: it does not
    /// matter.
    #[schema(required = false, example = "one_buyer")]
    same_card: String,
}

/// For each way of giving money back, `return_fees` or `keep_fees`. Kept fees keep their share of the taxes: in proportion to
/// fee and base price, half a minor unit rounded up.
#[derive(Serialize, ToSchema)]
#[schema(as = RefundConfig)]
pub(crate) struct RefundConfigBody {
    /// When everything that is left goes back.
    #[schema(required = false, example = "return_fees")]
    whole: String,
    /// When tickets are given back.
    #[schema(required = false, example = "return_fees")]
    tickets: String,
    /// When an amount goes back and the tickets stay valid.
    #[schema(required = false, example = "keep_fees")]
    amount: String,
}

/// What is added to the price of each unit.
#[derive(Serialize, ToSchema)]
#[schema(as = Fee)]
pub(crate) struct FeeBody {
    /// What the buyer reads.
    name: String,
    /// A fixed amount a unit, in minor units.
    #[schema(required = false)]
    per_unit: i64,
    /// A share of the base price, in 1/10,000.
    #[schema(required = false)]
    basis_points: u32,
}

/// A tax on base price and fees.
#[derive(Serialize, ToSchema)]
#[schema(as = Tax)]
pub(crate) struct TaxBody {
    /// What the buyer reads.
    name: String,
    /// The rate, in 1/10,000.
    basis_points: u32,
}

/// Everything that is needed to draw a sale's orders again; `onsale verify-shuffle` does. Hashes, seeds and signatures are
/// lower-case hex.
#[derive(Serialize, ToSchema)]
#[schema(as = FairnessFile)]
pub(crate) struct FairnessFileBody {
    /// Of the file and of the procedure it is checked by.
    #[schema(example = 1)]
    version: u32,
    /// The sale.
    sale: String,
    /// One for each phase with a prequeue, in time order.
    draws: Vec<FairnessDrawBody>,
}

/// The draw of one phase. What has not happened yet is null.
#[derive(Serialize, ToSchema)]
#[schema(as = FairnessDraw)]
pub(crate) struct FairnessDrawBody {
    /// The phase's name.
    #[schema(example = "general")]
    phase: String,
    /// The phase's index.
    phase_no: u8,
    /// When the hash of the seed was published.
    #[schema(format = DateTime)]
    committed_at: String,
    /// SHA-256 of the seed.
    seed_hash: String,
    /// When the phase opens.
    #[schema(format = DateTime)]
    opens_at: String,
    /// When the registrations were frozen.
    #[schema(format = DateTime)]
    frozen_at: Option<String>,
    /// How many registrations there are.
    count: u32,
    /// The first of the numbers that they share.
    first_number: Option<u64>,
    /// The Merkle root over the leaves.
    root: Option<String>,
    /// A salted hash of 32 bytes for each registration, by index: one base64url text.
    leaves: Option<String>,
    /// The beacon round that was chosen when the registrations were frozen; null when none is configured.
    beacon: Option<FairnessBeaconBody>,
    /// Why the order was drawn without a beacon value.
    self_attested: Option<String>,
    /// The seed.
    seed: Option<String>,
    /// When the order was drawn.
    #[schema(format = DateTime)]
    drawn_at: Option<String>,
    /// The rank of each registration, 4 big-endian bytes each, by index: one base64url text.
    order: Option<String>,
}

/// A round of a public randomness beacon that speaks drand's HTTP.
#[derive(Serialize, ToSchema)]
#[schema(as = FairnessBeacon)]
pub(crate) struct FairnessBeaconBody {
    /// Where it was asked.
    url: String,
    /// Which chain it is.
    chain_hash: String,
    /// The round.
    round: u64,
    /// When the round comes out.
    #[schema(format = DateTime)]
    round_at: String,
    /// Its value.
    randomness: Option<String>,
    /// What the value is the SHA-256 of.
    signature: Option<String>,
}
