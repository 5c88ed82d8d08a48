//! What the reconcilers find, what they do about it, and that they leave alone what is as it should be.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::{Automatic, Manual};
use ledger::orders::OrderRow;
use ledger::reconciliations::{Reconciled, latest};
use sandbox::{Authentication, CallFault, DisputeKind, DisputeStep, FakeStripeOptions, Fees, IntentStatus, Operation};
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{NEEDS_3DS, PRICE, Post, Sale, VISA, World};

/// What is younger may be on its way to the webhook.
const GRACE: Duration = Duration::from_secs(31);

impl World {
    /// The last round, once it has ended.
    async fn reconciled(&self, name: &str) -> Reconciled {
        let mut seen = None;
        eventually("a round that has ended", async || {
            let rounds = latest(&self.workers).await.expect("Postgres answers");
            seen = rounds.into_iter().find(|round| round.name == name && round.result.is_some());
            seen.is_some()
        })
        .await;
        seen.expect("it was seen")
    }

    /// Waits until so many rounds of it have ended well.
    async fn until_reconciled(&self, name: &str, rounds: i64) {
        let good = format!("SELECT count(*) FROM reconciliations WHERE name = '{name}' AND result = 'done'");
        eventually(&format!("{rounds} rounds of {name}"), async || self.count(&good).await >= rounds).await;
    }

    /// What all its rounds together found, mended and told people; in one look, because rounds go on.
    async fn findings(&self, name: &str) -> (i64, i64, i64) {
        let sums = format!(
            "SELECT jsonb_build_array(coalesce(sum(found), 0), coalesce(sum(mended), 0), coalesce(sum(alerted), 0))::text
               FROM reconciliations WHERE name = '{name}'"
        );
        let sums = self.database.text(&sums).await.expect("Postgres answers");
        serde_json::from_str(&sums).expect("three numbers")
    }
}

/// No postman goes round: whatever Stripe says is only heard by asking.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_events_were_never_delivered_becomes_a_ticket() {
    const NAME: &str = "undelivered_events";
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(2, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, NEEDS_3DS, Manual).await;
    let intent = world.stripe.payment_intents().remove(0).id;
    world.stripe.authenticate(&intent, Authentication::Passed).unwrap();
    workers.stop().await;
    assert_eq!(world.order(&order).await.state, OrderState::AwaitingPayment, "nobody told us");

    world.advances(GRACE).await;
    let workers = world.start_reconciling();
    eventually("the order is paid", async || world.order(&order).await.state == OrderState::Paid).await;
    let events = i64::try_from(world.stripe.events().len()).unwrap();
    eventually("every event was found", async || world.findings(NAME).await == (events, events, 0)).await;
    assert_eq!(world.count("SELECT count(*) FROM inbox").await, events);

    // All of it is found again, and none of it is new.
    let rounds = world.count("SELECT count(*) FROM reconciliations WHERE name = 'undelivered_events'").await;
    world.until_reconciled(NAME, rounds + 2).await;
    assert_eq!(world.findings(NAME).await, (events, events, 0));
    assert_eq!(world.count("SELECT count(*) FROM inbox").await, events);
    let last = world.reconciled(NAME).await;
    assert_eq!((i64::try_from(last.findings.looked_at), last.findings.found), (Ok(events), 0), "{last:?}");
    assert!(last.good_age_s.is_some());
    workers.stop().await;
    world.until_idle().await;
    world.audit().await;
}

/// More than a page, byte for byte as the webhook would have brought them; what one page too many was cut off comes next.
#[tokio::test(flavor = "multi_thread")]
async fn hours_of_events_are_fetched_page_by_page() {
    const EVENTS: i64 = 130;
    let world = World::new().await;
    let ids: Vec<_> = (0..EVENTS)
        .map(|number| world.stripe.deliver("charge.updated", &json!({ "object": "charge", "number": number })))
        .collect();
    world.advances(GRACE).await;
    let workers = world.start_reconciling();
    world.until_reconciled("undelivered_events", 2).await;
    assert_eq!(world.count("SELECT count(*) FROM inbox").await, EVENTS);
    let done = "SELECT count(*) FROM inbox WHERE state = 'done'";
    eventually("all are applied", async || world.count(done).await == EVENTS).await;
    assert_eq!(world.findings("undelivered_events").await, (EVENTS, EVENTS, 0));
    workers.stop().await;
    for id in &ids[..3] {
        let body = world.stripe.event_body(id).unwrap();
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let same = format!("SELECT count(*) FROM inbox WHERE id = '{id}' AND raw = '\\x{hex}'");
        assert_eq!(world.count(&same).await, 1, "{}", String::from_utf8_lossy(&body));
    }
}

