//! Disputes: opened, won, lost, after a refund, above the payment, in another currency, in any order.

use domain::order::OrderState;
use domain::{Currency, Money, payment::IntentStatus};
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::orders::orders_expire_due;
use ledger::outbox::{Queue, claim};
use ledger::payments::{RefundApplied, RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::{AskRefund, RefundPage, RefundRow, RefundState, RefundWish, refund_refused, refunds_of_order};

use crate::world::{Paying, Price, TestSale, World, euros, keeping_fees};

const PRICE: i64 = 5891;
const FEE: i64 = 1500;

fn moved(id: &str, amount: i64, fee: i64) -> DisputeMovement {
    DisputeMovement { id: id.to_owned(), amount, fee, currency: Currency::EUR }
}

fn facts(paying: &Paying, status: DisputeStatus, movements: Vec<DisputeMovement>) -> DisputeFacts {
    let (id, intent) = ("du_1".to_owned(), paying.intent.clone());
    DisputeFacts { event: None, id, intent, amount: euros(PRICE), status, movements }
}

async fn hears(world: &World, facts: &DisputeFacts) -> DisputeApplied {
    let applied = dispute_apply(&world.workers, facts).await.expect("an answer");
    world.audits_clean().await;
    applied
}

#[tokio::test]
async fn a_dispute_that_is_won_leaves_everything_as_it_was() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let inquiry = facts(&paying, DisputeStatus::Inquiry, vec![]);
    assert_eq!(hears(&world, &inquiry).await, DisputeApplied::Booked);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid, "an inquiry flags nothing");

    let taken = moved("txn_1", -PRICE, FEE);
    let open = facts(&paying, DisputeStatus::Open, vec![taken.clone()]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Booked);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Nothing, "each balance transaction once");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
    assert_eq!((world.balance("disputed").await, world.balance("payment_clearing").await), (PRICE, -FEE));
    let refused = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
    assert_eq!(refused, AskRefund::AboveCaptured { left: euros(0) }, "what the bank took is not given a second time");
    assert_eq!(world.number("SELECT count(*) FROM units WHERE state = 'sold'").await, 1, "and no unit is freed");

    let won = facts(&paying, DisputeStatus::Won, vec![taken, moved("txn_2", PRICE, -FEE)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Booked);
    assert_eq!(hears(&world, &inquiry).await, DisputeApplied::Nothing, "old news");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
    for (account, balance) in [("disputed", 0), ("processor_fee", 0), ("suspense", 0), ("payment_clearing", PRICE)] {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }
    assert!(matches!(sale.asks(&sale.ask(&paying, RefundWish::Whole)).await, AskRefund::Asked(_)));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_dispute_that_is_lost_is_the_organizers_loss() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let lost = facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, FEE)]);
    assert_eq!(hears(&world, &lost).await, DisputeApplied::Booked, "all at once, when what came before was lost");
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Open, vec![])).await, DisputeApplied::Nothing);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
    for (account, balance) in [("disputed", 0), ("processor_fee", FEE), ("organizer_payable", PRICE - 4500)] {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }
}

#[tokio::test]
async fn what_exceeds_the_payment_is_suspense_and_people_are_told() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Amount(5000)).await;
    refund_apply(&world.workers, &paying.refund_news(&refund, RefundStatus::Succeeded)).await.unwrap();
    world.receives("evt_1").await;
    let mut open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)]);
    open.event = Some("evt_1".to_owned());
    assert_eq!(hears(&world, &open).await, DisputeApplied::Excess);
    assert_eq!(world.event("evt_1").await, ("quarantined".to_owned(), "dispute_excess".to_owned()));
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (PRICE - 5000, 5000));

    let won = facts(&paying, DisputeStatus::Won, vec![moved("txn_1", -PRICE, 0), moved("txn_2", PRICE, 0)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Booked, "nothing is left to look at");
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, 0));
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
}

