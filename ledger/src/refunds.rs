//! Refunds that organizers ask for: of tickets, of an amount, or of everything that is left.
//!
//! Asking ([`refund_ask`]) is one call: what is owed is booked, tickets are void and their units free, and a job will make the
//! refund at Stripe. What Stripe then says of it is [`crate::payments::refund_apply`]'s business: the money is booked as gone
//! when it says so, and what is owed is taken back when it could not be had.
//!
//! Guarantees. Named by key and content, a request asks once, whoever repeats it. Never more goes back than was captured, less
//! what went, is going or is disputed, also when many ask at once: they meet at the order. The whole is not given back while a
//! bank has some of it. A ticket that opened the door is not given back, and none is twice: its refunds are a chain, in which
//! each but the last failed. However an order is given back bit by bit, each of base, fees and taxes comes out to the cent.
//!
//! | wish | goes back | tickets |
//! |---|---|---|
//! | [`RefundWish::Tickets`] | their price | void, their units free |
//! | [`RefundWish::Amount`] | the amount, in proportion to what is left of each part | stay |
//! | [`RefundWish::Whole`] | everything that is left | all void, their units free |
//! | [`RefundWish::Again`] | money that came too late and whose refund failed | there are none |
//!
//! Whether fees go back is the sale's setting ([`domain::sale::RefundConfig`]). A refund that fails leaves its tickets void, for
//! somebody else may have the units by then; its money may be asked for again, for the same tickets, as an amount or as the
//! whole, and I5 names the payment until it is. Of an order that cost nothing tickets go back without money and without Stripe:
//! such a refund has succeeded when it is asked for.
//!
//! An order is *refunded* when nothing more is to be had for it: all its money went back, or each of its tickets did for its
//! price. It is *partially refunded* when some money or some ticket went back; a refund that is only planned changes nothing.

use std::time::Duration;

use domain::order::OrderState;
use domain::{Currency, Money, OrderId, OrganizerId, RefundId, SaleId, TicketId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

/// A request for a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAsk {
    /// Whose sale it is.
    pub organizer: OrganizerId,
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
    /// Names the request: repeated, it finds what it did.
    pub key: [u8; 32],
    /// Tells its content: another one under the same key is refused.
    pub content: [u8; 32],
    /// What goes back.
    pub wish: RefundWish,
    /// Why, in the organizer's words.
    pub reason: String,
    /// Who decided so, for the audit log.
    pub by: String,
}

/// What goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundWish {
    /// The price of these tickets, which become void.
    Tickets(Vec<TicketId>),
    /// So many minor units; tickets stay as they are.
    Amount(i64),
    /// Everything that is left; all tickets become void.
    Whole,
    /// What this refund was to give back, which failed: money that came too late, so that nothing was bought with it.
    Again(RefundId),
}

/// What asking for a refund came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskRefund {
    /// It is under way, by this call or by an earlier one of the same request.
    Asked(RefundRow),
    /// It would be more than may go back in this way.
    AboveCaptured {
        /// How much still may.
        left: Money,
    },
    /// These tickets opened the door.
    TicketUsed(Vec<TicketId>),
    /// These tickets were given back before, by refunds that did not fail.
    TicketVoid(Vec<TicketId>),
    /// These are not the order's.
    TicketUnknown(Vec<TicketId>),
    /// It is no refund of the order that failed, of money that came too late.
    RefundUnknown,
    /// No money of the order is ours to give back.
    NotRefundable(OrderState),
    /// The key named another request.
    KeyReused,
    /// The organizer has no such order.
    NotFound,
}

/// A refund as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRow {
    /// Its id.
    pub id: RefundId,
    /// Where it is.
    pub state: RefundState,
    /// Who began it.
    pub origin: RefundOrigin,
    /// Why: a word of ours, or the organizer's words.
    pub reason: String,
    /// How much goes back.
    pub amount: Money,
    /// Of what it is made; known of those that organizers asked for.
    pub parts: Option<RefundParts>,
    /// The tickets that it gives back: it made them void, or one before it did that failed.
    pub tickets: Vec<TicketId>,
    /// When it was asked for, or heard of.
    pub created_at: Timestamp,
}

/// Which refunds of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundPage {
    /// Behind this one.
    pub after: Option<RefundId>,
    /// At most so many.
    pub limit: u32,
}

/// Of what a refund is made, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RefundParts {
    /// The organizer's.
    pub base: i64,
    /// The platform's.
    pub fee: i64,
    /// The state's.
    pub tax: i64,
}

/// Where a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Asked for; Stripe has not answered.
    Planned,
    /// On its way.
    Pending,
    /// Sent.
    Succeeded,
    /// It was not to be had: the money is ours still.
    Failed,
}

/// Who began a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOrigin {
    /// We did.
    Onsale,
    /// Somebody at Stripe, in its dashboard.
    Stripe,
}

