//! The orders of a sale with their lines, payments, refunds and disputes, for an export: page by page, the oldest first.
//!
//! No name, no address: whose an order is stays in `contacts`. Each order is as it was when its page was read; which orders
//! there are is fixed by the instant the export began ([`export_begin`]).

use domain::order::OrderState;
use domain::payment::PaymentState;
use domain::price::LineKind;
use domain::{Currency, OrderId, PaymentId, PlaceNumber, SaleId, TierId};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::returns::{DisputeRecord, RefundRecord, disputes_of, refunds_of};
use crate::{Ledger, LedgerError, documents};

/// An order with what belongs to it. Amounts are minor units of its currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Its id.
    pub id: OrderId,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// Where it is in its life.
    pub state: OrderState,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The sum of its lines.
    pub total: i64,
    /// When it was written.
    pub created_at: Timestamp,
    /// What is charged, line by line.
    pub lines: Vec<LineRecord>,
    /// The attempts to pay it.
    pub payments: Vec<PaymentRecord>,
    /// What was given back though there was nothing to pay.
    pub refunds: Vec<RefundRecord>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LineRecord {
    /// What it is for.
    pub kind: LineKind,
    /// What the buyer reads.
    pub name: String,
    /// The tier whose units it is for.
    pub tier: TierId,
    /// Of how many units.
    pub quantity: u32,
    /// For all of them together.
    pub amount: i64,
}

/// An attempt to pay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentRecord {
    id: Uuid,
    /// Where it is in its life.
    pub state: PaymentState,
    /// What was asked for.
    pub amount: i64,
    /// What was captured.
    pub captured: i64,
    /// What of that went back.
    pub refunded: i64,
    /// What of that banks took and have not given back.
    pub disputed: i64,
    /// Stripe's id, once it is known.
    pub intent: Option<String>,
    /// When Pay was pressed.
    pub begun_at: Timestamp,
    /// What went back, or is about to.
    pub refunds: Vec<RefundRecord>,
    /// What banks ask or asked back.
    pub disputes: Vec<DisputeRecord>,
}

impl PaymentRecord {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> PaymentId {
        PaymentId::from_uuid(self.id)
    }
}

/// Orders of one page: a few hundred kilobytes at most, and a few milliseconds.
pub const EXPORT_PAGE_ORDERS: u32 = 500;

pub(crate) const STATEMENTS: &[&str] = &[BEGIN, PAGE];

const BEGIN: &str = "SELECT onsale_now()";
const PAGE: &str = concat!("
    SELECT jsonb_build_object(
               'id', o.id, 'number', o.number, 'state', o.state, 'currency', o.currency, 'total', o.total,
               'created_at', o.created_at,
               'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                    'kind', l.kind, 'name', l.name, 'tier', l.tier_id, 'quantity', l.quantity,
                                    'amount', l.amount) ORDER BY l.line_no), '[]')
                           FROM order_lines l WHERE l.sale_id = o.sale_id AND l.order_id = o.id),
               'payments', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                       'id', p.id, 'state', p.state, 'amount', p.amount, 'captured', p.captured,
                                       'refunded', p.refunded, 'disputed', p.disputed, 'intent', p.intent_id, 'begun_at', p.begun_at,
                                       'refunds', ", refunds_of!(payment), ", 'disputes', ", disputes_of!(), ")
                                       ORDER BY p.attempt), '[]')
                              FROM payments p WHERE p.sale_id = o.sale_id AND p.order_id = o.id),
               'refunds', ", refunds_of!(order), ")
      FROM orders o
     WHERE o.sale_id = $1 AND ($2::uuid IS NULL OR o.id > $2) AND o.created_at <= $3
     ORDER BY o.id LIMIT $4");

#[derive(Deserialize)]
struct OrderDocument {
    id: Uuid,
    number: u64,
    state: OrderState,
    currency: Currency,
    total: i64,
    created_at: Timestamp,
    lines: Vec<LineRecord>,
    payments: Vec<PaymentRecord>,
    refunds: Vec<RefundRecord>,
}

/// The instant that fixes which orders an export has: those written until then.
///
/// # Errors
/// The database is away or refuses.
pub async fn export_begin(ledger: &Ledger) -> Result<Timestamp, LedgerError> {
    Ok(ledger.one(BEGIN, &[]).await?.try_get(0)?)
}

/// The next orders after one, at most [`EXPORT_PAGE_ORDERS`]; none behind the last.
///
/// # Errors
/// The database is away or refuses.
pub async fn export_page(
    ledger: &Ledger,
    sale: SaleId,
    as_of: Timestamp,
    after: Option<OrderId>,
) -> Result<Vec<OrderRecord>, LedgerError> {
    let (after, limit) = (after.map(OrderId::uuid), i64::from(EXPORT_PAGE_ORDERS));
    let rows = ledger.rows(PAGE, &[&sale.uuid(), &after, &as_of, &limit]).await?;
    rows.iter().map(|row| Ok(documents::read::<OrderDocument>(row.try_get(0)?)?.record())).collect()
}

impl OrderDocument {
    fn record(self) -> OrderRecord {
        let Self { id, number, state, currency, total, created_at, lines, payments, refunds } = self;
        let (id, number) = (OrderId::from_uuid(id), PlaceNumber(number));
        OrderRecord { id, number, state, currency, total, created_at, lines, payments, refunds }
    }
}
