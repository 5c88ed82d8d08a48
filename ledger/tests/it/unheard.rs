//! Attempts whose answer nobody heard: taken up, looked for, ended.

use domain::order::OrderState;
use domain::payment::{ATTEMPT_SENT_S, ATTEMPT_TAKEN_UP_S, IntentStatus, NEVER_MADE_AFTER_S, PaymentState};
use ledger::payments::{
    Absent, Applied, BeginPayment, UnheardAttempt, attempts_look, payment_key_spent, payment_never_made,
    payment_targets, payments_apply,
};

use crate::world::{Price, World, new_payment};

async fn goes_on(world: &World, by_s: u32) {
    world.database.advance_clock(i64::from(by_s) * 1_000).await.expect("Postgres answers");
}

async fn looks(world: &World) -> Vec<UnheardAttempt> {
    attempts_look(&world.workers, 100).await.expect("Postgres answers")
}

async fn one(world: &World) -> UnheardAttempt {
    let attempts = looks(world).await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.into_iter().next().expect("one")
}

#[tokio::test]
async fn what_nobody_heard_of_is_looked_for_and_ends_and_the_next_press_is_another_attempt() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let first = sale.begins(order.id).await;
    goes_on(&world, ATTEMPT_SENT_S - 1).await;
    assert_eq!(looks(&world).await, [], "it may be on its way");
    goes_on(&world, 1).await;
    let found = one(&world).await;
    assert_eq!((found.order, found.payment, found.attempt), (order.id, first.id, 1));
    assert_eq!(found.absent, Absent::MayCome);
    assert!(!payment_never_made(&world.workers, &found).await.unwrap(), "it is too early");
    assert_eq!(looks(&world).await, [], "one looks at a time");
    goes_on(&world, NEVER_MADE_AFTER_S).await;
    let absent = one(&world).await;
    assert_eq!(absent.absent, Absent::NeverMade);
    assert!(payment_never_made(&world.workers, &absent).await.unwrap());
    assert!(!payment_never_made(&world.workers, &absent).await.unwrap(), "once");
    let ended = sale.looks_at(order.id).await;
    assert_eq!(ended.state, OrderState::AwaitingPayment, "its tickets are kept");
    let payment = ended.payment.unwrap();
    assert_eq!((payment.state, payment.failure.as_deref()), (PaymentState::Failed, Some("never_made")));
    let second = sale.begins(order.id).await;
    assert_eq!((second.attempt, second.key), (2, format!("create:{}:2", order.id.uuid())));
    world.audits_clean().await;
}

/// Whoever presses again and again is sending it; but not for ever.
#[tokio::test]
async fn pressing_pay_takes_an_attempt_up_for_a_while_and_then_it_is_looked_for() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let attempt = sale.begins(order.id).await;
    let presses = ATTEMPT_TAKEN_UP_S / 30;
    for _ in 1..presses {
        goes_on(&world, 30).await;
        assert_eq!(sale.presses_pay(order.id).await, BeginPayment::Resume(attempt.clone()));
        assert_eq!(looks(&world).await, []);
    }
    goes_on(&world, 30).await;
    assert_eq!(sale.presses_pay(order.id).await, BeginPayment::LookedFor);
    // The last that was sent was half a minute ago.
    goes_on(&world, ATTEMPT_SENT_S - 30).await;
    assert_eq!(one(&world).await.absent, Absent::MayCome);
    for _ in 0..NEVER_MADE_AFTER_S / 30 {
        goes_on(&world, 30).await;
        assert_eq!(sale.presses_pay(order.id).await, BeginPayment::LookedFor, "and that sends nothing");
    }
    assert!(payment_never_made(&world.workers, &one(&world).await).await.unwrap());
    assert_eq!(sale.begins(order.id).await.attempt, 2);
}

#[tokio::test]
async fn a_spent_key_is_not_sent_again_and_its_attempt_looked_for_at_once() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    let attempt = sale.begins(order.id).await;
    payment_key_spent(&world.gateway, &attempt).await.unwrap();
    payment_key_spent(&world.gateway, &attempt).await.unwrap();
    assert_eq!(sale.presses_pay(order.id).await, BeginPayment::LookedFor);
    assert_eq!(one(&world).await.absent, Absent::MayCome);
    goes_on(&world, NEVER_MADE_AFTER_S).await;
    assert!(payment_never_made(&world.workers, &one(&world).await).await.unwrap());
    assert_eq!(sale.begins(order.id).await.attempt, 2);
}

#[tokio::test]
async fn what_was_heard_of_in_the_meantime_does_not_end() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    goes_on(&world, ATTEMPT_SENT_S + NEVER_MADE_AFTER_S).await;
    let absent = one(&world).await;
    assert_eq!(absent.absent, Absent::NeverMade);
    world.applies(&paying.news(IntentStatus::RequiresAction)).await;
    assert!(!payment_never_made(&world.workers, &absent).await.unwrap());
    payment_key_spent(&world.gateway, &paying.attempt).await.unwrap();
    goes_on(&world, 300).await;
    assert_eq!(looks(&world).await, [], "nor is it looked for");
    assert!(matches!(sale.presses_pay(paying.order.id).await, BeginPayment::Live(_)));
}

