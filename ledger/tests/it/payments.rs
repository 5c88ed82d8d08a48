//! Attempts, answers, events: late, twice, out of order, and not ours.

use domain::OrderId;
use domain::order::{Finality, OrderState};
use domain::payment::{IntentStatus, Merge, PaymentState};
use ledger::orders::{order_cancel, orders_expire_due};
use ledger::outbox::{Job, MailKind, Queue, Work, claim};
use ledger::payments::{
    Applied, BeginPayment, FactSource, StripeAnswer, attempts_look, payment_answered, payment_begin,
    payment_never_made, payment_target,
};

use crate::world::{Paying, Price, TestSale, World, connect, euros, new_payment};

#[tokio::test]
async fn the_database_merges_as_the_domain_does() {
    let world = World::new().await;
    let client = connect(&world.database.url).await;
    for state in PaymentState::ALL {
        for status in IntentStatus::ALL {
            let row = client.query_one("SELECT payment_merge($1, $2)", &[&state.word(), &status.word()]).await.unwrap();
            let merged = match row.get(0) {
                "stay" => Merge::Stay,
                "ask_stripe" => Merge::AskStripe,
                word => Merge::To(PaymentState::from_word(word).unwrap()),
            };
            assert_eq!(merged, state.merge(status), "{state:?} meets {status:?}");
        }
    }
}

#[tokio::test]
async fn two_tabs_pay_once() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    assert_eq!(paying.attempt.key, format!("create:{}:1", paying.order.id.uuid()));
    assert_eq!(sale.presses_pay(paying.order.id).await, BeginPayment::Resume(paying.attempt.clone()));

    let answer = StripeAnswer::Intent(paying.facts(IntentStatus::RequiresAction));
    let answered = payment_answered(&world.gateway, &paying.attempt, &answer).await.unwrap();
    assert_eq!(answered.payment.state, PaymentState::RequiresAction);
    assert_eq!(sale.presses_pay(paying.order.id).await, BeginPayment::Live(answered.payment));
}

#[tokio::test]
async fn pressing_pay_moves_the_clock_but_not_for_ever() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let order = sale.has_order([0]).await;
    sale.begins(order.id).await;
    let moved = sale.looks_at(order.id).await.expires_at;
    assert_eq!(moved.duration_since(order.created_at).as_secs(), 600);

    for _ in 0..4 {
        world.database.advance_clock(590_000).await.unwrap();
        sale.presses_pay(order.id).await;
    }
    let last = sale.looks_at(order.id).await.expires_at;
    assert_eq!(last.duration_since(order.created_at).as_secs(), 1_800);
    assert_eq!(sale.presses_pay(order.id).await, BeginPayment::OrderExpired);
}

#[tokio::test]
async fn what_cannot_be_paid_says_why() {
    let world = World::new().await;
    let (paid, free) = (world.sale(3, Price::Paid).await, world.sale(1, Price::Free).await);
    let gift = free.has_order([0]).await;
    assert_eq!(free.presses_pay(gift.id).await, BeginPayment::FreeOrder);

    let paying = paid.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    assert_eq!(paid.presses_pay(paying.order.id).await, BeginPayment::NotPayable(OrderState::Paid));
    assert_eq!(paid.presses_pay(gift.id).await, BeginPayment::NotFound);
}

#[tokio::test]
async fn a_declined_card_may_be_followed_by_another() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let first = sale.order_being_paid([0]).await;
    let declined = StripeAnswer::Declined { code: "card_declined".to_owned(), intent: Some(first.intent.clone()) };
    let answered = payment_answered(&world.gateway, &first.attempt, &declined).await.unwrap();
    assert_eq!((answered.order, answered.payment.state), (OrderState::AwaitingPayment, PaymentState::Failed));
    assert_eq!(answered.payment.failure.as_deref(), Some("card_declined"));

    let second = sale.begins(first.order.id).await;
    assert_eq!(second.attempt, 2);
    let jobs = claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap();
    assert!(matches!(&jobs[0].work, Work::PaymentCancel(call) if call.intent == first.intent));

    // The first card after all, behind our back: it is given back, and the order stays the second's.
    let second = Paying { intent: "pi_second".to_owned(), attempt: second, order: sale.looks_at(first.order.id).await };
    assert_eq!(world.applies(&first.news(IntentStatus::RequiresCapture)).await, Applied::AskStripe);
    assert_eq!(world.applies(&first.fetched(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&second.news(IntentStatus::Succeeded)).await, Applied::Captured);
    assert_eq!(world.applies(&first.news(IntentStatus::Canceled)).await, Applied::Canceled);
    assert_eq!(sale.looks_at(first.order.id).await.state, OrderState::Paid);
    world.audits_clean().await;
}

