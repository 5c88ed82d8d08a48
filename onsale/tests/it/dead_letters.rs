//! `onsale dead-letters`: what was given up is seen, tried again once the cause is mended, or dropped with a reason.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::Card;
use serde_json::Value;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::totals;
use crate::world::World;

const PAID_WITHIN: Duration = Duration::from_secs(60);
const PARKED: &str = "SELECT count(*) FROM outbox WHERE state = 'parked' AND kind = 'payment_capture'";

/// A key that Stripe does not know: whatever is asked with it is refused, for good.
const WRONG_KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_nobodys");

fn listed(world: &World, more: &[&str]) -> Vec<Value> {
    let (status, printed) = world.runs(&[&["dead-letters", "list", "--json"], more].concat());
    assert!(status.success(), "{printed}");
    serde_json::from_str(&printed).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_was_given_up_ends_in_a_ticket_once_its_cause_is_mended() {
    let mut world = World::start().await;
    let sale = world.sells(3).await;
    world.workers.is_killed();
    let mut wrong = world.adds_workers_and_set(&[WRONG_KEY]).await;
    let (buyer, order) = world.has_order(&sale).await;
    let pressed = buyer.pays(&order, Card::Visa, &world.stripe.base_url()).await.unwrap();
    pressed.expect(StatusCode::OK).unwrap();
    world.waits_until_counted(PARKED, |count| count == 1).await;

    let letters = listed(&world, &["--queue", "stripe", "--sale", &sale]);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["kind"], &letters[0]["state"]), (&"payment_capture".into(), &"parked".into()));
    assert!(letters[0]["note"].as_str().unwrap().starts_with("refused with 401"), "{letters:?}");
    assert_eq!(listed(&world, &["--queue", "mail"]), Vec::<Value>::new());
    let (_, table) = world.runs(&["dead-letters", "list"]);
    let id = letters[0]["id"].as_str().unwrap();
    assert!(table.lines().any(|line| line.contains(id) && line.contains("payment_capture")), "{table}");

    wrong.is_killed();
    world.restarts_workers().await;
    let retry = ["dead-letters", "retry", "--queue", "stripe", "--by", "ada", "--why", "the key was wrong"];
    let (status, printed) = world.runs(&retry);
    assert!(status.success() && printed.trim() == "1 retried", "{printed}");
    buyer.waits_until_order_is(&order, "paid", PAID_WITHIN).await.unwrap();
    nothing_is_left_to_do(&world).await;

    let (status, printed) = world.runs(&["dead-letters", "retry", id, "--by", "ada"]);
    assert!(status.success() && printed.contains("0 retried") && printed.contains("is done"), "{printed}");
    assert!(listed(&world, &[]).is_empty());
    let noted =
        "SELECT count(*) FROM dead_letter_acts WHERE actor = 'ada' AND act = 'retried' AND why = 'the key was wrong'";
    assert_eq!(world.counts(noted).await, 1);
    money_is_where_it_belongs(&world, PRICE).await;
    totals::agree_with_stripe(&world, &sale).await;
    world.holds_every_invariant();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tried_or_dropped_by_a_slip_of_the_hand() {
    let world = World::start().await;
    let bad: [&[&str]; 4] = [
        &["dead-letters", "retry"],
        &["dead-letters", "drop", "--all"],
        &["dead-letters", "drop", "--all", "--why", "  "],
        &["dead-letters", "retry", "--queue", "letterbox"],
    ];
    for arguments in bad {
        let (status, printed) = world.runs(arguments);
        assert_eq!((status.code(), printed.as_str()), (Some(64), ""), "{arguments:?}");
    }
    let (status, _) = world.runs(&["dead-letters", "drop", "evt_none", "--why", "a test"]);
    assert_eq!(status.code(), Some(1), "there is no such letter");

    world.stripe.deliver("charge.dispute.created", &serde_json::json!({ "object": "dispute" }));
    world.waits_until_counted("SELECT count(*) FROM inbox WHERE state = 'quarantined'", |count| count == 1).await;
    let (status, printed) = world.runs(&["dead-letters", "drop", "--queue", "inbox", "--why", "a forged event"]);
    assert!(status.success() && printed.trim() == "1 dropped", "{printed}");
    assert!(listed(&world, &[]).is_empty());
    assert_eq!(world.counts("SELECT count(*) FROM inbox WHERE state = 'dropped'").await, 1, "it is still there");
}
