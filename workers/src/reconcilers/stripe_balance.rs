//! Stripe's balance, transaction by transaction, against the books; and its fees into them.
//!
//! Each transaction of the span is looked up in the ledger, which says whether the books have it and books the fee of a charge, once
//! by the transaction's id. What a payment of ours is missing is heard again, by the way news of it takes: the intent is fetched
//! and applied, or the refund or dispute that moved the money is told to the ledger. Then it is looked up once more. So money
//! that somebody gave back in Stripe's dashboard is in suspense afterwards, as if its event had come.
//!
//! People are told, once: what differs or is missing still, what names a sale of ours and is of no payment, and what Stripe takes
//! outside of payments, because no sale's books have room for it. Other shops of the account, and payouts, are written down only.
//! Where the money is in another currency than the sale's, the amount cannot be compared: it differs.

use std::sync::Arc;
use std::time::Duration;

use ledger::balance_transactions::{BalanceTransactionFacts, Look, Match, Matched, Origin, balance_transaction_apply};
use ledger::disputes::{DisputeStatus, dispute_apply};
use ledger::payments::{RefundApplied, RefundFacts, refund_apply};
use ledger::reconciliations::Findings;
use payments::{BalanceObject, BalanceSource, BalanceTransaction, Refund};

use super::place::Place;
use super::{ReconcileError, Reconciler};
use crate::context::Context;
use crate::jobs::apply_dispute;
use crate::jobs::payment_news::{self, News, Payment};
use crate::jobs::refund_payment::book_status;

/// The reconciler.
pub(crate) struct StripeBalance(pub(crate) Arc<Context>);

/// News of what is younger is on its way still.
const GRACE: Duration = Duration::from_secs(60);
/// Pages of a round: 10,000 transactions.
const PAGES_MAX: u32 = 200;
/// What Stripe takes outside of payments.
const FEE: &str = "fee";

impl Reconciler for StripeBalance {
    const NAME: &'static str = "stripe_balance";
    const EVERY: Duration = Duration::from_secs(300);

    async fn round(&self, resume: Option<&str>, found: &mut Findings) -> Result<(), ReconcileError> {
        let now = self.0.ledger.now().await?;
        let mut place = Place::of(resume, now, GRACE);
        for _ in 0..PAGES_MAX {
            let page = self.0.stripe.balance_transactions(&place.span()).await?;
            for transaction in &page.objects {
                self.compares(transaction, found).await?;
            }
            place.after = page.next;
            if place.after.is_none() {
                break;
            }
        }
        found.cursor = Some(place.in_words());
        Ok(())
    }
}

/// When news of what moved was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Before anybody looked here.
    Before,
    /// Because it was missing here.
    Now,
}

impl StripeBalance {
    async fn compares(&self, transaction: &BalanceTransaction, found: &mut Findings) -> Result<(), ReconcileError> {
        let facts = facts(transaction);
        let (ledger, mut heard) = (&self.0.ledger, Heard::Before);
        let mut matched = balance_transaction_apply(ledger, &facts, Look::First).await?;
        if matches!(matched.outcome, Match::Missing | Match::Unknown) {
            self.hears_again(transaction).await?;
            heard = Heard::Now;
            matched = balance_transaction_apply(ledger, &facts, Look::Last).await?;
        }
        found.looked_at += 1;
        note(found, &facts, matched, heard);
        Ok(())
    }

    /// What came of it shows when it is looked up again.
    async fn hears_again(&self, transaction: &BalanceTransaction) -> Result<(), ReconcileError> {
        let Some(BalanceSource { payment_intent: Some(intent), object, .. }) = &transaction.source else {
            return Ok(());
        };
        match object {
            BalanceObject::Refund(refund) => self.hears_of_refund(intent, refund).await,
            BalanceObject::Dispute(dispute) => match DisputeStatus::from_stripe(&dispute.status) {
                Some(status) => {
                    let facts = apply_dispute::facts(None, dispute, intent.clone(), status);
                    dispute_apply(&self.0.ledger, &facts).await?;
                    Ok(())
                }
                None => Ok(()),
            },
            BalanceObject::Other => {
                let intent = self.0.stripe.fetch(intent).await?;
                payment_news::apply(&self.0, &intent, News::Fetched { because_of: None }).await?;
                Ok(())
            }
        }
    }

    async fn hears_of_refund(&self, intent: &str, refund: &Refund) -> Result<(), ReconcileError> {
        let facts = RefundFacts {
            event: None,
            id: refund.id.clone(),
            refund: refund.refund,
            intent: intent.to_owned(),
            amount: refund.amount,
            status: book_status(refund.status),
        };
        if refund_apply(&self.0.ledger, &facts).await? != RefundApplied::Early {
            return Ok(());
        }
        // The capture it is of was not heard of either.
        if payment_news::fetch_and_apply(&self.0, intent, Payment::Ours).await.is_ok() {
            refund_apply(&self.0.ledger, &facts).await?;
        }
        Ok(())
    }
}

fn facts(transaction: &BalanceTransaction) -> BalanceTransactionFacts {
    let source = transaction.source.as_ref();
    let is_ours = source.is_some_and(|source| source.names_a_sale);
    BalanceTransactionFacts {
        id: transaction.id.clone(),
        kind: transaction.category.clone(),
        amount: transaction.amount,
        fee: transaction.fee,
        currency: transaction.currency.as_str().to_owned(),
        source: source.map(|source| source.id.clone()),
        intent: source.and_then(|source| source.payment_intent.clone()),
        origin: if is_ours { Origin::Ours } else { Origin::Unsaid },
        created: transaction.created,
    }
}

fn note(found: &mut Findings, facts: &BalanceTransactionFacts, matched: Matched, heard: Heard) {
    let Matched { outcome, is_new } = matched;
    let word = match outcome {
        Match::Matched if heard == Heard::Now => {
            found.found += 1;
            found.mended += 1;
            return;
        }
        Match::Differs => "differs from the books",
        Match::Missing => "is not in the books",
        Match::Unknown => "is of no payment that we have",
        Match::Elsewhere if facts.kind == FEE => "was taken outside of payments: no sale's books have it",
        Match::Matched | Match::Elsewhere => return,
    };
    if is_new {
        found.found += 1;
        found.alerted += 1;
        let BalanceTransactionFacts { id, kind, amount, currency, intent, .. } = facts;
        let of = intent.as_deref().unwrap_or("no payment");
        found.told.push(format!("{id} ({kind} of {amount} {currency}, {of}) {word}"));
    }
}
