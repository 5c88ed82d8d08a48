//! Checks the invariants on the running system, and shows what breaks them as gauges that must stay 0.
//!
//! Each round looks at what is new. Everything there is is looked at now and then, so that it takes [`WHOLE_SHARE`] of the time at
//! most: every round while the books are small, twice an hour when it takes twenty seconds. What that finds is shown until it is
//! done again. Both are done by one worker at a time.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use ledger::audit::{AuditReport, audit_in_turn, audit_recent, audited};
use tokio::time::Instant;

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::metrics;

/// Audits.
pub(crate) struct AuditBooks {
    context: Arc<Context>,
    /// What was found in what is new, and in everything, when this worker last did it.
    recent: AuditReport,
    whole: AuditReport,
    /// When everything is looked at again.
    whole_due: Instant,
}

/// One of so many parts of the time is for looking at everything.
const WHOLE_SHARE: u32 = 100;

/// Breaches of one invariant in one log line; `onsale audit` names them all.
const BREACHES_TOLD_MAX: usize = 5;

impl AuditBooks {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let nothing = AuditReport { lines: Vec::new() };
        Self { context, recent: nothing.clone(), whole: nothing, whole_due: Instant::now() }
    }

    async fn looks_at_everything(&mut self) -> Result<(), SweepError> {
        let begun = Instant::now();
        let looked = audit_in_turn(&self.context.ledger).await;
        // Whose turn it was not asks again in the next round; who failed has spent the time all the same.
        if !matches!(looked, Ok(None)) {
            self.whole_due = begun + begun.elapsed() * WHOLE_SHARE;
        }
        if let Some(report) = looked? {
            tell(&report);
            self.whole = report;
        }
        Ok(())
    }

    fn breaches(&self, invariants: &[&str]) -> u64 {
        let of = |report: &AuditReport| {
            let lines = report.lines.iter().filter(|line| invariants.contains(&line.invariant));
            lines.map(|line| line.breaches.len() as u64).sum::<u64>()
        };
        of(&self.recent).max(of(&self.whole))
    }
}

impl Sweep for AuditBooks {
    const NAME: &'static str = "audit_books";
    // Often enough for an alert; the units of live sales are read each time, so seldom enough not to be the load.
    const EVERY: Duration = Duration::from_secs(60);

    async fn round(&mut self) -> Result<(), SweepError> {
        if let Some(report) = audit_recent(&self.context.ledger).await? {
            tell(&report);
            self.recent = report;
        }
        let looked = if self.whole_due <= Instant::now() { self.looks_at_everything().await } else { Ok(()) };
        // What is known is shown, whether or not more could be known.
        metrics::set(&gauge!(metrics::OVERSOLD_UNITS), self.breaches(&["I1", "I2"]));
        metrics::set(&gauge!(metrics::LEDGER_IMBALANCE), self.breaches(&["I3"]));
        for invariant in audited() {
            let gauge = gauge!(metrics::INVARIANT_BREACHES, "invariant" => invariant);
            metrics::set(&gauge, self.breaches(&[invariant]));
        }
        looked
    }
}

fn tell(report: &AuditReport) {
    for line in report.lines.iter().filter(|line| !line.breaches.is_empty()) {
        let first: Vec<_> = line.breaches.iter().take(BREACHES_TOLD_MAX).collect();
        tracing::error!(invariant = line.invariant, title = line.title, breaches = ?first, "broken");
    }
}
