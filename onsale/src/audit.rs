//! The invariants of a running system: what Postgres can tell, whether Redis agrees with it, and whether the draws can be
//! computed again.

mod draws;

use admission::{Holds, Store};
use domain::SaleId;
use ledger::audit::AuditReport;
use ledger::{Ledger, LedgerError};

/// Checks the invariants of one sale or of all; with `store`, also that Redis and Postgres agree on what is free.
///
/// # Errors
/// Postgres is away. A sale that Redis does not have is counted.
pub(crate) async fn audit(
    ledger: &Ledger,
    store: Option<Store>,
    sale: Option<SaleId>,
) -> Result<AuditReport, LedgerError> {
    let mut report = ledger::audit::audit(ledger, sale).await?;
    report.lines.push(draws::recompute(ledger, sale).await?);
    report.lines.push(ledger::audit::audit_admissions(ledger, sale).await?);
    if let Some(store) = store {
        report.lines.extend(workers::stock::agree(ledger, &Holds::new(store), sale).await?);
    }
    Ok(report)
}