/// Two processes that reconcile all the time.
#[tokio::test(flavor = "multi_thread")]
async fn one_round_at_a_time_over_all_workers() {
    let world = World::new().await;
    let (one, two) = (world.start_reconciling(), world.start_reconciling());
    world.until_reconciled("undelivered_events", 10).await;
    one.stop().await;
    two.stop().await;
    let overlapping = "SELECT count(*) FROM reconciliations a JOIN reconciliations b
                          ON a.name = b.name AND a.id < b.id AND a.began_at < b.ended_at AND b.began_at < a.ended_at";
    assert_eq!(world.count(overlapping).await, 0);
    assert_eq!(world.count("SELECT count(*) FROM reconciliations WHERE ended_at IS NULL").await, 0, "each was ended");
}

impl World {
    /// Nobody reconciles that: a process that died has the turn.
    async fn nobody_reconciles(&self, names: &[&str]) {
        for name in names {
            let taken = format!(
                "INSERT INTO reconciliations (name, lease_until) VALUES ('{name}', onsale_now() + interval '10 days')"
            );
            self.database.execute(&taken).await.expect("Postgres answers");
        }
    }

    /// An order that is paid, and the intent that paid it.
    async fn sells(&self, sale: &Sale) -> (OrderRow, String) {
        let order = self.orders(sale, 1).await;
        self.pays(&order, VISA, Manual).await;
        let order = self.until_order_is(&order, OrderState::Paid).await;
        let intent = self
            .stripe
            .payment_intents()
            .into_iter()
            .find(|intent| intent.metadata.get("order").is_some_and(|named| *named == order.id.to_string()));
        (order, intent.expect("its intent").id)
    }

    /// What the books have of an account, debits less credits.
    async fn booked(&self, account: &str) -> i64 {
        self.count(&format!("SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = '{account}'")).await
    }
}

const OTHERS: [&str; 4] = ["undelivered_events", "unfinished_payments", "old_authorisations", "stock"];

const FEES: Fees = Fees { charge_basis_points: 290, charge_fixed: 25, dispute: 1_500 };
/// Of one unit: 2.9 % and 25 cents.
const FEE: i64 = 83;

