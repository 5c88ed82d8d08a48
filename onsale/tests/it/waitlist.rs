//! The way of somebody on the waitlist through a whole installation: by mail, from joining to a ticket that was somebody else's.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::Mail;
use sandbox::actors::{Answer, Card, Order};
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
struct Reader<'w> {
    world: &'w World,
    path: String,
    token: String,
}

impl<'w> Reader<'w> {
    /// Whoever follows the link of a mail.
    fn of(world: &'w World, sale: &str, mail: &Mail) -> Self {
        let text = mail.text().expect("a text part");
        let link = text.lines().find(|line| line.contains("/waitlist/")).expect("a link");
        let (page, token) = link.split_once("#token=").expect("a token in the fragment");
        let entry = page.rsplit('/').next().expect("an entry");
        Self { world, path: format!("/v1/sales/{sale}/waitlist/{entry}"), token: token.trim().to_owned() }
    }

    async fn asks(&self, method: Method, act: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str())];
        self.world.edge.ask(method, &format!("{}{act}", self.path), &headers, body).await.unwrap()
    }
}

impl World {
    async fn gets_mail(&self, email: &str, subject: &str) -> Mail {
        let wanted = |mail: &Mail| mail.to == [email] && mail.subject().contains(subject);
        self.mail.wait_for(wanted, WITHIN).await.unwrap_or_else(|| panic!("no {subject} for {email}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_was_given_back_is_bought_by_the_first_in_line_and_by_nobody_else() {
    let world = World::start().await;
    let sale = world.sells(1).await;
    let (first_buyer, first_order) = world.has_bought(&sale).await;
    let join = async |email: &str| {
        let wish = json!({ "tiers": ["ga"], "quantity": 1, "email": email });
        let started = Instant::now();
        loop {
            let path = format!("/v1/sales/{sale}/waitlist");
            let joined = world.edge.ask(Method::POST, &path, &[], &wish).await.unwrap();
            if joined.code() != Some("waitlist_not_open") {
                return joined.expect(StatusCode::CREATED).unwrap();
            }
            assert!(started.elapsed() < WITHIN, "it is sold out by now");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    for email in ["ada@example.org", "bob@example.org"] {
        join(email).await;
        let reader = Reader::of(&world, &sale, &world.gets_mail(email, "Confirm your place").await);
        let confirmed = reader.asks(Method::POST, "/confirm", &Value::Null).await.expect(StatusCode::OK).unwrap();
        assert_eq!(confirmed["state"], "waiting");
    }
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    let refund = json!({ "tickets": [ticket_of(&first_buyer, &first_order).await], "reason": "cannot come" });
    let path = format!("sales/{sale}/orders/{}/refunds", first_order.id);
    world.organizer.asks(Method::POST, &path, &refund).await.unwrap().expect(StatusCode::CREATED).unwrap();

    let reader = Reader::of(&world, &sale, &world.gets_mail("ada@example.org", "Your turn: 1 ×").await);
    let shown = world.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await.unwrap();
    assert_eq!(shown.body["tiers"][0]["availability"]["remaining"], 0, "it is not on sale");
    let order = reader.asks(Method::POST, "/claim", &json!({ "name": "Ada" })).await;
    let order = order.expect(StatusCode::CREATED).unwrap();
    let text = |field: &str| order[field].as_str().unwrap().to_owned();
    let order = Order { id: text("id"), token: text("token") };
    first_buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    first_buyer.waits_until_order_is(&order, "paid", WITHIN).await.unwrap();
    world.gets_mail("ada@example.org", "Your tickets").await;
    first_buyer.waits_until_order_is(&first_order, "refunded", WITHIN).await.unwrap();
    let left = Reader::of(&world, &sale, &world.gets_mail("bob@example.org", "Confirm your place").await);
    assert_eq!(left.asks(Method::GET, "", &Value::Null).await.body["position"], 1, "the next in line waits on");
    nothing_is_left_to_do(&world).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

async fn ticket_of(buyer: &sandbox::actors::Buyer, order: &Order) -> Value {
    let seen = buyer.looks_at_order(order).await.unwrap().expect(StatusCode::OK).unwrap();
    seen["tickets"][0]["id"].clone()
}
