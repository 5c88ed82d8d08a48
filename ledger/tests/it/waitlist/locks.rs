//! Who waits for whom: what is held meanwhile is nothing that others need.

use ledger::waitlist::claims::{Claim, offer_claim};

use super::{GATHERED_MS, LAPSED_MS, Line, sold_out};
use crate::world::{Price, TestSale, World, connect, within_30_s};

/// Sessions that wait for the line of a sale.
fn waiting_for_line(sale: &TestSale<'_>) -> String {
    format!(
        "SELECT count(*) FROM pg_locks
          WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = hashtextextended('{}', 5)",
        sale.id.uuid()
    )
}

/// Two sales with an offer each that is due, of the first one first. Another sweep ends the offer of the first, and the line of the
/// second is busy: whoever waits for that leaves the first alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_does_not_keep_a_line_while_it_waits_for_another() {
    let world = World::new().await;
    let (first, second) = (world.sale(1, Price::Paid).await, world.sale(1, Price::Paid).await);
    let due = async |sale: &TestSale<'_>| {
        let orders = sold_out(sale, 1).await;
        let line = Line { world: &world, sale };
        let [_] = line.wait_for([1]).await;
        line.passes(GATHERED_MS).await;
        line.gives_back(orders[0].id).await;
    };
    due(&first).await;
    due(&second).await;
    world.database.advance_clock(LAPSED_MS).await.unwrap();
    let (sweep, busy, other) =
        (connect(&world.database.url).await, connect(&world.database.url).await, connect(&world.database.url).await);
    sweep.batch_execute("BEGIN; SELECT offer_lapse_next(1)").await.unwrap();
    busy.batch_execute(&format!("BEGIN; SELECT waitlist_line_enter('{}')", second.id.uuid())).await.unwrap();
    let line = Line { world: &world, sale: &first };
    let looks = async {
        within_30_s(async || world.number(&waiting_for_line(&first)).await == 1).await;
        sweep.batch_execute("COMMIT").await.unwrap();
        within_30_s(async || world.number(&waiting_for_line(&second)).await == 1).await;
        let enter = format!("SET lock_timeout = '5s'; SELECT waitlist_line_enter('{}')", first.id.uuid());
        let entered = other.batch_execute(&enter).await;
        busy.batch_execute("COMMIT").await.unwrap();
        entered.expect("nobody has the first line");
    };
    let (lapsed, ()) = tokio::join!(line.lapse(), looks);
    assert_eq!(lapsed, 1, "that of the second");
    world.audits_clean().await;
}

/// Who joins has the buyer first and then the entry; so has who claims.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_waits_for_its_buyer_does_not_keep_its_entry() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [entry] = line.wait_for([1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let claim = sale.claim_of(entry, &line.offer(entry).await);
    let joins = connect(&world.database.url).await;
    let lock = format!(
        "BEGIN; SELECT buyer_lock(sale_id, buyer, NULL) FROM waitlist_contacts WHERE entry_id = '{}'",
        entry.uuid()
    );
    joins.batch_execute(&lock).await.unwrap();
    let goes_on = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%offer_claim%'";
        within_30_s(async || world.number(waiting).await == 1).await;
        let row = format!("SELECT FROM waitlist_entries WHERE id = '{}' FOR NO KEY UPDATE NOWAIT", entry.uuid());
        let locked = joins.batch_execute(&row).await;
        joins.batch_execute("ROLLBACK").await.unwrap();
        locked.expect("nobody has the entry");
    };
    let (claimed, ()) = tokio::join!(offer_claim(&world.gateway, &claim), goes_on);
    assert!(matches!(claimed.expect("an answer"), Claim::Created(_)));
    world.audits_clean().await;
}
