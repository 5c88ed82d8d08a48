//! Two things at the same moment, and one thing too late: one wins, and whoever paid has a seat or the money.

use std::time::Duration;

use admission::keys::SaleKeys;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use sandbox::actors::{ActorError, Answer, Buyer, Card, Hold, Order, Visitor};
use sandbox::{Authentication, CallFault, Latency, Operation, WebhookFault};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::shopper::text;
use crate::world::{World, sale};

const BOUND: Duration = Duration::from_secs(60);
/// Past every clock of an order, the window for paying included.
const PAST_ORDER_MS: i64 = 2_000_000;
/// Past the time of a hold.
const PAST_HOLD_MS: i64 = 1_000_000;
const PAID: &str = "SELECT count(*) FROM orders WHERE state = 'paid'";

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_runs_out_while_it_is_ordered_is_an_order_or_free_but_never_both() {
    let world = World::start().await;
    let sale = world.sells(12).await;
    let buyers = join_all((0..12).map(|_| world.has_turn(&sale))).await;
    let holds = join_all(buyers.iter().map(|buyer| buyer.holds("ga", 1))).await;
    let holds: Vec<_> = holds.into_iter().map(Result::unwrap).collect();
    let offset = SaleKeys::new(sale.parse().unwrap()).clock_offset();

    let orders = join_all(buyers.iter().zip(&holds).enumerate().map(async |(number, (buyer, hold))| {
        if number == 5 {
            world.redis.set_clock_offset(&offset, PAST_HOLD_MS).await.unwrap();
        }
        buyer.asks_to_order(hold, &format!("buyer{number}@example.com"), "Ada").await.unwrap()
    }))
    .await;

    let ordered = orders.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    for answer in orders.iter().filter(|answer| answer.status != StatusCode::CREATED) {
        assert!(matches!(answer.code(), Some("hold_expired" | "pass_expired" | "hold_not_found")), "{answer:?}");
    }
    let units = "SELECT count(*) FROM units WHERE state = 'ordered'";
    assert_eq!(world.counts(units).await, i64::try_from(ordered).unwrap());
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_run_out_while_they_are_paid_charge_nobody_without_a_seat() {
    let world = World::start().await;
    let sale = world.sells(10).await;
    let stripe = world.stripe.base_url();
    let mut buyers = Vec::new();
    for _ in 0..10 {
        buyers.push(world.has_order(&sale).await);
    }
    world.stripe.set_latency(Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(800) });
    let pays = join_all(buyers.iter().map(|(buyer, order)| buyer.pays(order, Card::Visa, &stripe)));
    let clock = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.database.advance_clock(PAST_ORDER_MS).await.unwrap();
    };
    let (answers, ()) = tokio::join!(pays, clock);
    for answer in answers {
        let answer = answer.unwrap();
        assert!(answer.status == StatusCode::OK || answer.code() == Some("order_expired"), "{answer:?}");
    }
    let waiting = "SELECT count(*) FROM orders WHERE state IN ('awaiting_payment', 'processing')";
    world.waits_until_counted(waiting, |orders| orders == 0).await;
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, world.counts(PAID).await * PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn money_taken_at_once_for_orders_that_run_out_meanwhile_goes_back_once() {
    let world = World::start().await;
    let mut config = sale(10);
    config["payment"] = json!({ "capture": "automatic" });
    let sale = world.organizer.puts_on_sale(&config).await.unwrap();
    let stripe = world.stripe.base_url();
    let mut buyers = Vec::new();
    for _ in 0..10 {
        buyers.push(world.has_order(&sale).await);
    }
    world.stripe.set_webhook_faults(vec![
        WebhookFault::Duplicate { extra: 1 },
        WebhookFault::Reorder { window: Duration::from_millis(500) },
    ]);
    world.stripe.fail_next_of(Operation::CreateRefund, 2, CallFault::AnswerLost);
    world.stripe.fail_next_of(Operation::CreateRefund, 2, CallFault::ServerError);
    // Every call is under way when the clock moves, and takes longer than the sweep.
    world.stripe.set_latency(Latency::Fixed(Duration::from_secs(3)));
    let pays = join_all(buyers.iter().map(|(buyer, order)| buyer.pays(order, Card::Visa, &stripe)));
    let clock = async {
        let started = Instant::now();
        while world.stripe.calls().get(&Operation::CreateIntent).is_none_or(|calls| *calls < 10) {
            assert!(started.elapsed() < BOUND, "{:?}", world.stripe.calls());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.stripe.set_latency(Latency::None);
        world.database.advance_clock(PAST_ORDER_MS).await.unwrap();
    };
    let (answers, ()) = tokio::join!(pays, clock);
    for answer in answers {
        let answer = answer.unwrap();
        assert!(answer.status == StatusCode::OK || answer.code() == Some("order_expired"), "{answer:?}");
    }
    let waiting = "SELECT count(*) FROM orders WHERE state IN ('awaiting_payment', 'processing')";
    world.waits_until_counted(waiting, |orders| orders == 0).await;
    assert!(world.stripe.wait_until_delivered(BOUND).await);
    nothing_is_left_to_do(&world).await;
    assert!(world.stripe.refunded_total("eur") > 0, "nobody was too late");
    money_is_where_it_belongs(&world, world.counts(PAID).await * PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_heard_of_too_late_is_given_back() {
    let world = World::start().await;
    let sale = world.sells(3).await;
    let (buyer, order) = world.has_order(&sale).await;
    world.stripe.set_webhook_faults(vec![WebhookFault::Delay { by: Duration::from_secs(8) }]);
    world.stripe.fail_next_of(Operation::CreateIntent, 1, CallFault::AnswerLost);
    world.stripe.fail_next_of(Operation::CreateIntent, 3, CallFault::ServerError);
    let unknown = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    assert_eq!(unknown.code(), Some("store_unavailable"), "{unknown:?}");
    // By the order's own end: after a jump of the clock it would also be time to look for the payment, before the unit is back.
    world.database.execute("UPDATE orders SET expires_at = onsale_now()").await.unwrap();
    buyer.waits_until_order_is(&order, "expired", BOUND).await.unwrap();
    let told = "SELECT count(*) FROM outbox WHERE kind = 'units_return' AND state = 'done'";
    world.waits_until_counted(told, |jobs| jobs == 1).await;

    let authorised = "SELECT count(*) FROM payments WHERE state = 'cancelled'";
    world.waits_until_counted(authorised, |payments| payments == 1).await;
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, 0).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_d_secure_passed_at_the_moment_the_order_runs_out_charges_nobody_without_a_seat() {
    let world = World::start().await;
    let sale = world.sells(6).await;
    let mut buyers = Vec::new();
    for _ in 0..6 {
        let (buyer, order) = world.has_order(&sale).await;
        let paid = buyer.pays(&order, Card::AuthenticationRequired, &world.stripe.base_url()).await.unwrap();
        buyers.push(text(&paid.expect(StatusCode::OK).unwrap()["payment"], "payment_intent"));
    }
    world.database.advance_clock(PAST_ORDER_MS).await.unwrap();
    for intent in &buyers {
        // Some are cancelled by now: then Stripe says no.
        let _ = world.stripe.authenticate(intent, Authentication::Passed);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, world.counts(PAID).await * PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_for_one_pass_one_hold_one_order_and_one_payment_win() {
    let world = World::start().await;
    let (_second, second) = world.adds_gateway().await;
    let sale = world.sells(30).await;
    let stripe = world.stripe.base_url();
    let buyer = world.has_turn(&sale).await;
    let twin = Buyer::new(&second, &sale, "10.9.9.9", buyer.pass());
    let either = |number: usize| if number.is_multiple_of(2) { &buyer } else { &twin };

    let held = join_all((0..20).map(|number| either(number).asks_to_hold("ga", 1))).await;
    let hold = Hold::of(only_one(held, StatusCode::CREATED, "pass_in_use")).unwrap();
    let free = "SELECT count(*) FROM units WHERE state = 'free'";
    assert_eq!(world.counts(free).await, 30);

    let ordered = join_all((0..8).map(async |number| {
        either(number).asks_to_order(&hold, &format!("a{number}@example.com"), "Ada").await.unwrap()
    }))
    .await;
    let ids: Vec<_> = ordered.iter().map(|answer| text(&answer.body, "id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ordered:?}");
    assert_eq!(ordered.iter().filter(|answer| answer.status == StatusCode::CREATED).count(), 1);
    assert_eq!(world.counts("SELECT count(*) FROM contacts").await, 1);
    let order = Order { id: ids[0].clone(), token: text(&ordered[0].body, "token") };

    world.stripe.set_latency(Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(300) });
    let paid = join_all((0..8).map(|number| either(number).pays(&order, Card::Visa, &stripe))).await;
    for answer in paid {
        let answer = answer.unwrap();
        assert!(answer.status == StatusCode::OK || answer.code() == Some("order_not_payable"), "{answer:?}");
    }
    buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    assert_eq!(world.stripe.payment_intents().len(), 1);
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_given_back_while_it_is_paid_ends_paid_or_given_back() {
    let world = World::start().await;
    let sale = world.sells(12).await;
    let stripe = world.stripe.base_url();
    world.stripe.set_latency(Latency::Uniform { min: Duration::ZERO, max: Duration::from_millis(60) });
    for number in 0..8_u64 {
        let buyer = world.has_turn(&sale).await;
        let hold = buyer.holds("ga", 1).await.unwrap();
        let order = buyer.orders(&hold, &format!("buyer{number}@example.com"), "Ada").await.unwrap();
        let gives_back = async {
            tokio::time::sleep(Duration::from_millis(number * 15)).await;
            buyer.gives_back(&hold).await.unwrap()
        };
        let (paid, given_back) = tokio::join!(buyer.pays(&order, Card::Visa, &stripe), gives_back);
        let paid = paid.unwrap();
        assert!(paid.status == StatusCode::OK || paid.code() == Some("order_not_payable"), "{paid:?}");
        match given_back.status {
            StatusCode::NO_CONTENT => buyer.waits_until_order_is(&order, "cancelled", BOUND).await.unwrap(),
            _ if given_back.code() == Some("order_not_cancellable") => {
                buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap()
            }
            _ => panic!("{given_back:?}"),
        };
    }
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, world.counts(PAID).await * PRICE).await;
    world.holds_every_invariant();
}

/// Stripe stores a 500 under its key and gives it to every repetition: the same key again is no way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_and_a_cancel_that_stripe_answers_with_500_for_ever_are_done_all_the_same() {
    let world = World::start().await;
    let sale = world.sells(3).await;
    let stripe = world.stripe.base_url();
    let (buyer, order) = world.has_order(&sale).await;
    world.stripe.fail_next_of(Operation::CaptureIntent, 1, CallFault::ServerErrorRemembered);
    buyer.pays(&order, Card::Visa, &stripe).await.unwrap().expect(StatusCode::OK).unwrap();
    buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();

    let (buyer, order) = world.has_order(&sale).await;
    buyer.pays(&order, Card::AuthenticationRequired, &stripe).await.unwrap().expect(StatusCode::OK).unwrap();
    world.stripe.fail_next_of(Operation::CancelIntent, 1, CallFault::ServerErrorRemembered);
    world.database.advance_clock(PAST_ORDER_MS).await.unwrap();
    buyer.waits_until_order_is(&order, "expired", BOUND).await.unwrap();
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, PRICE).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_again_after_redis_was_lost_keeps_the_number() {
    let world = World::start().await;
    let sale = world.sells(3).await;
    let path = format!("/v1/sales/{sale}/queue");
    let mut visitor = Visitor::new(&world.edge, &sale);
    let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let authorization = format!("Bearer {}", visitor.place().unwrap());
    let again = async || {
        world.edge.ask(Method::POST, &path, &[("authorization", authorization.as_str())], &Value::Null).await.unwrap()
    };
    assert_eq!(again().await.body["place"]["number"], joined["place"]["number"]);

    world.redis.flush().await.unwrap();
    let mut answer = again().await;
    while answer.status == StatusCode::SERVICE_UNAVAILABLE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = again().await;
    }
    assert_eq!(answer.body["place"]["number"], joined["place"]["number"], "{answer:?}");
}

/// The one answer with that status; all others are that refusal.
fn only_one(answers: Vec<Result<Answer, ActorError>>, status: StatusCode, refusal: &str) -> Answer {
    let answers = answers.into_iter().map(Result::unwrap);
    let (mut won, lost): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == status);
    assert!(lost.iter().all(|answer| answer.code() == Some(refusal)), "{lost:?}");
    assert_eq!(won.len(), 1, "{won:?}");
    won.pop().unwrap()
}
