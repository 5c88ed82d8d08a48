//! What happens by itself after a while.

use std::time::Duration;

use sandbox::{BankAnswer, BankPace, FakeStripe, FakeStripeOptions, IntentStatus, RefundOutcome, RefundPace, Tally};
use serde_json::Value;

use super::seller::{PRICE, Seller};
use crate::eventually::eventually;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Short enough to wait for.
const SOON: Duration = Duration::from_millis(50);

async fn start(options: FakeStripeOptions) -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(options).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

fn status(stripe: &FakeStripe, intent: &str) -> IntentStatus {
    stripe.payment_intent(intent).unwrap().status
}

/// The newest events, the oldest of them first.
fn last_told(stripe: &FakeStripe, count: usize) -> Vec<String> {
    let events = stripe.events();
    events[events.len() - count..].iter().map(|event| event.kind.clone()).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("{object}")).to_owned()
}

#[tokio::test]
async fn an_authorisation_lapses_when_its_week_is_over_and_not_before() {
    let (stripe, seller) = start(FakeStripeOptions::default()).await;
    let (left, taken) = (seller.authorised().await, seller.authorised().await);
    seller.posts(&format!("/v1/payment_intents/{taken}/capture"), &[]).await;
    stripe.advance_clock(WEEK - DAY);
    assert_eq!(status(&stripe, &left), IntentStatus::RequiresCapture);
    stripe.advance_clock(DAY);
    assert_eq!((status(&stripe, &left), status(&stripe, &taken)), (IntentStatus::Canceled, IntentStatus::Succeeded));
    assert_eq!(last_told(&stripe, 2), ["charge.expired", "payment_intent.canceled"]);
    let lapsed = seller.get(&format!("/v1/payment_intents/{left}?expand[]=latest_charge")).await.json();
    assert_eq!((&lapsed["cancellation_reason"], &lapsed["amount_capturable"]), (&"automatic".into(), &0.into()));
    let capture = format!("/v1/payment_intents/{left}/capture");
    assert_eq!(seller.is_refused(&capture, &[]).await, (400, "payment_intent_unexpected_state".into()));
    assert_eq!(stripe.balance()["eur"], PRICE);
}

#[tokio::test]
async fn a_short_authorisation_lapses_while_nobody_calls() {
    let authorisation_lasts = Some(SOON);
    let (stripe, seller) = start(FakeStripeOptions { authorisation_lasts, ..FakeStripeOptions::default() }).await;
    let intent = seller.pays("pm_card_visa", "manual", None).await.json();
    eventually("it lapses", async || status(&stripe, &id(&intent)) == IntentStatus::Canceled).await;
}

#[tokio::test]
async fn a_bank_answers_after_its_time_either_way() {
    let (stripe, seller) = start(FakeStripeOptions::default()).await;
    for (answer, ends) in
        [(BankAnswer::Yes, IntentStatus::Succeeded), (BankAnswer::No, IntentStatus::RequiresPaymentMethod)]
    {
        stripe.set_bank_pace(Some(BankPace { after: DAY, answer }));
        let intent = id(&seller.pays("pm_card_processing", "automatic", None).await.json());
        stripe.advance_clock(DAY / 2);
        assert_eq!(status(&stripe, &intent), IntentStatus::Processing);
        stripe.advance_clock(DAY / 2);
        assert_eq!(status(&stripe, &intent), ends);
    }
    assert_eq!((stripe.captured_total("eur"), stripe.balance()["eur"]), (PRICE, PRICE));
    stripe.set_bank_pace(Some(BankPace { after: SOON, answer: BankAnswer::Yes }));
    let intent = id(&seller.pays("pm_card_processing", "automatic", None).await.json());
    eventually("the bank answers", async || status(&stripe, &intent) == IntentStatus::Succeeded).await;
}

#[tokio::test]
async fn a_refund_is_pending_and_then_arrives() {
    let after = DAY;
    let refund_pace = RefundPace::Later { after, outcome: RefundOutcome::Succeeds };
    let (stripe, seller) = start(FakeStripeOptions { refund_pace, ..FakeStripeOptions::default() }).await;
    let intent = id(&seller.pays("pm_card_visa", "automatic", None).await.json());
    let refund = seller.posts("/v1/refunds", &[("payment_intent", &intent), ("amount", "1000")]).await;
    assert_eq!((&refund["status"], stripe.balance()["eur"]), (&"pending".into(), PRICE - 1_000));
    stripe.advance_clock(after);
    let arrived = seller.get(&format!("/v1/refunds/{}", id(&refund))).await.json();
    assert_eq!((&arrived["status"], stripe.balance()["eur"]), (&"succeeded".into(), PRICE - 1_000));
    assert_eq!(last_told(&stripe, 2), ["refund.updated", "charge.refund.updated"]);
    assert!(stripe.refund_ends(&id(&refund), RefundOutcome::Succeeds).is_err(), "it has arrived");
}

#[tokio::test]
async fn a_refund_that_fails_brings_its_money_back_once() {
    let (stripe, seller) = start(FakeStripeOptions { refund_pace: RefundPace::Waits, ..Default::default() }).await;
    let intent = id(&seller.pays("pm_card_visa", "automatic", None).await.json());
    let refund = seller.posts("/v1/refunds", &[("payment_intent", &intent)]).await;
    assert_eq!((stripe.refunded_total("eur"), stripe.balance()["eur"]), (PRICE, 0));
    assert_eq!(seller.is_refused("/v1/refunds", &[("payment_intent", &intent)]).await.1, "charge_already_refunded");

    stripe.refund_ends(&id(&refund), RefundOutcome::Succeeds).unwrap();
    stripe.refund_ends(&id(&refund), RefundOutcome::Fails).unwrap();
    assert!(stripe.refund_ends(&id(&refund), RefundOutcome::Fails).is_err());
    assert_eq!(last_told(&stripe, 3), ["refund.updated", "refund.failed", "charge.refund.updated"]);
    let path = format!("/v1/refunds/{}?expand[]=failure_balance_transaction", id(&refund));
    let failed = seller.get(&path).await.json();
    assert_eq!((&failed["status"], &failed["failure_reason"]), (&"failed".into(), &"expired_or_canceled_card".into()));
    let back = &failed["failure_balance_transaction"];
    assert_eq!((&back["type"], &back["amount"]), (&"refund_failure".into(), &PRICE.into()));
    assert_eq!((stripe.refunded_total("eur"), stripe.balance()["eur"]), (0, PRICE));
    assert_eq!(stripe.tallies()[&intent], Tally { captured: PRICE, ..Tally::default() });
    seller.posts("/v1/refunds", &[("payment_intent", &intent)]).await;
}
