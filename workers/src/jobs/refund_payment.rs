//! Sends money back, and books that it went.
//!
//! Money goes back once. A refund that was made meanwhile, or is not to be made any more, is left alone, however often people
//! try its job again; one whose key Stripe may have forgotten is looked for before it is sent. A refund that Stripe will never
//! make (the money went back already, or the bank took it) is owed no more: that is written down, and the job is left to
//! people, as is one that fails later. Whether Stripe never will is read from what it documents and from the refunds that it
//! made: every other refusal says nothing of what is owed and changes nothing.
//!
//! A key is used until it is spent (Stripe repeats a 500 under it for good). Only then, and only when the refund is not among
//! those that were made, the next one is used: `key`, `key:1`, `key:2`. Every run begins with the first, so a call whose answer
//! was lost is always repeated under its own key, and no two calls of one refund have different keys unless the first is over.

use std::time::Duration;

use ::payments::{KEY_LIFE_S, Refund, RefundIntent, RefundStatus, StripeError};
use domain::memo::unit_fields;
use domain::{Money, RefundId};
use ledger::outbox::IntentCall;
use ledger::payments::{self, RefundApplied, RefundFacts, refund_apply};
use ledger::refunds::{refund_refused, refund_units, refund_unmade_for};

use crate::context::Context;
use crate::points::Point;
use crate::runner::Outcome;
use crate::stripe_turn::Turn;

/// Its kind in the queue.
pub(crate) const KIND: &str = "payment_refund";

