//! The statement of an order: every transfer that was booked for it, with its entries, and what went back by refunds and disputes.
//!
//! In the order they were recorded in, which for one order is the order they happened in: whoever books for an order has its
//! row locked. Bounded by [`STATEMENT_TRANSFERS_MAX`], and one more that tells that
//! these are not all.

use domain::order::OrderState;
use domain::{Currency, Money, OrderId, SaleId, TicketId, TierId, TransferId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::returns::{DisputeRecord, RefundRecord, disputes_of, refunds_of};
use crate::{Ledger, LedgerError, documents};

/// What was booked for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderStatement {
    /// Where the order is in its life.
    pub state: OrderState,
    /// The sum of its lines.
    pub total: Money,
    /// The transfers, oldest first; one more than [`STATEMENT_TRANSFERS_MAX`] when there are more.
    pub transfers: Vec<TransferRow>,
    /// What went back, or is about to, by payment.
    pub refunds: Vec<RefundRecord>,
    /// What banks ask or asked back, by payment.
    pub disputes: Vec<DisputeRecord>,
    /// Its tickets.
    pub tickets: Vec<StatedTicket>,
}

/// A ticket, as far as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatedTicket {
    id: Uuid,
    /// The tier of its unit.
    pub tier: TierId,
    /// Its unit.
    pub unit: UnitNo,
    /// `valid`, `used` or `void`.
    pub state: String,
}

impl StatedTicket {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TicketId {
        TicketId::from_uuid(self.id)
    }
}

/// A transfer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    /// Its id.
    pub id: TransferId,
    /// What kind of act it is.
    pub kind: String,
    /// What it refers to outside: a payment intent, or an order that was free.
    pub reference: Option<String>,
    /// The promise it keeps or breaks.
    pub resolves: Option<TransferId>,
    /// The transfer it takes back.
    pub reverses: Option<TransferId>,
    /// When it happened.
    pub effective_at: Timestamp,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// Its legs, in their order.
    pub entries: Vec<EntryRow>,
}

/// A leg of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EntryRow {
    /// The account.
    pub account: String,
    /// A currency, or `seats:` and a tier.
    pub unit_of_account: String,
    /// Debits are positive, credits negative.
    pub amount: i64,
}

/// The most transfers of a statement. An order has a handful, and one for each refund; who refunds a cent at a time still
/// sees all of it up to ten euros.
pub const STATEMENT_TRANSFERS_MAX: u32 = 1_000;

pub(crate) const STATEMENTS: &[&str] = &[STATEMENT];

const STATEMENT: &str = concat!("
    SELECT jsonb_build_object('state', o.state, 'currency', o.currency, 'total', o.total, 'transfers', (
               SELECT coalesce(jsonb_agg(jsonb_build_object(
                          'id', t.id, 'kind', t.kind, 'reference', t.reference, 'resolves', t.resolves, 'reverses', t.reverses,
                          'effective_at', t.effective_at, 'recorded_at', t.recorded_at, 'entries', (
                              SELECT jsonb_agg(jsonb_build_object('account', e.account, 'unit_of_account', e.unit_of_account,
                                                                  'amount', e.amount) ORDER BY e.leg)
                                FROM entries e WHERE e.sale_id = t.sale_id AND e.transfer_id = t.id))
                          ORDER BY t.recorded_at, t.id), '[]')
                 FROM (SELECT * FROM transfers
                        WHERE sale_id = $1 AND order_id = $2 ORDER BY recorded_at, id LIMIT $3) AS t),
               'payments', (SELECT coalesce(jsonb_agg(jsonb_build_object('refunds', ", refunds_of!(payment), ", 'disputes', ", disputes_of!(), ")
                                                      ORDER BY p.attempt), '[]')
                              FROM payments p WHERE p.sale_id = o.sale_id AND p.order_id = o.id),
               'refunds', ", refunds_of!(order), ",
               'tickets', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'tier', k.tier_id, 'unit', k.unit_no,
                                                                        'state', k.state) ORDER BY k.tier_id, k.unit_no, k.id), '[]')
                             FROM tickets k WHERE k.sale_id = o.sale_id AND k.order_id = o.id))
      FROM orders o WHERE o.sale_id = $1 AND o.id = $2");

#[derive(Deserialize)]
struct Document {
    state: OrderState,
    currency: Currency,
    total: i64,
    transfers: Vec<TransferDocument>,
    payments: Vec<PaymentDocument>,
    refunds: Vec<RefundRecord>,
    tickets: Vec<StatedTicket>,
}

#[derive(Deserialize)]
struct PaymentDocument {
    refunds: Vec<RefundRecord>,
    disputes: Vec<DisputeRecord>,
}

#[derive(Deserialize)]
struct TransferDocument {
    id: Uuid,
    kind: String,
    reference: Option<String>,
    resolves: Option<Uuid>,
    reverses: Option<Uuid>,
    effective_at: Timestamp,
    recorded_at: Timestamp,
    entries: Vec<EntryRow>,
}

/// What was booked for an order; none when there is no such order.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_statement(
    ledger: &Ledger,
    sale: SaleId,
    order: OrderId,
) -> Result<Option<OrderStatement>, LedgerError> {
    let limit = i64::from(STATEMENT_TRANSFERS_MAX) + 1;
    let Some(row) = ledger.row(STATEMENT, &[&sale.uuid(), &order.uuid(), &limit]).await? else {
        return Ok(None);
    };
    let Document { state, currency, total, transfers, payments, mut refunds, tickets } =
        documents::read(row.try_get(0)?)?;
    let transfers = transfers.into_iter().map(TransferDocument::row).collect();
    let mut disputes = Vec::new();
    for payment in payments {
        refunds.extend(payment.refunds);
        disputes.extend(payment.disputes);
    }
    Ok(Some(OrderStatement { state, total: Money::new(total, currency), transfers, refunds, disputes, tickets }))
}

impl TransferDocument {
    fn row(self) -> TransferRow {
        let Self { id, kind, reference, resolves, reverses, effective_at, recorded_at, entries } = self;
        TransferRow {
            id: TransferId::from_uuid(id),
            kind,
            reference,
            resolves: resolves.map(TransferId::from_uuid),
            reverses: reverses.map(TransferId::from_uuid),
            effective_at,
            recorded_at,
            entries,
        }
    }
}
