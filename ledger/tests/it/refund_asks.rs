//! Refunds that organizers ask for: by kind, repeated, at once, refused by Stripe, bit by bit.

use std::sync::Arc;

use domain::order::OrderState;
use domain::payment::IntentStatus;
use domain::{TicketId, UnitNo};
use ledger::outbox::{MailKind, Queue, Work, claim};
use ledger::payments::{RefundApplied, RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::{
    AskRefund, RefundPage, RefundParts, RefundRow, RefundState, RefundWish, refund_ask, refund_refused,
    refund_unmade_for, refunds_of_order,
};
use ledger::tickets::TicketState;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::soak;
use crate::world::{Paying, Price, TestSale, World, euros, keeping_fees};

/// Of one unit: 45.00 €, 10 % fee, 19 % tax on both.
const UNIT: RefundParts = RefundParts { base: 4500, fee: 450, tax: 941 };
const UNIT_PRICE: i64 = 5891;

async fn hears(world: &World, facts: &RefundFacts) -> RefundApplied {
    refund_apply(&world.workers, facts).await.expect("an answer")
}

async fn tickets(sale: &TestSale<'_>, paying: &Paying) -> Vec<TicketId> {
    sale.looks_at(paying.order.id).await.tickets.iter().map(|ticket| ticket.id).collect()
}

fn times(parts: RefundParts, units: i64) -> RefundParts {
    RefundParts { base: parts.base * units, fee: parts.fee * units, tax: parts.tax * units }
}

#[tokio::test]
async fn tickets_given_back_are_void_and_their_units_are_sold_again() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = sale.paid_order([0, 1, 2]).await;
    let given = tickets(&sale, &paying).await;
    claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap();

    let refund = sale.refunds(&paying, RefundWish::Tickets(given[..2].to_vec())).await;
    assert_eq!((refund.amount, refund.parts), (euros(2 * UNIT_PRICE), Some(times(UNIT, 2))));
    assert_eq!((refund.state, refund.tickets.len()), (RefundState::Planned, 2));
    let states: Vec<_> = sale.looks_at(paying.order.id).await.tickets.iter().map(|ticket| ticket.state).collect();
    assert_eq!(states, [TicketState::Void, TicketState::Void, TicketState::Valid]);
    assert_eq!(world.balance("refund_due").await, -2 * UNIT_PRICE);
    world.audits_clean().await;

    let Work::UnitsReturn { units, .. } = &claim(&world.workers, Queue::Stock, 10, 60).await.unwrap()[0].work else {
        panic!("no units")
    };
    assert_eq!(units.iter().map(|(_, unit)| *unit).collect::<Vec<_>>(), [UnitNo(0), UnitNo(1)]);
    let Work::PaymentRefund { refund: ours, amount, .. } =
        &claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap()[0].work
    else {
        panic!("no refund")
    };
    assert_eq!((*ours, *amount), (refund.id, refund.amount));

    let next = sale.paid_order([0]).await;
    world.audits_clean().await;
    claim(&world.workers, Queue::Mail, 10, 60).await.unwrap();
    assert_eq!(hears(&world, &paying.refund_news(&refund, RefundStatus::Pending)).await, RefundApplied::Booked);
    assert_eq!(claim(&world.workers, Queue::Mail, 10, 60).await.unwrap(), [], "it has not arrived");
    for _ in 0..2 {
        let told = hears(&world, &paying.refund_news(&refund, RefundStatus::Succeeded)).await;
        assert_eq!(told, RefundApplied::Nothing);
    }
    let mails = claim(&world.workers, Queue::Mail, 10, 60).await.unwrap();
    let work = Work::Mail { kind: MailKind::RefundMade(refund.id), order: paying.order.id };
    assert_eq!(mails.iter().map(|mail| &mail.work).collect::<Vec<_>>(), [&work], "one mail, once it has");
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
    assert_eq!(sale.looks_at(next.order.id).await.state, OrderState::Paid);
    assert_eq!(world.balance("refund_due").await, 0);
    assert_eq!(world.balance("payment_clearing").await, 2 * UNIT_PRICE);
    world.audits_clean().await;
}

