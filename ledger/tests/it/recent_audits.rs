//! The audit that runs all the time: it looks at what is new, once, and forgets no breach.

use std::time::Duration;

use ledger::audit::{AuditReport, audit_good_age, audit_in_turn, audit_recent};

use crate::world::{Price, World, connect, within_30_s};

const HOUR: Duration = Duration::from_secs(3_600);
const AN_HOUR_AGO: &str = "UPDATE audit_checkpoint SET audited_at = onsale_now() - interval '1 h'";

async fn audits(world: &World) -> AuditReport {
    audit_recent(&world.workers).await.expect("an answer").expect("nobody else audits")
}

fn broken(report: &AuditReport) -> Vec<&'static str> {
    report.lines.iter().filter(|line| !line.breaches.is_empty()).map(|line| line.invariant).collect()
}

/// Transfers looked at in a round.
fn transfers(report: &AuditReport) -> i64 {
    let figures = report.lines.iter().filter(|line| line.invariant == "I3").flat_map(|line| &line.figures);
    figures.into_iter().find(|(name, _)| *name == "transfers").expect("a figure").1
}

/// Rounds until so many transfers were looked at: other tests' transactions keep the horizon back for moments.
async fn audits_until(world: &World, wanted: i64) {
    let seen = std::sync::atomic::AtomicI64::new(0);
    within_30_s(async || {
        let report = audits(world).await;
        assert!(report.holds(), "{report:?}");
        seen.fetch_add(transfers(&report), std::sync::atomic::Ordering::Relaxed) + transfers(&report) >= wanted
    })
    .await;
    assert_eq!(seen.into_inner(), wanted, "each once");
}

#[tokio::test]
async fn what_is_new_is_looked_at_once() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Free).await;
    sale.has_order([0]).await;
    audits_until(&world, 3).await;
    sale.has_order([1]).await;
    audits_until(&world, 2).await;
    assert_eq!(transfers(&audits(&world).await), 0);
}

/// What is done to the newest transfer or to the stock, and the invariant that is named.
const BREACHES: [(&str, &str); 6] = [
    ("I3", "INSERT INTO entries SELECT sale_id, id, 99, 'suspense', 'eur', 1 FROM transfers WHERE kind = 'captured'"),
    ("I3", "DELETE FROM entries WHERE transfer_id = (SELECT id FROM transfers WHERE kind = 'captured')"),
    (
        "I3",
        "UPDATE transfers SET reverses = (SELECT id FROM transfers WHERE kind = 'seats_ordered') WHERE kind = 'captured'",
    ),
    ("I3", "UPDATE transfers SET xid = '9000000000' WHERE kind = 'captured'"),
    ("I1", "UPDATE units SET order_id = gen_random_uuid() WHERE state = 'sold'"),
    ("I2", "UPDATE units SET state = 'withheld' WHERE state = 'free'"),
];

/// A breach in what is new is named each time until it is repaired, and what comes behind it is looked at all the same. How long
/// ago all was well is known.
#[tokio::test]
async fn a_breach_is_named_until_it_is_repaired() {
    for (invariant, breach) in BREACHES {
        let world = World::new().await;
        let sale = world.sale(4, Price::Paid).await;
        sale.paid_order([0]).await;
        let superuser = connect(&world.database.url).await;
        let kept = "SET session_replication_role = replica; CREATE TABLE kept_transfers AS TABLE transfers;
                    CREATE TABLE kept_entries AS TABLE entries; CREATE TABLE kept_units AS TABLE units";
        superuser.batch_execute(kept).await.unwrap();
        superuser.batch_execute(breach).await.unwrap();
        within_30_s(async || broken(&audits(&world).await).contains(&invariant)).await;
        superuser.batch_execute(AN_HOUR_AGO).await.unwrap();
        let behind = world.sale(1, Price::Free).await;
        behind.has_order([0]).await;
        assert!(broken(&audits(&world).await).contains(&invariant), "{breach}: again");
        let news = "SELECT count(*) FROM transfers WHERE xid < (SELECT upto FROM audit_checkpoint)";
        assert!(world.number(news).await < 5, "{breach}: the checkpoint waits");
        assert!(audit_good_age(&world.workers).await.unwrap() >= HOUR, "{breach}: it was not all well");
        let back = ["transfers", "entries", "units"].map(|table| {
            format!("DELETE FROM {table} t USING sales s WHERE s.id = t.sale_id AND s.id IN (SELECT sale_id FROM kept_{table});
                     INSERT INTO {table} SELECT * FROM kept_{table}")
        });
        superuser.batch_execute(&back.join(";")).await.unwrap();
        within_30_s(async || audits(&world).await.holds() && world.number(news).await == 6).await;
        assert!(audit_good_age(&world.workers).await.unwrap() < HOUR, "{breach}: all is well");
        // Nothing is new, and all is well again.
        superuser.batch_execute(AN_HOUR_AGO).await.unwrap();
        assert!(audits(&world).await.holds() && audit_good_age(&world.workers).await.unwrap() < HOUR, "{breach}");
    }
}

/// What is old was looked at: only who reads everything finds what somebody changed in it past every rule.
#[tokio::test]
async fn an_old_transfer_that_was_changed_is_found_by_the_audit_of_everything() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    sale.paid_order([0]).await;
    audits_until(&world, 3).await;
    world.database.execute(&format!("SET session_replication_role = replica; {}", BREACHES[0].1)).await.unwrap();
    assert!(audits(&world).await.holds());
    assert_eq!(broken(&audit_in_turn(&world.workers).await.unwrap().expect("our turn")), ["I3"]);
}

#[tokio::test]
async fn one_worker_audits_at_a_time() {
    let world = World::new().await;
    let other = connect(&world.database.url).await;
    other.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('audit', 0))").await.unwrap();
    assert_eq!(audit_recent(&world.workers).await.unwrap(), None);
    assert_eq!(audit_in_turn(&world.workers).await.unwrap(), None);
    other.batch_execute("COMMIT").await.unwrap();
    assert!(audits(&world).await.holds());
    assert!(audit_in_turn(&world.workers).await.unwrap().expect("our turn").holds());
}

/// After a dump was loaded elsewhere: ids below the checkpoint are given out once more, so it is begun again.
#[tokio::test]
async fn a_checkpoint_of_the_future_is_begun_again() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Free).await;
    world.database.execute("UPDATE audit_checkpoint SET upto = '9000000000'").await.unwrap();
    sale.has_order([0]).await;
    audits_until(&world, 3).await;
}
