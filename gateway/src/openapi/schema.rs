//! Shapes of the document whose types belong to crates that know nothing of OpenAPI. A test compares them with what those
//! types really write.

use serde::Serialize;
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
    /// When admission begins; a time in the past opens at publishing.
    #[schema(format = DateTime)]
    opens_at: String,
    /// When selling ends.
    #[schema(required = false, format = DateTime)]
    closes_at: Option<String>,
    /// The most units in one hold.
    #[schema(required = false, minimum = 1, maximum = 20)]
    per_buyer_limit: u32,
    /// What is sold, in the order it is shown.
    #[schema(min_items = 1, max_items = 32)]
    tiers: Vec<TierConfigBody>,
    /// How visitors are let in.
    #[schema(required = false)]
    admission: AdmissionConfigBody,
    /// How long units are held.
    #[schema(required = false)]
    hold: HoldConfigBody,
    /// How payments are taken.
    #[schema(required = false)]
    payment: PaymentConfigBody,
    /// What is added to each price.
    #[schema(required = false, max_items = 8)]
    fees: Vec<FeeBody>,
    /// What the state takes.
    #[schema(required = false, max_items = 8)]
    taxes: Vec<TaxBody>,
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
    /// How many numbered general-admission units there are.
    #[schema(minimum = 1, maximum = 100_000)]
    capacity: u32,
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
}

/// How payments are taken.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentConfig)]
pub(crate) struct PaymentConfigBody {
    /// `manual` or `automatic`.
    #[schema(required = false, example = "manual")]
    capture: String,
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