#[tokio::test]
async fn another_currency_is_booked_in_that_currency() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let mut taken = moved("txn_1", -6400, FEE);
    taken.currency = "usd".parse().unwrap();
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Open, vec![taken])).await, DisputeApplied::Excess);
    let dollars = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE unit_of_account = 'usd' AND account = ";
    assert_eq!(world.number(&format!("{dollars}'suspense'")).await, 6400);
    assert_eq!(world.number(&format!("{dollars}'payment_clearing'")).await, -6400 - FEE);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Disputed);
    let refused = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
    assert_eq!(refused, AskRefund::AboveCaptured { left: euros(0) }, "in whatever currency the bank took it");
    let mut back = moved("txn_2", 6400, 0);
    back.currency = "usd".parse().unwrap();
    hears(&world, &facts(&paying, DisputeStatus::Won, vec![back])).await;
    assert!(matches!(sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await, AskRefund::Asked(_)));
}

#[tokio::test]
async fn a_dispute_that_overtakes_its_capture_is_brought_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    let open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, FEE)]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Early);
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    assert_eq!(hears(&world, &open).await, DisputeApplied::Booked);
    let stranger = DisputeFacts { intent: "pi_stranger".to_owned(), ..open };
    assert_eq!(hears(&world, &stranger).await, DisputeApplied::UnknownPayment);
}

/// The bank gives back what was given up already.
#[tokio::test]
async fn money_that_was_lost_and_comes_back_is_the_organizers_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    hears(&world, &facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, 0)])).await;
    let back = facts(&paying, DisputeStatus::Won, vec![moved("txn_1", -PRICE, 0), moved("txn_2", PRICE, 0)]);
    assert_eq!(hears(&world, &back).await, DisputeApplied::Booked);
    for (account, balance) in
        [("disputed", 0), ("organizer_payable", -4500), ("suspense", 0), ("payment_clearing", PRICE)]
    {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }
}

#[tokio::test]
async fn balance_transactions_told_in_any_order_come_to_the_same() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let won = facts(&paying, DisputeStatus::Won, vec![moved("txn_2", PRICE, 0), moved("txn_1", -PRICE, 0)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Booked);
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, 0));
    assert!(matches!(sale.asks(&sale.ask(&paying, RefundWish::Whole)).await, AskRefund::Asked(_)));
}

/// What came back is heard of by itself, before what was taken.
#[tokio::test]
async fn news_of_a_dispute_in_reverse_come_to_the_same() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let won = facts(&paying, DisputeStatus::Won, vec![moved("txn_2", PRICE, 0)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Excess, "so far it is money out of nowhere");
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, -PRICE));
    let open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Booked);
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, 0));
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
}

/// Money that somebody gives back by hand is not what we gave: whichever is heard of first, the bank's part is the payment's,
/// the other one is in suspense, and people are told.
#[tokio::test]
async fn a_refund_by_hand_and_a_dispute_of_the_same_money_are_told_in_either_order() {
    for hand_first in [true, false] {
        let world = World::new().await;
        let sale = world.sale(1, Price::Paid).await;
        let paying = sale.paid_order([0]).await;
        let lost = facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, 0)]);
        let by_hand = RefundFacts {
            event: None,
            id: "re_hand".to_owned(),
            refund: None,
            intent: paying.intent.clone(),
            amount: euros(PRICE),
            status: RefundStatus::Succeeded,
        };
        if hand_first {
            assert_eq!(refund_apply(&world.workers, &by_hand).await.unwrap(), RefundApplied::Booked);
            assert_eq!(hears(&world, &lost).await, DisputeApplied::Excess);
        } else {
            assert_eq!(hears(&world, &lost).await, DisputeApplied::Booked);
            let told = refund_apply(&world.workers, &by_hand).await.unwrap();
            assert_eq!(told, RefundApplied::Quarantined("more_than_captured".to_owned()));
        }
        for (account, balance) in
            [("disputed", 0), ("suspense", PRICE), ("organizer_payable", PRICE - 4500), ("payment_clearing", -PRICE)]
        {
            assert_eq!(world.balance(account).await, balance, "{account}, by hand first: {hand_first}");
        }
        let more = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
        assert_eq!(more, AskRefund::AboveCaptured { left: euros(0) });
        world.audits_clean().await;
    }
}

