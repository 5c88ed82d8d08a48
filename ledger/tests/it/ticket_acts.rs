//! Tickets sent again and replaced: repeated, at once, refused.

use std::sync::Arc;

use domain::keyring::Kid;
use domain::{OrderId, SaleId, TicketId};
use ledger::outbox::{MailKind, Queue, Work, claim};
use ledger::refunds::RefundWish;
use ledger::tickets::{Asker, LETTERS_MAX, Rotate, Rotation, SendAgain, ticket_rotate, tickets_send_again};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::soak;
use crate::world::{Paying, Price, TestSale, World, kid};

fn new_kid() -> Kid {
    Kid::from_bytes(*b"t2\0\0\0\0\0\0").expect("a kid")
}

fn rotation(sale: SaleId, order: OrderId, ticket: TicketId, from: u16) -> Rotation {
    Rotation { sale, order, ticket, from, kid: new_kid() }
}

async fn rotates(sale: &TestSale<'_>, paying: &Paying, ticket: TicketId, from: u16) -> Rotate {
    let wanted = rotation(sale.id, paying.order.id, ticket, from);
    ticket_rotate(&sale.world.gateway, &wanted, Asker::Organizer, "key_1").await.expect("an answer")
}

async fn first_ticket(sale: &TestSale<'_>, paying: &Paying) -> ledger::tickets::TicketRow {
    sale.looks_at(paying.order.id).await.tickets[0].clone()
}

/// The letters with tickets that wait to be written.
async fn letters(world: &World) -> usize {
    let jobs = claim(&world.workers, Queue::Mail, 100, 60).await.expect("jobs");
    let again = |work: &Work| matches!(work, Work::Mail { kind: MailKind::TicketsAgain(_), .. });
    jobs.iter().filter(|job| again(&job.work)).count()
}

#[tokio::test]
async fn a_code_is_replaced_once_however_often_that_is_asked_for() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let ticket = first_ticket(&sale, &paying).await;
    assert_eq!((ticket.rotation, ticket.qr_kid), (0, kid()));
    for _ in 0..3 {
        assert_eq!(rotates(&sale, &paying, ticket.id, 0).await, Rotate::Rotated { rotation: 1 });
    }
    let rotated = first_ticket(&sale, &paying).await;
    assert_eq!(
        (rotated.id, rotated.rotation, rotated.qr_kid),
        (ticket.id, 1, new_kid()),
        "it takes the key that signs now"
    );
    assert_eq!(letters(&world).await, 1, "its buyer is sent the new one, once");
    assert_eq!(rotates(&sale, &paying, ticket.id, 1).await, Rotate::Rotated { rotation: 2 });
    assert_eq!(rotates(&sale, &paying, ticket.id, 0).await, Rotate::Stale { rotation: 2 }, "it overslept the other");
    let other = sale.looks_at(paying.order.id).await.tickets[1].clone();
    assert_eq!((other.rotation, other.qr_kid), (0, kid()), "nothing happened to the other ticket");
    let logged = "SELECT count(*) FROM audit_log WHERE act = 'ticket_rotated' AND actor = 'key_1'";
    assert_eq!(world.number(logged).await, 2);
    world.audits_clean().await;
}

#[tokio::test]
async fn only_a_ticket_that_opens_the_door_is_replaced_and_only_of_its_order() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let (paying, other) = (sale.paid_order([0, 1]).await, sale.paid_order([2]).await);
    let tickets = sale.looks_at(paying.order.id).await.tickets;
    sale.refunds(&paying, RefundWish::Tickets(vec![tickets[0].id])).await;
    assert_eq!(rotates(&sale, &paying, tickets[0].id, 0).await, Rotate::Void);
    assert_eq!(rotates(&sale, &other, tickets[1].id, 0).await, Rotate::NotFound);
    world
        .database
        .execute(&format!("UPDATE tickets SET state = 'used' WHERE id = '{}'", tickets[1].id.uuid()))
        .await
        .unwrap();
    assert_eq!(rotates(&sale, &paying, tickets[1].id, 0).await, Rotate::Used);
    world.database.execute("UPDATE tickets SET state = 'valid', rotation = 65534 WHERE unit_no = 1").await.unwrap();
    assert_eq!(
        rotates(&sale, &paying, tickets[1].id, 65_534).await,
        Rotate::Stale { rotation: 65_534 },
        "there is an end"
    );
    assert_eq!(letters(&world).await, 0);
}

