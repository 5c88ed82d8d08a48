//! Workers killed at every point of every kind of work: whoever comes after them brings it to the same end.
//!
//! For each kind there is a history that needs it, played once with workers who live and once for each point with workers who die
//! there, one order each. In the end the books of all these orders are the same, every letter was sent once as far as a mail
//! program shows, no job is parked, and Stripe has what we have. A kind that the database knows and no history kills is an error,
//! and so is a sweep.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::EntryId;
use domain::order::OrderState;
use domain::sale::CaptureMode::{self, Automatic, Manual};
use ledger::orders::orders_expire_due;
use ledger::outbox::{self, Queue};
use ledger::refunds::RefundWish;
use ledger::waitlist::EntryState;
use ledger::waitlist::tending::offers_lapse_due;
use sandbox::Authentication;
use serde_json::Value;
use workers::points::Point::{self, Begun, Between, Ended};

use crate::eventually::eventually;
use crate::waitlist::{GATHERED, LAPSED};
use crate::world::{Answer, History, PRICE, Sale, Seen, VISA, World};

/// Where a kind of work is killed.
type Killed = (&'static str, &'static [Point]);

const ALL: &[Point] = &[Begun, Between, Ended];
/// Of what is one call.
const ENDS: &[Point] = &[Begun, Ended];

const PAID: &[Killed] = &[("inbox", ENDS), ("payment_capture", ALL), ("mail_order_paid", ALL)];
const CHECKED: &[Killed] = &[("payment_check", ALL)];
const ASKED: &[Killed] = &[("inbox", &[Between])];
const GIVEN_BACK: &[Killed] = &[("payment_refund", ALL), ("mail_refund_made", ALL)];
const CAME_BACK: &[Killed] = &[("mail_refund_failed", ALL)];
const SENT_AGAIN: &[Killed] = &[("mail_tickets_again", ALL)];
const RUN_OUT: &[Killed] =
    &[("expire_orders", ENDS), ("payment_cancel", ALL), ("units_return", ALL), ("mail_order_expired", ALL)];
const LATE_PROMISE: &[Killed] = &[("mail_payment_released", ALL)];
const LATE_MONEY: &[Killed] = &[("mail_payment_refunded", ALL)];
const JOINED: &[Killed] = &[("mail_waitlist_joined", ALL)];
const OFFERED: &[Killed] = &[("mail_waitlist_offer", ALL)];
const LET_PASS: &[Killed] = &[("mail_waitlist_lapsed", ALL)];
const CALLED_OFF: &[Killed] =
    &[("wind_up_sales", &[Between]), ("mail_sale_cancelled", ALL), ("mail_waitlist_cancelled", ALL)];
const FROZEN: &[Killed] = &[("expire_holds", &[Between])];
const SWEPT: &[Killed] = &[
    ("live_sales", ENDS),
    ("expire_holds", ENDS),
    ("find_payments", ENDS),
    ("load_redis", ALL),
    ("hold_draws", ENDS),
    ("measure_payments", ENDS),
    ("queue_starts", ENDS),
    ("roll_up_balances", ENDS),
    ("publish_gauges", ENDS),
    ("seal_books", ENDS),
    ("serve_waitlists", ENDS),
    ("wind_up_sales", ENDS),
    ("prune", ENDS),
    ("audit_books", ENDS),
];

const HALF: i64 = PRICE / 2;

/// Everything that may be paid has run out by then.
const OVER: Duration = Duration::from_mins(60);

const HISTORIES: [&[Killed]; 15] = [
    PAID,
    CHECKED,
    ASKED,
    GIVEN_BACK,
    CAME_BACK,
    SENT_AGAIN,
    RUN_OUT,
    LATE_PROMISE,
    LATE_MONEY,
    JOINED,
    OFFERED,
    LET_PASS,
    CALLED_OFF,
    FROZEN,
    SWEPT,
];

fn points(killed: &[Killed]) -> Vec<(&'static str, Point)> {
    killed.iter().flat_map(|(work, points)| points.iter().map(|point| (*work, *point))).collect()
}

/// A world whose sale Redis has, and which no worker watches any more.
async fn left_alone(units: u32, capture: CaptureMode) -> (World, Sale) {
    let world = World::new().await;
    let process = world.starts_process(&Arc::default()).await;
    let sale = world.open_sale(units, capture).await;
    process.stop().await;
    (world, sale)
}

/// Plays a history once in peace, and once for each point.
async fn plays(world: &World, sale: &Sale, killed: &[Killed], begins: impl AsyncFn(u32)) {
    begins(0).await;
    world.works_off(sale).await;
    for ((work, point), number) in points(killed).into_iter().zip(1..) {
        begins(number).await;
        world.dies_at(sale, work, point).await;
    }
}

