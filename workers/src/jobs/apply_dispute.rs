//! Books what a Stripe event says of a dispute.
//!
//! The ledger books each balance transaction once, so every event of a dispute is applied the same way, in whatever order they
//! come. A dispute heard of before its payment, or before the capture it is of, is applied after the intent itself was fetched.

use ledger::LedgerError;
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use payments::Dispute;

use super::payment_news::{self, Payment};
use crate::context::Context;
use crate::runner::Outcome;

/// Applies what the event of that id says.
pub(super) async fn run(context: &Context, event: &str, dispute: &Dispute) -> Outcome {
    let Some(intent) = dispute.payment_intent.clone() else {
        return Outcome::Done("a dispute of no payment intent");
    };
    let Some(status) = DisputeStatus::from_stripe(&dispute.status) else {
        return Outcome::Quarantine(format!("a dispute that is {}", dispute.status));
    };
    let facts = facts(Some(event), dispute, intent, status);
    match dispute_apply(&context.ledger, &facts).await {
        Ok(DisputeApplied::Early) => after_its_capture(context, &facts, Payment::Ours).await,
        Ok(DisputeApplied::UnknownPayment) => after_its_capture(context, &facts, Payment::Unknown).await,
        applied => end(applied),
    }
}

async fn after_its_capture(context: &Context, facts: &DisputeFacts, payment: Payment) -> Outcome {
    if let Err(outcome) = payment_news::fetch_and_apply(context, &facts.intent, payment).await {
        return outcome;
    }
    end(dispute_apply(&context.ledger, facts).await)
}

fn end(applied: Result<DisputeApplied, LedgerError>) -> Outcome {
    match applied {
        Ok(DisputeApplied::Booked | DisputeApplied::Nothing | DisputeApplied::Excess) => Outcome::Settled,
        Ok(DisputeApplied::Early) => Outcome::Retry("it is of money that was not captured yet".to_owned()),
        Ok(DisputeApplied::UnknownPayment) => Outcome::Done("not a payment of ours"),
        Err(error) => error.into(),
    }
}

/// What the ledger is told of a dispute.
pub(crate) fn facts(event: Option<&str>, dispute: &Dispute, intent: String, status: DisputeStatus) -> DisputeFacts {
    let movements = dispute.movements.iter().map(|movement| DisputeMovement {
        id: movement.id.clone(),
        amount: movement.amount,
        fee: movement.fee,
        currency: movement.currency,
    });
    DisputeFacts {
        event: event.map(str::to_owned),
        id: dispute.id.clone(),
        intent,
        amount: dispute.amount,
        status,
        movements: movements.collect(),
    }
}
