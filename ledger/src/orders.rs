//! Orders: units claimed, paid for or given back.
//!
//! Shape: a frozen hold becomes an order in one call ([`order_create`]); from then on the units are Postgres'. An order ends
//! as tickets, or its clock runs out ([`orders_expire_due`]), or it is given up ([`order_cancel`]); then its units are free
//! in the same transaction and a job tells Redis.
//!
//! Guarantees: a hold has one order or a tombstone, whichever was first; a refused order leaves nothing behind and may be
//! asked for again; seats move in the books in the call that moves the units; a buyer, known by address (in any spelling)
//! and by pass, has never more units in hand than the sale's limit, nor of a tier than the tier's, over all orders and
//! however many are made at once.
//! Bounds: an order waits for payment for [`ORDER_LIFE_MAX_S`] at most.
//!
//! What it does not do: prices are computed by the domain; here only their sum is checked. Reports are in [`list`],
//! [`statement`] and [`export`].

use domain::email::buyer_of;
use domain::keyring::Kid;
use domain::order::{Finality, OrderState};
use domain::price::OrderLine;
use domain::ticket::ticket_id;
use domain::{HoldId, Money, OrderId, PlaceNumber, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::documents::{self, OrderDocument, line_word, unit_columns};
use crate::numbers::fit;
use crate::payments::PaymentRow;
use crate::tickets::TicketRow;
use crate::{Ledger, LedgerError};

pub mod export;
pub mod list;
pub mod returns;
pub mod statement;

/// An order to be written.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// The sale.
    pub sale: SaleId,
    /// The hold it comes from; a hold has one order.
    pub hold: HoldId,
    /// The epoch the hold was taken in.
    pub epoch: u32,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// Where the tickets go. Kept apart, so that it can be erased.
    pub email: String,
    /// Whose tickets they are. Kept apart, so that it can be erased.
    pub name: String,
    /// The units of the hold.
    pub units: Vec<(TierId, UnitNo)>,
    /// What is charged, line by line.
    pub lines: Vec<OrderLine>,
    /// The sum of the lines. Nothing means that the order is paid at once.
    pub total: Money,
    /// How long the buyer has to press Pay.
    pub pay_within_s: u32,
    /// The key that signs the tickets of a free order.
    pub qr_kid: Kid,
}

/// What came of writing an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOrder {
    /// It is there and has its units.
    Created(OrderRow),
    /// The hold had one already: this one.
    Existing(OrderRow),
    /// These units are not free any more; nothing was written.
    UnitsLost(Vec<(TierId, UnitNo)>),
    /// The sweep was first: the hold is over for good.
    HoldExpired,
    /// The buyer would have more units than one may have; nothing was written.
    LimitReached {
        /// How many one buyer may have.
        limit: u32,
        /// Of which tier; none when it is of the whole sale.
        tier: Option<TierId>,
    },
    /// Redis was rebuilt since the hold was taken; nothing was written.
    EpochStale,
    /// The sale does not sell; nothing was written.
    SaleNotOpen,
}

/// An order as it is stored, with everything that belongs to it but the buyer's name and address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Its id.
    pub id: OrderId,
    /// The sale.
    pub sale: SaleId,
    /// The hold it came from.
    pub hold: HoldId,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// Where it is in its life.
    pub state: OrderState,
    /// Whether an expired order may still become paid.
    pub finality: Finality,
    /// The sum of its lines.
    pub total: Money,
    /// What is charged, line by line.
    pub lines: Vec<OrderLine>,
    /// What it claimed; not its any more once it expired or was cancelled.
    pub units: Vec<(TierId, UnitNo)>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its clock runs out, while it waits for payment.
    pub expires_at: Timestamp,
    /// Its latest payment.
    pub payment: Option<PaymentRow>,
    /// Its tickets.
    pub tickets: Vec<TicketRow>,
}

/// Whose order it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Where the tickets go.
    pub email: String,
    /// Whose tickets they are.
    pub name: String,
}

/// What came of cancelling an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a request and taken apart at once")]
pub enum CancelOrder {
    /// It is cancelled and its units are free.
    Cancelled(OrderRow),
    /// It is too late, or it is over already.
    NotCancellable(OrderState),
    /// No such order.
    NotFound,
}

/// An order whose clock ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredOrder {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
}

/// The longest an order may hold its units without being paid, however often Pay is pressed. Half an hour is what issuers
/// allow for a 3-D Secure challenge, with room to press Pay again.
pub const ORDER_LIFE_MAX_S: u32 = 1_800;

/// How many orders that are due one call looks at to find one that no other sweep is at.
const EXPIRE_LOOK_MAX: i32 = 50;

pub(crate) const STATEMENTS: &[&str] = &[CREATE, FETCH, CONTACT, CANCEL, EXPIRE_NEXT];

const CREATE: &str = "
    SELECT order_create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                        $21) FROM set_config('onsale.trace', $22, true)";
