//! Checks the invariants on the running system, and shows what breaks them as gauges that must stay 0.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use ledger::audit::{AuditReport, audit};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Audits.
pub(crate) struct AuditBooks(pub(crate) Arc<Context>);

impl Sweep for AuditBooks {
    const NAME: &'static str = "audit_books";
    // The audit reads every unit and entry: often enough for an alert, seldom enough not to be the load.
    const EVERY: Duration = Duration::from_secs(60);

    async fn round(&mut self) -> Result<(), SweepError> {
        let report = audit(&self.0.ledger, None).await?;
        for line in report.lines.iter().filter(|line| !line.breaches.is_empty()) {
            let first: Vec<_> = line.breaches.iter().take(BREACHES_TOLD_MAX).collect();
            tracing::error!(invariant = line.invariant, title = line.title, breaches = ?first, "broken");
        }
        metrics::set(&gauge!(metrics::OVERSOLD_UNITS), breaches(&report, &["I1", "I2"]));
        metrics::set(&gauge!(metrics::LEDGER_IMBALANCE), breaches(&report, &["I3"]));
        Ok(())
    }
}

/// Breaches of one invariant in one log line; `onsale audit` names them all.
const BREACHES_TOLD_MAX: usize = 5;

fn breaches(report: &AuditReport, invariants: &[&str]) -> u64 {
    report.lines.iter().filter(|line| invariants.contains(&line.invariant)).map(|line| line.breaches.len() as u64).sum()
}