/// What an order is given at first, and what pressing Pay gives the bank.
const FORM_S: i64 = 300;
const BANK_S: i64 = 600;

/// How long an order had left when its time was changed last.
async fn time_left(world: &World, order: OrderId) -> i64 {
    let left =
        format!("SELECT extract(epoch FROM expires_at - changed_at)::bigint FROM orders WHERE id = '{}'", order.uuid());
    world.number(&left).await
}

/// Whoever was declined may try again; whoever goes away keeps nobody waiting for as long as a bank may take.
#[tokio::test]
async fn a_declined_card_gives_back_the_time_that_the_bank_had() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let declined =
        |intent: &str| StripeAnswer::Declined { code: "card_declined".to_owned(), intent: Some(intent.to_owned()) };

    // Refused by the answer to our call, and by an event.
    let quick = sale.order_being_paid([0]).await;
    payment_answered(&world.gateway, &quick.attempt, &declined(&quick.intent)).await.unwrap();
    assert_eq!(time_left(&world, quick.order.id).await, FORM_S);
    let slow = sale.order_being_paid([1]).await;
    let asked = StripeAnswer::Intent(slow.facts(IntentStatus::RequiresAction));
    payment_answered(&world.gateway, &slow.attempt, &asked).await.unwrap();
    world.database.advance_clock(200_000).await.unwrap();
    assert_eq!(time_left(&world, slow.order.id).await, BANK_S, "while the bank may still say yes, nobody is hurried");
    assert_eq!(world.applies(&slow.news(IntentStatus::RequiresPaymentMethod)).await, Applied::Failed);
    assert_eq!(time_left(&world, slow.order.id).await, FORM_S);

    // The next press has the whole time again; what becomes of the attempt before it takes nothing from it.
    let second = sale.begins(slow.order.id).await;
    assert_eq!(time_left(&world, slow.order.id).await, BANK_S);
    assert_eq!(world.applies(&slow.fetched(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&slow.news(IntentStatus::Canceled)).await, Applied::Canceled);
    assert_eq!(time_left(&world, slow.order.id).await, BANK_S);
    payment_answered(&world.gateway, &second, &declined("pi_second")).await.unwrap();
    assert_eq!(time_left(&world, slow.order.id).await, FORM_S);

    // Cancelled, when less was left than that: nothing is added.
    let late = sale.order_being_paid([2]).await;
    world.database.advance_clock(400_000).await.unwrap();
    let before = sale.looks_at(late.order.id).await.expires_at;
    assert_eq!(world.applies(&late.news(IntentStatus::Canceled)).await, Applied::Canceled);
    assert_eq!(sale.looks_at(late.order.id).await.expires_at, before);

    world.database.advance_clock(301_000).await.unwrap();
    let expired = orders_expire_due(&world.workers, 10).await.unwrap();
    assert_eq!(expired.len(), 3);
    assert_eq!(sale.presses_pay(slow.order.id).await, BeginPayment::OrderExpired);
    world.audits_clean().await;
}