const FETCH: &str = "SELECT order_document($1, $2)";
const CONTACT: &str = "SELECT email, name FROM contacts WHERE sale_id = $1 AND order_id = $2";
const CANCEL: &str = "SELECT order_cancel($1, $2) FROM set_config('onsale.trace', $3, true)";
const EXPIRE_NEXT: &str = "SELECT sale_id, order_id FROM order_expire_next($1)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum CreateDocument {
    Created { order: OrderDocument },
    Existing { order: OrderDocument },
    UnitsLost { units: documents::Units },
    HoldExpired,
    LimitReached { limit: u32, tier: Option<TierId> },
    EpochStale,
    SaleNotOpen,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "made once a request and taken apart at once")]
enum CancelDocument {
    Cancelled { order: OrderDocument },
    NotCancellable { state: OrderState },
    NotFound,
}

/// Writes an order and claims its units.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_create(ledger: &Ledger, order: &NewOrder) -> Result<CreateOrder, LedgerError> {
    let (unit_tiers, unit_nos) = unit_columns(&order.units)?;
    let kinds: Vec<&str> = order.lines.iter().map(|line| line_word(line.kind)).collect();
    let names: Vec<&str> = order.lines.iter().map(|line| line.name.as_str()).collect();
    let tiers: Vec<&str> = order.lines.iter().map(|line| line.tier.as_str()).collect();
    let quantities = order.lines.iter().map(|line| fit(line.quantity)).collect::<Result<Vec<i32>, _>>()?;
    let amounts: Vec<i64> = order.lines.iter().map(|line| line.amount.minor).collect();
    let (epoch, number) = (fit::<_, i32>(order.epoch)?, fit::<_, i64>(order.number.0)?);
    let (reference, kid, tickets) = (order.id.to_string(), order.qr_kid.to_string(), free_tickets(order));
    let (total, currency) = (order.total.minor, order.total.currency.as_str());
    let pay_within_s: i32 = fit(order.pay_within_s)?;
    let buyer = buyer_of(&order.email);
    let (sale, id, hold) = (order.sale.uuid(), order.id.uuid(), order.hold.uuid());
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 21] = [
        &sale, &id, &hold, &epoch, &number, &order.email, &buyer, &order.name,
        &unit_tiers, &unit_nos,
        &kinds, &names, &tiers, &quantities, &amounts,
        &currency, &total, &pay_within_s,
        &reference, &kid, &tickets,
    ];
    let row = ledger.one_traced(CREATE, &params).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        CreateDocument::Created { order } => CreateOrder::Created(order.row()?),
        CreateDocument::Existing { order } => CreateOrder::Existing(order.row()?),
        CreateDocument::UnitsLost { units } => CreateOrder::UnitsLost(units),
        CreateDocument::HoldExpired => CreateOrder::HoldExpired,
        CreateDocument::LimitReached { limit, tier } => CreateOrder::LimitReached { limit, tier },
        CreateDocument::EpochStale => CreateOrder::EpochStale,
        CreateDocument::SaleNotOpen => CreateOrder::SaleNotOpen,
    })
}

/// An order.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_fetch(ledger: &Ledger, sale: SaleId, order: OrderId) -> Result<Option<OrderRow>, LedgerError> {
    let row = ledger.one(FETCH, &[&sale.uuid(), &order.uuid()]).await?;
    match row.try_get(0)? {
        Some(document) => documents::read::<OrderDocument>(document)?.row().map(Some),
        None => Ok(None),
    }
}

/// Whose order it is; nothing when there is no such order or the contact was erased.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_contact(ledger: &Ledger, sale: SaleId, order: OrderId) -> Result<Option<Contact>, LedgerError> {
    let row = ledger.row(CONTACT, &[&sale.uuid(), &order.uuid()]).await?;
    row.map(|row| Ok(Contact { email: row.try_get(0)?, name: row.try_get(1)? })).transpose()
}

/// The buyer gives up an order that is not paid.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_cancel(ledger: &Ledger, sale: SaleId, order: OrderId) -> Result<CancelOrder, LedgerError> {
    let row = ledger.one_traced(CANCEL, &[&sale.uuid(), &order.uuid()]).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        CancelDocument::Cancelled { order } => CancelOrder::Cancelled(order.row()?),
        CancelDocument::NotCancellable { state } => CancelOrder::NotCancellable(state),
        CancelDocument::NotFound => CancelOrder::NotFound,
    })
}

/// Ends at most `limit` orders whose clock ran out. Any number of sweeps may run at once.
///
/// # Errors
/// The database is away or refuses.
pub async fn orders_expire_due(ledger: &Ledger, limit: u32) -> Result<Vec<ExpiredOrder>, LedgerError> {
    let mut expired = Vec::new();
    for _ in 0..limit {
        let Some(row) = ledger.row(EXPIRE_NEXT, &[&EXPIRE_LOOK_MAX]).await? else {
            break;
        };
        let (sale, order) = (SaleId::from_uuid(row.try_get(0)?), OrderId::from_uuid(row.try_get(1)?));
        expired.push(ExpiredOrder { sale, order });
    }
    Ok(expired)
}

/// The tickets of an order that is paid by being written: its own id is the payment reference.
fn free_tickets(order: &NewOrder) -> Vec<Uuid> {
    if !order.total.is_zero() {
        return Vec::new();
    }
    let reference = order.id.to_string();
    order.units.iter().map(|(tier, unit)| ticket_id(&reference, tier, *unit).uuid()).collect()
}
