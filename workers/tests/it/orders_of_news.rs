//! News of a payment in every order: whatever is heard first, the books are the same in the end.
//!
//! Each order of events has a payment of its own, whose history is the same and over at Stripe before we hear of it. Then its
//! events are told in rounds: all that are first, and when these are done all that are second. So each is applied in exactly its
//! order by the workers, who tell the ledger together as ever. Jobs that the events write wait until all is told, because the
//! first of them would ask Stripe, and nothing would depend on the events any more.
//!
//! Stripe tells of a refund twice, by its charge (`charge.refunded`) and by the refund itself (`refund.created`); the books follow
//! the refund. Both are one place in the order. Some of the 720 and of the 362,880 orders are tried, by a seed; in the long run
//! all of the former and 2,000 of the latter.

use std::collections::HashMap;

use bytes::Bytes;
use domain::sale::CaptureMode::Manual;
use sandbox::{Authentication, Operation};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::soak;
use crate::world::{Answer, Heard, History, PRICE, Post, Running, Sale, World, dispute};

const CREATED: &str = "payment_intent.created";
const REQUIRES_ACTION: &str = "payment_intent.requires_action";
const AUTHORISED: &str = "payment_intent.amount_capturable_updated";
const SUCCEEDED: &str = "payment_intent.succeeded";
const CANCELED: &str = "payment_intent.canceled";
const CHARGE_REFUNDED: &str = "charge.refunded";
const REFUND_CREATED: &str = "refund.created";
const REFUND_FAILED: &str = "refund.failed";
const DISPUTED: &str = "charge.dispute.created";
const DISPUTE_CLOSED: &str = "charge.dispute.closed";
const REINSTATED: &str = "charge.dispute.funds_reinstated";

/// What is told at one place of an order.
type Place = &'static [&'static str];

/// A payment of which half went back and half is disputed.
const TAKEN: [Place; 6] =
    [&[CREATED], &[REQUIRES_ACTION], &[AUTHORISED], &[SUCCEEDED], &[CHARGE_REFUNDED, REFUND_CREATED], &[DISPUTED]];

/// The same when the refund failed after all, and the bank gave its half back.
const TAKEN_AND_KEPT: [Place; 9] = [
    &[CREATED],
    &[REQUIRES_ACTION],
    &[AUTHORISED],
    &[SUCCEEDED],
    &[CHARGE_REFUNDED, REFUND_CREATED],
    &[DISPUTED],
    &[REFUND_FAILED],
    &[DISPUTE_CLOSED],
    &[REINSTATED],
];

/// An authorisation that was given up, which Stripe tells of a refund too.
const GIVEN_UP: [Place; 5] = [&[CREATED], &[REQUIRES_ACTION], &[AUTHORISED], &[CANCELED], &[CHARGE_REFUNDED]];

const HALF: i64 = PRICE / 2;

/// Orders tried in the short run of those that have more, by a seed; and in the long run of the longest history, which has 362,880.
const SAMPLED_SHORT: usize = 120;
const SAMPLED_LONG: usize = 2_000;

/// Seeds of the samples.
const SEED: u64 = 6;

/// All orders of so many things.
fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let with_last = |shorter: Vec<usize>| {
        (0..of).map(move |at| {
            let mut longer = shorter.clone();
            longer.insert(at, of - 1);
            longer
        })
    };
    permutations(of - 1).into_iter().flat_map(with_last).collect()
}

/// So many orders of so many things, by chance.
fn sample(of: usize, count: usize) -> Vec<Vec<usize>> {
    eprintln!("{count} orders by seed {SEED}");
    let mut dice = Dice::of_seed(SEED);
    let in_order: Vec<usize> = (0..of).collect();
    (0..count).map(|_| dice.shuffled(&in_order)).collect()
}

/// All of them in the long run, some in the short one.
fn scaled(orders: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    if soak::is_on() || orders.len() <= SAMPLED_SHORT {
        return orders;
    }
    let mut some = Dice::of_seed(SEED).shuffled(&orders);
    some.truncate(SAMPLED_SHORT);
    some
}

