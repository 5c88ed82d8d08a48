//! The way of somebody on the waitlist through a whole installation: by mail, from joining to a ticket that was somebody else's.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::Mail;
use sandbox::actors::{Answer, Buyer, Card, Order};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::nothing_is_left_to_do;
use crate::totals;
use crate::world::World;

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longer than the queue has to join.
const GATHERED_MS: i64 = 301_000;

/// Somebody with the link of a mail.
pub(crate) struct Reader<'w> {
    world: &'w World,
    path: String,
    token: String,
}

impl<'w> Reader<'w> {
    /// Whoever follows the link of a mail.
    pub(crate) fn of(world: &'w World, sale: &str, mail: &Mail) -> Self {
        let text = mail.text().expect("a text part");
        let link = text.lines().find(|line| line.contains("/waitlist/")).expect("a link");
        let (page, token) = link.split_once("#token=").expect("a token in the fragment");
        let entry = page.rsplit('/').next().expect("an entry");
        Self { world, path: format!("/v1/sales/{sale}/waitlist/{entry}"), token: token.trim().to_owned() }
    }

    /// The entry, as its page shows it.
    pub(crate) async fn looks(&self) -> Value {
        self.asks(Method::GET, "", &Value::Null).await.expect(StatusCode::OK).unwrap()
    }

    pub(crate) async fn asks(&self, method: Method, act: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str())];
        self.world.edge.ask(method, &format!("{}{act}", self.path), &headers, body).await.unwrap()
    }
}

impl World {
    pub(crate) async fn gets_mail(&self, email: &str, subject: &str) -> Mail {
        let wanted = |mail: &Mail| mail.to == [email] && mail.subject().contains(subject);
        self.mail.wait_for(wanted, WITHIN).await.unwrap_or_else(|| panic!("no {subject} for {email}"))
    }

    /// Somebody joins the waitlist of a sale as soon as nothing of it is left, and confirms it by the mail.
    pub(crate) async fn is_in_line(&self, sale: &str, email: &str) -> Reader<'_> {
        let wish = json!({ "tiers": ["ga"], "quantity": 1, "email": email });
        let started = Instant::now();
        loop {
            let path = format!("/v1/sales/{sale}/waitlist");
            let joined = self.edge.ask(Method::POST, &path, &[], &wish).await.unwrap();
            if joined.code() != Some("waitlist_not_open") {
                joined.expect(StatusCode::CREATED).unwrap();
                break;
            }
            assert!(started.elapsed() < WITHIN, "it is sold out by now");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let reader = Reader::of(self, sale, &self.gets_mail(email, "Confirm your place").await);
        let confirmed = reader.asks(Method::POST, "/confirm", &Value::Null).await.expect(StatusCode::OK).unwrap();
        assert_eq!(confirmed["state"], "waiting");
        reader
    }

    /// A ticket of an order is given back, once the queue has had its time to join the waitlist.
    pub(crate) async fn takes_back(&self, sale: &str, order: &Order, ticket: &Value) {
        self.database.advance_clock(GATHERED_MS).await.unwrap();
        let refund = json!({ "tickets": [ticket], "reason": "cannot come" });
        let path = format!("sales/{sale}/orders/{}/refunds", order.id);
        self.organizer.asks(Method::POST, &path, &refund).await.unwrap().expect(StatusCode::CREATED).unwrap();
    }

    /// Whoever is offered something by mail takes it and pays for it.
    pub(crate) async fn buys_what_is_offered(&self, sale: &str, email: &str, buyer: &Buyer) -> Order {
        let reader = Reader::of(self, sale, &self.gets_mail(email, "Your turn: 1 ×").await);
        let shown = self.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await.unwrap();
        assert_eq!(shown.body["tiers"][0]["availability"]["remaining"], 0, "it is not on sale");
        let order = reader.asks(Method::POST, "/claim", &json!({ "name": "Ada" })).await;
        let order = order.expect(StatusCode::CREATED).unwrap();
        let text = |field: &str| order[field].as_str().unwrap().to_owned();
        let order = Order { id: text("id"), token: text("token") };
        buyer.pays(&order, Card::Visa, &self.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
        buyer.waits_until_order_is(&order, "paid", WITHIN).await.unwrap();
        self.gets_mail(email, "Your tickets").await;
        order
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_was_given_back_is_bought_by_the_first_in_line_and_by_nobody_else() {
    let world = World::start().await;
    let sale = world.sells(1).await;
    let (first_buyer, first_order) = world.has_bought(&sale).await;
    world.is_in_line(&sale, "ada@example.org").await;
    let second_in_line = world.is_in_line(&sale, "bob@example.org").await;
    world.takes_back(&sale, &first_order, &ticket_of(&first_buyer, &first_order).await["id"]).await;
    world.buys_what_is_offered(&sale, "ada@example.org", &first_buyer).await;
    first_buyer.waits_until_order_is(&first_order, "refunded", WITHIN).await.unwrap();
    assert_eq!(second_in_line.looks().await["position"], 1, "the next waits on");
    nothing_is_left_to_do(&world).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

/// The only ticket of an order, as its buyer sees it.
pub(crate) async fn ticket_of(buyer: &Buyer, order: &Order) -> Value {
    let seen = buyer.looks_at_order(order).await.unwrap().expect(StatusCode::OK).unwrap();
    seen["tickets"][0].clone()
}
