//! Mail: what arrives, and what happens when it cannot.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use domain::ticket::TicketPayload;
use domain::token::OrderToken;
use ledger::refunds::RefundWish;
use sandbox::{Mail, MailFault};

use crate::eventually::eventually;
use crate::world::{NEEDS_3DS, PRICE, Post, VISA, World};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_tickets_arrive_with_their_codes_and_a_link_that_opens_the_order() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    let paid = world.until_order_is(&order, OrderState::Paid).await;
    let mail = world.mail.wait_for(|mail| mail.subject().contains("Your tickets"), SOON).await.expect("a mail");

    assert_eq!(mail.to, ["buyer1@example.org"]);
    assert_eq!(mail.subject(), "Your tickets for Night <Live>");
    let message_id = format!("<order_paid.{}@tickets.example>", order.id);
    assert_eq!(mail.header("message-id"), Some(message_id));
    let html = mail.html().expect("an HTML part");
    assert!(html.contains("Night &#60;Live&#62;") && !html.contains("<Live>"), "{html}");
    for ticket in &paid.tickets {
        let payload = TicketPayload { ticket: ticket.id, sale: sale.id, rotation: ticket.rotation };
        let text = world.ticket_signer.qr_text(&payload, ticket.qr_kid).expect("the key is there");
        let picture = tickets::qr::png(&text).expect("it fits");
        let attachments = mail.attachments();
        let inline = attachments.iter().find(|part| part.content_id == Some(ticket.id.to_string()));
        assert_eq!(inline.expect("a picture").content, picture, "the bytes of a QR are fixed");
        assert!(html.contains(&format!("cid:{}", ticket.id)));
    }
    let text = mail.text().expect("a text part");
    let link = text.lines().find(|line| line.starts_with("https://tickets.example/s/")).expect("a link");
    let (page, token) = link.split_once("#token=").expect("a token in the fragment");
    assert!(page.ends_with(&format!("/orders/{}", order.id)), "{page}");
    let opens = world.signer.verify_order(token.trim()).expect("our token");
    assert_eq!(opens, OrderToken { sale: sale.id, order: order.id });
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_its_server_and_spends_no_attempts() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    world.mail.stop().await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    let mut tries = std::collections::BTreeSet::new();
    eventually("the mail was tried in vain, again and again", async || {
        let next_at = "SELECT coalesce(max(extract(epoch FROM next_at) * 1000)::bigint, 0) FROM outbox
                        WHERE queue = 'mail' AND lease IS NULL AND last_error IS NOT NULL";
        tries.insert(world.count(next_at).await);
        tries.len() > 4
    })
    .await;
    world.mail.restart().await.expect("its port is free");
    world.until_idle().await;
    assert_eq!(world.mail.messages().len(), 1);
    let attempts = world.count("SELECT max(attempts)::bigint FROM outbox WHERE queue = 'mail'").await;
    assert!(attempts <= 2, "an outage is not counted: {attempts}");
    world.audit().await;
    workers.stop().await;
}

/// What an order may be told of while the mail server is away: each once, when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_the_mail_server_every_letter_arrives_once() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(30, Manual).await;
    world.mail.stop().await;
    // All that one buyer may have, and one more with the same card.
    let paid = world.orders(&sale, 20).await;
    world.pays(&paid, "pm_card_visa_of_ada", Manual).await;
    world.until_order_is(&paid, OrderState::Paid).await;
    let limited = world.orders(&sale, 1).await;
    world.pays(&limited, "pm_card_visa_of_ada", Manual).await;
    world.until_order_is(&limited, OrderState::Cancelled).await;
    let left = world.orders(&sale, 1).await;
    world.pays(&left, NEEDS_3DS, Manual).await;
    // A letter that is being written while the clock jumps would be somebody else's, too, and sent twice.
    workers.stop().await;
    world.advances(Duration::from_mins(5)).await;
    let workers = world.start(Post::Open);
    world.until_order_is(&left, OrderState::Expired).await;
    world.asks_back(&paid, RefundWish::Amount(PRICE)).await;
    let refunds =
        async |state: &str| world.count(&format!("SELECT count(*) FROM refunds WHERE state = '{state}'")).await;
    eventually("it went", async || refunds("succeeded").await == 1).await;
    world.sends_the_refund_back(&paid).await;
    eventually("it came back", async || refunds("failed").await == 1).await;

    world.mail.restart().await.expect("its port is free");
    world.until_idle().await;
    let mut subjects: Vec<_> = world.mail.messages().iter().map(Mail::subject).collect();
    subjects.sort();
    let told = ["Nothing was charged for", "Your order for", "Your refund for", "Your tickets for"];
    assert_eq!(subjects.len(), told.len(), "{subjects:?}");
    assert!(subjects.iter().zip(told).all(|(subject, told)| subject.starts_with(told)), "{subjects:?}");
    let ran_out = world.mail.messages().into_iter().find(|mail| mail.subject().starts_with(told[1])).expect("one");
    assert!(ran_out.text().is_some_and(|text| text.contains("before the payment was confirmed with your bank")));
    assert!(subjects[2].ends_with("did not arrive"), "that it went is not said any more: {subjects:?}");
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_mail_waits_untouched_and_goes_when_there_is_one() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    assert_eq!(
        world.count("SELECT sum(attempts)::bigint FROM outbox WHERE queue = 'mail' AND state = 'pending'").await,
        0
    );
    workers.stop().await;
    let workers = world.start(Post::Open);
    world.mail.wait_for(|_| true, SOON).await.expect("a mail");
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_takes_a_mail_and_drops_the_line_gets_one_more_of_the_same_name() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    world.mail.fail_next(1, MailFault::CutAfterAccepting);
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    let names: Vec<_> = world.mail.messages().iter().map(|mail: &Mail| mail.header("message-id")).collect();
    assert_eq!(names.len(), 2, "the one nobody knew of, and one more");
    assert_eq!(names[0], names[1]);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_refused_for_now_goes_later_and_one_refused_for_good_is_parked() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    world.mail.fail_next(1, MailFault::RefusedForNow);
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.mail.messages().len(), 1);
    world.mail.fail_next(1, MailFault::RefusedForGood);
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.mail.messages().len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE queue = 'mail' AND state = 'parked'").await, 1);
    workers.stop().await;
}

