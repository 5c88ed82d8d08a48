//! What went back of a payment, or of an order that cost nothing, as reports tell it: refunds, and disputes.
//!
//! Read by the statements of others: `refunds_of` and `disputes_of` are expressions over a payment `p` or an order `o`.

use domain::{Currency, RefundId};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// Money going back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefundRecord {
    id: Uuid,
    /// Who started it: `onsale` or `stripe`.
    pub origin: String,
    /// Why.
    pub reason: String,
    /// How much.
    pub amount: i64,
    /// Of that, by price, fees and taxes; none when nobody asked us for it.
    pub base: Option<i64>,
    /// Fees.
    pub fee: Option<i64>,
    /// Taxes.
    pub tax: Option<i64>,
    /// How many tickets it made void.
    pub tickets: u32,
    /// How far it is.
    pub state: String,
    /// Stripe's id, once it is known.
    pub stripe_id: Option<String>,
    /// When it was planned or heard of.
    pub created_at: Timestamp,
}

/// Money that a bank asks back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DisputeRecord {
    /// Stripe's id.
    pub stripe_id: String,
    /// How far it is: `inquiry`, `inquiry_closed`, `open`, `won` or `lost`.
    pub status: String,
    /// How much the bank asks, in `currency`.
    pub amount: i64,
    /// The currency it asks in.
    pub currency: Currency,
    /// Of the payment's money, what it took and has not given back, in the order's currency.
    pub withdrawn: i64,
    /// Of that, what is given up.
    pub lost: i64,
    /// When we heard of it.
    pub opened_at: Timestamp,
}

impl RefundRecord {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> RefundId {
        RefundId::from_uuid(self.id)
    }
}

/// The refunds of the payment `p`, or those of the order `o` that had nothing to pay, as [`RefundRecord`]s.
macro_rules! refunds_of {
    (payment) => {
        refunds_of!("r.sale_id = p.sale_id AND r.payment_id = p.id")
    };
    (order) => {
        refunds_of!("r.sale_id = o.sale_id AND r.order_id = o.id")
    };
    ($whose:literal) => {
        concat!("(SELECT coalesce(jsonb_agg(jsonb_build_object(
                     'id', r.id, 'origin', r.origin, 'reason', r.reason, 'amount', r.amount, 'base', r.base, 'fee', r.fee, 'tax', r.tax,
                     'tickets', (SELECT count(*) FROM refund_tickets g WHERE g.sale_id = r.sale_id AND g.refund_id = r.id),
                     'state', r.state, 'stripe_id', r.stripe_id, 'created_at', r.created_at) ORDER BY r.created_at, r.id), '[]')
            FROM refunds r WHERE ", $whose, ")")
    };
}

/// The disputes of the payment `p`, as [`DisputeRecord`]s.
macro_rules! disputes_of {
    () => {
        "(SELECT coalesce(jsonb_agg(jsonb_build_object(
                     'stripe_id', d.stripe_id, 'status', d.status, 'amount', d.amount, 'currency', d.currency,
                     'withdrawn', d.withdrawn, 'lost', d.lost, 'opened_at', d.opened_at) ORDER BY d.opened_at, d.stripe_id), '[]')
            FROM disputes d WHERE d.sale_id = p.sale_id AND d.payment_id = p.id)"
    };
}

pub(super) use {disputes_of, refunds_of};
