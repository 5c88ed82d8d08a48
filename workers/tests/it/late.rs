//! The bank says yes about when the order's time is over, or just when somebody gives the payment up.
//!
//! Whatever comes first, there are two ends: the money was taken and there is a seat for it, or nothing was taken and the buyer is
//! told so.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::{self, Automatic, Manual};
use ledger::orders::orders_expire_due;
use sandbox::{Authentication, Mail, Operation};

use crate::dice::Dice;
use crate::eventually::eventually;
use crate::soak;
use crate::world::{Answer, Heard, History, PRICE, Post, Sale, World};

/// When the bank says yes, counted from the end of the order's time.
const MOMENTS_MS: [i64; 4] = [-1, 0, 1, 300_000];

/// Whether the order's unit is there still when the bank says yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Left,
    Gone,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Sold,
    LetGo,
    GivenBack,
}

/// How it is paid, and whether we know the intent by then or hear of it by its events only.
#[derive(Debug, Clone, Copy)]
struct Way {
    capture: CaptureMode,
    answer: Answer,
}

impl Way {
    /// What becomes of money, or the promise of it, that has no seat.
    const fn too_late(self) -> End {
        match self.capture {
            Manual => End::LetGo,
            Automatic => End::GivenBack,
        }
    }
}

/// An order whose time is over by the sweep, if it is, before the bank's word is heard.
async fn says_yes(world: &World, sale: &Sale, number: u32, way: Way, (after_ms, unit): (i64, Unit)) -> History {
    let mut histories = world.at_the_bank(sale, number..number + 1, way.capture, way.answer).await;
    let History { order, intent } = histories.pop().expect("one");
    world.posts_events().await;
    world.stops_the_clock(&order, after_ms).await;
    orders_expire_due(&world.workers, 10).await.expect("Postgres answers");
    if unit == Unit::Gone {
        world.orders_the_units_of(sale, &order).await;
    }
    world.stripe.authenticate(&intent, Authentication::Passed).expect("it waits for it");
    world.posts_events().await;
    // Both would decide before the bank's word is heard. Afterwards a cancellation meets the capture, and loses.
    world.holds_back("kind IN ('payment_cancel', 'units_return')").await;
    History { order, intent }
}

async fn end(world: &World, History { order, intent }: &History) -> End {
    let workers = world.start(Post::Open);
    let decided = format!("SELECT count(*) FROM payments WHERE intent_id = '{intent}' AND authorised > 0");
    eventually("the bank's word was heard", async || world.count(&decided).await == 1).await;
    world.starts_the_clock().await;
    world.advances(Duration::from_secs(5)).await;
    world.until_paid_or_not().await;
    workers.stop().await;
    let snapshot = world.stripe.payment_intent(intent).expect("the fake remembers");
    let order = world.order(order).await;
    match (order.state, order.tickets.len(), snapshot.captured, snapshot.refunded) {
        (OrderState::Paid, 1, PRICE, 0) => End::Sold,
        (OrderState::Expired, 0, 0, 0) => End::LetGo,
        (_, 0, PRICE, PRICE) => End::GivenBack,
        other => panic!("{other:?}"),
    }
}

async fn says_yes_about_the_end(way: Way, moments: &[i64]) {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(20, way.capture).await;
    workers.stop().await;
    // Also those that are made while events older than the bank's word are heard.
    world.holds_back_what_comes("payment_cancel").await;
    let (mut number, mut told) = (0, 0);
    for after_ms in moments {
        for unit in [Unit::Left, Unit::Gone] {
            if unit == Unit::Gone && *after_ms < 0 {
                continue;
            }
            let history = says_yes(&world, &sale, number, way, (*after_ms, unit)).await;
            number += 1;
            let expected = if unit == Unit::Left { End::Sold } else { way.too_late() };
            assert_eq!(end(&world, &history).await, expected, "{way:?}, {after_ms} ms, {unit:?}");
            told += usize::from(expected != End::Sold);
            world.agrees_with_stripe().await;
            world.audit().await;
        }
    }
    let workers = world.start(Post::Open);
    world.until_idle().await;
    workers.stop().await;
    let subject = if way.capture == Manual { "Nothing was charged" } else { "Your payment" };
    let of_it = |mail: &&Mail| mail.subject().starts_with(subject);
    assert_eq!(world.mail.messages().iter().filter(of_it).count(), told, "each of them is told, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn about_the_end_of_an_order_the_bank_s_yes_is_a_seat_or_nothing() {
    says_yes_about_the_end(Way { capture: Manual, answer: Answer::Heard }, &MOMENTS_MS).await;
}

/// What Stripe takes at once it has when we hear of it, so what comes too late goes back whole.
#[tokio::test(flavor = "multi_thread")]
async fn about_the_end_of_an_order_money_that_is_taken_at_once_is_a_seat_or_goes_back() {
    says_yes_about_the_end(Way { capture: Automatic, answer: Answer::Heard }, &MOMENTS_MS).await;
}

/// The answer to the call was lost, so all that is ever heard of the payment are events, after the order's time.
#[tokio::test(flavor = "multi_thread")]
async fn about_the_end_of_an_order_a_yes_heard_by_events_alone_is_a_seat_or_nothing() {
    for capture in [Manual, Automatic] {
        says_yes_about_the_end(Way { capture, answer: Answer::Lost }, &MOMENTS_MS[2..]).await;
    }
}

/// Captures against cancellations, in one world.
const RACES: u32 = 100;

/// How many captures earlier than its own a cancellation is sent, at most.
const AHEAD: usize = 16;

/// Gives each up about when it is captured, now before and now after that; whoever comes second is refused.
async fn gives_up_in_step(world: &World, histories: &[History], mut dice: Dice) {
    for (place, history) in histories.iter().enumerate() {
        let before = u64::try_from(place.saturating_sub(dice.below(AHEAD))).expect("few");
        let come = async || world.stripe.calls().get(&Operation::CaptureIntent).copied().unwrap_or_default() >= before;
        eventually("the captures have come so far", come).await;
        drop(world.gives_up(&history.intent).await);
    }
}

async fn races(world: &World, seed: u64) {
    let workers = world.start(Post::None);
    let sale = world.open_sale(RACES, Manual).await;
    world.keeps_jobs_back().await;
    let histories = world.at_the_bank(&sale, 0..RACES, Manual, Answer::Heard).await;
    for history in &histories {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    let told = world.told_of(&histories);
    let authorised = told.iter().map(|told| told["payment_intent.amount_capturable_updated"].clone()).collect();
    world.tells(vec![authorised], Heard::Done).await;
    tokio::join!(world.does_its_jobs(), gives_up_in_step(world, &histories, Dice::of_seed(seed)));
    world.until_paid_or_not().await;
    let books = world.books(&sale).await;
    let ends: Vec<_> =
        books.iter().map(|(_, books)| (books["order"].as_str(), books["payments"][0][1].as_i64())).collect();
    for end in &ends {
        assert!([(Some("paid"), Some(PRICE)), (Some("over"), Some(0))].contains(end), "{books:#?}");
    }
    assert_eq!(ends.len(), 2, "nothing raced: {books:#?}");
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// 100 of them; in the long run 10,000.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_and_a_cancellation_at_once_end_as_stripe_says() {
    for seed in 0..if soak::is_on() { 100 } else { 1 } {
        races(&World::new().await, seed).await;
    }
}