#[tokio::test]
async fn an_amount_voids_nothing_and_the_whole_is_the_rest() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let part = sale.refunds(&paying, RefundWish::Amount(1000)).await;
    // 1000 of 9000 + 900 + 1882: 763.88…, 76.38…, 159.73…
    assert_eq!(part.parts, Some(RefundParts { base: 764, fee: 76, tax: 160 }));
    assert!(sale.looks_at(paying.order.id).await.tickets.iter().all(|ticket| ticket.state == TicketState::Valid));

    let rest = sale.refunds(&paying, RefundWish::Whole).await;
    assert_eq!(rest.parts, Some(RefundParts { base: 9000 - 764, fee: 900 - 76, tax: 1882 - 160 }));
    assert_eq!(rest.tickets.len(), 2);
    for refund in [&rest, &part] {
        assert_eq!(hears(&world, &paying.refund_news(refund, RefundStatus::Succeeded)).await, RefundApplied::Booked);
        world.audits_clean().await;
    }
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    for account in ["organizer_payable", "platform_fee", "tax_payable", "refund_due", "payment_clearing"] {
        assert_eq!(world.balance(account).await, 0, "{account}");
    }
}

#[tokio::test]
async fn money_that_all_went_back_leaves_tickets_to_give_back() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    sale.refunds(&paying, RefundWish::Amount(UNIT_PRICE)).await;
    let rest = sale.refunds(&paying, RefundWish::Whole).await;
    assert_eq!((rest.amount.minor, rest.state, rest.tickets.len()), (0, RefundState::Succeeded, 1));
    let nothing = sale.asks(&sale.ask(&paying, RefundWish::Whole)).await;
    assert_eq!(nothing, AskRefund::AboveCaptured { left: euros(0) });
    world.audits_clean().await;
}

/// 45.00 € and 4.50 € fee: of the 9.41 € tax 0.86 € are on the fee.
#[tokio::test]
async fn kept_fees_keep_their_tax() {
    let world = World::new().await;
    let sale = world.sale_with(keeping_fees()).await;
    let paying = sale.paid_order([0, 1]).await;
    let first = tickets(&sale, &paying).await[0];
    let refund = sale.refunds(&paying, RefundWish::Tickets(vec![first])).await;
    assert_eq!(refund.parts, Some(RefundParts { base: 4500, fee: 0, tax: 941 - 86 }));
    // The whole is the sum of its tickets, to the cent.
    let rest = sale.refunds(&paying, RefundWish::Whole).await;
    assert_eq!(rest.parts, refund.parts);
    let more = sale.asks(&sale.ask(&paying, RefundWish::Whole)).await;
    assert_eq!(more, AskRefund::AboveCaptured { left: euros(0) });
    // Whose tickets all went back for their price has nothing more to get, though the fees stay.
    for (given, state) in [(&refund, OrderState::PartiallyRefunded), (&rest, OrderState::Refunded)] {
        hears(&world, &paying.refund_news(given, RefundStatus::Succeeded)).await;
        assert_eq!(sale.looks_at(paying.order.id).await.state, state);
        world.audits_clean().await;
    }
    // An amount may be taken from the fees too, as this sale has it.
    let fees = sale.refunds(&paying, RefundWish::Amount(900 + 172)).await;
    assert_eq!(fees.parts, Some(RefundParts { base: 0, fee: 900, tax: 172 }));
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    hears(&world, &paying.refund_news(&rest, RefundStatus::Failed)).await;
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
}