/// A bank takes what is to go back. Where the refund goes all the same, the bank's is too much; where Stripe refuses it, the
/// bank's is the payment's, and nothing is left to ask for.
#[tokio::test]
async fn a_refund_that_meets_a_dispute_is_counted_once() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Whole).await;
    let open = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)]);
    assert_eq!(hears(&world, &open).await, DisputeApplied::Excess, "it was asked back already");
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, PRICE));
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    world.audits_clean().await;
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (PRICE, 0));
    let whole = sale.asks(&sale.ask(&paying, RefundWish::Whole)).await;
    assert_eq!(whole, AskRefund::AboveCaptured { left: euros(0) }, "the bank has it and may give it back");
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Lost, vec![])).await, DisputeApplied::Booked);
    for (account, balance) in [("disputed", 0), ("refund_due", 0), ("organizer_payable", PRICE - 4500)] {
        assert_eq!(world.balance(account).await, balance, "{account}");
    }

    let second = sale.paid_order([1]).await;
    let refund = sale.refunds(&second, RefundWish::Amount(PRICE)).await;
    let mut open = facts(&second, DisputeStatus::Open, vec![moved("txn_2", -PRICE, 0)]);
    open.id = "du_2".to_owned();
    assert_eq!(hears(&world, &open).await, DisputeApplied::Excess);
    refund_apply(&world.workers, &second.refund_news(&refund, RefundStatus::Succeeded)).await.unwrap();
    world.audits_clean().await;
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, PRICE));
}

/// What one dispute does not need any more, the next one has.
#[tokio::test]
async fn disputes_share_what_the_payment_has() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let first = facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -5_000, 0)]);
    assert_eq!(hears(&world, &first).await, DisputeApplied::Booked);
    let mut second = facts(&paying, DisputeStatus::Lost, vec![moved("txn_2", -2_000, 0)]);
    second.id = "du_2".to_owned();
    assert_eq!(hears(&world, &second).await, DisputeApplied::Excess);
    let excess = 7_000 - PRICE;
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (5_000, excess));
    hears(&world, &facts(&paying, DisputeStatus::Won, vec![moved("txn_3", 5_000, 0)])).await;
    assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (0, 0));
    assert_eq!(world.balance("organizer_payable").await, 2_000 - 4_500);
}

/// Whichever comes first, and whatever their names: what one does not leave the other is in suspense, and people are told.
#[tokio::test]
async fn who_loses_room_to_another_dispute_is_told_of() {
    for ids in [["du_1", "du_2"], ["du_2", "du_1"]] {
        let world = World::new().await;
        let sale = world.sale(1, Price::Paid).await;
        let paying = sale.paid_order([0]).await;
        let mut applied = Vec::new();
        for id in ids {
            let movement = moved(&format!("txn_{id}"), -PRICE, 0);
            let open = DisputeFacts { id: id.to_owned(), ..facts(&paying, DisputeStatus::Open, vec![movement]) };
            applied.push(hears(&world, &open).await);
        }
        assert_eq!(applied, [DisputeApplied::Booked, DisputeApplied::Excess], "{ids:?}");
        assert_eq!((world.balance("disputed").await, world.balance("suspense").await), (PRICE, PRICE));
    }
}

/// What a bank keeps of a dispute that it lost will not come back either, and must not hold the rest.
#[tokio::test]
async fn a_bank_that_gives_back_less_than_it_took_keeps_no_more_than_that() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let whole = |paying: &Paying| sale.ask(paying, RefundWish::Whole);
    let taken = moved("txn_1", -PRICE, 0);
    hears(&world, &facts(&paying, DisputeStatus::Won, vec![taken])).await;
    assert_eq!(sale.asks(&whole(&paying)).await, AskRefund::AboveCaptured { left: euros(0) }, "nothing came back yet");
    let short = facts(&paying, DisputeStatus::Won, vec![moved("txn_2", PRICE - 41, 0)]);
    assert_eq!(hears(&world, &short).await, DisputeApplied::Booked);
    assert_eq!((world.balance("disputed").await, world.balance("organizer_payable").await), (0, 41 - 4_500));
    let AskRefund::Asked(refund) = sale.asks(&whole(&paying)).await else { panic!("it is decided") };
    assert_eq!((refund.amount, refund.tickets.len()), (euros(PRICE - 41), 1));

    let second = sale.paid_order([1]).await;
    let dollars = |id: &str, amount| DisputeMovement { currency: "usd".parse().unwrap(), ..moved(id, amount, 0) };
    let movements = vec![dollars("txn_3", -6_400), dollars("txn_4", 6_390)];
    let won = DisputeFacts { id: "du_2".to_owned(), ..facts(&second, DisputeStatus::Won, movements) };
    assert_eq!(hears(&world, &won).await, DisputeApplied::Excess, "ten cents are gone");
    let AskRefund::Asked(refund) = sale.asks(&whole(&second)).await else { panic!("it is decided") };
    assert_eq!(refund.amount, euros(PRICE));
    world.audits_clean().await;
}

