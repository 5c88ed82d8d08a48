//! The chain of seals: nothing is skipped, and whatever a superuser changes past every trigger is located.

use std::sync::Arc;
use std::time::Duration;

use domain::payment::IntentStatus;
use ledger::audit::{AuditLine, audit_chain};
use ledger::seals::{SealHead, Sealing, seal_head, seal_lag, seal_next};
use tokio::task::JoinSet;

use crate::world::{Price, World, connect, within_30_s};

/// Seals until nothing is left. Transactions of other tests on the same cluster keep the horizon back for moments.
pub(crate) async fn seals_all(world: &World) {
    within_30_s(async || {
        while matches!(seal_next(&world.workers).await.expect("an answer"), Sealing::Sealed(..)) {}
        chain(world, None).await.figures.contains(&("unsealed", 0))
    })
    .await;
}

async fn chain(world: &World, kept: Option<&SealHead>) -> AuditLine {
    audit_chain(&world.readonly, kept).await.expect("an audit")
}

async fn head(world: &World) -> SealHead {
    seal_head(&world.readonly).await.expect("an answer").expect("a block")
}

/// A sale with three acts after its publication, each in a block of its own: blocks 1 to 4.
async fn sealed() -> World {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    seals_all(&world).await;
    let paying = sale.order_being_paid([0]).await;
    seals_all(&world).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    seals_all(&world).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    seals_all(&world).await;
    world
}

#[tokio::test]
async fn a_chain_that_nobody_touched_holds() {
    let world = sealed().await;
    let line = chain(&world, None).await;
    assert!(line.breaches.is_empty(), "{line:?}");
    let transfers = world.number("SELECT count(*) FROM transfers").await;
    assert_eq!(line.figures, [("blocks", 4), ("transfers", transfers), ("unsealed", 0)]);
    assert_eq!(seal_next(&world.workers).await.unwrap(), Sealing::Nothing, "an idle ledger gets no blocks");
    let head = head(&world).await;
    assert_eq!(head.block, 4);
    world.sale(1, Price::Free).await;
    seals_all(&world).await;
    assert!(chain(&world, Some(&head)).await.breaches.is_empty(), "it goes on through the head that was kept");
}

/// What is done to the books, the block that is named for it, and what is said of it.
const TAMPERING: [(&str, &str, &str); 14] = [
    // An amount, without anybody's noticing by sums: both legs.
    ("block 4", "was changed", "UPDATE entries SET amount = amount * 2 WHERE transfer_id = {captured}"),
    ("block 4", "was changed", "DELETE FROM entries WHERE transfer_id = {captured} AND amount < 0"),
    (
        "block 4",
        "was changed",
        "INSERT INTO entries SELECT sale_id, transfer_id, 99, 'suspense', 'eur', 1 FROM entries WHERE transfer_id = {captured} LIMIT 1",
    ),
    ("block 4", "was changed", "UPDATE entries SET account = 'suspense' WHERE transfer_id = {captured} AND amount > 0"),
    (
        "block 4",
        "was changed",
        "UPDATE transfers SET effective_at = effective_at - interval '1 day' WHERE id = {captured}",
    ),
    ("block 4", "is gone", "DELETE FROM transfers WHERE id = {captured}"),
    ("block 4", "is gone", "UPDATE transfers SET xid = '9000000000' WHERE id = {captured}"),
    (
        "block 2",
        "was added",
        "INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, effective_at, xid)
         SELECT sale_id, gen_random_uuid(), 'captured', 'slipped in', request_hash, effective_at, xid
           FROM transfers WHERE kind = 'seats_ordered'",
    ),
    ("block 3 is missing", "the next one is 4", "DELETE FROM seals WHERE block = 3"),
    ("block 1 is missing", "the next one is 2", "DELETE FROM seals WHERE block = 1"),
    ("block 3", "the link is broken", "UPDATE seals SET prev_hash = sha256('another') WHERE block = 3"),
    ("block 3", "the seal was changed", "UPDATE seals SET sums = '{\"eur\": 1}' WHERE block = 3"),
    ("block 3", "does not begin where", "UPDATE seals SET from_xid = '7' WHERE block = 3"),
    // As if a block had never been: those behind it are numbered down. The link remembers.
    (
        "block 3",
        "the link is broken",
        "DELETE FROM seals WHERE block = 3; UPDATE seals SET block = block - 1 WHERE block > 3",
    ),
];

