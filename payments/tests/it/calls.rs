//! What each call does when all goes well, and how it is refused.

use std::collections::BTreeSet;

use domain::Money;
use domain::payment::{IntentStatus, PaidWith};
use domain::sale::CaptureMode;
use payments::{CreateIntent, RefundIntent, RefundStatus, StripeError};

use crate::till::{DECLINED, NEEDS_3DS, Till, VISA, order, price, sale};

#[tokio::test]
async fn a_card_is_authorised_and_later_captured_whole() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    assert_eq!(intent.status, IntentStatus::RequiresCapture);
    assert_eq!((intent.amount, intent.amount_capturable, intent.amount_received), (price(), 4_350, 0));
    assert_eq!((intent.sale, intent.order), (Some(sale()), Some(order())));
    assert!(intent.client_secret.is_some() && intent.latest_charge.is_some());
    assert!(intent.capture_before.is_some(), "the charge came along and says when the authorisation lapses");
    assert_eq!(till.fake.captured_total("eur"), 0);

    let captured = till.stripe.capture(&intent.id, "capture:1").await.expect("it was authorised");
    assert_eq!((captured.status, captured.amount_received), (IntentStatus::Succeeded, 4_350));
    assert_eq!(till.fake.captured_total("eur"), 4_350);
}

#[tokio::test]
async fn automatic_capture_takes_the_money_at_once() {
    let till = Till::open().await;
    let intent = till.pay(VISA, CaptureMode::Automatic).await.expect("the card works");
    assert_eq!((intent.status, intent.amount_received), (IntentStatus::Succeeded, 4_350));
}

/// The same card again is known again, in this sale; whoever fetches the intent learns it too.
#[tokio::test]
async fn what_pays_is_known_once_the_bank_said_yes() {
    let till = Till::open().await;
    let adas = format!("{VISA}_of_ada");
    let first = till.pay(&adas, CaptureMode::Manual).await.expect("the card works");
    let second = till.pay(&adas, CaptureMode::Automatic).await.expect("the card works");
    assert!(matches!(first.paid_with, Some(PaidWith::Card(_))), "{:?}", first.paid_with);
    assert_eq!(first.paid_with, second.paid_with);
    assert_eq!(till.stripe.fetch(&first.id).await.expect("it is there").facts().paid_with, first.paid_with);
    let other = till.pay(VISA, CaptureMode::Manual).await.expect("the card works");
    assert_ne!(other.paid_with, first.paid_with);
    let elsewhere = CreateIntent {
        sale: "sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f7".parse().expect("an id"),
        ..till.payment(&adas, CaptureMode::Manual).await
    };
    let elsewhere = till.stripe.create_and_confirm(&elsewhere, "create:elsewhere").await.expect("the card works");
    assert_ne!(elsewhere.paid_with, first.paid_with, "no two sales can be compared");
    assert_eq!(till.pay(NEEDS_3DS, CaptureMode::Manual).await.expect("it is not declined yet").paid_with, None);
}

#[tokio::test]
async fn a_card_that_wants_3d_secure_says_what_to_do() {
    let till = Till::open().await;
    let intent = till.pay(NEEDS_3DS, CaptureMode::Manual).await.expect("it is not declined yet");
    assert_eq!(intent.status, IntentStatus::RequiresAction);
    let action = intent.next_action.expect("something to do");
    assert!(["use_stripe_sdk", "redirect_to_url"].contains(&action["type"].as_str().expect("a type")), "{action}");
}

#[tokio::test]
async fn a_declined_card_says_why_and_charges_nothing() {
    let till = Till::open().await;
    let error = till.pay(DECLINED, CaptureMode::Manual).await.expect_err("the card is declined");
    let StripeError::Declined { code, decline_code, message, intent } = error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), decline_code.as_deref()), ("card_declined", Some("generic_decline")));
    assert!(!message.is_empty());
    let intent = intent.expect("it left an intent");
    assert_eq!((intent.status, intent.order), (IntentStatus::RequiresPaymentMethod, Some(order())));
    assert_eq!(intent.failure.as_deref(), Some("generic_decline"));
    assert_eq!(till.fake.captured_total("eur"), 0);
}

#[tokio::test]
async fn an_intent_is_fetched_as_it_is_now() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    till.stripe.cancel(&intent.id, "cancel:1").await.expect("it was authorised");
    let now = till.stripe.fetch(&intent.id).await.expect("it is there");
    assert_eq!(now.status, IntentStatus::Canceled);
    assert_eq!(now.facts().amount, price());
}

#[tokio::test]
async fn what_is_done_already_is_named_and_carries_the_intent() {
    let till = Till::open().await;
    let intent = till.authorised().await;
    till.stripe.capture(&intent.id, "capture:1").await.expect("it was authorised");
    for error in [
        till.stripe.capture(&intent.id, "capture:2").await.expect_err("it is captured"),
        till.stripe.cancel(&intent.id, "cancel:1").await.expect_err("it is captured"),
    ] {
        let StripeError::UnexpectedState(Some(now)) = error else { panic!("{error:?}") };
        assert_eq!(now.status, IntentStatus::Succeeded);
    }
    assert_eq!(till.fake.captured_total("eur"), 4_350);
}