/// A ticket goes back: its buyer is told how much, and that the other one stays valid.
/// Keys come to workers one after the other: a letter with a ticket of a key that is not here waits for a worker that has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_key_is_not_here_yet_waits_for_a_worker_that_has_it() {
    let mut world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.pays(&order, VISA, Manual).await;
    world.until_order_is(&order, OrderState::Paid).await;
    workers.stop().await;
    world.database.execute("UPDATE tickets SET qr_kid = 'k2'").await.expect("Postgres answers");
    let old = world.start(Post::Open);
    let of_mail =
        async |what: &str| world.count(&format!("SELECT count(*) FROM outbox WHERE queue = 'mail' AND {what}")).await;
    eventually("it was tried", async || of_mail("last_error LIKE '%ticket key k2 is gone%'").await == 1).await;
    assert_eq!(of_mail("state = 'parked'").await, 0, "somebody else may have the key");
    old.stop().await;
    world.knows_a_second_ticket_key();
    let new = world.start(Post::Open);
    let mail = world.mail.wait_for(|mail| mail.subject().contains("Your tickets"), SOON).await.expect("a mail");
    assert_eq!(mail.to, ["buyer1@example.org"]);
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_money_back_is_told_once_it_went() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    let paid = world.until_order_is(&order, OrderState::Paid).await;
    let refund = world.asks_back(&order, RefundWish::Tickets(vec![paid.tickets[0].id])).await;
    let mail = world.mail.wait_for(|mail| mail.subject().contains("Your refund"), SOON).await.expect("a mail");
    assert_eq!(mail.to, ["buyer1@example.org"]);
    assert_eq!(mail.header("message-id"), Some(format!("<refund_made.{}.{}@tickets.example>", refund.id, order.id)));
    let text = mail.text().expect("a text part");
    for part in
        ["20.00 EUR", "This ticket is void", &paid.tickets[0].id.to_string(), "One other ticket of yours stays valid"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(mail.attachments().is_empty(), "no code of a ticket");
    world.until_idle().await;
    assert_eq!(world.mail.messages().iter().filter(|mail| mail.subject().contains("Your refund")).count(), 1);
    workers.stop().await;
}

/// A file of a letter.
fn file(mail: &Mail, name: &str) -> Option<Vec<u8>> {
    mail.attachments().iter().find(|part| part.name == name).map(|part| part.content.to_vec())
}

/// Each letter with the tickets of an order has the same bytes in it, however often it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_that_are_sent_again_are_the_same_bytes() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    let paid = world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    for _ in 0..4 {
        world.sends_tickets_again(&paid).await;
    }
    world.until_idle().await;
    let mails = world.mail.messages();
    assert_eq!(mails.len(), 5);
    let names: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("message-id")).collect();
    assert_eq!(names.len(), 5, "each is a letter of its own");
    let contents = |mail: &Mail| mail.attachments().iter().map(|part| part.content.clone()).collect::<Vec<_>>();
    let first = contents(&mails[0]);
    assert_eq!(first.len(), 3, "two codes and a file to print");
    assert!(first.iter().any(|content| content.starts_with(b"%PDF-")));
    assert!(mails.iter().all(|mail| contents(mail) == first));
    world.audit().await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_replaced_is_sent_and_only_that_one_changes() {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    let sale = world.open_sale(5, Manual).await;
    let order = world.orders(&sale, 2).await;
    world.pays(&order, VISA, Manual).await;
    let paid = world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    world.replaces_code(&paid, &paid.tickets[0]).await;
    let again = world.mail.wait_for(|mail| mail.subject().contains("once more"), SOON).await.expect("a mail");
    let before = world.mail.messages().remove(0);
    let code = |mail: &Mail, index: usize| {
        let id = Some(paid.tickets[index].id.to_string());
        mail.attachments().iter().find(|part| part.content_id == id).expect("a picture").content.clone()
    };
    assert_ne!(code(&again, 0), code(&before, 0));
    assert_eq!(code(&again, 1), code(&before, 1));
    assert_ne!(file(&again, "tickets.pdf").expect("a file"), file(&before, "tickets.pdf").expect("a file"));
    assert!(again.text().expect("a text").contains("only if they are the same as these"));
    workers.stop().await;
}