/// A ticket opened the door, and all the money is lost: the other one is still given back, for nothing.
#[tokio::test]
async fn a_ticket_whose_money_is_lost_is_given_back_for_what_is_left() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let tickets: Vec<_> = paying.tickets().into_iter().map(|(.., ticket)| ticket).collect();
    let one = || sale.ask(&paying, RefundWish::Tickets(vec![tickets[1]]));
    hears(&world, &facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -2 * PRICE, 0)])).await;
    assert_eq!(sale.asks(&one()).await, AskRefund::AboveCaptured { left: euros(0) }, "it may come back");
    hears(&world, &facts(&paying, DisputeStatus::Lost, vec![])).await;
    let AskRefund::Asked(refund) = sale.asks(&one()).await else { panic!("it is lost") };
    assert_eq!((refund.amount, refund.state), (euros(0), RefundState::Succeeded));
    world.audits_clean().await;
}

/// Kept fees are what the buyer is not to have: what a bank or somebody by hand gave back counts as much as our refunds.
#[tokio::test]
async fn a_buyer_who_has_some_of_the_whole_gets_the_rest() {
    const KEPT: i64 = 450 + 86;
    let world = World::new().await;
    let sale = world.sale_with(keeping_fees()).await;
    let disputed = sale.paid_order([0]).await;
    let whole = |paying: &Paying| sale.ask(paying, RefundWish::Whole);
    hears(&world, &facts(&disputed, DisputeStatus::Open, vec![moved("txn_1", -500, 0)])).await;
    let refused = sale.asks(&whole(&disputed)).await;
    assert!(matches!(refused, AskRefund::AboveCaptured { .. }), "a bank has some of it: {refused:?}");
    hears(&world, &facts(&disputed, DisputeStatus::Lost, vec![])).await;
    let AskRefund::Asked(refund) = sale.asks(&whole(&disputed)).await else { panic!("it is lost") };
    assert_eq!(refund.amount, euros(PRICE - KEPT - 500));

    let by_hand = sale.paid_order([1]).await;
    let hand = RefundFacts {
        event: None,
        id: "re_hand".to_owned(),
        refund: None,
        intent: by_hand.intent.clone(),
        amount: euros(500),
        status: RefundStatus::Succeeded,
    };
    refund_apply(&world.workers, &hand).await.unwrap();
    let AskRefund::Asked(refund) = sale.asks(&whole(&by_hand)).await else { panic!("there is a rest") };
    assert_eq!(refund.amount, euros(PRICE - KEPT - 500));
    world.audits_clean().await;
}

/// An amount of the whole is on its way when a bank takes the whole: the ticket waits for what becomes of it.
#[tokio::test]
async fn nothing_is_void_for_money_that_a_bank_has_beside_a_refund() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    sale.refunds(&paying, RefundWish::Amount(PRICE)).await;
    hears(&world, &facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)])).await;
    let whole = sale.asks(&sale.ask(&paying, RefundWish::Whole)).await;
    assert_eq!(whole, AskRefund::AboveCaptured { left: euros(0) });
}