/// What Stripe made of it after all is given back, and the order is the second attempt's.
#[tokio::test]
async fn an_intent_that_turns_up_after_its_attempt_has_ended_is_let_go() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let first = sale.order_being_paid([0]).await;
    goes_on(&world, ATTEMPT_SENT_S + NEVER_MADE_AFTER_S).await;
    assert!(payment_never_made(&world.workers, &one(&world).await).await.unwrap());
    let second = sale.being_paid(sale.looks_at(first.order.id).await).await;
    assert_eq!(world.applies(&second.news(IntentStatus::Succeeded)).await, Applied::Captured);
    assert_eq!(world.applies(&first.news(IntentStatus::RequiresCapture)).await, Applied::AskStripe);
    assert_eq!(world.applies(&first.fetched(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(sale.looks_at(first.order.id).await.state, OrderState::Paid);
    world.audits_clean().await;
}

/// An attempt that had ended turns up while nobody has heard of the next one either: each intent is its own attempt's, whichever
/// is heard of first, alone or together. The first is given up, and its buyer goes on with the second.
#[tokio::test]
async fn an_intent_belongs_to_the_attempt_that_it_names_whichever_is_heard_of_first() {
    let world = World::new().await;
    let sale = world.sale(8, Price::Paid).await;
    for (unit, (first_is_first, together)) in (0..).zip([(true, false), (false, false), (true, true), (false, true)]) {
        let first = sale.order_being_paid([unit]).await;
        goes_on(&world, ATTEMPT_SENT_S + NEVER_MADE_AFTER_S).await;
        assert!(payment_never_made(&world.workers, &one(&world).await).await.unwrap());
        let second = sale.being_paid(sale.looks_at(first.order.id).await).await;
        let at_the_bank = [first.fetched(IntentStatus::RequiresAction), second.fetched(IntentStatus::RequiresAction)];
        let targets = payment_targets(&world.workers, &[&at_the_bank[0].facts, &at_the_bank[1].facts]).await.unwrap();
        let targets: Vec<_> = targets.into_iter().map(|target| target.expect("a payment").payment).collect();
        assert_eq!(targets, [first.attempt.id, second.attempt.id]);
        let [one, other] = at_the_bank;
        let news = if first_is_first { [one, other] } else { [other, one] };
        if together {
            let applied = payments_apply(&world.workers, &news).await.unwrap();
            assert_eq!(applied, [Some(Applied::Nothing), Some(Applied::Nothing)]);
        } else {
            for news in &news {
                assert_eq!(world.applies(news).await, Applied::Nothing);
            }
        }
        let BeginPayment::Live(live) = sale.presses_pay(first.order.id).await else { panic!("it is under way") };
        assert_eq!((live.attempt, live.intent.as_ref()), (2, Some(&second.intent)));
        let given_up = format!(
            "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND payload ->> 'intent' IN ('{}', '{}')
                AND dedup_key = 'payment_cancel:{}'",
            first.intent,
            second.intent,
            first.attempt.id.uuid()
        );
        assert_eq!(world.number(&given_up).await, 1);
        assert_eq!(
            world.number("SELECT count(*) FROM outbox WHERE kind = 'payment_cancel'").await,
            i64::from(unit) + 1
        );
        assert_eq!(world.applies(&second.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    }
    world.audits_clean().await;
}

/// The order's time was over before anybody heard of its payment: nobody else would give it up at Stripe.
#[tokio::test]
async fn what_is_heard_of_only_after_its_order_is_over_is_given_up() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    goes_on(&world, 3_600).await;
    assert_eq!(ledger::orders::orders_expire_due(&world.workers, 10).await.unwrap().len(), 1);
    world.applies(&paying.news(IntentStatus::RequiresAction)).await;
    let jobs = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending'";
    assert_eq!(world.number(jobs).await, 1);
    world.audits_clean().await;
}

/// A press of Pay at the very moment at which the attempt ends: taken up, or another one after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_presses_pay_while_an_attempt_ends_has_one_attempt() {
    const RACES: u32 = 40;
    let world = World::new().await;
    let sale = world.sale(RACES, Price::Paid).await;
    let mut orders = Vec::new();
    for unit in 0..RACES {
        let order = sale.has_order([unit]).await;
        sale.begins(order.id).await;
        orders.push(order);
    }
    goes_on(&world, ATTEMPT_SENT_S + NEVER_MADE_AFTER_S).await;
    let absent = looks(&world).await;
    assert_eq!(absent.len(), orders.len());
    let (mut taken_up, mut ended) = (0, 0);
    for attempt in absent {
        let press = new_payment(attempt.sale, attempt.order);
        let (pressed, ended_now) = tokio::join!(
            ledger::payments::payment_begin(&world.gateway, &press),
            payment_never_made(&world.workers, &attempt),
        );
        match (pressed.unwrap(), ended_now.unwrap()) {
            (BeginPayment::Resume(_), false) => taken_up += 1,
            (BeginPayment::Begun(next), true) => ended += usize::from(next.attempt == 2),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken_up + ended, orders.len());
    let live = "SELECT count(*) FROM payments WHERE state = 'planned' AND NOT superseded";
    assert_eq!(world.number(live).await, i64::from(RACES));
}
