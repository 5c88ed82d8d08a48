//! `POST …/orders/{order}/pay`: one attempt to pay an order.
//!
//! The attempt, with everything its call to Stripe is made of, is in Postgres before the call. A call whose outcome is not
//! known is made again with the same key, here a few times and by whoever presses Pay next; so nobody pays twice, however
//! impatient the buyer or unlucky the network. Where that tells no more, because Stripe repeats a failure under the key or too
//! much time went by, workers look for the payment, and Pay says so until it is found or was never made
//! (`ledger/src/payments/attempt.rs` has the rule).
//!
//! The card is needed to begin an attempt, and for nothing else. Whoever presses Pay without a confirmation token (a tab that was
//! closed while the bank asked, a page that was loaded again) goes on with the attempt that is under way:
//!
//! | the order's attempt | pressing without a card |
//! |---|---|
//! | is at Stripe: the bank asks, or said yes | is looked at: the live intent and its secret, no write |
//! | is at Stripe, which says that it is over | is over: written down, and then there is none |
//! | has an outcome that nobody knows | is taken up, with the token that it was begun with: the same call under the same key |
//! | is looked for | 503, as with a card |
//! | there is none: never begun, declined, ended | `validation_failed` at `/confirmation_token`: the page asks for a card. Nothing is changed |
//! | the order expired, is paid or over | as with a card |
//!
//! Which of these it is, Postgres decides under the order's lock, so an attempt that ends at this moment is not followed by one
//! that has nothing to pay with. Such a press has its Idempotency-Key, counts as a press and is repeated as one: a lost reply is
//! asked for again, and two tabs that go on at once get the same intent.
//!
//! So it is with a card: whoever looks and reads that the bank said no, or that the intent was cancelled, does not wait for the
//! event to say it. It is written down as what was seen ([`is_over`]), and the press begins once more; the card that came with it is
//! tried now. Where the reply of that write is lost the press fails, and the next one reads and writes the same. Two that read it
//! at once write it once, and begin one attempt, as all presses do.
//!
//! Each call is a write of the budget that all processes share, and waits for it up to [`BUDGET_WAIT_MAX`].
//!
//! Bounds: [`TRIES_MAX`] calls, none begun after [`DRIVE_MAX`]; then 503, and the attempt waits to be taken up again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use admission::{Spend, WriteClass};
use domain::order::OrderState;
use domain::payment::{IntentStatus, PAYMENT_WINDOW_S};
use domain::{OrderId, PaymentId, SaleId};
use http::StatusCode;
use ledger::payments::{
    Applied, Apply, BeginPayment, CARD_LIMIT, FactSource, NewPayment, PaymentAttempt, PaymentRow, StripeAnswer,
    payment_answered, payment_apply, payment_begin, payment_key_spent,
};
use payments::{CreateIntent, Intent, StripeError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, json};
use crate::app::App;
use crate::idempotency::{self, Done, Once};
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::pulse::CallOutcome;
use crate::request::Request;
use crate::sale::Sale;
use crate::trace::Trace;

/// How often the call to Stripe is made for one press of Pay.
const TRIES_MAX: u32 = 4;

/// The first pause between them; it doubles. A key that is in use is free when its first call ends.
const TRY_PAUSE: Duration = Duration::from_millis(250);

/// When the last of them may begin, so that with its own bound the answer comes before the answer's.
const DRIVE_MAX: Duration = Duration::from_secs(20);

/// How long one call waits for its write: as long as a buyer looks at a turning wheel without wondering.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(5);

/// When to press Pay again while an attempt is looked for; workers look as often.
const LOOKED_FOR_AGAIN_S: u32 = 10;

/// The longest confirmation token looked at; Stripe's have about 30 characters.
const CONFIRMATION_TOKEN_MAX_BYTES: usize = 255;

/// How to pay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PayBody {
    /// What Stripe.js made of the card. Without one the attempt that is under way is gone on with, and none begins.
    #[schema(example = "ctoken_1NnQUf2eZvKYlo2CIObdtbnb")]
    confirmation_token: Option<String>,
}

/// How order and payment stand.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct PaidBody {
    /// Where the order is.
    #[schema(value_type = String, example = "awaiting_payment")]
    state: OrderState,
    /// Where its payment is.
    payment: AttemptBody,
}