#[tokio::test]
async fn what_a_superuser_changes_is_located() {
    let world = sealed().await;
    let captured = "(SELECT id FROM transfers WHERE kind = 'captured')";
    let superuser = connect(&world.database.url).await;
    superuser.batch_execute("SET session_replication_role = replica").await.unwrap();
    let kept = "CREATE TABLE kept_transfers AS TABLE transfers; CREATE TABLE kept_entries AS TABLE entries;
                CREATE TABLE kept_seals AS TABLE seals";
    superuser.batch_execute(kept).await.unwrap();
    for (block, breach, tampering) in TAMPERING {
        superuser.batch_execute(&tampering.replace("{captured}", captured)).await.unwrap();
        let line = chain(&world, None).await;
        let first = line.breaches.first().unwrap_or_else(|| panic!("{tampering}: nothing found"));
        assert!(first.contains(block) && first.contains(breach), "{tampering}: {:?}", line.breaches);
        let back = ["transfers", "entries", "seals"]
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}"));
        superuser.batch_execute(&back.join(";")).await.unwrap();
        assert!(chain(&world, None).await.breaches.is_empty(), "the control: put back, it holds");
    }
}

/// Counts and sums are said beside the transfer, so that one sees how much is wrong.
#[tokio::test]
async fn a_changed_amount_is_told_with_its_transfer_and_sum() {
    let world = sealed().await;
    let tampering = "SET session_replication_role = replica;
        UPDATE entries SET amount = amount + sign(amount)::int
         WHERE transfer_id IN (SELECT id FROM transfers WHERE kind = 'captured')";
    world.database.execute(tampering).await.unwrap();
    let client = connect(&world.database.url).await;
    let changed = client.query_one("SELECT id FROM transfers WHERE kind = 'captured'", &[]).await.unwrap();
    let line = chain(&world, None).await;
    assert_eq!(line.breaches[0], format!("block 4: transfer {} was changed", changed.get::<_, uuid::Uuid>(0)));
    assert!(line.breaches.last().unwrap().contains("\"eur\""), "{:?}", line.breaches);
}

/// What the chain itself cannot tell, a head that was kept elsewhere does.
#[tokio::test]
async fn a_chain_that_was_cut_or_made_anew_is_told_by_a_head_kept_elsewhere() {
    let world = sealed().await;
    let kept = head(&world).await;
    assert!(chain(&world, Some(&kept)).await.breaches.is_empty());
    world.database.execute("SET session_replication_role = replica; DELETE FROM seals WHERE block = 4").await.unwrap();
    assert!(chain(&world, None).await.breaches.is_empty(), "by itself it looks whole");
    assert_eq!(
        chain(&world, Some(&kept)).await.breaches,
        ["block 4 was kept and is gone: the chain ends with block 3"]
    );
    let anew = "SET session_replication_role = replica; DELETE FROM seals;
                UPDATE entries SET amount = amount * 2 WHERE transfer_id IN (SELECT id FROM transfers WHERE kind = 'captured')";
    world.database.execute(anew).await.unwrap();
    world.database.execute("SELECT seal_next(1) FROM generate_series(1, 3)").await.unwrap();
    seals_all(&world).await;
    assert!(chain(&world, None).await.breaches.is_empty(), "by itself it looks whole");
    let told = chain(&world, Some(&kept)).await.breaches;
    assert_eq!(told, ["block 4 is not the one that was kept: the chain was made anew"]);
}

/// A transaction that began first and commits last: nothing behind it is sealed before it is over.
#[tokio::test]
async fn a_transfer_that_commits_late_is_not_skipped() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    seals_all(&world).await;
    let late = connect(&world.database.url).await;
    let post = "SELECT post(id, 'captured', 'late', NULL, NULL, now(), NULL, NULL, ARRAY[
                    ROW('payment_clearing', 'eur', 5)::leg, ROW('organizer_payable', 'eur', -5)::leg]) FROM sales";
    late.batch_execute(&format!("BEGIN; SET ROLE onsale_owner; {post}")).await.unwrap();
    sale.has_order([0]).await;
    assert_eq!(seal_next(&world.workers).await.unwrap(), Sealing::Nothing, "the order is behind what is still open");
    late.batch_execute("COMMIT").await.unwrap();
    seals_all(&world).await;
    let line = chain(&world, None).await;
    assert!(line.breaches.is_empty(), "{line:?}");
    let transfers = world.number("SELECT count(*) FROM transfers").await;
    assert!(line.figures.contains(&("transfers", transfers)), "{line:?}");
    assert!(seal_lag(&world.workers).await.unwrap().is_zero());
}

