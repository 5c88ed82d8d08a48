//! Attempts that nobody heard of, for whoever looks for them. The rule is in [`super::attempt`].

use domain::payment::NEVER_MADE_AFTER_S;
use domain::{OrderId, PaymentId, SaleId};
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// An attempt to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnheardAttempt {
    /// The sale.
    pub sale: SaleId,
    /// What it pays.
    pub order: OrderId,
    /// The attempt.
    pub payment: PaymentId,
    /// Number of the attempt within the order, from 1.
    pub attempt: u32,
    /// When Pay was pressed for it first.
    pub begun_at: Timestamp,
    /// Until when its call may have been on its way.
    pub sent_until: Timestamp,
    /// What becomes of it if Stripe does not have it.
    pub absent: Absent,
}

/// What it means that Stripe does not have an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing yet.
    MayCome,
    /// It was never made.
    NeverMade,
}

pub(super) const LOOK: &str = "
    SELECT sale_id, order_id, payment_id, attempt, begun_at, sent_until, may_end FROM attempts_look($1, $2, $3)";

pub(super) const NEVER_MADE: &str = "SELECT payment_never_made($1, $2, $3, $4)";

/// When an attempt is looked for again, at first.
const AGAIN_S: i32 = 10;

/// Attempts to look for now, at most so many; nobody else is told of them for a while.
///
/// # Errors
/// The database is away or refuses.
pub async fn attempts_look(ledger: &Ledger, limit: u32) -> Result<Vec<UnheardAttempt>, LedgerError> {
    let (limit, after_s) = (fit::<_, i32>(limit)?, fit::<_, i32>(NEVER_MADE_AFTER_S)?);
    let rows = ledger.rows(LOOK, &[&limit, &AGAIN_S, &after_s]).await?;
    rows.iter().map(attempt).collect()
}

/// Ends an attempt that Stripe does not have; answers whether it was still to be ended.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_never_made(ledger: &Ledger, attempt: &UnheardAttempt) -> Result<bool, LedgerError> {
    let after_s: i32 = fit(NEVER_MADE_AFTER_S)?;
    let (sale, order, payment) = (attempt.sale.uuid(), attempt.order.uuid(), attempt.payment.uuid());
    Ok(ledger.one(NEVER_MADE, &[&sale, &order, &payment, &after_s]).await?.try_get(0)?)
}

fn attempt(row: &Row) -> Result<UnheardAttempt, LedgerError> {
    Ok(UnheardAttempt {
        sale: SaleId::from_uuid(row.try_get(0)?),
        order: OrderId::from_uuid(row.try_get(1)?),
        payment: PaymentId::from_uuid(row.try_get(2)?),
        attempt: fit(row.try_get::<_, i32>(3)?)?,
        begun_at: row.try_get(4)?,
        sent_until: row.try_get(5)?,
        absent: if row.try_get(6)? { Absent::NeverMade } else { Absent::MayCome },
    })
}
