//! Authorisations that are about to lapse: captured or cancelled at once, and people are told.
//!
//! A bank's promise lasts five days at the shortest (a card of Visa's that its holder did not present; others seven), and a capture
//! comes within seconds. One that is [`OLD_S`] old is still there because its job failed, was lost, or waits behind something: its
//! job is made due, revived or ordered, and being that old it goes before all other writes to Stripe. What lapses all the same
//! comes as news of a cancelled intent, as any other.

use std::sync::Arc;
use std::time::Duration;

use ledger::payments::{OldAuthorisation, authorisations_hurry};
use ledger::reconciliations::Findings;

use super::{ReconcileError, Reconciler};
use crate::context::Context;

/// The reconciler.
pub(crate) struct OldAuthorisations(pub(crate) Arc<Context>);

/// A day before the shortest lapse.
const OLD_S: u32 = 4 * 24 * 3_600;
/// Authorisations of a round.
const ROUND_MAX: u32 = 1_000;

impl Reconciler for OldAuthorisations {
    const NAME: &'static str = "old_authorisations";
    const EVERY: Duration = Duration::from_secs(600);

    async fn round(&self, _resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        for old in authorisations_hurry(&self.0.ledger, OLD_S, ROUND_MAX).await? {
            let OldAuthorisation { sale, order, intent, done } = old;
            found.looked_at += 1;
            found.found += 1;
            found.alerted += 1;
            if done != "dropped" {
                found.mended += 1;
            }
            found.told.push(format!(
                "{intent} of order {order} of sale {sale} was authorised four days ago: its job is {done}"
            ));
        }
        Ok(())
    }
}