impl RefundState {
    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

pub(crate) const STATEMENTS: &[&str] = &[ASK, OF_ORDER, ONE, REFUSED, UNITS, UNMADE];

const ASK: &str = "
    SELECT refund_ask($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
      FROM set_config('onsale.trace', $12, true)";
const OF_ORDER: &str = "SELECT refunds_document($1, $2, $3, $4, $5)";
const ONE: &str = "SELECT refund_document(r) FROM refunds r WHERE sale_id = $1 AND id = $2";
const REFUSED: &str = "SELECT refund_refused($1, $2)";
const UNITS: &str = "SELECT refund_units($1, $2)";
const UNMADE: &str = "
    SELECT greatest(extract(epoch FROM onsale_now() - created_at), 0)::bigint
      FROM refunds WHERE sale_id = $1 AND id = $2 AND state = 'planned' AND stripe_id IS NULL";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum AskDocument {
    Asked { refund: RefundDocument },
    AboveCaptured { left: i64, currency: Currency },
    TicketUsed { tickets: Vec<Uuid> },
    TicketVoid { tickets: Vec<Uuid> },
    TicketUnknown { tickets: Vec<Uuid> },
    RefundUnknown,
    NotRefundable { state: OrderState },
    KeyReused,
    NotFound,
}

#[derive(Deserialize)]
struct RefundDocument {
    id: Uuid,
    state: RefundState,
    origin: RefundOrigin,
    reason: String,
    amount: i64,
    currency: Currency,
    parts: Option<RefundParts>,
    tickets: Vec<Uuid>,
    created_at: Timestamp,
}

/// Asks for a refund, or says why not.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_ask(ledger: &Ledger, ask: &RefundAsk) -> Result<AskRefund, LedgerError> {
    let (mut tickets, mut amount, mut again) = (None::<Vec<Uuid>>, None, None);
    let wish = match &ask.wish {
        RefundWish::Tickets(these) => {
            tickets = Some(these.iter().map(|ticket| ticket.uuid()).collect());
            "tickets"
        }
        RefundWish::Amount(minor) => {
            amount = Some(*minor);
            "amount"
        }
        RefundWish::Whole => "whole",
        RefundWish::Again(failed) => {
            again = Some(failed.uuid());
            "again"
        }
    };
    let (organizer, sale, order) = (ask.organizer.uuid(), ask.sale.uuid(), ask.order.uuid());
    let (key, content) = (ask.key.as_slice(), ask.content.as_slice());
    let params: [&(dyn ToSql + Sync); 11] =
        [&organizer, &sale, &order, &key, &content, &wish, &tickets, &amount, &again, &ask.reason, &ask.by];
    let row = ledger.one_traced(ASK, &params).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        AskDocument::Asked { refund } => AskRefund::Asked(refund.row()),
        AskDocument::AboveCaptured { left, currency } => AskRefund::AboveCaptured { left: Money::new(left, currency) },
        AskDocument::TicketUsed { tickets } => AskRefund::TicketUsed(ids(tickets)),
        AskDocument::TicketVoid { tickets } => AskRefund::TicketVoid(ids(tickets)),
        AskDocument::TicketUnknown { tickets } => AskRefund::TicketUnknown(ids(tickets)),
        AskDocument::RefundUnknown => AskRefund::RefundUnknown,
        AskDocument::NotRefundable { state } => AskRefund::NotRefundable(state),
        AskDocument::KeyReused => AskRefund::KeyReused,
        AskDocument::NotFound => AskRefund::NotFound,
    })
}

/// The refunds of an order, oldest first, so many behind that one: ours, Stripe's, and those that failed. Nothing when the
/// organizer has no such order.
///
/// # Errors
/// The database is away or refuses.
pub async fn refunds_of_order(
    ledger: &Ledger,
    organizer: OrganizerId,
    sale: SaleId,
    order: OrderId,
    page: RefundPage,
) -> Result<Option<Vec<RefundRow>>, LedgerError> {
    let (after, limit) = (page.after.map(RefundId::uuid), i64::from(page.limit));
    let params: [&(dyn ToSql + Sync); 5] = [&organizer.uuid(), &sale.uuid(), &order.uuid(), &after, &limit];
    let row = ledger.one(OF_ORDER, &params).await?;
    let Some(document) = row.try_get::<_, Option<Value>>(0)? else { return Ok(None) };
    let refunds: Vec<RefundDocument> = documents::read(document)?;
    Ok(Some(refunds.into_iter().map(RefundDocument::row).collect()))
}

/// A refund, for whoever tells its buyer of it.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_fetch(ledger: &Ledger, sale: SaleId, refund: RefundId) -> Result<Option<RefundRow>, LedgerError> {
    let Some(row) = ledger.row(ONE, &[&sale.uuid(), &refund.uuid()]).await? else { return Ok(None) };
    Ok(Some(documents::read::<RefundDocument>(row.try_get(0)?)?.row()))
}

/// For how long a refund of ours has been waiting to be made; none when it was made, or is not to be made any more.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_unmade_for(
    ledger: &Ledger,
    sale: SaleId,
    refund: RefundId,
) -> Result<Option<Duration>, LedgerError> {
    let Some(row) = ledger.row(UNMADE, &[&sale.uuid(), &refund.uuid()]).await? else { return Ok(None) };
    let waiting_s: i64 = row.try_get(0)?;
    Ok(Some(Duration::from_secs(fit(waiting_s)?)))
}

/// The units whose tickets a refund gives back; none of money that came too late.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_units(
    ledger: &Ledger,
    sale: SaleId,
    refund: RefundId,
) -> Result<Vec<(TierId, UnitNo)>, LedgerError> {
    documents::read(ledger.one(UNITS, &[&sale.uuid(), &refund.uuid()]).await?.try_get(0)?)
}

/// Writes down that Stripe refused to make a refund of ours, for good. Answers whether it was waiting for that.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_refused(ledger: &Ledger, sale: SaleId, refund: RefundId) -> Result<bool, LedgerError> {
    Ok(ledger.one(REFUSED, &[&sale.uuid(), &refund.uuid()]).await?.try_get(0)?)
}

impl RefundDocument {
    fn row(self) -> RefundRow {
        RefundRow {
            id: RefundId::from_uuid(self.id),
            state: self.state,
            origin: self.origin,
            reason: self.reason,
            amount: Money::new(self.amount, self.currency),
            parts: self.parts,
            tickets: ids(self.tickets),
            created_at: self.created_at,
        }
    }
}

fn ids(tickets: Vec<Uuid>) -> Vec<TicketId> {
    tickets.into_iter().map(TicketId::from_uuid).collect()
}