/// Of that, too, the buyer has the money, and the seat may be sold again.
#[tokio::test]
async fn what_is_lost_in_another_currency_does_not_keep_the_seat() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let taken = DisputeMovement { currency: "usd".parse().unwrap(), ..moved("txn_1", -6_400, 0) };
    assert_eq!(hears(&world, &facts(&paying, DisputeStatus::Open, vec![taken])).await, DisputeApplied::Excess);
    let whole = || sale.ask(&paying, RefundWish::Whole);
    assert_eq!(sale.asks(&whole()).await, AskRefund::AboveCaptured { left: euros(0) });
    hears(&world, &facts(&paying, DisputeStatus::Lost, vec![])).await;
    let AskRefund::Asked(refund) = sale.asks(&whole()).await else { panic!("it is lost") };
    assert_eq!((refund.amount.minor, refund.tickets.len()), (0, 1));
    world.audits_clean().await;
}

/// Nothing is void, and no unit free, for money that a bank has and may give back.
#[tokio::test]
async fn the_whole_is_not_given_back_while_a_bank_has_some_of_it() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    hears(&world, &facts(&paying, DisputeStatus::Open, vec![moved("txn_1", -PRICE, 0)])).await;
    let whole = || sale.ask(&paying, RefundWish::Whole);
    assert_eq!(sale.asks(&whole()).await, AskRefund::AboveCaptured { left: euros(0) });
    assert_eq!(world.number("SELECT count(*) FROM tickets WHERE state = 'valid'").await, 1);
    // Lost, its buyer has the money, and the seat may be sold again.
    hears(&world, &facts(&paying, DisputeStatus::Lost, vec![])).await;
    let AskRefund::Asked(refund) = sale.asks(&whole()).await else { panic!("it is lost") };
    assert_eq!((refund.amount.minor, refund.tickets.len()), (0, 1));
    world.audits_clean().await;
}

/// What the dispute itself counts in another currency cannot be counted in the sale's: it is all that is left. What a dispute
/// is about grows with its news.
#[tokio::test]
async fn a_dispute_in_another_currency_leaves_nothing_to_give_back() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    for (unit, currency, amounts) in [(0, "gbp", [5_000, 5_000]), (1, "eur", [1_000, PRICE])] {
        let paying = sale.paid_order([unit]).await;
        let amount = |minor| Money::new(minor, currency.parse().unwrap());
        let id = format!("du_{currency}");
        let inquiry = facts(&paying, DisputeStatus::Inquiry, vec![]);
        hears(&world, &DisputeFacts { id: id.clone(), amount: amount(amounts[0]), ..inquiry }).await;
        let taken = DisputeMovement { currency: "gbp".parse().unwrap(), ..moved(&format!("txn_{unit}"), -5_000, 0) };
        let open = facts(&paying, DisputeStatus::Open, vec![taken]);
        hears(&world, &DisputeFacts { id, amount: amount(amounts[1]), ..open }).await;
        let refused = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
        assert_eq!(refused, AskRefund::AboveCaptured { left: euros(0) }, "{currency}");
    }
}

/// An order whose money came when its unit was gone, and the refund that was planned for it.
async fn paid_late(sale: &TestSale<'_>, world: &World) -> (Paying, RefundRow) {
    let paying = sale.order_being_paid([0]).await;
    world.database.advance_clock(601_000).await.expect("an answer");
    orders_expire_due(&world.workers, 10).await.expect("an answer");
    claim(&world.workers, Queue::Stock, 10, 60).await.expect("an answer");
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    assert_eq!(world.balance("refund_due").await, -PRICE);
    let refund = refunds(sale, world, &paying).await.remove(0);
    (paying, refund)
}

async fn refunds(sale: &TestSale<'_>, world: &World, paying: &Paying) -> Vec<RefundRow> {
    let page = RefundPage { after: None, limit: 10 };
    let refunds = refunds_of_order(&world.gateway, sale.organizer, sale.id, paying.order.id, page).await;
    refunds.expect("an answer").expect("the order is theirs")
}

/// The organizer never had that money, so it is not the organizer's loss.
#[tokio::test]
async fn a_dispute_of_a_payment_that_came_too_late_is_lost_instead_of_its_refund() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let (paying, _) = paid_late(&sale, &world).await;
    let lost = facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, 0)]);
    assert_eq!(hears(&world, &lost).await, DisputeApplied::Booked);
    for account in ["refund_due", "disputed", "organizer_payable", "suspense", "payment_clearing"] {
        assert_eq!(world.balance(account).await, 0, "{account}");
    }
}