/// One payment for each order, whose buyers passed 3-D Secure and whose money is promised.
async fn promised(world: &World, sale: &Sale, count: usize, answer: Answer) -> Vec<History> {
    let count = u32::try_from(count).expect("few");
    let histories = world.at_the_bank(sale, 0..count, Manual, answer).await;
    for history in &histories {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    histories
}

/// The first half of what becomes of money: it is captured, half goes back, half is disputed.
async fn taken(world: &World, histories: &[History]) {
    world.captures(histories).await;
    world.give_back(histories, HALF).await;
    for history in histories {
        world.stripe.deliver(DISPUTED, &dispute(&history.intent, "needs_response", &[-HALF]));
    }
}

/// The second half: the refund fails, and the bank gives back what it took.
fn kept(world: &World, histories: &[History]) {
    for (history, told) in histories.iter().zip(world.told_of(histories)) {
        let created: Value = serde_json::from_slice(&told[REFUND_CREATED]).expect("JSON");
        let mut refund = created["data"]["object"].clone();
        refund["status"] = "failed".into();
        world.stripe.deliver(REFUND_FAILED, &refund);
        world.stripe.deliver(REINSTATED, &dispute(&history.intent, "under_review", &[-HALF, HALF]));
        world.stripe.deliver(DISPUTE_CLOSED, &dispute(&history.intent, "won", &[-HALF, HALF]));
    }
}

/// What is told in each round.
fn rounds(told: &[HashMap<String, Bytes>], places: &[Place], orders: &[Vec<usize>]) -> Vec<Vec<Bytes>> {
    let round = |number: usize| {
        let one = |(told, order): (&HashMap<String, Bytes>, &Vec<usize>)| {
            places[order[number]].iter().map(|kind| told[*kind].clone()).collect::<Vec<_>>()
        };
        told.iter().zip(orders).flat_map(one).collect()
    };
    (0..places.len()).map(round).collect()
}

/// Workers who do no job before they are told to, and a sale of so many units.
async fn world_of(units: usize) -> (World, Running, Sale) {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(u32::try_from(units).expect("few"), Manual).await;
    world.keeps_jobs_back().await;
    (world, workers, sale)
}

/// Everything is paid, half is in suspense because somebody gave it back by hand, half is at the bank.
fn books_of_taken() -> Value {
    json!({
        "order": "disputed",
        "payments": [["captured", PRICE, HALF, HALF, 0]],
        "units": { "sold": 1 },
        "tickets": { "valid": 1 },
        "refunds": [["stripe", "succeeded", HALF]],
        "disputes": [["open", HALF, HALF, 0]],
        "accounts": { "organizer_payable eur": -PRICE, "suspense eur": HALF, "disputed eur": HALF,
                      "seats_sold seats:ga": 1, "seats_available seats:ga": -1 },
    })
}

/// All the money is there.
fn books_of_kept() -> Value {
    json!({
        "order": "paid",
        "payments": [["captured", PRICE, 0, 0, 0]],
        "units": { "sold": 1 },
        "tickets": { "valid": 1 },
        "refunds": [["stripe", "failed", HALF]],
        "disputes": [["won", 0, 0, 0]],
        "accounts": { "organizer_payable eur": -PRICE, "payment_clearing eur": PRICE,
                      "seats_sold seats:ga": 1, "seats_available seats:ga": -1 },
    })
}

/// Nothing was ever there.
fn books_of_given_up() -> Value {
    json!({
        "order": "over",
        "payments": [["cancelled", 0, 0, 0, 0]],
        "units": { "free": 1 },
        "tickets": null,
        "refunds": null,
        "disputes": null,
        "accounts": null,
    })
}

async fn all_are(world: &World, sale: &Sale, count: usize, expected: Value) {
    let books = world.books(sale).await;
    assert_eq!(books, [(i64::try_from(count).expect("few"), expected)], "they depend on the order of the news");
}

async fn every_order_of_taken(answer: Answer) {
    let orders = scaled(permutations(TAKEN.len()));
    let (world, workers, sale) = world_of(orders.len()).await;
    let histories = promised(&world, &sale, orders.len(), answer).await;
    taken(&world, &histories).await;
    world.tells(rounds(&world.told_of(&histories), &TAKEN, &orders), Heard::Done).await;
    world.does_its_jobs().await;
    all_are(&world, &sale, orders.len(), books_of_taken()).await;
    assert_eq!(world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_a_payment_whose_answer_was_lost_comes_to_the_same_in_any_order() {
    every_order_of_taken(Answer::Lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_a_payment_whose_answer_was_heard_comes_to_the_same_in_any_order() {
    every_order_of_taken(Answer::Heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_failed_and_a_dispute_that_was_won_come_to_the_same_in_any_order() {
    let orders = sample(TAKEN_AND_KEPT.len(), if soak::is_on() { SAMPLED_LONG } else { SAMPLED_SHORT });
    let (world, workers, sale) = world_of(orders.len()).await;
    let histories = promised(&world, &sale, orders.len(), Answer::Lost).await;
    taken(&world, &histories).await;
    kept(&world, &histories);
    world.tells(rounds(&world.told_of(&histories), &TAKEN_AND_KEPT, &orders), Heard::Done).await;
    world.does_its_jobs().await;
    all_are(&world, &sale, orders.len(), books_of_kept()).await;
    let odd = "SELECT count(*) FROM inbox WHERE state <> 'done' AND note NOT IN ('refund_failed', 'dispute_excess')";
    assert_eq!(
        world.count(odd).await,
        0,
        "people are told of the failure, and of money out of nowhere, and of nothing else"
    );
    world.audit().await;
    workers.stop().await;
}

/// What is heard first decides whether the order ends at once or when its time is over; in the end nothing is left of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_was_given_up_is_nothing_in_any_order_and_no_refund() {
    let orders = permutations(GIVEN_UP.len());
    for answer in [Answer::Lost, Answer::Heard] {
        let (world, workers, sale) = world_of(orders.len()).await;
        let histories = promised(&world, &sale, orders.len(), answer).await;
        for history in &histories {
            world.gives_up(&history.intent).await.expect("it is authorised");
        }
        world.tells(rounds(&world.told_of(&histories), &GIVEN_UP, &orders), Heard::Done).await;
        assert_eq!(world.count("SELECT count(*) FROM refunds").await, 0, "nothing was taken, so nothing went back");
        world.lets_orders_run_out().await;
        world.does_its_jobs().await;
        all_are(&world, &sale, orders.len(), books_of_given_up()).await;
        assert_eq!(world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await, 0);
        assert_eq!(world.stripe.captured_total("eur"), 0);
        world.agrees_with_stripe().await;
        world.audit().await;
        workers.stop().await;
    }
}

/// An event that says what no payment can become any more makes us ask, and the answer is what we know.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cancellation_of_a_captured_payment_changes_nothing() {
    let (world, workers, sale) = world_of(2).await;
    let histories = promised(&world, &sale, 2, Answer::Heard).await;
    let [kept, given_up] = &histories[..] else { panic!("two") };
    world.captures(std::slice::from_ref(kept)).await;
    world.gives_up(&given_up.intent).await.expect("it is authorised");
    let told = world.told_of(&histories);
    world.tells(vec![vec![told[0][SUCCEEDED].clone()], vec![told[1][CANCELED].clone()]], Heard::Done).await;
    let before = world.books(&sale).await;
    let fetched = world.stripe.calls().get(&Operation::GetIntent).copied().unwrap_or_default();

    let event: Value = serde_json::from_slice(&told[1][CANCELED]).expect("JSON");
    let stale = event.to_string().replace(event["id"].as_str().expect("an id"), "evt_stale");
    let stale = stale.replace(&given_up.intent, &kept.intent);
    let stale = stale.replace(&given_up.order.id.to_string(), &kept.order.id.to_string());
    world.tells(vec![vec![stale.into()]], Heard::Done).await;
    assert_eq!(world.books(&sale).await, before);
    let nothing = "SELECT count(*) FROM inbox WHERE id = 'evt_stale' AND state = 'done' AND note = 'nothing'";
    assert_eq!(world.count(nothing).await, 1);
    assert_eq!(world.stripe.calls()[&Operation::GetIntent], fetched + 1, "Stripe was asked");
    world.does_its_jobs().await;
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// The control: where a payment obeys every event, its books depend on which came last.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_merge_the_books_depend_on_the_order() {
    let orders = sample(TAKEN.len(), 24);
    let (world, workers, sale) = world_of(orders.len()).await;
    world.obeys_every_event().await;
    let histories = promised(&world, &sale, orders.len(), Answer::Lost).await;
    taken(&world, &histories).await;
    world.tells(rounds(&world.told_of(&histories), &TAKEN, &orders), Heard::Tried).await;
    let books = world.books(&sale).await;
    assert!(books.len() > 1, "{books:#?}");
    workers.stop().await;
}

/// How often each event is told, under a name of its own each time, and by two deliveries.
const TIMES: usize = 50;
const PROCESSES: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn each_event_fifty_times_at_once_on_eight_workers_has_one_effect() {
    let (world, workers, sale) = world_of(2).await;
    let more: Vec<_> = (1..PROCESSES).map(|_| world.start(Post::None)).collect();
    let histories = promised(&world, &sale, 2, Answer::Lost).await;
    taken(&world, &histories).await;
    let told = world.told_of(&histories);
    let in_order: Vec<usize> = (0..TAKEN.len()).collect();
    world.tells(rounds(&told[..1], &TAKEN, &[in_order]), Heard::Done).await;
    let often: Vec<Bytes> = TAKEN.iter().copied().flatten().flat_map(|kind| named_anew(&told[1][*kind])).collect();
    world.tells(vec![Dice::of_seed(SEED).shuffled(&[often.clone(), often].concat())], Heard::Done).await;
    world.does_its_jobs().await;
    all_are(&world, &sale, 2, books_of_taken()).await;
    let named = 7 * i64::try_from(TIMES + 1).expect("few");
    assert_eq!(world.count("SELECT count(*) FROM inbox WHERE state = 'done'").await, named);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE kind = 'mail_order_paid'").await, 2);
    for kind in ["captured", "refunded", "dispute_withdrawn", "dispute_borne"] {
        assert_eq!(world.count(&format!("SELECT count(*) FROM transfers WHERE kind = '{kind}'")).await, 2, "{kind}");
    }
    world.agrees_with_stripe().await;
    world.audit().await;
    for workers in more {
        workers.stop().await;
    }
    workers.stop().await;
}

/// An event under so many names.
fn named_anew(event: &Bytes) -> Vec<Bytes> {
    let mut event: Value = serde_json::from_slice(event).expect("JSON");
    let id = event["id"].as_str().expect("an id").to_owned();
    let named = |number| {
        event["id"] = format!("{id}_{number}").into();
        Bytes::from(event.to_string())
    };
    (0..TIMES).map(named).collect()
}
