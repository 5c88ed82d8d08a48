//! Postgres is restored to an earlier moment while Stripe, mails and doors are ahead of it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use sandbox::actors::{Buyer, Card, Edge, Order, Visitor};
use sandbox::{CallFault, IntentStatus, Mail, Operation};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::door::Door;
use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::refunds::only_ticket;
use crate::scale::scaled;
use crate::world::{NO_LIMITS, World};

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A code as it was mailed, and the letter's id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mailed {
    message_id: String,
    attachments: Vec<Vec<u8>>,
}

impl Mailed {
    /// The letters with tickets, by whom they went to; each letter once for each time it came.
    fn all(world: &World) -> BTreeMap<String, Vec<Self>> {
        let mut letters: BTreeMap<String, Vec<Self>> = BTreeMap::new();
        for mail in world.mail.messages().iter().filter(|mail| mail.subject().starts_with("Your ticket")) {
            letters.entry(mail.to[0].clone()).or_default().push(Self::of(mail));
        }
        letters
    }

    fn of(mail: &Mail) -> Self {
        let codes = mail.attachments().into_iter().filter(|attachment| attachment.content_type.starts_with("image/"));
        Self {
            message_id: mail.header("message-id").unwrap(),
            attachments: codes.map(|code| code.content.to_vec()).collect(),
        }
    }
}