/// An attempt to pay.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct AttemptBody {
    /// Stripe's id.
    payment_intent: String,
    /// Lets the browser go on with it.
    client_secret: Option<String>,
    /// Where it is, in Stripe's words.
    #[schema(value_type = String, example = "requires_capture")]
    status: IntentStatus,
    /// What the buyer has to do; none for nothing.
    next_action: Option<serde_json::Value>,
}

/// `POST /v1/sales/{sale}/orders/{order}/pay`
pub(crate) async fn pay(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let order: OrderId = request.params.id("order")?;
    identity::order(request, sale.id(), order, &app.signer)?;
    app.count(Limit::Pay, Client::Order(order))?;
    let key = request.required_idempotency_key()?;
    let body: PayBody = request.json()?;
    body.confirmation_token.as_deref().map_or(Ok(()), check)?;
    let once = Once::new(format!("pay/{order}"), key, &request.body);
    let sale_id = sale.id();
    let work = attempt(Arc::clone(app), request.trace, sale, order, body.confirmation_token);
    match once.run(app, work, |paid| (StatusCode::OK, without_secret(paid))).await? {
        Done::Now(paid) => Ok(json(StatusCode::OK, &paid)),
        Done::Before(status, body) => {
            Ok(idempotency::replayed(json(status, &with_secret(app, sale_id, order, &body).await?)))
        }
    }
}

fn check(token: &str) -> Result<(), Problem> {
    let fits = token.starts_with("ctoken_")
        && token.len() <= CONFIRMATION_TOKEN_MAX_BYTES
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits { Ok(()) } else { Err(bad_token()) }
}

fn bad_token() -> Problem {
    Problem::invalid_at("/confirmation_token", "must be a confirmation token of Stripe, used for nothing else")
}

/// Only a card can begin what comes next.
fn no_token() -> Problem {
    Problem::invalid_at("/confirmation_token", "no payment is under way that could be gone on with: present a card")
}

/// The secret is never stored: what is remembered lacks it, and the next action, whose URL may hold it. Both are fetched
/// again when the answer is, and with them how order and payment stand: by now the bank may have said no, or yes.
fn without_secret(paid: &PaidBody) -> Vec<u8> {
    let mut kept = paid.clone();
    kept.payment.client_secret = None;
    kept.payment.next_action = None;
    serde_json::to_vec(&kept).expect("our answers have string keys")
}

async fn with_secret(app: &App, sale: SaleId, order: OrderId, kept: &[u8]) -> Result<PaidBody, Problem> {
    let PaidBody { payment, .. } = serde_json::from_slice(kept).map_err(|_| Code::InternalError)?;
    let intent = app.stripe.fetch(&payment.payment_intent).await?;
    under_way(app, sale, order, intent).await
}

async fn attempt(
    app: Arc<App>,
    trace: Trace,
    sale: Arc<Sale>,
    order: OrderId,
    token: Option<String>,
) -> Result<PaidBody, Problem> {
    let payment = new_payment(&app, &sale, order, token);
    let ledger = app.ledger.traced(trace.here);
    let begun = match payment_begin(&ledger, &payment).await? {
        BeginPayment::Live(row) => {
            let intent = fetch(&app, row).await?;
            if !is_over(&intent) {
                return under_way(&app, payment.sale, order, intent).await;
            }
            hear(&app, &intent).await?;
            payment_begin(&ledger, &payment).await?
        }
        begun => begun,
    };
    match begun {
        BeginPayment::Begun(attempt) | BeginPayment::Resume(attempt) => drive(&app, &attempt).await,
        BeginPayment::LookedFor => Err(looked_for()),
        // Another press has begun the next attempt meanwhile.
        BeginPayment::Live(row) => under_way(&app, payment.sale, order, fetch(&app, row).await?).await,
        BeginPayment::NothingUnderWay => Err(no_token()),
        BeginPayment::OrderExpired => Err(Code::OrderExpired.into()),
        BeginPayment::NotPayable(state) => {
            Err(Problem::new(Code::OrderNotPayable).detail(format!("The order is {}.", state.word())))
        }
        BeginPayment::FreeOrder => Err(Problem::new(Code::OrderNotPayable).detail("There is nothing to pay.")),
        BeginPayment::NotFound => Err(Code::NotFound.into()),
    }
}

fn new_payment(app: &App, sale: &Sale, order: OrderId, confirmation_token: Option<String>) -> NewPayment {
    NewPayment {
        id: PaymentId::from_uuid(Uuid::now_v7()),
        sale: sale.id(),
        order,
        confirmation_token,
        return_url: format!("{}/s/{}/orders/{order}", app.public_url().origin(), sale.slug()),
        description: sale.config().name.clone(),
        capture: sale.config().payment.capture,
        livemode: app.stripe.livemode(),
        window_s: PAYMENT_WINDOW_S,
        memo_kid: app.signer.kid(),
    }
}