/// Money moves at Stripe and nobody hears of it: a charge, a refund in the dashboard, a dispute, a monthly fee. Afterwards Stripe's
/// balance and the books are one sum, to the cent, each fee once.
#[tokio::test(flavor = "multi_thread")]
async fn every_movement_of_stripe_s_balance_is_in_the_books_once_and_its_fee() {
    const NAME: &str = "stripe_balance";
    const MONTHLY: i64 = 700;
    let world = World::of(FakeStripeOptions { fees: FEES, ..FakeStripeOptions::default() }).await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let (_, first) = world.sells(&sale).await;
    let (dashboard, second) = world.sells(&sale).await;
    let (disputed, third) = world.sells(&sale).await;
    world.asks_for_everything(&world.sells(&sale).await.0).await;
    world.until_idle().await;
    workers.stop().await;
    assert_eq!(world.booked("processor_fee").await, 0, "no news tells of a fee");

    world.refunds_at_stripe(&dashboard, &second, 500).await;
    let dispute = world.stripe.open_dispute(&third, PRICE, DisputeKind::Chargeback).unwrap();
    world.stripe.dispute_goes_on(&dispute, DisputeStep::FundsWithdrawn).unwrap();
    world.stripe.takes_fee("eur", MONTHLY, "Radar");
    world.nobody_reconciles(&OTHERS).await;
    world.advances(GRACE * 2).await;
    let workers = world.start_reconciling();
    world.until_reconciled(NAME, 1).await;
    let all = world.findings(NAME).await;
    assert_eq!(all, (3, 2, 1), "the refund and the dispute are mended, and people are told of the monthly fee");
    let told = "SELECT count(*) FROM reconciliations WHERE told[1] LIKE '%was taken outside of payments%'";
    assert_eq!(world.count(told).await, 1);
    world.until_reconciled(NAME, 4).await;
    assert_eq!(world.findings(NAME).await, all, "nothing is found twice");
    workers.stop().await;

    assert_eq!(world.booked("processor_fee").await, 4 * FEE + FEES.dispute);
    assert_eq!(world.booked("suspense").await, 500, "nobody said what it is of");
    assert_eq!(world.booked("payment_clearing").await, world.stripe.balance()["eur"] + MONTHLY);
    assert_eq!(world.order(&disputed).await.state, OrderState::Disputed);
    assert!(world.stripe.tallies().contains_key(&first));
    let outcomes = "SELECT count(*) FROM balance_transactions WHERE outcome = 'matched'";
    assert_eq!(world.count(outcomes).await, 7, "four charges, two refunds, a dispute");
    world.audit().await;
    // Late news of the same changes nothing.
    let workers = world.start(Post::Open);
    world.until_idle().await;
    workers.stop().await;
    assert_eq!(world.booked("payment_clearing").await, world.stripe.balance()["eur"] + MONTHLY);
    world.audit().await;
}

/// What names a sale of ours and is of no payment is for people, and never booked; what differs, too.
#[tokio::test(flavor = "multi_thread")]
async fn money_that_no_payment_explains_is_told_and_not_booked() {
    const NAME: &str = "stripe_balance";
    let world = World::of(FakeStripeOptions { fees: FEES, ..FakeStripeOptions::default() }).await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(2, Manual).await;
    let (order, _) = world.sells(&sale).await;
    workers.stop().await;
    let intent = world.takes_money_for_no_order(&sale).await;
    let forged = format!(
        "SET session_replication_role = replica;
         UPDATE payments SET amount = amount + 1, authorised = authorised + 1, captured = captured + 1 WHERE order_id = '{}'",
        order.id.uuid()
    );
    world.database.execute(&forged).await.unwrap();
    world.nobody_reconciles(&OTHERS).await;
    world.advances(GRACE * 2).await;
    let workers = world.start_reconciling();
    world.until_reconciled(NAME, 3).await;
    workers.stop().await;
    assert_eq!(world.findings(NAME).await, (2, 0, 2), "each is told once");
    let told = "SELECT count(*) FROM reconciliations, unnest(told) AS t
                 WHERE t LIKE '%differs from the books' OR t LIKE '%is of no payment that we have'";
    assert_eq!(world.count(told).await, 2);
    assert_eq!(world.booked("processor_fee").await, 0);
    let unknown =
        format!("SELECT count(*) FROM balance_transactions WHERE outcome = 'unknown' AND intent_id = '{intent}'");
    assert_eq!(world.count(&unknown).await, 1);
}

/// The bank said yes, and neither an event nor an answer told us so.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_which_nothing_is_heard_is_asked_about() {
    const NAME: &str = "unfinished_payments";
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(3, Automatic).await;
    let heard = world.at_the_bank(&sale, 0..2, Automatic, crate::world::Answer::Heard).await;
    workers.stop().await;
    let [yes, open] = &heard[..] else { panic!("{}", heard.len()) };
    world.stripe.authenticate(&yes.intent, Authentication::Passed).unwrap();
    assert_eq!(world.stripe.payment_intent(&yes.intent).unwrap().status, IntentStatus::Succeeded);

    world.nobody_reconciles(&["undelivered_events", "stripe_balance", "stock"]).await;
    let early = world.start_reconciling();
    world.until_reconciled(NAME, 2).await;
    assert_eq!(world.reconciled(NAME).await.findings.looked_at, 0, "news of the two may be on its way still");
    early.stop().await;
    world.advances(Duration::from_secs(121)).await;
    let workers = world.start_reconciling();
    eventually("the order is paid", async || world.order(&yes.order).await.state == OrderState::Paid).await;
    eventually("that was found", async || world.findings(NAME).await == (1, 1, 0)).await;
    let rounds = world.count("SELECT count(*) FROM reconciliations WHERE name = 'unfinished_payments'").await;
    world.until_reconciled(NAME, rounds + 2).await;
    assert_eq!(world.findings(NAME).await, (1, 1, 0), "who is at the bank still is left there");
    let last = world.reconciled(NAME).await;
    assert_eq!(last.findings.looked_at, 1, "{last:?}");
    assert_eq!(world.stripe.payment_intent(&open.intent).unwrap().status, IntentStatus::RequiresAction);
    workers.stop().await;
    world.audit().await;
}