/// Nobody said no: the bank may have said yes to a call that nobody heard of.
#[tokio::test]
async fn an_attempt_that_nobody_refused_keeps_the_time_of_the_bank() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let unheard = sale.has_order([0]).await;
    sale.begins(unheard.id).await;
    let before = sale.order_being_paid([1]).await;
    let of_before = format!("UPDATE payments SET order_until = NULL WHERE order_id = '{}'", before.order.id.uuid());
    world.database.execute(&of_before).await.unwrap();
    world.database.advance_clock(200_000).await.unwrap();

    let attempts = attempts_look(&world.workers, 10).await.unwrap();
    let lost = attempts.iter().find(|attempt| attempt.order == unheard.id).expect("an attempt that nobody heard of");
    assert!(payment_never_made(&world.workers, lost).await.unwrap());
    assert_eq!(time_left(&world, unheard.id).await, BANK_S);
    assert_eq!(world.applies(&before.news(IntentStatus::RequiresPaymentMethod)).await, Applied::Failed);
    assert_eq!(time_left(&world, before.order.id).await, BANK_S, "what it had before the migration is not known");
}

#[tokio::test]
async fn an_answer_that_is_money_already_pins_the_order() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    let answer = StripeAnswer::Intent(paying.facts(IntentStatus::Succeeded));
    let answered = payment_answered(&world.gateway, &paying.attempt, &answer).await.unwrap();
    assert_eq!((answered.order, answered.payment.state), (OrderState::Processing, PaymentState::Processing));
    world.database.advance_clock(3_600_000).await.unwrap();
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap(), []);

    let jobs = claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap();
    assert!(matches!(&jobs[0].work, Work::PaymentCheck(call) if call.intent == paying.intent));
    assert_eq!(world.applies(&paying.fetched(IntentStatus::Succeeded)).await, Applied::Captured);
    world.audits_clean().await;
}

#[tokio::test]
async fn an_event_may_come_before_the_answer_to_our_call() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    let target = payment_target(&world.workers, &paying.facts(IntentStatus::Succeeded)).await.unwrap().unwrap();
    assert_eq!((target.order, target.units), (paying.order.id, paying.order.units.clone()));
    world.receives("evt_1").await;
    assert_eq!(world.applies(&paying.event("evt_1", IntentStatus::Succeeded)).await, Applied::Captured);

    let answer = StripeAnswer::Intent(paying.facts(IntentStatus::RequiresAction));
    let answered = payment_answered(&world.gateway, &paying.attempt, &answer).await.unwrap();
    assert_eq!((answered.order, answered.payment.state), (OrderState::Paid, PaymentState::Captured));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_fresh_intent_is_not_a_declined_one() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    let mut created = paying.news(IntentStatus::RequiresPaymentMethod);
    created.failure = None;
    assert_eq!(world.applies(&created).await, Applied::Nothing);
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresPaymentMethod)).await, Applied::Failed);
    let payment = sale.looks_at(paying.order.id).await.payment.unwrap();
    assert_eq!((payment.state, payment.failure.as_deref()), (PaymentState::Failed, Some("card_declined")));
}

#[tokio::test]
async fn news_that_does_not_fit_is_set_aside() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    let other = sale.order_being_paid([1]).await;
    world.applies(&paying.news(IntentStatus::RequiresAction)).await;

    let twisted = |number: usize| {
        let mut news = paying.event(&format!("evt_{number}"), IntentStatus::Succeeded);
        let facts = &mut news.facts;
        match number {
            0 => facts.livemode = true,
            1 => facts.amount = euros(1),
            2 => facts.amount.currency = "usd".parse().unwrap(),
            3 => facts.amount_received = 1,
            4 => facts.order = Some(other.order.id),
            5 => facts.sale = None,
            _ => facts.id = "pi_stranger_with_our_order".to_owned(),
        }
        news
    };
    let reasons = ["livemode", "amount", "currency", "amount_received", "metadata_order", "metadata_sale", "intent"];
    for (number, reason) in reasons.into_iter().enumerate() {
        world.receives(&format!("evt_{number}")).await;
        let applied = world.applies(&twisted(number)).await;
        if reason == "intent" {
            assert_eq!(applied, Applied::UnknownPayment, "its order has a payment with another intent");
            continue;
        }
        assert_eq!(applied, Applied::Quarantined(reason.to_owned()));
        assert_eq!(world.event(&format!("evt_{number}")).await, ("quarantined".to_owned(), reason.to_owned()));
    }
    let order = sale.looks_at(paying.order.id).await;
    assert_eq!((order.state, order.payment.unwrap().captured), (OrderState::AwaitingPayment, 0));
    world.audits_clean().await;
}