/// Refunds, and applies the answer.
pub(crate) async fn run(
    context: &Context,
    turn: Turn<'_>,
    refund: RefundId,
    call: &IntentCall,
    amount: Money,
) -> Outcome {
    let sale = turn.sale;
    let memo = match refund_units(&context.ledger, sale, refund).await {
        Ok(units) => unit_fields(&units),
        Err(error) => return error.into(),
    };
    let request = RefundIntent { id: refund, intent: call.intent.clone(), sale, order: call.order, amount, memo };
    match refund_unmade_for(&context.ledger, sale, refund).await {
        Ok(None) => Outcome::Done("made before, or given up"),
        Ok(Some(waiting)) if waiting < Duration::from_secs(KEY_LIFE_S) => make(context, turn, call, &request).await,
        Ok(Some(_)) => match context.stripe.refunds_of(&call.intent).await {
            Ok(made) => match find(&made, refund) {
                Some(made) => book(context, refund, call, made).await,
                None => make(context, turn, call, &request).await,
            },
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    }
}

fn find(made: &[Refund], refund: RefundId) -> Option<&Refund> {
    made.iter().find(|made| made.refund == Some(refund))
}

async fn make(context: &Context, turn: Turn<'_>, call: &IntentCall, request: &RefundIntent) -> Outcome {
    for number in 0..KEYS_MAX {
        let answer = match turn.write(context, context.stripe.refund(request, &key(call, number))).await {
            Err(outcome) => return outcome,
            Ok(answer) => answer,
        };
        context.points.pass(KIND, Point::Between).await;
        match answer {
            Err(spent) if spent.is_spent() => match context.stripe.refunds_of(&call.intent).await {
                Ok(made) => match find(&made, request.id) {
                    Some(made) => return book(context, request.id, call, made).await,
                    None => tracing::warn!(refund = %request.id, number, "a key is spent and nothing was made"),
                },
                Err(error) => return error.into(),
            },
            answer => return answered(context, call, request, answer).await,
        }
    }
    Outcome::Retry("Stripe failed under every key".to_owned())
}

/// Keys of one refund that are used in one run. More are for people: whatever fails so often does not end by itself.
const KEYS_MAX: u32 = 3;

fn key(call: &IntentCall, number: u32) -> String {
    if number == 0 { call.key.clone() } else { format!("{}:{number}", call.key) }
}

async fn answered(
    context: &Context,
    call: &IntentCall,
    request: &RefundIntent,
    answer: Result<Refund, StripeError>,
) -> Outcome {
    match answer {
        Ok(made) => book(context, request.id, call, &made).await,
        Err(StripeError::Refused { status: BAD_REQUEST, code, message }) => {
            refused(context, call, request, &Refusal { code, message }).await
        }
        Err(error) => error.into(),
    }
}

/// The status of a refusal that is about what was asked for, and not about who asks (401, 403) or of what (404).
const BAD_REQUEST: u16 = 400;

/// What Stripe says when it refuses to make a refund.
struct Refusal {
    code: String,
    message: String,
}

/// Codes with which Stripe says that a charge is not refunded, whatever is asked for: it went back already, its holder disputes
/// it, or it can no longer go back (<https://docs.stripe.com/error-codes>). Where a dispute is won later, the money may be asked
/// for again, as after every failure.
///
/// Not among them: too much for what is left of the charge, which is refused too (<https://docs.stripe.com/api/refunds/create>)
/// but has no code of its own there, so [`is_too_much`] asks for what was made; a balance that is too low, which is no refusal
/// (the refund is `pending`: <https://docs.stripe.com/refunds>); and parameters, keys and accounts, which people put right, so
/// that the same refund can be made after all.
const FINAL: [&str; 4] =
    ["charge_already_refunded", "charge_disputed", "charge_not_refundable", "refund_disputed_payment"];

/// What went back already may be this very refund, when the answer to an earlier call was lost.
async fn refused(context: &Context, call: &IntentCall, request: &RefundIntent, why: &Refusal) -> Outcome {
    let made = match context.stripe.refunds_of(&request.intent).await {
        Ok(made) => made,
        Err(error) => return error.into(),
    };
    if let Some(made) = find(&made, request.id) {
        return book(context, request.id, call, made).await;
    }
    if FINAL.contains(&why.code.as_str()) {
        return give_up(context, request, why).await;
    }
    match context.stripe.fetch(&request.intent).await {
        Ok(intent) if is_too_much(request, intent.amount_received, &made) => give_up(context, request, why).await,
        Ok(_) => Outcome::Park(why.told()),
        Err(error) => error.into(),
    }
}

/// Whether more is asked for than came and did not go back.
fn is_too_much(request: &RefundIntent, received: i64, made: &[Refund]) -> bool {
    let went = made.iter().filter(|made| book_status(made.status) != payments::RefundStatus::Failed);
    request.amount.minor > received - went.map(|made| made.amount.minor).sum::<i64>()
}

async fn give_up(context: &Context, request: &RefundIntent, why: &Refusal) -> Outcome {
    match refund_refused(&context.ledger, request.sale, request.id).await {
        Ok(true) => Outcome::Park(why.told()),
        Ok(false) => Outcome::Done("made before, or given up"),
        Err(error) => error.into(),
    }
}

impl Refusal {
    fn told(&self) -> String {
        format!("refused: {}: {}", self.code, self.message)
    }
}

async fn book(context: &Context, refund: RefundId, call: &IntentCall, answer: &Refund) -> Outcome {
    let facts = RefundFacts {
        event: None,
        id: answer.id.clone(),
        refund: Some(refund),
        intent: call.intent.clone(),
        amount: answer.amount,
        status: book_status(answer.status),
    };
    match refund_apply(&context.ledger, &facts).await {
        Ok(RefundApplied::Booked) => Outcome::Done("booked"),
        Ok(RefundApplied::Nothing) => Outcome::Done("booked before"),
        Ok(RefundApplied::Failed) => Outcome::Park("the refund failed at Stripe".to_owned()),
        Ok(RefundApplied::Quarantined(reason)) => Outcome::Park(reason),
        Ok(RefundApplied::UnknownPayment | RefundApplied::Early) => {
            Outcome::Park("the ledger does not know the payment of its own job, or it went back already".to_owned())
        }
        Err(error) => error.into(),
    }
}

/// What a refund's status means for the books: money under way counts as gone, so that it is never spent twice.
pub(crate) const fn book_status(status: RefundStatus) -> payments::RefundStatus {
    match status {
        RefundStatus::Pending | RefundStatus::RequiresAction => payments::RefundStatus::Pending,
        RefundStatus::Succeeded => payments::RefundStatus::Succeeded,
        RefundStatus::Failed | RefundStatus::Canceled => payments::RefundStatus::Failed,
    }
}
