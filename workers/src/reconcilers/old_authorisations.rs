//! Authorisations that are about to lapse: captured or cancelled at once, and people are told.
//!
//! Stripe says until when an authorisation must be captured, in answers, not in events. A capture comes within seconds; one that is
//! still to be made when its authorisation has a day left, or a short one half of its time, is there because its job failed, was
//! lost, or waits behind something. Its job is made due, revived or ordered, and goes before all other writes to Stripe. What lapses
//! all the same comes as news of a cancelled intent, as any other.
//!
//! | Stripe said when it ends | then |
//! |---|---|
//! | in the answer to *pay*, or when it was asked later | it is hurried a day before |
//! | not yet, and it is [`ASK_AFTER_S`] old (3-D Secure: an event told of it) | Stripe is asked, a read |
//! | never (it was not a card) | it is hurried when it is [`OLD_S`] old |
//!
//! A round asks about [`ASKED_MAX`], and the next one goes on behind the last. Whatever is lost on the way is found by the next.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ledger::payments::{OldAuthorisation, authorisations_hurry, authorisations_unsaid};
use ledger::reconciliations::Findings;

use super::{ReconcileError, Reconciler};
use crate::context::Context;
use crate::jobs::payment_news::{self, News};

/// The reconciler.
pub(crate) struct OldAuthorisations(pub(crate) Arc<Context>);

/// A day before the shortest lapse.
const OLD_S: u32 = 4 * 24 * 3_600;
/// Captures that take longer than this are not merely late.
const ASK_AFTER_S: u32 = 3_600;
/// Authorisations of a round that are hurried.
const ROUND_MAX: u32 = 1_000;
/// Those of a round that are asked about: at a tenth of a second each, well within its time.
const ASKED_MAX: u32 = 200;

impl Reconciler for OldAuthorisations {
    const NAME: &'static str = "old_authorisations";
    const EVERY: Duration = Duration::from_secs(600);

    async fn round(&self, resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        for old in authorisations_hurry(&self.0.ledger, OLD_S, ROUND_MAX).await? {
            found.looked_at += 1;
            found.found += 1;
            found.alerted += 1;
            if old.done != "dropped" {
                found.mended += 1;
            }
            found.told.push(told(&old));
        }
        // Last: what Stripe does not answer must not keep the others waiting.
        self.asks_when_they_end(resume, found).await
    }
}

impl OldAuthorisations {
    /// What Stripe says is told as any news, which writes down when the authorisation ends.
    async fn asks_when_they_end(&self, resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        let after: Option<Timestamp> = resume.and_then(|resume| resume.parse().ok());
        let unsaid = authorisations_unsaid(&self.0.ledger, ASK_AFTER_S, after, ASKED_MAX).await?;
        for payment in &unsaid {
            found.looked_at += 1;
            let intent = self.0.stripe.fetch(&payment.intent).await?;
            payment_news::apply(&self.0, &intent, News::Fetched { because_of: None }).await?;
        }
        // At the end it begins anew.
        let is_full = unsaid.len() >= ASKED_MAX as usize;
        found.cursor = unsaid.last().filter(|_| is_full).map(|last| last.changed_at.to_string());
        Ok(())
    }
}

fn told(old: &OldAuthorisation) -> String {
    let OldAuthorisation { sale, order, intent, capture_before, done } = old;
    let why = match capture_before {
        Some(end) => format!("lapses at {end}"),
        None => "was authorised four days ago".to_owned(),
    };
    format!("{intent} of order {order} of sale {sale} {why}: its job is {done}")
}