#[tokio::test]
async fn a_request_asks_once_and_its_key_means_one_thing() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let ask = sale.ask(&paying, RefundWish::Amount(100));
    let first = sale.asks(&ask).await;
    assert!(matches!(first, AskRefund::Asked(_)));
    assert_eq!(sale.asks(&ask).await, first);
    let mut other = ask.clone();
    other.content = [7; 32];
    assert_eq!(sale.asks(&other).await, AskRefund::KeyReused);
    assert_eq!(world.number("SELECT count(*) FROM refunds").await, 1);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_cannot_be_given_back_says_why() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let (paying, stranger) = (sale.paid_order([0, 1]).await, sale.paid_order([2]).await);
    let open = sale.order_being_paid([3]).await;
    let (own, others) = (tickets(&sale, &paying).await, tickets(&sale, &stranger).await);
    let asked = async |wish| sale.asks(&sale.ask(&paying, wish)).await;
    assert_eq!(
        asked(RefundWish::Amount(2 * UNIT_PRICE + 1)).await,
        AskRefund::AboveCaptured { left: euros(2 * UNIT_PRICE) }
    );
    let mixed = RefundWish::Tickets(vec![own[0], others[0]]);
    assert_eq!(asked(mixed).await, AskRefund::TicketUnknown(vec![others[0]]));
    sale.refunds(&paying, RefundWish::Tickets(vec![own[0]])).await;
    assert_eq!(asked(RefundWish::Tickets(own.clone())).await, AskRefund::TicketVoid(vec![own[0]]));
    let scan = format!("UPDATE tickets SET state = 'used' WHERE id = '{}'", own[1].uuid());
    world.database.execute(&scan).await.unwrap();
    assert_eq!(asked(RefundWish::Tickets(vec![own[1]])).await, AskRefund::TicketUsed(vec![own[1]]));
    assert_eq!(asked(RefundWish::Whole).await, AskRefund::TicketUsed(vec![own[1]]));
    assert!(matches!(asked(RefundWish::Amount(1)).await, AskRefund::Asked(_)), "an amount voids nothing");

    let unpaid = sale.asks(&sale.ask(&open, RefundWish::Whole)).await;
    assert_eq!(unpaid, AskRefund::NotRefundable(OrderState::AwaitingPayment));
    let mut foreign = sale.ask(&paying, RefundWish::Whole);
    foreign.organizer = world.organizer().await;
    assert_eq!(sale.asks(&foreign).await, AskRefund::NotFound);
    world.audits_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once_never_give_back_more_than_came() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let given = tickets(&sale, &paying).await;
    let mut asks = JoinSet::new();
    for turn in 0..20 {
        let wish = match turn % 3 {
            0 => RefundWish::Amount(1100),
            1 => RefundWish::Tickets(vec![given[turn % 2]]),
            _ => RefundWish::Whole,
        };
        let (world, ask) = (Arc::clone(&world), sale.ask(&paying, wish));
        asks.spawn(async move { refund_ask(&world.gateway, &ask).await.unwrap() });
    }
    let outcomes = asks.join_all().await;
    let back: i64 = outcomes.iter().filter_map(asked).map(|refund| refund.amount.minor).sum();
    assert_eq!(back, 2 * UNIT_PRICE, "some of them asked for the whole");
    assert_eq!(world.balance("refund_due").await, -2 * UNIT_PRICE);
    world.audits_clean().await;
}

fn asked(outcome: &AskRefund) -> Option<&RefundRow> {
    match outcome {
        AskRefund::Asked(refund) => Some(refund),
        _ => None,
    }
}

/// Orders taken apart cent by cent, or nearly.
const ORDERS: u64 = 4;
const ORDERS_SOAK: u64 = 200;
const SPLITS: i64 = 100;

#[tokio::test]
async fn a_hundred_random_splits_come_out_to_the_cent() {
    let world = World::new().await;
    let orders = if soak::is_on() { ORDERS_SOAK } else { ORDERS };
    for seed in 0..orders {
        let mut dice = Dice::of_seed(seed);
        let sale = world.sale(3, Price::Paid).await;
        let paying = sale.paid_order(0..=u32::try_from(seed % 3).unwrap()).await;
        let mut left = paying.order.total.minor;
        for split in 1..SPLITS {
            let amount = dice.between(1, left - (SPLITS - split)).min(left / 20 + 1);
            let refund = sale.refunds(&paying, RefundWish::Amount(amount)).await;
            left -= refund.amount.minor;
            hears(&world, &paying.refund_news(&refund, RefundStatus::Succeeded)).await;
        }
        let last = sale.refunds(&paying, RefundWish::Whole).await;
        assert_eq!(last.amount.minor, left, "seed {seed}");
        hears(&world, &paying.refund_news(&last, RefundStatus::Succeeded)).await;
        assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
        for account in ["organizer_payable", "platform_fee", "tax_payable", "refund_due", "payment_clearing"] {
            assert_eq!(world.balance(account).await, 0, "{account}, seed {seed}");
        }
    }
    world.audits_clean().await;
}