/// All orders of a sale have the same books, and that many letters were written.
async fn all_came_to_the_same(world: &World, sale: &Sale, orders: usize, letters: usize) {
    let books = world.books(sale).await;
    assert_eq!(books.len(), 1, "some came to another end: {books:#?}");
    assert_eq!(usize::try_from(books[0].0), Ok(orders));
    assert_eq!(world.letters(), letters);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dropped')").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM inbox WHERE state <> 'done'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
}

/// How many orders a history has: one for each point, and the one in peace.
fn orders_of(killed: &[Killed]) -> usize {
    points(killed).len() + 1
}

fn units_of(killed: &[Killed]) -> u32 {
    u32::try_from(orders_of(killed)).expect("few")
}

/// An order whose buyer is at the bank.
async fn at_the_bank(world: &World, sale: &Sale, capture: CaptureMode) -> History {
    let order = world.orders(sale, 1).await;
    world.goes_to_the_bank(order, capture, Answer::Heard).await
}

/// The same, once the buyer is back.
async fn promises(world: &World, sale: &Sale, capture: CaptureMode) -> History {
    let history = at_the_bank(world, sale, capture).await;
    world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    history
}

/// Orders that are paid, one for each point and one in peace.
async fn paid(world: &World, sale: &Sale, killed: &[Killed]) -> Vec<History> {
    let mut histories = Vec::new();
    for _ in 0..orders_of(killed) {
        histories.push(promises(world, sale, Manual).await);
    }
    world.works_off(sale).await;
    histories
}

fn of_number(histories: &[History], number: u32) -> &History {
    &histories[usize::try_from(number).expect("few")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_captured_and_becomes_tickets_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(PAID), Manual).await;
    plays(&world, &sale, PAID, async |_| drop(promises(&world, &sale, Manual).await)).await;
    let orders = orders_of(PAID);
    all_came_to_the_same(&world, &sale, orders, orders).await;
    assert_eq!(world.books(&sale).await[0].1["tickets"]["valid"], 1);
}

/// The money came with the answer, so a job is to look at it.
#[tokio::test(flavor = "multi_thread")]
async fn money_that_came_at_once_becomes_tickets_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(CHECKED), Automatic).await;
    plays(&world, &sale, CHECKED, async |_| {
        let order = world.orders(&sale, 1).await;
        world.pays(&order, VISA, Automatic).await;
    })
    .await;
    let orders = orders_of(CHECKED);
    all_came_to_the_same(&world, &sale, orders, orders).await;
}

/// An event that contradicts what is known, so that Stripe is asked before it is applied.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_event_changes_nothing_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(ASKED), Manual).await;
    let histories = paid(&world, &sale, ASKED).await;
    plays(&world, &sale, ASKED, async |number| {
        let history = of_number(&histories, number);
        let told = world.told_of(std::slice::from_ref(history)).pop().expect("one");
        let mut stale: Value = serde_json::from_slice(&told["payment_intent.created"]).expect("JSON");
        stale["id"] = format!("evt_stale_{number}").into();
        stale["data"]["object"]["status"] = "canceled".into();
        world.stores_event(stale.to_string().as_bytes()).await;
    })
    .await;
    all_came_to_the_same(&world, &sale, histories.len(), histories.len()).await;
}

/// Half of it, so that the other half could go too.
#[tokio::test(flavor = "multi_thread")]
async fn money_goes_back_once_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(GIVEN_BACK), Manual).await;
    let histories = paid(&world, &sale, GIVEN_BACK).await;
    plays(&world, &sale, GIVEN_BACK, async |number| {
        let key = u8::try_from(number).expect("few");
        world.asks_back_under(&of_number(&histories, number).order, RefundWish::Amount(HALF), key).await;
    })
    .await;
    all_came_to_the_same(&world, &sale, histories.len(), 2 * histories.len()).await;
    assert_eq!(world.stripe.refunded_total("eur"), HALF * i64::from(units_of(GIVEN_BACK)));
}

/// The refund succeeded, and then the bank sent the money back.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_did_not_arrive_is_told_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(CAME_BACK), Manual).await;
    let histories = paid(&world, &sale, CAME_BACK).await;
    plays(&world, &sale, CAME_BACK, async |number| {
        let order = &of_number(&histories, number).order;
        world.asks_back_under(order, RefundWish::Amount(HALF), u8::try_from(number).expect("few")).await;
        world.works_off(&sale).await;
        world.sends_the_refund_back(order).await;
    })
    .await;
    // Each is set aside for people, who look at it here.
    let set_aside = "state = 'quarantined' AND note = 'refund_failed'";
    let many = world.count(&format!("SELECT count(*) FROM inbox WHERE {set_aside}")).await;
    assert_eq!(usize::try_from(many), Ok(histories.len()));
    world
        .database
        .execute(&format!("UPDATE inbox SET state = 'done', done_at = onsale_now() WHERE {set_aside}"))
        .await
        .expect("Postgres answers");
    all_came_to_the_same(&world, &sale, histories.len(), 3 * histories.len()).await;
}

