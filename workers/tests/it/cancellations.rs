//! A cancellation that is older than the bank's yes: whichever of them comes first, there is a seat that is paid for, or nothing is
//! charged and the buyer is told. Never is an order that lives on a promise cancelled by a job from before.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::orders::orders_expire_due;
use sandbox::{Authentication, CallFault, Operation};

use crate::eventually::eventually;
use crate::soak;
use crate::world::{Answer, Heard, History, PRICE, Post, Sale, World};

const YES: &str = "payment_intent.amount_capturable_updated";
const AT_THE_BANK: &str = "payment_intent.requires_action";

/// Who asked for the cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Whoever ended the order, knowing its payment; its other event is heard last.
    AtTheEnd,
    /// An event that is heard of after the end, of a payment that nobody had heard of; it is heard first.
    ByAnEvent,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The bank's yes is heard before a worker takes up the cancellation.
    Promise,
    /// The cancellation is on its way to Stripe, which does not answer, when the bank's yes is heard.
    Cancellation,
}

impl World {
    async fn is_told(&self, history: &History, kind: &str) {
        let told = self.told_of(std::slice::from_ref(history)).remove(0);
        self.tells(vec![vec![told[kind].clone()]], Heard::Done).await;
    }

    async fn lets_cancellations_go(&self) {
        let go = "UPDATE outbox SET next_at = onsale_now() WHERE kind = 'payment_cancel' AND state = 'pending'";
        self.database.execute(go).await.expect("Postgres answers");
    }

    fn cancellations_sent(&self) -> u64 {
        self.stripe.calls().get(&Operation::CancelIntent).copied().unwrap_or_default()
    }

    /// An order that is over, its buyer at the bank, and the job to cancel its payment waiting.
    async fn is_to_be_cancelled(&self, sale: &Sale, unit: u32, asked: Asked) -> History {
        self.keeps_jobs_back().await;
        let answer = if asked == Asked::AtTheEnd { Answer::Heard } else { Answer::Lost };
        let history = self.at_the_bank(sale, unit..unit + 1, Manual, answer).await.pop().expect("one");
        self.stops_the_clock(&history.order, 0).await;
        orders_expire_due(&self.workers, 10).await.expect("Postgres answers");
        if asked == Asked::ByAnEvent {
            self.is_told(&history, AT_THE_BANK).await;
        }
        let waits = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending' AND attempts = 0";
        eventually("its cancellation waits", async || self.count(waits).await == 1).await;
        history
    }

    async fn says_yes(&self, history: &History, asked: Asked) {
        self.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
        self.is_told(history, YES).await;
        if asked == Asked::AtTheEnd {
            self.is_told(history, AT_THE_BANK).await;
        }
    }

    /// Everything else is done, and what it came to.
    async fn comes_to_its_end(&self, history: &History) -> (OrderState, usize, i64) {
        self.lets_jobs_go().await;
        // A call that is under way when the clock jumps outlives its lease and is made once more.
        let waiting = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending'";
        eventually("the cancellation is over", async || self.count(waiting).await == 0).await;
        self.starts_the_clock().await;
        self.advances(Duration::from_secs(120)).await;
        self.until_idle().await;
        let order = self.order(&history.order).await;
        let captured = self.stripe.payment_intent(&history.intent).expect("the fake remembers").captured;
        self.agrees_with_stripe().await;
        self.audit().await;
        (order.state, order.tickets.len(), captured)
    }

    /// The bank's yes is heard first: the order lives on it when the cancellation's turn comes.
    async fn promise_first(&self, sale: &Sale, unit: u32, asked: Asked) -> History {
        let history = self.is_to_be_cancelled(sale, unit, asked).await;
        self.says_yes(&history, asked).await;
        assert_eq!(self.order(&history.order).await.state, OrderState::Processing, "it took its unit back");
        self.lets_cancellations_go().await;
        let waiting = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending'";
        eventually("the cancellation is over", async || self.count(waiting).await == 0).await;
        history
    }

