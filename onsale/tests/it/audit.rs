//! `onsale audit` finds what is broken.

use crate::world::World;

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