#[tokio::test]
async fn a_refund_that_failed_is_owed_no_more_and_may_be_asked_for_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let given = tickets(&sale, &paying).await;
    let refund = sale.refunds(&paying, RefundWish::Tickets(given.clone())).await;
    assert_eq!(hears(&world, &paying.refund_news(&refund, RefundStatus::Succeeded)).await, RefundApplied::Booked);
    world.receives("evt_failed").await;
    let later =
        RefundFacts { event: Some("evt_failed".to_owned()), ..paying.refund_news(&refund, RefundStatus::Failed) };
    assert_eq!(hears(&world, &later).await, RefundApplied::Failed);
    assert_eq!(
        world.event("evt_failed").await,
        ("quarantined".to_owned(), "refund_failed".to_owned()),
        "people are told"
    );
    assert_eq!((world.balance("refund_due").await, world.balance("payment_clearing").await), (0, UNIT_PRICE));
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
    assert_eq!(world.broken().await, ["I5"], "no ticket and no money, until it is asked for again");

    let again = sale.refunds(&paying, RefundWish::Whole).await;
    assert_eq!((again.amount, &again.tickets), (refund.amount, &given), "void since the first time, and paid for now");
    let twice = sale.asks(&sale.ask(&paying, RefundWish::Tickets(given.clone()))).await;
    assert_eq!(twice, AskRefund::TicketVoid(given.clone()));
    assert_eq!(hears(&world, &paying.refund_news(&again, RefundStatus::Succeeded)).await, RefundApplied::Booked);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    let page = |after, limit| {
        refunds_of_order(&world.gateway, sale.organizer, sale.id, paying.order.id, RefundPage { after, limit })
    };
    let all = page(None, 10).await.unwrap().unwrap();
    assert_eq!(page(None, 1).await.unwrap().unwrap(), all[..1]);
    assert_eq!(page(Some(all[0].id), 10).await.unwrap().unwrap(), all[1..]);
    assert_eq!(
        all.iter().map(|refund| refund.state).collect::<Vec<_>>(),
        [RefundState::Failed, RefundState::Succeeded]
    );
    assert_eq!(all[0].tickets, given);
    world.audits_clean().await;
}

/// Each time under a key of its own, and as often as it fails; the seat is somebody else's since the first.
#[tokio::test]
async fn a_ticket_whose_refund_failed_is_given_back_again_by_ticket() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let given = tickets(&sale, &paying).await;
    let both = sale.refunds(&paying, RefundWish::Tickets(given.clone())).await;
    hears(&world, &paying.refund_news(&both, RefundStatus::Succeeded)).await;
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    hears(&world, &paying.refund_news(&both, RefundStatus::Failed)).await;
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid, "nothing went back of it");
    claim(&world.workers, Queue::Stock, 10, 60).await.unwrap();
    sale.paid_order([0]).await;

    let first = || RefundWish::Tickets(vec![given[0]]);
    let ask = sale.ask(&paying, first());
    let AskRefund::Asked(again) = sale.asks(&ask).await else { panic!("its refund failed") };
    assert_eq!((again.parts, &again.tickets), (Some(UNIT), &vec![given[0]]));
    assert_eq!(sale.asks(&ask).await, AskRefund::Asked(again.clone()), "the same request");
    for twice in [first(), RefundWish::Tickets(given.clone())] {
        assert_eq!(sale.asks(&sale.ask(&paying, twice)).await, AskRefund::TicketVoid(vec![given[0]]));
    }
    assert_eq!(world.broken().await, ["I5"], "of the other one nobody has the price");
    assert!(refund_refused(&world.workers, sale.id, again.id).await.unwrap());
    let third = sale.refunds(&paying, first()).await;
    let other = sale.refunds(&paying, RefundWish::Tickets(vec![given[1]])).await;
    world.audits_clean().await;
    hears(&world, &paying.refund_news(&third, RefundStatus::Succeeded)).await;
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::PartiallyRefunded);
    hears(&world, &paying.refund_news(&other, RefundStatus::Pending)).await;
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    assert_eq!(world.balance("payment_clearing").await, UNIT_PRICE, "what the next buyer paid");
    assert_eq!(world.number("SELECT count(*) FROM transfers WHERE kind = 'seats_returned'").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM units WHERE state = 'sold'").await, 1);
    assert_eq!(claim(&world.workers, Queue::Stock, 10, 60).await.unwrap(), []);
    world.audits_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_give_a_ticket_back_again_one_does() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let given = tickets(&sale, &paying).await;
    let wish = || RefundWish::Tickets(vec![given[0]]);
    let refund = sale.refunds(&paying, wish()).await;
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    let mut asks = JoinSet::new();
    for _ in 0..20 {
        let (world, ask) = (Arc::clone(&world), sale.ask(&paying, wish()));
        asks.spawn(async move { refund_ask(&world.gateway, &ask).await.unwrap() });
    }
    assert_eq!(asks.join_all().await.iter().filter_map(asked).count(), 1);
    assert_eq!(world.balance("refund_due").await, -UNIT_PRICE);
    world.audits_clean().await;
}