#[tokio::test]
async fn an_event_of_a_connected_account_is_set_aside() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.receives("evt_1").await;
    world.database.execute("UPDATE inbox SET account = 'acct_1'").await.unwrap();
    let applied = world.applies(&paying.event("evt_1", IntentStatus::Succeeded)).await;
    assert_eq!(applied, Applied::Quarantined("account".to_owned()));
}

#[tokio::test]
async fn an_intent_of_nobody_leaves_its_event_to_the_worker() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.receives("evt_1").await;
    let mut news = paying.event("evt_1", IntentStatus::Succeeded);
    (news.facts.sale, news.facts.order) = (None, None);
    assert_eq!(world.applies(&news).await, Applied::UnknownPayment);
    assert_eq!(world.event("evt_1").await.0, "pending");
}

/// Expires the order under a payment, and has the job that tells Redis claimed or not.
async fn expires(world: &World, sale: &TestSale<'_>, paying: &Paying) {
    world.database.advance_clock(601_000).await.expect("an answer");
    let expired = orders_expire_due(&world.workers, 10).await.expect("an answer");
    assert_eq!(expired.len(), 1);
    let order = sale.looks_at(paying.order.id).await;
    assert_eq!((order.state, order.finality), (OrderState::Expired, Finality::Open));
}

async fn jobs(world: &World, queue: Queue) -> Vec<Job> {
    claim(&world.workers, queue, 10, 60).await.expect("an answer")
}

#[tokio::test]
async fn a_late_promise_buys_units_that_did_not_go_back_yet() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    expires(&world, &sale, &paying).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::Authorised);
    assert_eq!(jobs(&world, Queue::Stock).await, [], "Redis is not told of units that are taken again");
    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Captured);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_late_promise_is_given_back_once_the_units_are_on_sale() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    expires(&world, &sale, &paying).await;
    assert_eq!(jobs(&world, Queue::Stock).await.len(), 1);
    assert_eq!(world.applies(&paying.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    let calls = jobs(&world, Queue::Stripe).await;
    assert!(matches!(&calls[0].work, Work::PaymentCancel(call) if call.intent == paying.intent), "{calls:?}");
    let mails = jobs(&world, Queue::Mail).await;
    assert!(mails.iter().any(|job| matches!(job.work, Work::Mail { kind: MailKind::PaymentReleased, .. })));

    assert_eq!(world.applies(&paying.news(IntentStatus::Canceled)).await, Applied::Canceled);
    let order = sale.looks_at(paying.order.id).await;
    assert_eq!((order.state, order.finality), (OrderState::Expired, Finality::Final));
    assert_eq!(
        world.number("SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = 'authorised'").await,
        0
    );
    world.audits_clean().await;
}

#[tokio::test]
async fn late_money_is_owed_back() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    expires(&world, &sale, &paying).await;
    jobs(&world, Queue::Stock).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    assert_eq!(world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Nothing);
    let calls = jobs(&world, Queue::Stripe).await;
    assert!(matches!(&calls[0].work, Work::PaymentRefund { amount, .. } if *amount == paying.order.total), "{calls:?}");
    assert_eq!(sale.looks_at(paying.order.id).await.tickets, []);
    world.audits_clean().await;
}

#[tokio::test]
async fn money_for_a_cancelled_order_goes_back() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let (promised, taken) = (sale.order_being_paid([0]).await, sale.order_being_paid([1]).await);
    for paying in [&promised, &taken] {
        order_cancel(&world.gateway, sale.id, paying.order.id).await.unwrap();
    }
    assert_eq!(world.applies(&promised.news(IntentStatus::RequiresCapture)).await, Applied::LateCancel);
    assert_eq!(world.applies(&taken.news(IntentStatus::Succeeded)).await, Applied::LateRefund);
    assert_eq!(sale.looks_at(taken.order.id).await.state, OrderState::Cancelled);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_promise_that_lapses_frees_the_units() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    assert_eq!(world.applies(&paying.news(IntentStatus::Canceled)).await, Applied::Canceled);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Cancelled);
    assert_eq!(jobs(&world, Queue::Stock).await.len(), 1);
    world.audits_clean().await;
}

