//! Calling a sale off: everybody has their money back, and nothing of it is sold any more.
//!
//! The organizer's act ([`sale_cancel`]) is one transaction: the sale is `cancelled`, the audit log has a line, and workers have
//! something to wind up. They meet the orders one by one ([`sale_wind_up_next`]), each in a transaction of its own, in the order of
//! their ids; where the walk is stands in the database.
//!
//! | the order is | it is met | and then |
//! |---|---|---|
//! | awaiting payment, processing | it is cancelled, its units are free, captures that nobody began are dropped, its payments are cancelled at Stripe | what is authorised all the same is let go; what is captured all the same goes back, as money that comes too late |
//! | paid, partially refunded, refunded | all that is left goes back, fees too, and its tickets are void | as any refund (priority behind captures) |
//! | disputed | the same, less what the bank has | what the bank gives back goes to the buyer in the transaction that hears of it; while the bank has not decided the order is met again every minute |
//! | expired, cancelled | nothing | a late payment of it never buys anything any more |
//!
//! Guarantees. No order escapes: the act waits until everybody who is writing one has, and nobody begins after it; so the walk goes
//! once from the first to the last. Whoever dies at any point leaves what was committed, and the next worker goes on behind it: an
//! order is met, refunded and told in one transaction, or not at all. A lost answer is repaired by calling again. Nobody stays charged
//! (I5): each payment ends cancelled, or captured and refunded. Nothing that becomes free is offered to the waitlist or sold again;
//! the units are free in the books and Redis is told nothing, for it lets go of the sale.
//!
//! Letters: one an order, *sale cancelled*, that says what goes back; no *refund made* for what it told of, nor that a payment was
//! released or came too late. Of what a bank gives back later there is a *refund made*. Who waits on the waitlist has a letter too
//! ([`waitlist_tend`](crate::waitlist::tending::waitlist_tend) ends them).
//!
//! Bounds: one order a call; Stripe's write budget paces the refunds. An order that breaks a rule does not stop the walk: it is met
//! again every minute, and the log says so.

use domain::sale::{Decision, StoredState};
use domain::{OrderId, OrganizerId, SaleId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Decided, decided};
use crate::{Ledger, LedgerError};

/// What came of meeting an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetAs {
    /// It was not paid, and is over.
    Ended,
    /// It was paid: its tickets are void, and what was left goes back.
    Refunded,
    /// The same, as far as a bank left something; it is met again.
    Waits,
    /// Nothing was left to do.
    Nothing,
    /// It broke a rule: people must look. It is met again.
    Stuck,
}

impl MetAs {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ended, Self::Refunded, Self::Waits, Self::Nothing, Self::Stuck];

    /// Its word in the database and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Refunded => "refunded",
            Self::Waits => "waits",
            Self::Nothing => "nothing",
            Self::Stuck => "stuck",
        }
    }
}

/// One step of winding up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindUp {
    /// An order was met.
    Met {
        /// Of this sale.
        sale: SaleId,
        /// The order.
        order: OrderId,
        /// What came of it.
        met_as: MetAs,
    },
    /// Every order of this sale was met.
    Over(SaleId),
}

/// How many orders that wait one call looks at to find one that nobody else is at.
const SETTLE_LOOK_MAX: i32 = 50;

pub(crate) const STATEMENTS: &[&str] = &[CANCEL, WIND_UP, SETTLE];

const CANCEL: &str = "SELECT sale_cancel($1, $2, $3, $4)";
const WIND_UP: &str = "SELECT sale_id, order_id, outcome FROM sale_wind_up_next()";
const SETTLE: &str = "SELECT sale_id, order_id, outcome FROM called_off_settle_next($1)";

/// Calls a sale off. `by` is who decided so, for the audit log.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_cancel(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    by: &str,
) -> Result<Decided, LedgerError> {
    let from: Vec<&str> =
        StoredState::ALL.iter().filter(|from| from.after(Decision::Cancel).is_some()).map(|from| from.word()).collect();
    let answer = ledger.one(CANCEL, &[&organizer.uuid(), &id.uuid(), &from, &by]).await?;
    decided(ledger, organizer, id, StoredState::Cancelled, &answer).await
}

/// Meets the next order of a sale that is called off; none when no sale has one, or other workers are at them.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_wind_up_next(ledger: &Ledger) -> Result<Option<WindUp>, LedgerError> {
    ledger.row(WIND_UP, &[]).await?.as_ref().map(wind_up).transpose()
}

/// Meets an order again that waits for a bank's word, or broke a rule, once its time has come; none when there is none.
///
/// # Errors
/// The database is away or refuses.
pub async fn called_off_settle_next(ledger: &Ledger) -> Result<Option<WindUp>, LedgerError> {
    ledger.row(SETTLE, &[&SETTLE_LOOK_MAX]).await?.as_ref().map(wind_up).transpose()
}

fn wind_up(row: &Row) -> Result<WindUp, LedgerError> {
    let sale = SaleId::from_uuid(row.try_get(0)?);
    let Some(order) = row.try_get::<_, Option<Uuid>>(1)?.map(OrderId::from_uuid) else {
        return Ok(WindUp::Over(sale));
    };
    let word: &str = row.try_get(2)?;
    let met_as = MetAs::ALL.into_iter().find(|met_as| met_as.word() == word);
    let met_as = met_as.ok_or_else(|| LedgerError::Corrupt(format!("an order was met as {word}")))?;
    Ok(WindUp::Met { sale, order, met_as })
}
