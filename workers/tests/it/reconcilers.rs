//! What the reconcilers find, what they do about it, and that they leave alone what is as it should be.

use std::time::Duration;

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::reconciliations::{Reconciled, latest};
use sandbox::Authentication;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{NEEDS_3DS, Post, World};

/// What is younger may be on its way to the webhook.
const GRACE: Duration = Duration::from_secs(31);

impl World {
    async fn reconciled(&self, name: &str) -> Option<Reconciled> {
        let rounds = latest(&self.workers).await.expect("Postgres answers");
        rounds.into_iter().find(|round| round.name == name && round.result.is_some())
    }

    /// Waits until so many rounds of it have ended well.
    async fn until_reconciled(&self, name: &str, rounds: i64) {
        let good = format!("SELECT count(*) FROM reconciliations WHERE name = '{name}' AND result = 'done'");
        eventually(&format!("{rounds} rounds of {name}"), async || self.count(&good).await >= rounds).await;
    }

    /// What all its rounds together found, mended and told people.
    async fn findings(&self, name: &str) -> (i64, i64, i64) {
        let sum = |column| {
            let sum = format!("SELECT coalesce(sum({column}), 0)::bigint FROM reconciliations WHERE name = '{name}'");
            async move { self.count(&sum).await }
        };
        (sum("found").await, sum("mended").await, sum("alerted").await)
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
    let last = world.reconciled(NAME).await.unwrap();
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