/// Nobody knows whether it was made, and asking once more would not tell.
fn looked_for() -> Problem {
    Problem::new(Code::StoreUnavailable).retry_after_s(LOOKED_FOR_AGAIN_S).detail(
        "We are finding out whether your payment was made. Your tickets are kept and you will not pay twice: try again in a moment.",
    )
}

/// Makes the attempt's call until its outcome is known, within bounds, and writes the outcome down.
async fn drive(app: &App, attempt: &PaymentAttempt) -> Result<PaidBody, Problem> {
    let intent = match call(app, attempt).await? {
        Ok(intent) => intent,
        Err(StripeError::UnexpectedState(Some(intent))) => *intent,
        Err(StripeError::Declined { code, decline_code, message, intent }) => {
            let answer = StripeAnswer::Declined { code: code.clone(), intent: intent.map(|intent| intent.id) };
            payment_answered(&app.ledger, attempt, &answer).await?;
            let reason = decline_code.or(Some(code));
            return Err(Problem::new(Code::PaymentDeclined).detail(message).decline_code(reason));
        }
        Err(StripeError::Refused { status, code, message }) => {
            tracing::warn!(order = %attempt.order, status, code, message, "Stripe refused an attempt to pay");
            payment_answered(&app.ledger, attempt, &StripeAnswer::Refused { code }).await?;
            return Err(if is_our_fault(status) { Code::StoreUnavailable.into() } else { bad_token() });
        }
        Err(unknown) if unknown.is_spent() => {
            tracing::warn!(order = %attempt.order, %unknown, "an attempt to pay is looked for");
            payment_key_spent(&app.ledger, attempt).await?;
            return Err(looked_for());
        }
        Err(unknown) => return Err(unknown.into()),
    };
    let answered = payment_answered(&app.ledger, attempt, &StripeAnswer::Intent(intent.facts())).await?;
    if answered.payment.failure.as_deref() == Some(CARD_LIMIT) {
        return Err(card_limit_reached());
    }
    Ok(PaidBody { state: answered.order, payment: attempt_body(intent) })
}

/// The bank said yes, and the card may buy no more: the order is over.
fn card_limit_reached() -> Problem {
    Problem::new(Code::CardLimitReached).detail(
        "This card has paid for as many tickets as one buyer may have in this sale. Nothing was charged: your bank may show the \
         amount as reserved for a few days, and then lets it go by itself.",
    )
}

/// What Stripe says in the end, or why it was not asked.
async fn call(app: &App, attempt: &PaymentAttempt) -> Result<Result<Intent, StripeError>, Problem> {
    let create = CreateIntent {
        sale: attempt.sale,
        order: attempt.order,
        attempt: attempt.attempt,
        amount: attempt.amount,
        confirmation_token: attempt.confirmation_token.clone(),
        return_url: attempt.return_url.clone(),
        capture: attempt.capture,
        description: attempt.description.clone(),
        memo: attempt.memo.as_ref().map_or_else(Vec::new, |(memo, kid)| memo.fields(attempt.order, &app.signer, *kid)),
    };
    let (started, mut pause) = (Instant::now(), TRY_PAUSE);
    let mut tries = 0;
    loop {
        tries += 1;
        take_write(app, DRIVE_MAX.saturating_sub(started.elapsed())).await?;
        let noted = app.pulse.call(Instant::now());
        let outcome = app.stripe.create_and_confirm(&create, &attempt.key).await;
        noted.end(Instant::now(), call_outcome(&outcome));
        let wait = match &outcome {
            Err(spent) if spent.is_spent() => return Ok(outcome),
            Err(StripeError::Unknown(_) | StripeError::InUse) => pause,
            Err(StripeError::RateLimited { retry_after }) => {
                app.stripe_budget.slow_down(*retry_after).await;
                retry_after.unwrap_or(pause)
            }
            Ok(_)
            | Err(StripeError::Declined { .. } | StripeError::Refused { .. } | StripeError::UnexpectedState(_)) => {
                return Ok(outcome);
            }
        };
        if tries == TRIES_MAX || started.elapsed() + wait > DRIVE_MAX {
            return Ok(outcome);
        }
        tokio::time::sleep(wait).await;
        pause *= 2;
    }
}