/// A transaction that has its id, waits while others post and seals are made, and posts then, in a savepoint: its transfer has
/// that id, and no seal went past it meanwhile. Whoever claims an id of a sealed range is refused.
#[tokio::test]
async fn nothing_is_posted_into_a_range_that_is_sealed() {
    const POST: &str = "SELECT post(id, 'captured', 'late', NULL, NULL, now(), NULL, NULL, ARRAY[
                            ROW('payment_clearing', 'eur', 5)::leg, ROW('organizer_payable', 'eur', -5)::leg]) FROM sales";
    const FORGED: &str = "INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, effective_at, xid)
                          SELECT sale_id, gen_random_uuid(), kind, 'forged', request_hash, effective_at, xid FROM transfers
                           WHERE kind = 'seats_issued'";
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    seals_all(&world).await;
    let late = connect(&world.database.url).await;
    late.batch_execute("BEGIN; SET ROLE onsale_owner").await.unwrap();
    let has_id: i64 = late.query_one("SELECT pg_current_xact_id()::text::bigint", &[]).await.unwrap().get(0);
    for unit in 0..3 {
        sale.has_order([unit]).await;
        assert_eq!(seal_next(&world.workers).await.unwrap(), Sealing::Nothing);
    }
    late.batch_execute(&format!("SAVEPOINT act; {POST}; RELEASE act; COMMIT")).await.unwrap();
    let posted = "SELECT xid::text::bigint FROM transfers WHERE idem_key = 'late'";
    assert_eq!(world.number(posted).await, has_id);
    assert!(world.number("SELECT max(upto_xid::text::bigint) FROM seals").await <= has_id);
    seals_all(&world).await;
    assert!(world.number("SELECT max(upto_xid::text::bigint) FROM seals").await > has_id);
    let refused = late.batch_execute(FORGED).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("transfers_own_transaction"));
    assert!(chain(&world, None).await.breaches.is_empty());
}

/// A walk that is held up in its first block sees the block that was sealed meanwhile: it is in no snapshot as old as the walk.
#[tokio::test]
async fn a_long_walk_keeps_no_old_snapshot() {
    let world = sealed().await;
    world.sale(1, Price::Free).await;
    let other = connect(&world.database.url).await;
    other.batch_execute("BEGIN; LOCK TABLE entries IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'entries'::regclass AND NOT granted";
    let meanwhile = async {
        within_30_s(async || world.number(waiting).await == 1).await;
        within_30_s(async || {
            // Others' transactions keep the horizon back for moments.
            let sealed = other.query_one("SELECT seal_next(1000) ->> 'outcome'", &[]).await.unwrap();
            sealed.get::<_, String>(0) == "sealed"
        })
        .await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (line, ()) = tokio::join!(chain(&world, None), meanwhile);
    assert!(line.breaches.is_empty(), "{line:?}");
    assert!(line.figures.contains(&("blocks", 5)) && line.figures.contains(&("unsealed", 0)), "{line:?}");
}

/// Sealers side by side while buyers order: one chain, with everything in it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sealers_make_one_chain_while_others_post() {
    const ORDERS: u32 = 40;
    let world = Arc::new(World::new().await);
    let sale = world.sale(ORDERS, Price::Free).await;
    let mut tasks = JoinSet::new();
    for unit in 0..ORDERS {
        let (world, order) = (Arc::clone(&world), sale.order([unit]));
        tasks.spawn(async move { drop(ledger::orders::order_create(&world.gateway, &order).await.unwrap()) });
    }
    for _ in 0..4 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            for _ in 0..50 {
                seal_next(&world.workers).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    seals_all(&world).await;
    let line = chain(&world, None).await;
    assert!(line.breaches.is_empty(), "{line:?}");
    let transfers = world.number("SELECT count(*) FROM transfers").await;
    assert!(line.figures.contains(&("transfers", transfers)), "{line:?}");
    assert!(transfers >= i64::from(ORDERS), "or nothing was posted");
}

/// A dump loaded into a cluster that has given out fewer transaction ids: what is posted now can never be sealed.
#[tokio::test]
async fn a_chain_that_ends_in_the_future_says_that_nothing_is_sealed() {
    let world = sealed().await;
    let ahead = "SET session_replication_role = replica;
                 UPDATE seals SET upto_xid = '9000000000' WHERE block = (SELECT max(block) FROM seals)";
    world.database.execute(ahead).await.unwrap();
    world.sale(1, Price::Free).await.has_order([0]).await;
    world.database.advance_clock(60_000).await.unwrap();
    assert_eq!(seal_next(&world.workers).await.unwrap(), Sealing::Behind);
    assert!(seal_lag(&world.workers).await.unwrap() >= Duration::from_secs(60), "it does not look healthy");
    assert_eq!(world.broken().await, ["I3"]);
}
