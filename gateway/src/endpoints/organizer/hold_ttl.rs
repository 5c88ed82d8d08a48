//! How long a hold lasts, as its organizer sees it: the figure, and what it is made of.

use jiff::Timestamp;
use ledger::sales::SaleRow;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a hold taken now lasts: the checkout window and so many times what paying takes, within the sale's bounds.
#[derive(Serialize, ToSchema)]
pub(crate) struct HoldTtlBody {
    /// In seconds.
    #[schema(example = 300)]
    ttl_s: u32,
    /// Time to fill in the form, as configured.
    checkout_window_s: u32,
    /// How many times what paying takes is added, as configured.
    p99_multiple: u32,
    /// What 99 of 100 payments stay below, from *Pay pressed* to *authorised*, in milliseconds.
    #[schema(example = 9_250)]
    payment_p99_ms: u64,
    /// How many payments of this sale that is made of; below 300 it leans on those of other sales, and on 40 s without them.
    authorised: u64,
    /// When it was measured, by the database's clock; null before the first time.
    #[schema(value_type = Option<String>, format = DateTime)]
    measured_at: Option<Timestamp>,
}

impl HoldTtlBody {
    pub(super) fn of(sale: &SaleRow) -> Self {
        let hold = &sale.config.hold;
        Self {
            ttl_s: sale.hold_ttl_s(),
            checkout_window_s: hold.checkout_window_s,
            p99_multiple: hold.p99_multiple,
            payment_p99_ms: u64::try_from(sale.payment_p99().as_millis()).unwrap_or(u64::MAX),
            authorised: sale.payment_latency.map_or(0, |measured| measured.authorised),
            measured_at: sale.payment_latency.map(|measured| measured.measured_at),
        }
    }
}