/// The order, its hold and the attempt stay as they are: whoever presses Pay again goes on from here.
async fn take_write(app: &App, within: Duration) -> Result<(), Problem> {
    match app.stripe_budget.take(WriteClass::Create, within.min(BUDGET_WAIT_MAX)).await {
        Spend::Granted => Ok(()),
        Spend::Refused { wait } => Err(Problem::new(Code::Overloaded)
            .retry_after_s(whole_seconds(wait))
            .detail("Many are paying at this moment. Nothing is lost: your tickets are kept, try again in a moment.")),
    }
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}

/// How a call went, whatever it said about the card. A key that Stripe does not take lets nobody pay.
const fn call_outcome(outcome: &Result<Intent, StripeError>) -> CallOutcome {
    match outcome {
        Err(StripeError::Refused { status, .. }) if is_our_fault(*status) => CallOutcome::Failed,
        Err(StripeError::Unknown(_) | StripeError::RateLimited { .. }) => CallOutcome::Failed,
        Ok(_)
        | Err(
            StripeError::Declined { .. }
            | StripeError::Refused { .. }
            | StripeError::UnexpectedState(_)
            | StripeError::InUse,
        ) => CallOutcome::Answered,
    }
}

/// A key that Stripe does not take is no fault of the buyer's card.
const fn is_our_fault(status: u16) -> bool {
    matches!(status, 401 | 403)
}

/// How an attempt that is at Stripe stands there.
async fn fetch(app: &App, payment: PaymentRow) -> Result<Intent, Problem> {
    Ok(app.stripe.fetch(&payment.intent.ok_or(Code::StoreUnavailable)?).await?)
}

/// Whether nothing can come of it any more. An intent that nobody tried to pay is in want of a card, too; it has no failure.
const fn is_over(intent: &Intent) -> bool {
    match intent.status {
        IntentStatus::Canceled => true,
        IntentStatus::RequiresPaymentMethod => intent.failure.is_some(),
        IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::Processing
        | IntentStatus::RequiresCapture
        | IntentStatus::Succeeded => false,
    }
}

/// Writes down that an attempt is over. It is told as an event is, which may be old: what the ledger heard since it was fetched
/// (the buyer paid the same intent in another tab) is not undone by it.
async fn hear(app: &App, intent: &Intent) -> Result<(), Problem> {
    let news = Apply {
        event: None,
        source: FactSource::Event,
        facts: intent.facts(),
        failure: intent.failure.clone(),
        tickets: Vec::new(),
        qr_kid: app.ticket_signer.kid(),
    };
    if let Applied::Quarantined(reason) = payment_apply(&app.ledger, &news).await? {
        tracing::error!(intent = intent.id, reason, "what was fetched does not fit the attempt it is of");
    }
    Ok(())
}

/// An attempt is under way at Stripe: this is how it stands.
async fn under_way(app: &App, sale: SaleId, order: OrderId, intent: Intent) -> Result<PaidBody, Problem> {
    let order = ledger::orders::order_fetch(&app.ledger, sale, order).await?.ok_or(Code::NotFound)?;
    Ok(PaidBody { state: order.state, payment: attempt_body(intent) })
}

fn attempt_body(intent: Intent) -> AttemptBody {
    AttemptBody {
        payment_intent: intent.id,
        client_secret: intent.client_secret,
        status: intent.status,
        next_action: intent.next_action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(token: &str) -> bool {
        check(token).is_ok()
    }

    #[test]
    fn only_confirmation_tokens_are_sent_on() {
        assert!(fits("ctoken_1NnQUf2eZvKYlo2CIObdtbnb"));
        assert!(!fits("pm_card_visa") && !fits("ctoken_a b") && !fits("ctoken_a&b=c"));
        assert!(!fits(&format!("ctoken_{}", "a".repeat(CONFIRMATION_TOKEN_MAX_BYTES))));
    }

    #[test]
    fn the_secret_is_not_remembered() {
        let payment = AttemptBody {
            payment_intent: "pi_1".to_owned(),
            client_secret: Some("pi_1_secret_2".to_owned()),
            status: IntentStatus::RequiresAction,
            next_action: Some(serde_json::json!({ "redirect_to_url": { "url": "https://x?s=pi_1_secret_2" } })),
        };
        let kept = without_secret(&PaidBody { state: OrderState::AwaitingPayment, payment });
        assert!(!String::from_utf8(kept).unwrap().contains("secret_2"));
    }
}
