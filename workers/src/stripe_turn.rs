//! When a job may write to Stripe: the intent is its own, and the budget has a write for it.
//!
//! ```text
//!  claim the intent (Postgres) ─► a write of the budget (Redis) ─► the call ─► the claim ends
//!         │ another job's               │ none within WAIT
//!         └──────── not yet ◄───────────┘ the claim ends
//! ```
//!
//! So a capture, a cancellation and a refund of one intent go one after the other, over all processes, and all together no
//! faster than Stripe takes them. The intent comes first: a write that is granted is spent. *Not yet* counts no attempt and
//! makes nobody else wait. The holder of a claim is the job's lease, so a job that was leased anew is another holder and waits
//! until the old claim is over: both last equally long. Whatever is lost on the way, the claim ends by itself after that.
//!
//! It decides nothing about the call: its answer is the job's. It hears one thing in it, a 429, and tells everybody.

use std::time::Duration;

use admission::{Spend, WriteClass};
use domain::SaleId;
use ledger::intent_claims::{IntentClaim, intent_claim, intent_release};
use payments::StripeError;
use uuid::Uuid;

use crate::context::Context;
use crate::runner::{LEASE_S, Outcome};

/// How long a job that buyers wait for waits for its write, in its place of the pool.
const WAIT: Duration = Duration::from_secs(3);

/// How long the others do: short, so that they do not keep the places of the pool from those before them.
const WAIT_OF_OTHERS: Duration = Duration::from_millis(500);

/// When an intent that another job has is asked for again.
const INTENT_BUSY: Duration = Duration::from_secs(1);

/// A job that is about to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) sale: SaleId,
    pub(crate) intent: &'a str,
    /// The lease of the job.
    pub(crate) holder: Uuid,
    pub(crate) class: WriteClass,
}

impl Turn<'_> {
    /// Makes the call when its turn has come and answers what Stripe says.
    ///
    /// # Errors
    /// Why the call was not made.
    pub(crate) async fn write<T>(
        self,
        context: &Context,
        call: impl Future<Output = Result<T, StripeError>>,
    ) -> Result<Result<T, StripeError>, Outcome> {
        let claim = intent_claim(&context.ledger, self.sale, self.intent, self.holder, LEASE_S).await?;
        if claim == IntentClaim::Busy {
            return Err(Outcome::NotYet { reason: "another call on the same payment is under way", wait: INTENT_BUSY });
        }
        let answer = match context.stripe_budget.take(self.class, self.patience()).await {
            Spend::Granted => Ok(call.await),
            Spend::Refused { wait } => Err(Outcome::NotYet { reason: "Stripe's write budget is spent", wait }),
        };
        self.release(context).await;
        if let Ok(Err(StripeError::RateLimited { retry_after })) = &answer {
            context.stripe_budget.slow_down(*retry_after).await;
        }
        answer
    }

    async fn release(self, context: &Context) {
        if let Err(error) = intent_release(&context.ledger, self.sale, self.intent, self.holder).await {
            tracing::debug!(%error, intent = self.intent, "a claim ends with its lease");
        }
    }

    const fn patience(self) -> Duration {
        match self.class {
            WriteClass::UrgentCapture | WriteClass::Create | WriteClass::Capture => WAIT,
            WriteClass::Cancel | WriteClass::Refund | WriteClass::Sweep => WAIT_OF_OTHERS,
        }
    }
}