/// What the function sees to under its lock, the table sees to by itself: one refund after each that failed.
#[tokio::test]
async fn the_refunds_of_a_ticket_are_a_chain() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Whole).await;
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    sale.refunds(&paying, RefundWish::Whole).await;
    let third = "INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount)
                     SELECT sale_id, gen_random_uuid(), id, 'onsale', 'third', 1 FROM payments";
    world.database.execute(third).await.unwrap();
    for again_of in ["NULL", "again_of"] {
        let fork = format!(
            "INSERT INTO refund_tickets
                 SELECT t.sale_id, r.id, t.ticket_id, {again_of}, 1 FROM refund_tickets t, refunds r
                  WHERE r.reason = 'third' AND t.again_of IS NOT NULL"
        );
        let refused = world.database.execute(&fork).await.unwrap_err();
        assert!(format!("{refused:?}").contains("refund_tickets_once_key"), "{refused:?}");
    }
}

/// No money, no call to Stripe: tickets void and units free at once.
#[tokio::test]
async fn an_order_that_cost_nothing_is_given_back() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    let order = sale.has_order([0, 1, 2]).await.id;
    let second = sale.looks_at(order).await.tickets[1].id;
    let asked = async |wish| sale.asks(&sale.ask_of(order, wish)).await;
    let nothing_left = AskRefund::AboveCaptured { left: euros(0) };
    let AskRefund::Asked(refund) = asked(RefundWish::Tickets(vec![second])).await else { panic!("it is valid") };
    assert_eq!((refund.amount, refund.state, &refund.tickets), (euros(0), RefundState::Succeeded, &vec![second]));
    assert_eq!(sale.looks_at(order).await.state, OrderState::PartiallyRefunded);
    assert_eq!(asked(RefundWish::Tickets(vec![second])).await, AskRefund::TicketVoid(vec![second]));
    assert_eq!(asked(RefundWish::Amount(1)).await, nothing_left);
    world.audits_clean().await;

    let AskRefund::Asked(rest) = asked(RefundWish::Whole).await else { panic!("two are left") };
    assert_eq!((rest.state, rest.tickets.len()), (RefundState::Succeeded, 2));
    assert_eq!(sale.looks_at(order).await.state, OrderState::Refunded);
    assert_eq!(asked(RefundWish::Whole).await, nothing_left);
    let page = RefundPage { after: None, limit: 10 };
    let all = refunds_of_order(&world.gateway, sale.organizer, sale.id, order, page).await.unwrap().unwrap();
    assert_eq!(all, [refund, rest]);
    assert_eq!(claim(&world.workers, Queue::Stripe, 10, 60).await.unwrap(), []);
    assert_eq!(claim(&world.workers, Queue::Stock, 10, 60).await.unwrap().len(), 2);
    sale.has_order([0, 1, 2]).await;
    world.audits_clean().await;
}

#[tokio::test]
async fn a_refund_that_stripe_refuses_is_owed_no_more() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Amount(500)).await;
    assert!(refund_refused(&world.workers, sale.id, refund.id).await.unwrap());
    assert!(!refund_refused(&world.workers, sale.id, refund.id).await.unwrap(), "once");
    assert_eq!(world.balance("refund_due").await, 0);
    // It was made after all: a fact, booked as one that nobody asked for, and people are told.
    world.receives("evt_twice").await;
    let news =
        RefundFacts { event: Some("evt_twice".to_owned()), ..paying.refund_news(&refund, RefundStatus::Succeeded) };
    assert_eq!(hears(&world, &news).await, RefundApplied::Quarantined("refund_made_twice".to_owned()));
    assert_eq!(world.event("evt_twice").await, ("quarantined".to_owned(), "refund_made_twice".to_owned()));
    assert_eq!((world.balance("refund_due").await, world.balance("suspense").await), (0, 500));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_refund_that_overtakes_its_capture_is_brought_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    world.receives("evt_refund").await;
    let facts = RefundFacts {
        event: Some("evt_refund".to_owned()),
        id: "re_1".to_owned(),
        refund: None,
        intent: paying.intent.clone(),
        amount: euros(500),
        status: RefundStatus::Succeeded,
    };
    assert_eq!(hears(&world, &facts).await, RefundApplied::Early);
    assert_eq!(world.event("evt_refund").await.0, "pending");
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    assert_eq!(hears(&world, &facts).await, RefundApplied::Booked);
    assert_eq!(world.event("evt_refund").await.0, "done");
    world.audits_clean().await;
}