/// A capture that was given up, a day before the bank's promise ends: it is made after all, and people are told. A card's promise
/// of a week, a short one, and one of which nobody said how long it is: Stripe is asked, after an hour.
#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_is_about_to_lapse_is_captured() {
    for (lasts_h, has_time_h) in [(7 * 24, 6 * 24 - 1), (30, 14)] {
        lapses(Duration::from_secs(lasts_h * 3_600), Duration::from_secs(has_time_h * 3_600), Said::InTheAnswer).await;
    }
    lapses(Duration::from_secs(30 * 3_600), Duration::from_secs(14 * 3_600), Said::WhenAsked).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    InTheAnswer,
    WhenAsked,
}

async fn lapses(lasts: Duration, has_time: Duration, said: Said) {
    const NAME: &str = "old_authorisations";
    const PARKS: &str = "UPDATE outbox SET state = 'parked', lease = NULL WHERE kind = 'payment_capture'";
    const FORGETS: &str = "UPDATE payments SET capture_before = NULL";
    const KNOWN: &str = "SELECT count(*) FROM payments WHERE capture_before IS NOT NULL";
    let options = FakeStripeOptions { authorisation_lasts: Some(lasts), ..FakeStripeOptions::default() };
    let world = World::of(options).await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(1, Manual).await;
    workers.stop().await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    assert_eq!(world.count(KNOWN).await, 1, "the answer says it");
    world.database.execute(PARKS).await.expect("Postgres answers");
    if said == Said::WhenAsked {
        world.database.execute(FORGETS).await.expect("Postgres answers");
    }
    world.nobody_reconciles(&["unfinished_payments", "stripe_balance", "undelivered_events", "stock"]).await;

    world.advances(has_time).await;
    let workers = world.start_reconciling();
    world.until_reconciled(NAME, 2).await;
    assert_eq!(world.findings(NAME).await, (0, 0, 0), "it has time still");
    assert_eq!(world.count(KNOWN).await, 1, "{said:?}");
    world.stripe.fail_next_of(Operation::CaptureIntent, 1, CallFault::AnswerLost);
    world.advances(Duration::from_secs(2 * 3_600)).await;
    world.until_order_is(&order, OrderState::Paid).await;
    let (found, mended, alerted) = world.findings(NAME).await;
    assert!(found >= 1 && mended == found && alerted == found, "{found} {mended} {alerted}");
    let rounds = world.count("SELECT count(*) FROM reconciliations WHERE name = 'old_authorisations'").await;
    world.until_reconciled(NAME, rounds + 2).await;
    assert_eq!(world.reconciled(NAME).await.findings.found, 0, "it is captured");
    world.until_idle().await;
    workers.stop().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
}