#[tokio::test]
async fn a_part_of_the_money_goes_back() {
    let till = Till::open().await;
    let intent = till.pay(VISA, CaptureMode::Automatic).await.expect("the card works");
    let refund = RefundIntent {
        id: "ref_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"),
        intent: intent.id.clone(),
        sale: sale(),
        order: order(),
        amount: Money::new(1_000, price().currency),
        memo: Vec::new(),
    };
    let answer = till.stripe.refund(&refund, "refund:1").await.expect("there is enough to refund");
    assert_eq!((answer.status, answer.amount), (RefundStatus::Succeeded, refund.amount));
    assert_eq!((answer.refund, answer.order), (Some(refund.id), Some(order())));
    assert_eq!(answer.payment_intent, Some(intent.id));
    assert_eq!(till.fake.refunded_total("eur"), 1_000);
}

/// More of them than one page has, and another intent's beside.
#[tokio::test]
async fn all_refunds_of_an_intent_are_listed() {
    let till = Till::open().await;
    let (paid, other) = (
        till.pay(VISA, CaptureMode::Automatic).await.expect("the card works"),
        till.pay(VISA, CaptureMode::Automatic).await.expect("the card works"),
    );
    let id = |number: u32| format!("ref_0192f0a1b2c37d4e8f90a1b2{number:08x}").parse().expect("an id");
    let refunds = async |intent: &str, number| {
        let amount = Money::new(1, price().currency);
        let refund = RefundIntent {
            id: id(number),
            intent: intent.to_owned(),
            sale: sale(),
            order: order(),
            amount,
            memo: Vec::new(),
        };
        till.stripe.refund(&refund, &format!("refund:{number}")).await.expect("there is enough to refund").id
    };
    let first = refunds(&paid.id, 0).await;
    for number in 1..=120 {
        refunds(&paid.id, number).await;
    }
    refunds(&other.id, 200).await;
    let made = till.stripe.refunds_of(&paid.id).await.expect("an answer");
    let ours: BTreeSet<_> = made.iter().filter_map(|refund| refund.refund).collect();
    assert_eq!((made.len(), ours), (121, (0..=120).map(id).collect()), "and none of the other intent");
    assert!(made.iter().any(|refund| refund.id == first && refund.refund == Some(id(0))), "each by our own id of it");
}

#[tokio::test]
async fn what_stripe_does_not_know_is_refused() {
    let till = Till::open().await;
    for error in [
        till.stripe.fetch("pi_nothing").await.expect_err("no such intent"),
        till.stripe.capture("pi_nothing", "capture:1").await.expect_err("no such intent"),
    ] {
        assert!(matches!(&error, StripeError::Refused { status: 404, .. }), "{error:?}");
    }
    for (intent, key) in [("pi_1?x", "k"), ("pi 1", "k"), ("pi_1", ""), ("pi_1", "line\nend")] {
        let error = till.stripe.capture(intent, key).await.expect_err("not a call");
        assert!(matches!(&error, StripeError::Refused { .. }), "{intent:?} {key:?}: {error:?}");
    }
}

/// More of them than one page has.
#[tokio::test]
async fn an_intent_is_found_by_its_order_and_attempt_alone() {
    let till = Till::open().await;
    let mut payment = till.payment(VISA, CaptureMode::Manual).await;
    let mut made = Vec::new();
    for attempt in 1..=120 {
        payment.attempt = attempt;
        payment.confirmation_token = till.token(VISA).await;
        made.push(
            till.stripe.create_and_confirm(&payment, &format!("create:{attempt}")).await.expect("the card works"),
        );
    }
    for attempt in [1, 12, 120] {
        let found = till.stripe.find(order(), attempt).await.expect("an answer").expect("it was made");
        assert_eq!(found.id, made[usize::try_from(attempt).expect("few") - 1].id);
    }
    assert_eq!(till.stripe.find(order(), 121).await.expect("an answer"), None);
    assert_eq!(
        till.stripe.find("ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f8".parse().expect("an id"), 1).await.expect("an answer"),
        None
    );

    let (begun, hour) = (made[0].created, jiff::SignedDuration::from_hours(1));
    let listed = till.stripe.made_between(begun - hour, begun + hour).await.expect("an answer");
    let ids = |intents: &[payments::Intent]| intents.iter().map(|intent| intent.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!((listed.len(), ids(&listed)), (120, ids(&made)));
    assert!(listed.iter().all(|intent| made.iter().any(|made| made.id == intent.id && made.attempt == intent.attempt)));
    assert_eq!(till.stripe.made_between(begun - 2 * hour, begun - hour).await.expect("an answer"), []);
}
