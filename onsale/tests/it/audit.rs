//! `onsale audit` finds what is broken.

use std::time::Duration;

use http::StatusCode;
use sandbox::actors::Visitor;

use crate::world::{World, sale};

/// A leg that no function of ours could have written: as superuser, with every trigger off.
const HAND_MADE_BREACH: &str = "
    SET session_replication_role = replica;
    INSERT INTO entries (sale_id, transfer_id, leg, account, unit_of_account, amount)
    SELECT sale_id, transfer_id, 99, account, unit_of_account, 1 FROM entries LIMIT 1;
    SET session_replication_role = DEFAULT;";

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_slipped_in_past_the_triggers_is_named_by_its_invariant() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    world.has_bought(&sale).await;
    world.holds_every_invariant();

    world.database.execute(HAND_MADE_BREACH).await.unwrap();

    let (status, printed) = world.audit();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("I3 ") && line.contains("BROKEN")), "{printed}");
}

/// Lines that nobody could have taken out of the log, nor changed in the grants; and a draw whose root is of other leaves.
const BREACHES_OF_THE_LINE: [(&str, &str, &str); 4] = [
    ("I9 ", "nothing in the log between", "DELETE FROM admission_log WHERE seq = 1"),
    ("I9 ", "log and grants differ", "UPDATE grants SET granted_at = granted_at + interval '1 s'"),
    (
        "I9 ",
        "was given a turn again",
        "INSERT INTO admission_log (sale_id, seq, epoch, kind, number, at)
         SELECT sale_id, (SELECT max(seq) + 1 FROM admission_log), epoch, kind, number, at + interval '2 s'
           FROM admission_log WHERE kind = 'granted' LIMIT 1",
    ),
    ("I7 ", "the leaves do not hash to the root", "UPDATE draws SET root = sha256('other leaves')"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_tampered_with_is_named_by_its_invariant() {
    let world = World::start().await;
    let id = world.organizer.publishes_to_open(&sale(5), Duration::ZERO, Duration::from_secs(4)).await.unwrap();
    world.organizer.waits_until_open(&id).await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &id);
    visitor.registers().await.unwrap();
    let buyer = visitor.waits_for_turn(Duration::from_secs(60)).await.unwrap();
    buyer.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.holds_every_invariant();

    for (invariant, breach, tampering) in BREACHES_OF_THE_LINE {
        let with_triggers_off = format!("SET session_replication_role = replica; {tampering}");
        world.database.execute(&with_triggers_off).await.unwrap();
        let (status, printed) = world.audit();
        assert_eq!(status.code(), Some(1), "{printed}");
        assert!(printed.lines().any(|line| line.starts_with(invariant) && line.contains("BROKEN")), "{printed}");
        assert!(printed.contains(breach), "{breach}: {printed}");
    }
}