/// Stripe refuses to give back what a bank has; when the bank returns it, it is given back after all.
#[tokio::test]
async fn money_that_came_too_late_is_given_back_once_its_dispute_is_won() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let (paying, refund) = paid_late(&sale, &world).await;
    let taken = moved("txn_1", -PRICE, 0);
    hears(&world, &facts(&paying, DisputeStatus::Open, vec![taken.clone()])).await;
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    world.audits_clean().await;
    let again = sale.ask(&paying, RefundWish::Again(refund.id));
    assert_eq!(sale.asks(&again).await, AskRefund::AboveCaptured { left: euros(0) }, "the bank has it");

    let won = facts(&paying, DisputeStatus::Won, vec![taken, moved("txn_2", PRICE, 0)]);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Booked);
    assert_eq!(hears(&world, &won).await, DisputeApplied::Nothing);
    let all = refunds(&sale, &world, &paying).await;
    assert_eq!(all.len(), 2, "planned once: {all:?}");
    assert_eq!((all[1].state, all[1].amount), (RefundState::Planned, euros(PRICE)));
    refund_apply(&world.workers, &paying.refund_news(&all[1], RefundStatus::Succeeded)).await.unwrap();
    for account in ["refund_due", "disputed", "suspense", "payment_clearing"] {
        assert_eq!(world.balance(account).await, 0, "{account}");
    }
    world.audits_clean().await;
}

/// A bank that gives back what it said was lost.
#[tokio::test]
async fn late_money_that_was_lost_and_comes_back_is_given_back() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let (paying, refund) = paid_late(&sale, &world).await;
    hears(&world, &facts(&paying, DisputeStatus::Lost, vec![moved("txn_1", -PRICE, 0)])).await;
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    hears(&world, &facts(&paying, DisputeStatus::Won, vec![moved("txn_2", PRICE, 0)])).await;
    let all = refunds(&sale, &world, &paying).await;
    assert_eq!((all.len(), all[1].state, all[1].amount), (2, RefundState::Planned, euros(PRICE)));
}

/// It is owed until it went: whoever sees that it failed may have it made again, once.
#[tokio::test]
async fn money_that_came_too_late_and_whose_refund_failed_is_given_back_again() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let (paying, refund) = paid_late(&sale, &world).await;
    let again = |refund: &RefundRow| sale.ask(&paying, RefundWish::Again(refund.id));
    assert_eq!(sale.asks(&again(&refund)).await, AskRefund::RefundUnknown, "it did not fail");
    refund_apply(&world.workers, &paying.refund_news(&refund, RefundStatus::Failed)).await.unwrap();
    assert_eq!((world.broken().await, world.balance("refund_due").await), (vec!["I5"], -PRICE));

    let ask = again(&refund);
    let AskRefund::Asked(second) = sale.asks(&ask).await else { panic!("it failed") };
    assert_eq!((second.state, second.amount), (RefundState::Planned, euros(PRICE)));
    assert_eq!(sale.asks(&ask).await, AskRefund::Asked(second.clone()), "the same request");
    assert_eq!(sale.asks(&again(&refund)).await, AskRefund::AboveCaptured { left: euros(0) }, "another one");
    world.audits_clean().await;
    refund_apply(&world.workers, &paying.refund_news(&second, RefundStatus::Succeeded)).await.unwrap();
    assert_eq!((world.balance("refund_due").await, world.balance("payment_clearing").await), (0, 0));
    world.audits_clean().await;

    // What was bought is asked for anew, by its tickets or its amount; and each order knows its own refunds only.
    let other = sale.paid_order([1]).await;
    let failed = sale.refunds(&other, RefundWish::Amount(100)).await;
    refund_apply(&world.workers, &other.refund_news(&failed, RefundStatus::Failed)).await.unwrap();
    assert_eq!(sale.asks(&sale.ask(&other, RefundWish::Again(failed.id))).await, AskRefund::RefundUnknown);
    assert_eq!(sale.asks(&sale.ask(&other, RefundWish::Again(refund.id))).await, AskRefund::RefundUnknown);
}