/// An order that Redis never heard of: it has the unit on sale still. Redis is rebuilt, once an hour; then people are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_wrong_about_the_stock_is_rebuilt() {
    const NAME: &str = "stock";
    let world = World::new().await;
    world.nobody_reconciles(&["unfinished_payments", "stripe_balance", "undelivered_events"]).await;
    let workers = world.start_reconciling();
    let sale = world.open_sale(3, Manual).await;
    world.until_reconciled(NAME, 1).await;
    assert_eq!(world.findings(NAME).await, (0, 0, 0), "the stores agree");

    world.at_the_bank(&sale, 0..1, Manual, crate::world::Answer::Heard).await;
    assert_eq!(world.stock(&sale).await, (3, 0), "Redis would sell it again");
    eventually("Redis knows", async || world.epoch(&sale).await > Some(1) && world.stock(&sale).await == (2, 0)).await;
    eventually("it was found", async || world.findings(NAME).await == (1, 1, 0)).await;
    let told = "SELECT count(*) FROM reconciliations, unnest(told) AS t
                 WHERE t LIKE '%: unit % of ga is free in Redis and ordered in Postgres'";
    assert_eq!(world.count(told).await, 1, "it is named");
    let epoch = world.epoch(&sale).await;

    world.at_the_bank(&sale, 1..2, Manual, crate::world::Answer::Heard).await;
    eventually("people are told", async || world.findings(NAME).await.2 > 0).await;
    assert_eq!((world.epoch(&sale).await, world.findings(NAME).await.1), (epoch, 1), "it was rebuilt within the hour");
    workers.stop().await;
    world.audit().await;
}

/// Units and Redis are right, and the books say otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn books_that_are_wrong_about_the_stock_are_told() {
    const FORGED: &str = "
        INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, effective_at)
        SELECT id, gen_random_uuid(), 'seats_withheld', 'forged', sha256('forged'), now() FROM sales;
        INSERT INTO entries SELECT t.sale_id, t.id, l.leg, l.account, 'seats:ga', l.amount
          FROM transfers t, (VALUES (1::smallint, 'seats_withheld', 1), (2::smallint, 'seats_available', -1))
               AS l (leg, account, amount) WHERE t.idem_key = 'forged'";
    let world = World::new().await;
    world
        .nobody_reconciles(&["unfinished_payments", "stripe_balance", "undelivered_events", "old_authorisations"])
        .await;
    let workers = world.start_reconciling();
    let sale = world.open_sale(3, Manual).await;
    world.until_reconciled("stock", 1).await;
    assert_eq!(world.findings("stock").await, (0, 0, 0), "the three agree");
    world.database.execute(&format!("BEGIN; {FORGED}; COMMIT")).await.unwrap();
    let told = |what: &str| format!("SELECT count(*) FROM reconciliations, unnest(told) AS t WHERE t LIKE '%: {what}'");
    for what in ["free of ga: 3 units, 2 seats in the books", "withheld of ga: 0 units, 1 seats in the books"] {
        eventually(what, async || world.count(&told(what)).await > 0).await;
    }
    let (found, mended, alerted) = world.findings("stock").await;
    assert!(found >= 2 && mended == 0 && alerted == found, "{found} {mended} {alerted}");
    assert_eq!((world.epoch(&sale).await, world.stock(&sale).await), (Some(1), (3, 0)), "no rebuild helps");
    workers.stop().await;
}

/// Seats that the books do not have are no matter of Redis: no rebuild, and people are told which.
#[tokio::test(flavor = "multi_thread")]
async fn seats_that_the_books_do_not_have_are_told() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(3, Manual).await;
    workers.stop().await;
    assert_eq!(ledger::units::seats_amiss(&world.workers, sale.id).await.unwrap(), Vec::<String>::new());
    let forged = "SET session_replication_role = replica; UPDATE units SET state = 'withheld' WHERE unit_no = 0";
    world.database.execute(forged).await.unwrap();
    let amiss = ledger::units::seats_amiss(&world.workers, sale.id).await.unwrap();
    assert_eq!(amiss, ["free of ga: 2 units, 3 seats in the books", "withheld of ga: 1 units, 0 seats in the books"]);
    world.nobody_reconciles(&["unfinished_payments", "stripe_balance", "undelivered_events"]).await;
    let workers = world.start_reconciling();
    world.until_reconciled("stock", 1).await;
    let (found, mended, alerted) = world.findings("stock").await;
    assert!(found >= 3 && mended == 0 && alerted == found, "{found} {mended} {alerted}");
    assert_eq!(world.epoch(&sale).await, Some(1), "no rebuild helps");
    workers.stop().await;
}
