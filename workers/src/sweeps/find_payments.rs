//! Looks at Stripe for attempts to pay that nobody heard of, and ends those that were never made.
//!
//! The rule is in `ledger/src/payments/attempt.rs`. Any number of workers look: an attempt is one round's at a time. Search is
//! asked for each of them, every few seconds and then more and more seldom. Before one ends, the list of all that was made about
//! then is read too, once for all that are to end in a round, because search may be behind. What is found is fetched and applied.
//!
//! Bounds: [`ATTEMPTS_MAX`] a round, [`AT_ONCE`] searches at once, and the pages of one list. An outage of Stripe leaves many
//! unheard of, but few were made in it, so that list is short. A list that is too long ends nothing: its attempts are looked
//! for again, and their orders end with their own time.
//!
//! Where Stripe does not answer the round fails, and its attempts are looked for later.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use jiff::SignedDuration;
use ledger::payments::{Absent, UnheardAttempt, attempts_look, payment_never_made};
use payments::{Intent, StripeError};

use super::{Sweep, SweepError};
use crate::context::Context;
use crate::jobs::payment_news;
use crate::metrics;
use crate::points::Point;
use crate::runner::Outcome;

/// Attempts of one round.
const ATTEMPTS_MAX: u32 = 100;

/// Searches under way at once: far fewer than the reads that Stripe takes.
const AT_ONCE: usize = 8;

/// By how much Stripe's clock and ours may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// Looks for attempts.
pub(crate) struct FindPayments(pub(crate) Arc<Context>);

impl Sweep for FindPayments {
    const NAME: &'static str = "find_payments";
    const EVERY: Duration = Duration::from_secs(1);

    async fn round(&mut self) -> Result<(), SweepError> {
        let attempts = attempts_look(&self.0.ledger, ATTEMPTS_MAX).await?;
        let searches: Vec<_> = attempts.iter().map(|attempt| search(&self.0, attempt)).collect();
        let looks: Vec<_> = iter(searches).buffered(AT_ONCE).collect().await;
        let mut absent = Vec::new();
        for (attempt, found) in attempts.iter().zip(looks) {
            match found? {
                Some(intent) => self.apply(attempt, &intent).await?,
                None if attempt.absent == Absent::NeverMade => absent.push(attempt),
                None => metrics::attempt_looked_for("waits"),
            }
        }
        self.end(&absent).await
    }
}

async fn search(context: &Context, attempt: &UnheardAttempt) -> Result<Option<Intent>, StripeError> {
    context.stripe.find(attempt.order, attempt.attempt).await
}

impl FindPayments {
    /// Those that search does not know: unless the list has them, they were never made.
    async fn end(&self, absent: &[&UnheardAttempt]) -> Result<(), SweepError> {
        let first = absent.iter().map(|attempt| attempt.begun_at).min();
        let last = absent.iter().map(|attempt| attempt.sent_until).max();
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        let made = self.0.stripe.made_between(first - CLOCKS_DIFFER, last + CLOCKS_DIFFER).await?;
        self.0.points.pass(Self::NAME, Point::Between).await;
        for attempt in absent {
            match made.iter().find(|intent| intent.is_of(attempt.order, attempt.attempt)) {
                Some(intent) => self.apply(attempt, intent).await?,
                None if payment_never_made(&self.0.ledger, attempt).await? => {
                    tracing::warn!(order = %attempt.order, attempt = attempt.attempt, "an attempt to pay was never made");
                    metrics::attempt_looked_for("never_made");
                }
                None => metrics::attempt_looked_for("heard_of"),
            }
        }
        Ok(())
    }

    /// What search says of an intent may be old, so it is fetched.
    async fn apply(&self, attempt: &UnheardAttempt, found: &Intent) -> Result<(), SweepError> {
        let intent = self.0.stripe.fetch(&found.id).await?;
        let outcome = payment_news::settle(&self.0, &intent).await;
        if matches!(outcome, Outcome::Done(_)) {
            tracing::info!(order = %attempt.order, intent = intent.id, "an attempt to pay was found");
            metrics::attempt_looked_for("found");
        } else {
            tracing::error!(order = %attempt.order, intent = intent.id, ?outcome, "an attempt that was found does not fit");
            metrics::attempt_looked_for("misfit");
        }
        Ok(())
    }
}