    /// A worker is about to cancel, and what came of its call nobody knows, when the bank's yes is heard.
    async fn cancellation_first(&self, sale: &Sale, unit: u32, asked: Asked) -> History {
        let history = self.is_to_be_cancelled(sale, unit, asked).await;
        self.stripe.fail_next_of(Operation::CancelIntent, 1, CallFault::ServerError);
        self.lets_cancellations_go().await;
        // The clock stands, so it is not tried again.
        let tried = "SELECT count(*) FROM outbox WHERE kind = 'payment_cancel' AND state = 'pending' AND attempts = 1
                        AND lease IS NULL";
        eventually("it was tried", async || self.count(tried).await == 1).await;
        self.says_yes(&history, asked).await;
        assert_eq!(self.order(&history.order).await.state, OrderState::Expired, "its promise is taken for cancelled");
        history
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_heard_before_an_older_cancellation_is_a_seat_and_after_it_is_let_go() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(10, Manual).await;
    let cases = [Asked::AtTheEnd, Asked::ByAnEvent]
        .map(|asked| [First::Promise, First::Cancellation].map(|first| (asked, first)));
    for (unit, (asked, first)) in (0..).zip(cases.into_iter().flatten()) {
        let before = world.cancellations_sent();
        let (history, expected) = match first {
            First::Promise => (world.promise_first(&sale, unit, asked).await, (OrderState::Paid, 1, PRICE)),
            First::Cancellation => (world.cancellation_first(&sale, unit, asked).await, (OrderState::Expired, 0, 0)),
        };
        assert_eq!(world.comes_to_its_end(&history).await, expected, "{asked:?}, {first:?}");
        let sent = if first == First::Promise { 0 } else { 2 };
        assert_eq!(world.cancellations_sent() - before, sent, "{asked:?}, {first:?}");
        let letters = format!(
            "SELECT count(*) FROM outbox WHERE kind = 'mail_payment_released' AND payload ->> 'order' = '{}'",
            history.order.id.uuid()
        );
        assert_eq!(world.count(&letters).await, i64::from(first == First::Cancellation), "told once");
    }
    workers.stop().await;
}

/// The control: where nobody asks, the older job cancels what its order lives on.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_does_not_ask_takes_an_order_its_promise() {
    let world = World::new().await;
    let blind =
        "CREATE OR REPLACE FUNCTION cancellation_begin(p_sale uuid, p_order uuid, p_payment uuid) RETURNS boolean
                 LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS 'SELECT true'";
    world.database.execute(blind).await.expect("another function");
    let workers = world.start(Post::Open);
    let sale = world.open_sale(10, Manual).await;
    let history = world.promise_first(&sale, 0, Asked::ByAnEvent).await;
    assert_eq!(world.comes_to_its_end(&history).await, (OrderState::Cancelled, 0, 0));
    workers.stop().await;
}

/// Cancellations against the news of promises, in one world.
const RACES: u32 = 100;

/// Both are let go at once, and captures come after both: an order that took its unit back has it, whatever came first.
async fn races(world: &World) {
    let workers = world.start(Post::None);
    let sale = world.open_sale(RACES, Manual).await;
    world.keeps_jobs_back().await;
    let histories = world.at_the_bank(&sale, 0..RACES, Manual, Answer::Heard).await;
    world.lets_orders_run_out().await;
    for history in &histories {
        world.stripe.authenticate(&history.intent, Authentication::Passed).expect("it waits for it");
    }
    let yes = world.told_of(&histories).iter().map(|told| told[YES].clone()).collect();
    tokio::join!(world.tells(vec![yes], Heard::Done), world.lets_cancellations_go());
    world.does_its_jobs().await;
    world.until_paid_or_not().await;
    let reclaimed = world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_capture'").await;
    let paid = world.count("SELECT count(*) FROM orders WHERE state = 'paid'").await;
    assert_eq!(paid, reclaimed, "an order lost what it lived on");
    let captured = world.stripe.captured_total("eur");
    assert_eq!(captured, paid * PRICE);
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE state IN ('paid', 'expired')").await, i64::from(RACES));
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
    workers.stop().await;
}

/// 100 of them; in the long run 10,000.
#[tokio::test(flavor = "multi_thread")]
async fn cancellations_and_promises_heard_at_once_leave_no_order_without_what_it_lives_on() {
    for _ in 0..if soak::is_on() { 100 } else { 1 } {
        races(&World::new().await).await;
    }
}
