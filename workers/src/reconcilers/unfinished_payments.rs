//! Payments that have not come to an end: asked about at Stripe, and what it says is applied, as a job would.
//!
//! Which: Stripe knows the payment, nothing was heard of it for [`QUIET_S`], and no job is about to capture or cancel it. So a buyer
//! who takes long over 3-D Secure is asked about each minute, and nothing comes of it; an answer or an event that was lost does.
//! A round goes through [`ROUND_PAYMENTS_MAX`] of them, the quietest first, and the next one goes on behind the last.
//!
//! Attempts whose first answer was never heard have no intent to ask about; they are not looked for here.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ledger::payments::{Applied, UnfinishedPayment, payments_unfinished};
use ledger::reconciliations::Findings;

use super::{ReconcileError, Reconciler};
use crate::context::Context;
use crate::jobs::payment_news::{self, News};

/// The reconciler.
pub(crate) struct UnfinishedPayments(pub(crate) Arc<Context>);

/// For so long nothing was heard.
const QUIET_S: u32 = 120;
/// Payments of a round: at a tenth of a second each, well within its time.
const ROUND_PAYMENTS_MAX: u32 = 500;

impl Reconciler for UnfinishedPayments {
    const NAME: &'static str = "unfinished_payments";
    const EVERY: Duration = Duration::from_secs(60);

    async fn round(&self, resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        let after: Option<Timestamp> = resume.and_then(|resume| resume.parse().ok());
        let payments = payments_unfinished(&self.0.ledger, QUIET_S, after, ROUND_PAYMENTS_MAX).await?;
        for payment in &payments {
            self.asks_about(payment, found).await?;
        }
        // At the end it begins anew.
        let is_full = payments.len() >= ROUND_PAYMENTS_MAX as usize;
        found.cursor = payments.last().filter(|_| is_full).map(|last| last.changed_at.to_string());
        Ok(())
    }
}

impl UnfinishedPayments {
    async fn asks_about(&self, payment: &UnfinishedPayment, found: &mut Findings) -> Result<(), ReconcileError> {
        found.looked_at += 1;
        let intent = self.0.stripe.fetch(&payment.intent).await?;
        let applied = payment_news::apply(&self.0, &intent, News::Fetched { because_of: None }).await?;
        let odd = match applied {
            Applied::Nothing => return Ok(()),
            Applied::Authorised
            | Applied::Captured
            | Applied::Failed
            | Applied::Canceled
            | Applied::LateCancel
            | Applied::LateRefund => None,
            Applied::AskStripe => Some("contradicts the ledger".to_owned()),
            Applied::UnknownPayment => Some("is of no payment any more".to_owned()),
            Applied::Quarantined(reason) => Some(reason),
        };
        found.found += 1;
        match odd {
            None => found.mended += 1,
            Some(why) => {
                found.alerted += 1;
                let UnfinishedPayment { sale, order, intent, .. } = payment;
                found.told.push(format!("{intent} of order {order} of sale {sale}: {why}"));
            }
        }
        Ok(())
    }
}