/// Somebody gives it back by hand while our call is about to be made: it is that refund, and ours is not to be made any more.
#[tokio::test]
async fn a_refund_made_by_hand_takes_the_place_of_one_that_was_asked_for() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let refund = sale.refunds(&paying, RefundWish::Amount(UNIT_PRICE)).await;
    assert!(refund_unmade_for(&world.workers, sale.id, refund.id).await.unwrap().is_some());
    let by_hand =
        RefundFacts { id: "re_hand".to_owned(), refund: None, ..paying.refund_news(&refund, RefundStatus::Succeeded) };
    assert_eq!(hears(&world, &by_hand).await, RefundApplied::Booked);
    assert_eq!(refund_unmade_for(&world.workers, sale.id, refund.id).await.unwrap(), None);
    world.audits_clean().await;
    // Made all the same, by a call that was on its way: booked, and for people.
    let twice = hears(&world, &paying.refund_news(&refund, RefundStatus::Succeeded)).await;
    assert_eq!(twice, RefundApplied::Quarantined("refund_made_twice".to_owned()));
    assert_eq!((world.balance("payment_clearing").await, world.balance("suspense").await), (0, UNIT_PRICE));
    world.audits_clean().await;
}

/// Somebody tried, and it failed: ours is still to be made.
#[tokio::test]
async fn a_refund_by_hand_that_failed_takes_nobodys_place() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Whole).await;
    let by_hand =
        RefundFacts { id: "re_hand".to_owned(), refund: None, ..paying.refund_news(&refund, RefundStatus::Failed) };
    assert_eq!(hears(&world, &by_hand).await, RefundApplied::Failed);
    assert!(refund_unmade_for(&world.workers, sale.id, refund.id).await.unwrap().is_some());
    let ours = paying.refund_news(&refund, RefundStatus::Succeeded);
    assert_eq!(hears(&world, &ours).await, RefundApplied::Booked);
    assert_eq!((world.balance("payment_clearing").await, world.balance("suspense").await), (0, 0));
    world.audits_clean().await;
}

/// What went first failed, and it was given back by hand instead; of that we hear first.
#[tokio::test]
async fn a_refund_by_hand_waits_for_the_failure_that_makes_room_for_it() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let refund = sale.refunds(&paying, RefundWish::Whole).await;
    hears(&world, &paying.refund_news(&refund, RefundStatus::Succeeded)).await;
    let by_hand =
        RefundFacts { id: "re_hand".to_owned(), refund: None, ..paying.refund_news(&refund, RefundStatus::Succeeded) };
    assert_eq!(hears(&world, &by_hand).await, RefundApplied::Early);
    assert_eq!(hears(&world, &paying.refund_news(&refund, RefundStatus::Failed)).await, RefundApplied::Failed);
    assert_eq!(world.broken().await, ["I5"]);
    assert_eq!(hears(&world, &by_hand).await, RefundApplied::Booked);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Refunded);
    let more = sale.asks(&sale.ask(&paying, RefundWish::Amount(1))).await;
    assert_eq!(more, AskRefund::AboveCaptured { left: euros(0) });
    world.audits_clean().await;
}

/// Reasons are people's words; the log that is never erased has none of them.
#[tokio::test]
async fn the_log_has_no_reason_in_it() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    sale.refunds(&paying, RefundWish::Amount(1)).await;
    let told = "SELECT count(*) FROM audit_log WHERE act = 'refund_asked' AND detail::text NOT LIKE '%cannot come%'";
    assert_eq!(world.number(told).await, 1);
}