/// Two who replace one code at once: each with the rotation it saw. One wins, and the other is told, or asked for the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_each_rotation_is_given_once() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let (id, order, ticket) = (sale.id, paying.order.id, first_ticket(&sale, &paying).await.id);
    let (askers, rounds) = (8, if soak::is_on() { 500 } else { 20 });
    let mut tasks = JoinSet::new();
    for _ in 0..askers {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let mut from = 0;
            for _ in 0..rounds {
                let wanted = rotation(id, order, ticket, from);
                from = match ticket_rotate(&world.gateway, &wanted, Asker::Organizer, "x").await.expect("an answer") {
                    Rotate::Rotated { rotation } | Rotate::Stale { rotation } => rotation,
                    other => panic!("{other:?}"),
                };
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("nobody panics");
    }
    let rotation = first_ticket(&sale, &paying).await.rotation;
    let letters = world.number("SELECT count(*) FROM outbox WHERE kind = 'mail_tickets_again'").await;
    assert_eq!(i64::from(rotation), letters, "a letter for each rotation");
    assert!(rotation >= rounds, "they went on: {rotation}");
    world.audits_clean().await;
}

#[tokio::test]
async fn tickets_are_sent_again_once_a_request_and_a_few_times_a_buyer() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    let asks = async |letter: u128, asker| {
        let letter = Uuid::from_u128(letter);
        tickets_send_again(&world.gateway, sale.id, paying.order.id, letter, asker).await.expect("an answer")
    };
    for _ in 0..3 {
        assert_eq!(asks(1, Asker::Buyer).await, SendAgain::Sent);
    }
    assert_eq!(letters(&world).await, 1);
    for letter in 2..=u128::from(LETTERS_MAX) {
        assert_eq!(asks(letter, Asker::Buyer).await, SendAgain::Sent);
    }
    assert_eq!(asks(100, Asker::Buyer).await, SendAgain::TooOften);
    assert_eq!(asks(1, Asker::Buyer).await, SendAgain::Sent, "it was");
    assert_eq!(asks(100, Asker::Organizer).await, SendAgain::Sent);
    let unpaid = sale.has_order([1]).await;
    let of_unpaid = tickets_send_again(&world.gateway, sale.id, unpaid.id, Uuid::nil(), Asker::Buyer).await;
    assert_eq!(of_unpaid.unwrap(), SendAgain::NoTickets);
    world.database.execute("DELETE FROM contacts").await.unwrap();
    assert_eq!(asks(101, Asker::Organizer).await, SendAgain::NotFound, "there is nobody to write to");
}

/// The letters go to whatever address the order names: who asks for them may not be who gets them.
#[tokio::test]
async fn replacing_codes_is_no_way_round_the_bound_of_letters() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = sale.paid_order([0, 1]).await;
    let ticket = first_ticket(&sale, &paying).await.id;
    let replaces = async |from: u16, asker| {
        let wanted = rotation(sale.id, paying.order.id, ticket, from);
        ticket_rotate(&world.gateway, &wanted, asker, "x").await.expect("an answer")
    };
    assert_eq!(replaces(0, Asker::Organizer).await, Rotate::Rotated { rotation: 1 }, "it takes nothing from the buyer");
    let most = u16::try_from(LETTERS_MAX).unwrap() + 2;
    for from in 1..=most {
        assert_eq!(replaces(from, Asker::Buyer).await, Rotate::Rotated { rotation: from + 1 });
    }
    assert_eq!(replaces(most + 1, Asker::Buyer).await, Rotate::TooOften);
    assert_eq!(replaces(most, Asker::Buyer).await, Rotate::Rotated { rotation: most + 1 }, "it was");
    assert_eq!(first_ticket(&sale, &paying).await.rotation, most + 1, "a code that nobody is told of replaces none");
    let again = tickets_send_again(&world.gateway, sale.id, paying.order.id, Uuid::nil(), Asker::Buyer).await;
    assert_eq!(again.unwrap(), SendAgain::TooOften);
    assert_eq!(replaces(most + 1, Asker::Organizer).await, Rotate::Rotated { rotation: most + 2 });
}

#[tokio::test]
async fn letters_of_the_organizer_leave_the_buyer_those_of_its_own() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.paid_order([0]).await;
    for letter in 0..=u128::from(LETTERS_MAX) {
        let asker = if letter < u128::from(LETTERS_MAX) { Asker::Organizer } else { Asker::Buyer };
        let letter = Uuid::from_u128(letter);
        let sent =
            tickets_send_again(&world.gateway, sale.id, paying.order.id, letter, asker).await.expect("an answer");
        assert_eq!(sent, SendAgain::Sent);
    }
}