/// A buyer asks for the tickets once more.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_sent_again_once_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(SENT_AGAIN), Manual).await;
    let histories = paid(&world, &sale, SENT_AGAIN).await;
    plays(&world, &sale, SENT_AGAIN, async |number| {
        world.sends_tickets_again(&of_number(&histories, number).order).await;
    })
    .await;
    all_came_to_the_same(&world, &sale, histories.len(), 2 * histories.len()).await;
}

/// The clock of the order runs out while its buyer is at the bank.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_runs_out_leaves_nothing_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(RUN_OUT), Manual).await;
    plays(&world, &sale, RUN_OUT, async |_| {
        at_the_bank(&world, &sale, Manual).await;
        world.advances(OVER).await;
    })
    .await;
    let orders = orders_of(RUN_OUT);
    all_came_to_the_same(&world, &sale, orders, orders).await;
    assert_eq!(world.stripe.captured_total("eur"), 0);
    assert_eq!(world.stock(&sale).await, (units_of(RUN_OUT), 0), "each unit is back once");
}

/// The order ran out and a worker is about to tell Redis that its unit is free, and then the bank says yes.
async fn comes_too_late(world: &World, sale: &Sale, capture: CaptureMode) {
    let history = at_the_bank(world, sale, capture).await;
    world.advances(OVER).await;
    orders_expire_due(&world.workers, 10).await.expect("Postgres answers");
    assert_eq!(world.order(&history.order).await.state, OrderState::Expired);
    let told = outbox::claim(&world.workers, Queue::Stock, 10, 1).await.expect("Postgres answers");
    assert_eq!(told.len(), 1);
    world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    world.posts_events().await;
    world.holds_back("kind = 'payment_cancel'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_came_too_late_is_let_go_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(LATE_PROMISE), Manual).await;
    plays(&world, &sale, LATE_PROMISE, async |_| comes_too_late(&world, &sale, Manual).await).await;
    let orders = orders_of(LATE_PROMISE);
    all_came_to_the_same(&world, &sale, orders, 2 * orders).await;
    assert_eq!(world.stripe.captured_total("eur"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_came_too_late_goes_back_once_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(LATE_MONEY), Automatic).await;
    plays(&world, &sale, LATE_MONEY, async |_| comes_too_late(&world, &sale, Automatic).await).await;
    let orders = orders_of(LATE_MONEY);
    all_came_to_the_same(&world, &sale, orders, 2 * orders).await;
    assert_eq!(world.stripe.captured_total("eur"), world.stripe.refunded_total("eur"));
}

/// Every letter to who waits was sent once as far as a mail program shows, and nothing is left to do.
async fn all_who_wait_were_told(world: &World, letters: usize) {
    assert_eq!(world.letters(), letters);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dropped')").await, 0);
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_the_waitlist_is_asked_to_confirm_wherever_workers_die() {
    let (world, sale) = left_alone(1, Manual).await;
    plays(&world, &sale, JOINED, async |number| {
        world.asks_to_wait(&sale, &format!("fan{number}@example.org")).await;
    })
    .await;
    all_who_wait_were_told(&world, orders_of(JOINED)).await;
}

/// The only unit comes back while somebody new waits for it, once nobody else does any more; who had it before gave it back.
async fn is_offered(world: &World, sale: &Sale, before: &Mutex<Option<EntryId>>, number: u32) -> EntryId {
    let left = before.lock().expect("nobody panics").take();
    if let Some(left) = left {
        world.leaves_the_line(sale, left).await;
        world.works_off(sale).await;
    }
    let order = world.orders(sale, 1).await;
    let entry = world.waits(sale, &format!("fan{number}@example.org")).await;
    world.advances(GATHERED).await;
    world.gives_back_unpaid(&order).await;
    assert_eq!(world.entry_state(sale, entry).await, EntryState::Offered);
    *before.lock().expect("nobody panics") = Some(entry);
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_offered_something_is_told_wherever_workers_die() {
    let (world, sale) = left_alone(1, Manual).await;
    let before = Mutex::new(None);
    plays(&world, &sale, OFFERED, async |number| {
        is_offered(&world, &sale, &before, number).await;
    })
    .await;
    all_who_wait_were_told(&world, orders_of(OFFERED)).await;
}

/// Of an offer that is over when its letter would leave, only that is told.
#[tokio::test(flavor = "multi_thread")]
async fn whose_offer_lapsed_is_told_wherever_workers_die() {
    let (world, sale) = left_alone(1, Manual).await;
    let before = Mutex::new(None);
    plays(&world, &sale, LET_PASS, async |number| {
        let entry = is_offered(&world, &sale, &before, number).await;
        world.advances(LAPSED).await;
        offers_lapse_due(&world.workers, 10).await.expect("Postgres answers");
        assert_eq!(world.entry_state(&sale, entry).await, EntryState::Lapsed);
    })
    .await;
    all_who_wait_were_told(&world, orders_of(LET_PASS)).await;
}

/// One has paid, one is at the bank and one waits when the sale is called off: a sale for each point, beside one that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_is_called_off_is_wound_up_wherever_workers_die() {
    let world = World::new().await;
    let process = world.starts_process(&Arc::default()).await;
    let other = world.open_sale(1, Manual).await;
    let mut sales = Vec::new();
    for _ in 0..orders_of(CALLED_OFF) {
        sales.push(world.open_sale(2, Manual).await);
    }
    process.stop().await;
    plays(&world, &other, CALLED_OFF, async |number| {
        let sale = &sales[usize::try_from(number).expect("few")];
        promises(&world, sale, Manual).await;
        world.works_off(&other).await;
        at_the_bank(&world, sale, Manual).await;
        world.waits(sale, &format!("fan{number}@example.org")).await;
        world.calls_off(sale).await;
    })
    .await;
    let books = world.books(&sales[0]).await;
    assert_eq!(books.len(), 2, "one had paid, and one had not: {books:#?}");
    for sale in &sales {
        assert_eq!(world.books(sale).await, books);
    }
    assert_eq!(world.letters(), 4 * sales.len(), "the tickets, and to each of three that it is off");
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state NOT IN ('done', 'dropped')").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM sale_cancellations WHERE walked_at IS NULL").await, 0);
    assert_eq!(world.stripe.captured_total("eur"), world.stripe.refunded_total("eur"));
    world.agrees_with_stripe().await;
    world.audit().await;
}

/// A gateway died between freezing a hold and writing its order, and a worker between deciding that there is none and freeing it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_nobody_ordered_is_freed_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(FROZEN), Manual).await;
    let offset = admission::keys::SaleKeys::new(sale.id).clock_offset();
    plays(&world, &sale, FROZEN, async |number| {
        world.redis.set_clock_offset(&offset, i64::from(number) * 120_000).await.expect("Redis answers");
        let held = world.holds_units(&sale, 1, 60).await;
        world.freezes(&sale, &held).await;
        world.redis.set_clock_offset(&offset, i64::from(number + 1) * 120_000).await.expect("Redis answers");
    })
    .await;
    let process = world.starts_process(&Arc::default()).await;
    eventually("every unit is free", async || world.stock(&sale).await == (units_of(FROZEN), 0)).await;
    process.stop().await;
    assert_eq!(
        world.count("SELECT count(*) FROM hold_claims WHERE order_id IS NULL").await,
        i64::from(units_of(FROZEN))
    );
    world.audit().await;
}