impl World {
    /// Waits until so many letters with tickets have come.
    async fn has_mailed_tickets_to(&self, people: usize) -> BTreeMap<String, Vec<Mailed>> {
        let started = Instant::now();
        loop {
            let letters = Mailed::all(self);
            if letters.len() >= people {
                return letters;
            }
            assert!(started.elapsed() < WITHIN, "letters to {} of {people}", letters.len());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Money that Stripe took for an order of which it says nothing but the id, as a version of before had it.
    async fn is_paid_for_an_order_nobody_can_tell(&self, sale: &str) {
        let stripe = Edge::new(&self.stripe.base_url());
        let token = "/v1/test_helpers/confirmation_tokens";
        let token = posts_form(&stripe, token, "payment_method=pm_card_visa").await;
        let order = format!("ord_{}", Uuid::now_v7().simple());
        let form = format!(
            "amount={PRICE}&currency=eur&confirm=true&confirmation_token={}&metadata[sale]={sale}&metadata[order]={order}\
             &metadata[attempt]=1&automatic_payment_methods[enabled]=true&return_url=https://tickets.example/s",
            token["id"].as_str().unwrap()
        );
        let intent = posts_form(&stripe, "/v1/payment_intents", &form).await;
        assert_eq!(intent["status"], "succeeded", "{intent}");
    }

    /// Runs a recovery as an operator would.
    fn recovers(&self, since: Timestamp, more: &[&str]) -> (bool, Value) {
        let since = since.to_string();
        let (status, printed) = self.runs(&[&["recover", "--since", &since, "--json"], more].concat());
        (status.success(), serde_json::from_str(&printed).unwrap_or_default())
    }

    async fn waits_until_authorised(&self, order: &Order) {
        let started = Instant::now();
        let is_authorised = || {
            let intents = self.stripe.payment_intents();
            intents
                .iter()
                .any(|intent| intent.metadata["order"] == order.id && intent.status == IntentStatus::RequiresCapture)
        };
        while !is_authorised() {
            assert!(started.elapsed() < WITHIN, "never authorised");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn posts_form(stripe: &Edge, path: &str, form: &str) -> Value {
    let headers =
        [("authorization", "Bearer sk_test_end_to_end"), ("content-type", "application/x-www-form-urlencoded")];
    let answer = stripe.send(http::Method::POST, path, &headers, form.to_owned().into()).await.unwrap();
    answer.expect(StatusCode::OK).unwrap()
}

/// What was done after the backup, and is forgotten.
struct Forgotten {
    restored_to: Timestamp,
    /// Who has a ticket, and which.
    bought: Vec<(Buyer, Order)>,
    tickets: Vec<Value>,
    /// Whose ticket went back: bought before the backup, and after it.
    gave_back: [(Buyer, Order, Value); 2],
    /// Who is authorised, and not captured.
    last: (Buyer, Order),
    /// The ticket that went through the door, and in which scan.
    scanned: (Uuid, Value),
    mailed: BTreeMap<String, Vec<Mailed>>,
    highest_number: u64,
}

/// Before the backup: somebody has a ticket, somebody has ordered and not paid. After it: the first gives the ticket back and the
/// second pays; a crowd buys, one of them what came back; one gives back what was bought after the backup, one goes through the
/// door, one is authorised and not captured, one pays for an order nobody can tell of. Then the database is the backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_to_an_earlier_moment_hears_again_what_was_paid_and_everybody_keeps_the_mailed_ticket() {
    let crowd = scaled(3, 60);
    let mut world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.sells(u32::try_from(crowd).unwrap() + 3).await;
    let door = Door::of(&world, &sale);
    let forgotten = happens_since_a_backup(&mut world, &sale, &door, crowd).await;

    world.gateway.is_killed();
    world.postgres.go_back().await.unwrap();
    assert_eq!(world.counts("SELECT count(*) FROM tickets WHERE state = 'valid'").await, 1, "all is forgotten");
    let down = Instant::now();
    let report = dies_and_recovers(&world, forgotten.restored_to, crowd).await;
    world.restarts_gateway().await;
    world.restarts_workers().await;
    nothing_is_left_to_do(&world).await;
    eprintln!("disaster drill: {crowd} bought since the backup; open again after {:?}; {report:#}", down.elapsed());

    everybody_has_what_they_had(&forgotten).await;
    for (_, _, ticket) in &forgotten.gave_back {
        assert_eq!(door.scans(ticket).await, "void");
    }
    let (scan, scanned) = &forgotten.scanned;
    assert_eq!(door.uploads(*scan, scanned).await, "valid", "the scanner sends it again");
    assert_eq!(door.scans(scanned).await, "already_used");
    everybody_has_the_code_that_was_mailed(&world, &forgotten.mailed).await;
    assert!(number_of_a_newcomer(&world, &sale).await > forgotten.highest_number, "no number is given twice");
    money_is_where_it_belongs(&world, PRICE * i64::try_from(forgotten.bought.len() + 1).unwrap()).await;
    world.holds_every_invariant();
}

async fn happens_since_a_backup(world: &mut World, sale: &str, door: &Door, crowd: usize) -> Forgotten {
    let (early, early_order) = world.has_bought(sale).await;
    let early_ticket = only_ticket(&early, &early_order).await;
    let (waiting, waiting_order) = world.has_order(sale).await;
    world.has_mailed_tickets_to(1).await;
    nothing_is_left_to_do(world).await;
    world.postgres.back_up().await.unwrap();
    let now_s = world.counts("SELECT extract(epoch FROM onsale_now())::bigint").await;
    let restored_to = Timestamp::from_second(now_s).unwrap();

    let mut bought: Vec<(Buyer, Order)> = Vec::new();
    for _ in 0..crowd {
        bought.push(world.has_bought(sale).await);
    }
    let paid = waiting.pays(&waiting_order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    paid.expect(StatusCode::OK).unwrap();
    waiting.waits_until_order_is(&waiting_order, "paid", WITHIN).await.unwrap();
    gives_back_one_of_two(world, sale, (&early, &early_order), &early_ticket).await;
    let (regretting, regretted) = bought.remove(0);
    let void = only_ticket(&regretting, &regretted).await;
    // Somebody else has the unit that came back.
    bought.push(world.has_bought(sale).await);
    gives_back_one_of_two(world, sale, (&regretting, &regretted), &void).await;
    bought.push((waiting, waiting_order));
    let scanned = (Uuid::now_v7(), only_ticket(&bought[0].0, &bought[0].1).await);
    assert_eq!(door.uploads(scanned.0, &scanned.1).await, "valid");
    let last = world.has_order(sale).await;
    let mailed = world.has_mailed_tickets_to(crowd + 3).await;
    nothing_is_left_to_do(world).await;

    world.workers.is_killed();
    last.0.pays(&last.1, Card::Visa, &world.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
    world.waits_until_authorised(&last.1).await;
    world.is_paid_for_an_order_nobody_can_tell(sale).await;
    let mut tickets = Vec::new();
    for (buyer, order) in &bought {
        tickets.push(only_ticket(buyer, order).await);
    }
    let highest_number = number_of_a_newcomer(world, sale).await;
    let gave_back = [(early, early_order, early_ticket), (regretting, regretted, void)];
    Forgotten { restored_to, bought, tickets, gave_back, last, scanned, mailed, highest_number }
}

/// One unit was left; then there are two.
async fn gives_back_one_of_two(world: &World, sale: &str, (buyer, order): (&Buyer, &Order), ticket: &Value) {
    world.gives_back(sale, order, &json!({ "tickets": [ticket["id"]], "reason": "cannot come" })).await;
    buyer.waits_until_order_is(order, "refunded", WITHIN).await.unwrap();
    world.waits_until_on_sale(sale, 2).await;
}

/// A look that writes nothing, a recovery that dies halfway, and one that does not; what that one says.
async fn dies_and_recovers(world: &World, since: Timestamp, crowd: usize) -> Value {
    let crowd = crowd as u64;
    let (_, would) = world.recovers(since, &["--dry-run"]);
    let figures = ["known", "orders_rebuilt", "payments_rebuilt", "orders_refunded"];
    assert_eq!(figures.map(|figure| would["report"][figure].as_u64().unwrap()), [1, crowd + 2, 1, 1], "{would}");
    assert_eq!(world.counts("SELECT count(*) FROM orders").await, 2, "nothing was written");
    world.stripe.fail_after(Operation::GetIntent, 2, 1, CallFault::ServerError);
    assert!(!world.recovers(since, &[]).0, "Stripe failed in the middle of it");
    assert_eq!(world.counts("SELECT count(*) FROM sales WHERE state = 'paused'").await, 1, "nothing is sold meanwhile");

    let (clean, mut recovered) = world.recovers(since, &[]);
    assert!(clean, "{recovered}");
    let report = recovered["report"].take();
    let figure = |name: &str| report[name].as_u64().unwrap();
    // What the first one wrote before it died is known to the second.
    let found = figure("orders_rebuilt") + figure("payments_rebuilt") + figure("known");
    assert_eq!((figure("intents"), found), (crowd + 5, crowd + 4), "{report}");
    assert_eq!((figure("refunds_rebuilt"), figure("orders_refunded"), figure("units_lost")), (2, 1, 0), "{report}");
    report
}

async fn everybody_has_what_they_had(forgotten: &Forgotten) {
    let (last, last_order) = &forgotten.last;
    let last_paid = last.waits_until_order_is(last_order, "paid", WITHIN).await.unwrap();
    assert_eq!(last_paid["tickets"][0]["state"], "valid");
    for ((buyer, order), ticket) in forgotten.bought.iter().zip(&forgotten.tickets) {
        let again = only_ticket(buyer, order).await;
        assert_eq!((&again["id"], &again["unit"], &again["state"]), (&ticket["id"], &ticket["unit"], &json!("valid")));
    }
    for (buyer, order, ticket) in &forgotten.gave_back {
        let again = only_ticket(buyer, order).await;
        assert_eq!((&again["id"], &again["state"]), (&ticket["id"], &json!("void")));
        buyer.waits_until_order_is(order, "refunded", WITHIN).await.unwrap();
    }
}

/// One more letter at most came to anybody, with the same id and the very same code.
async fn everybody_has_the_code_that_was_mailed(world: &World, mailed: &BTreeMap<String, Vec<Mailed>>) {
    let now = world.has_mailed_tickets_to(mailed.len()).await;
    for (whom, first) in mailed {
        assert_eq!(first.len(), 1);
        assert!(!first[0].attachments.is_empty(), "a letter without a code");
        assert!(now[whom].len() <= 2, "{} letters", now[whom].len());
        assert!(now[whom].iter().all(|letter| *letter == first[0]), "another letter to {whom}");
    }
}

async fn number_of_a_newcomer(world: &World, sale: &str) -> u64 {
    let mut newcomer = Visitor::new(&world.edge, sale);
    let started = Instant::now();
    loop {
        let joined = newcomer.joins().await.unwrap();
        if joined.status == StatusCode::CREATED {
            return joined.body["place"]["number"].as_u64().unwrap();
        }
        assert!(started.elapsed() < WITHIN, "{joined:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