#[tokio::test]
async fn captured_money_is_not_buried_by_a_stale_cancellation() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    world.receives("evt_1").await;
    assert_eq!(world.applies(&paying.event("evt_1", IntentStatus::Canceled)).await, Applied::AskStripe);
    assert_eq!(world.event("evt_1").await.0, "pending");
    let fetched =
        ledger::payments::Apply { source: FactSource::Fetched, ..paying.event("evt_1", IntentStatus::Succeeded) };
    assert_eq!(world.applies(&fetched).await, Applied::Nothing);
    assert_eq!(world.event("evt_1").await.0, "done");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
}

/// Every order of these events ends in the same order, payment and books; asking Stripe when told to.
#[tokio::test]
async fn events_in_any_order_end_the_same() {
    let world = World::new().await;
    let statuses = [
        IntentStatus::RequiresConfirmation,
        IntentStatus::RequiresAction,
        IntentStatus::RequiresCapture,
        IntentStatus::Succeeded,
    ];
    let sale = world.sale(24, Price::Paid).await;
    for (number, order) in permutations(&statuses).into_iter().enumerate() {
        let paying = sale.order_being_paid([u32::try_from(number).unwrap()]).await;
        for status in &order {
            world.applies(&paying.news(*status)).await;
            world.audits_clean().await;
        }
        let after = sale.looks_at(paying.order.id).await;
        assert_eq!((after.state, after.tickets.len()), (OrderState::Paid, 1), "{order:?}");
    }
    let books = "SELECT count(*) FROM (SELECT sum(amount) FROM entries WHERE unit_of_account = 'eur'
                  GROUP BY account HAVING sum(amount) <> 0) AS balance";
    assert_eq!(world.number(books).await, 4, "clearing, organizer, fee and tax");
    assert_eq!(
        world.number("SELECT sum(amount)::bigint FROM entries WHERE account = 'payment_clearing'").await,
        24 * 5891
    );
}

/// A cancellation among them: whatever comes first, nothing is charged and the books are empty of money.
#[tokio::test]
async fn a_cancellation_in_any_order_leaves_no_money() {
    let world = World::new().await;
    let statuses = [IntentStatus::RequiresAction, IntentStatus::RequiresCapture, IntentStatus::Canceled];
    let sale = world.sale(6, Price::Paid).await;
    for (number, order) in permutations(&statuses).into_iter().enumerate() {
        let paying = sale.order_being_paid([u32::try_from(number).unwrap()]).await;
        for status in &order {
            if world.applies(&paying.news(*status)).await == Applied::AskStripe {
                let truth = world.applies(&paying.fetched(IntentStatus::Canceled)).await;
                assert_eq!(truth, Applied::Nothing, "{order:?}");
            }
            world.audits_clean().await;
        }
        let after = sale.looks_at(paying.order.id).await;
        assert_eq!((after.payment.unwrap().state, after.tickets.len()), (PaymentState::Cancelled, 0), "{order:?}");
    }
    let money = "SELECT coalesce(sum(abs(balance)), 0)::bigint FROM (
                     SELECT sum(amount) AS balance FROM entries WHERE unit_of_account = 'eur' GROUP BY account) AS balances";
    assert_eq!(world.number(money).await, 0);
}

fn permutations<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let shorter = permutations(rest);
    let places = 0..items.len();
    places.flat_map(|place| shorter.iter().map(move |tail| inserted(tail, place, *first))).collect()
}

fn inserted<T: Copy>(tail: &[T], place: usize, item: T) -> Vec<T> {
    let mut all = tail.to_vec();
    all.insert(place, item);
    all
}

#[tokio::test]
async fn a_payment_of_another_sale_is_not_found() {
    let world = World::new().await;
    let (sale, other) = (world.sale(1, Price::Paid).await, world.sale(1, Price::Paid).await);
    let order = sale.has_order([0]).await;
    let begun = payment_begin(&world.gateway, &new_payment(other.id, order.id)).await.unwrap();
    assert_eq!(begun, BeginPayment::NotFound);
}