/// Redis is emptied each time, so that there is a sale to load.
#[tokio::test(flavor = "multi_thread")]
async fn sweeps_go_on_wherever_workers_die() {
    let (world, sale) = left_alone(units_of(SWEPT), Manual).await;
    plays(&world, &sale, SWEPT, async |number| {
        let histories = world.at_the_bank(&sale, number..number + 1, Manual, Answer::Heard).await;
        world.stripe.authenticate(&histories[0].intent, Authentication::Passed).expect("it waits for it");
        world.redis.flush().await.expect("Redis answers");
    })
    .await;
    let orders = orders_of(SWEPT);
    all_came_to_the_same(&world, &sale, orders, orders).await;
}

/// What the database may hold, and what workers sweep, is killed above.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_work_is_killed_somewhere() {
    let killed: BTreeSet<&str> = HISTORIES.iter().copied().flatten().map(|(work, _)| *work).collect();
    let world = World::new().await;
    let known = world
        .database
        .text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'outbox_kind_check'")
        .await
        .expect("the rule");
    let kinds: BTreeSet<&str> = known.split('\'').skip(1).step_by(2).collect();
    let seen = Arc::new(Seen::default());
    let process = world.starts_process(&seen).await;
    eventually("every sweep has passed", async || seen.works().len() >= killed.len() - kinds.len() - 1).await;
    process.stop().await;
    let works: BTreeSet<&str> = kinds.iter().copied().chain(seen.works()).chain(["inbox"]).collect();
    assert_eq!(killed, works);
}
