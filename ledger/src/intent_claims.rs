//! One call at a time on a payment intent, over all processes.
//!
//! Shape: a row an intent, leased. Guarantees: while a claim lasts, nobody else has the intent; who overslept it ends nobody
//! else's. What is lost with a lost answer: a claim that was taken and is not known lasts until its lease is over, and the
//! same holder may take it again. What it does not do: it neither waits nor queues; who is refused comes again later.

use domain::SaleId;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

pub(crate) const STATEMENTS: &[&str] = &[INTENT_CLAIM, INTENT_RELEASE];

const INTENT_CLAIM: &str = "SELECT intent_claim($1, $2, $3, $4)";
const INTENT_RELEASE: &str = "SELECT intent_release($1, $2, $3)";

/// Whose an intent is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentClaim {
    /// The caller's.
    Ours,
    /// Somebody else's, who calls Stripe about it.
    Busy,
}

/// Claims an intent for `lease_s`.
///
/// # Errors
/// The database is away or refuses.
pub async fn intent_claim(
    ledger: &Ledger,
    sale: SaleId,
    intent: &str,
    holder: Uuid,
    lease_s: u32,
) -> Result<IntentClaim, LedgerError> {
    let lease_s: i32 = fit(lease_s)?;
    let row = ledger.one(INTENT_CLAIM, &[&sale.uuid(), &intent, &holder, &lease_s]).await?;
    Ok(if row.try_get(0)? { IntentClaim::Ours } else { IntentClaim::Busy })
}

/// Ends a claim, if it is still the holder's.
///
/// # Errors
/// The database is away or refuses; then its lease ends it.
pub async fn intent_release(ledger: &Ledger, sale: SaleId, intent: &str, holder: Uuid) -> Result<(), LedgerError> {
    ledger.one(INTENT_RELEASE, &[&sale.uuid(), &intent, &holder]).await.map(drop)
}
