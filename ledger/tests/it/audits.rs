//! An audit that cannot find anything is worth nothing: every breach, made by hand, must be found and named.

use std::sync::Arc;
use std::time::Duration;

use domain::SaleId;
use domain::payment::IntentStatus;
use ledger::LedgerError;
use ledger::audit::{AuditSale, audit, audit_sale};
use ledger::orders::order_create;
use ledger::refunds::{RefundWish, refund_refused};
use tokio::task::JoinSet;

use crate::world::{Layout, Price, World, connect, keeping_fees, within_30_s};

/// A sale with a paid order, an open one and a free unit.
async fn sold() -> World {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::RequiresCapture)).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    sale.has_order([1]).await;
    world.audits_clean().await;
    world
}

#[tokio::test]
async fn every_breach_is_found() {
    let breaches: [(&str, &str); 11] = [
        ("I1", "UPDATE units SET order_id = gen_random_uuid() WHERE state = 'sold'"),
        ("I1", "INSERT INTO order_units SELECT sale_id, order_id, tier_id, 0 FROM units WHERE state = 'ordered'"),
        ("I2", "UPDATE units SET state = 'withheld' WHERE state = 'free'"),
        ("I2", "DELETE FROM units WHERE state = 'free' AND unit_no = 3"),
        ("I3", "INSERT INTO entries SELECT sale_id, id, 99, 'suspense', 'eur', 1 FROM transfers LIMIT 1"),
        ("I3", "DELETE FROM entries WHERE transfer_id IN (SELECT id FROM transfers WHERE kind = 'seats_ordered')"),
        ("I4", "UPDATE payments SET captured = captured - 1"),
        ("I5", "UPDATE tickets SET state = 'void'"),
        ("I6", "UPDATE tickets SET id = gen_random_uuid()"),
        (
            "I12",
            "INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount)
                 SELECT sale_id, gen_random_uuid(), id, 'onsale', 'x', captured + 1 FROM payments",
        ),
        (
            "I12",
            "INSERT INTO refunds (sale_id, id, payment_id, origin, reason, amount, base, fee, tax)
                 SELECT sale_id, gen_random_uuid(), id, 'onsale', 'x', 3, 1, 1, 1 FROM payments",
        ),
    ];
    for (invariant, breach) in breaches {
        let world = sold().await;
        let breach = format!("SET session_replication_role = replica; {breach}");
        world.database.execute(&breach).await.unwrap();
        let found = world.broken().await;
        assert!(found.contains(&invariant), "{breach}: found {found:?}");
    }
}

/// Sessions that wait for a lock.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

async fn audit_that_waits(world: &World, sale: SaleId, at_most: Duration) -> JoinSet<Result<AuditSale, LedgerError>> {
    let (ledger, mut audits) = (world.gateway.clone(), JoinSet::new());
    audits.spawn(async move { audit_sale(&ledger, sale, at_most).await });
    within_30_s(async || world.number(WAITING).await > 0).await;
    audits
}

/// Whoever may ask for it again and again must not be able to keep the database busy.
#[tokio::test]
async fn the_audit_of_a_sale_is_one_at_a_time_and_ends_in_time() {
    const LONG: Duration = Duration::from_secs(30);
    const STALLED: Duration = Duration::from_secs(4);
    let world = World::new().await;
    let on_sale = world.sale(2, Price::Free).await;
    on_sale.has_order([0]).await;
    let sale = on_sale.id;
    let AuditSale::Done(report) = audit_sale(&world.gateway, sale, LONG).await.unwrap() else { panic!("it is read") };
    assert!(report.holds(), "{report:#?}");

    let other = connect(&world.database.url).await;
    other.batch_execute("BEGIN; LOCK TABLE units IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let stalled = audit_that_waits(&world, sale, STALLED).await;
    assert_eq!(audit_sale(&world.gateway, sale, LONG).await.unwrap(), AuditSale::Busy);
    assert_eq!(stalled.join_all().await.remove(0).unwrap(), AuditSale::TooLong);
    // A process that is held up for longer hears from Postgres, too, that it is too late.
    within_30_s(async || world.number(WAITING).await == 0).await;
    let stalled = audit_that_waits(&world, sale, STALLED).await;
    std::thread::sleep(STALLED + Duration::from_secs(1));
    assert_eq!(stalled.join_all().await.remove(0).unwrap(), AuditSale::TooLong);
    other.batch_execute("COMMIT").await.unwrap();
    // Its turn ends with it.
    let is_done = async || matches!(audit_sale(&world.gateway, sale, LONG).await, Ok(AuditSale::Done(_)));
    within_30_s(is_done).await;
}

/// Money that goes back, wrong by a cent somewhere: in its parts, its fees, its books, or a ticket that goes back twice.
#[tokio::test]
async fn every_breach_of_a_refund_is_found() {
    let of_owed = "transfer_id IN (SELECT id FROM transfers WHERE kind = 'refund_owed')";
    let breaches = [
        ("its fees kept, by the books", "UPDATE refunds SET base = base + 1, tax = tax - 1".to_owned()),
        (
            "its fees kept, by the books",
            "ALTER TABLE refunds DROP CONSTRAINT refunds_kept_fees_check; UPDATE refunds SET fee = 5, base = base - 5"
                .to_owned(),
        ),
        (
            "its fees kept, by the books",
            format!("UPDATE entries SET account = 'platform_fee' WHERE account = 'organizer_payable' AND {of_owed}"),
        ),
        ("are left, by the books", "UPDATE entries SET account = 'suspense' WHERE account = 'platform_fee'".to_owned()),
        ("are left, by the books", "UPDATE order_lines SET amount = amount + 1 WHERE kind = 'fee'".to_owned()),
        ("is given back by 2 refunds", "UPDATE refunds SET state = 'planned' WHERE state = 'failed'".to_owned()),
    ];
    for (named, breach) in breaches {
        let world = World::new().await;
        let sale = world.sale_with(keeping_fees()).await;
        let paying = sale.paid_order([0, 1]).await;
        let refund = sale.refunds(&paying, RefundWish::Whole).await;
        refund_refused(&world.workers, sale.id, refund.id).await.unwrap();
        sale.refunds(&paying, RefundWish::Whole).await;
        world.audits_clean().await;
        world.database.execute(&format!("SET session_replication_role = replica; {breach}")).await.unwrap();
        let report = audit(&world.readonly, None).await.unwrap();
        let line = report.lines.iter().find(|line| line.invariant == "I12").unwrap();
        assert!(line.breaches.iter().any(|told| told.contains(named)), "{breach}: {line:#?}");
    }
}

/// A rule that is switched off refuses nothing: the audit says which, and where.
#[tokio::test]
async fn a_guard_that_is_gone_is_named_with_its_table() {
    let world = World::with_layout(Layout::Partitioned).await;
    world.sale(1, Price::Free).await.has_order([0]).await;
    world.audits_clean().await;
    let gone = [
        ("entries", "entries_check", "ALTER TABLE entries DISABLE TRIGGER entries_check"),
        ("books_2.entries", "entries_check", "ALTER TABLE books_2.entries DISABLE TRIGGER entries_check"),
        (
            "books_1.transfers",
            "transfers_stay_as_written",
            "DROP TRIGGER transfers_stay_as_written ON books_1.transfers",
        ),
        ("books_3.transfers", "transfers_check", "ALTER TABLE books_3.transfers DISABLE TRIGGER transfers_check"),
        ("seals", "seals_stay_as_written", "DROP TRIGGER seals_stay_as_written ON seals"),
        (
            "accounts",
            "accounts_stay_as_written",
            "ALTER TABLE accounts ENABLE REPLICA TRIGGER accounts_stay_as_written",
        ),
        // What no list has: whatever guards the whole.
        (
            "books_0.entries",
            "of_tomorrow",
            "CREATE TRIGGER of_tomorrow BEFORE DELETE ON entries EXECUTE FUNCTION stay_as_written()",
        ),
    ];
    let mut expected = std::collections::BTreeSet::new();
    for (table, guard, undo) in gone {
        world.database.execute(undo).await.unwrap();
        expected.insert(format!("table {table} is not guarded by {guard}"));
        let report = audit(&world.readonly, None).await.unwrap();
        let named: std::collections::BTreeSet<_> = report.lines.into_iter().flat_map(|line| line.breaches).collect();
        assert!(expected.is_subset(&named), "{undo}: {named:?}");
    }
}

#[tokio::test]
async fn a_breach_is_named_and_belongs_to_its_sale() {
    let world = sold().await;
    let other = world.sale(1, Price::Paid).await;
    world
        .database
        .execute(
            "SET session_replication_role = replica;
             INSERT INTO entries SELECT sale_id, id, 99, 'suspense', 'eur', 7 FROM transfers WHERE kind = 'captured'",
        )
        .await
        .unwrap();
    let client = connect(&world.database.url).await;
    let transfer: uuid::Uuid =
        client.query_one("SELECT id FROM transfers WHERE kind = 'captured'", &[]).await.unwrap().get(0);
    let report = audit(&world.readonly, None).await.unwrap();
    let line = report.lines.iter().find(|line| line.invariant == "I3").unwrap();
    assert!(!report.holds() && line.breaches[0].contains(&transfer.to_string()), "{line:?}");
    assert!(audit(&world.readonly, Some(other.id)).await.unwrap().holds());
}

#[tokio::test]
async fn figures_say_what_was_examined() {
    let world = sold().await;
    let report = audit(&world.readonly, None).await.unwrap();
    let figure = |invariant: &str, name: &str| {
        let line = report.lines.iter().find(|line| line.invariant == invariant).unwrap();
        line.figures.iter().find(|(figure, _)| *figure == name).unwrap().1
    };
    assert_eq!(
        report.lines.iter().map(|line| line.invariant).collect::<Vec<_>>(),
        ["I1", "I2", "I3", "I3", "I4", "I5", "I6", "I11", "I12"]
    );
    assert_eq!((figure("I1", "units"), figure("I1", "live_orders")), (4, 1));
    assert_eq!((figure("I2", "capacity"), figure("I2", "sold"), figure("I2", "ordered")), (4, 1, 1));
    assert_eq!((figure("I5", "captured"), figure("I5", "with_tickets")), (1, 1));
    assert_eq!((figure("I6", "tickets"), figure("I12", "captured")), (1, 5891));
}

/// The control of the race for units: with the condition on their state taken out of the functions, the same hundred buyers
/// oversell, and the audit says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_condition_units_are_sold_twice() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(10, Price::Paid).await;
    weaken(&world, "order_create", "u.state IS DISTINCT FROM 'free'", "false").await;
    weaken(
        &world,
        "order_units_move",
        "AND u.state = p_from AND (p_from IN ('free', 'offered') OR u.order_id = p_order)",
        "",
    )
    .await;
    let mut buyers = JoinSet::new();
    for buyer in 0..30_u32 {
        let (world, order) = (Arc::clone(&world), sale.order([buyer % 10]));
        buyers.spawn(async move { order_create(&world.gateway, &order).await.unwrap() });
    }
    buyers.join_all().await;
    assert!(world.broken().await.contains(&"I1"));
    assert!(world.broken().await.contains(&"I2"));
}

/// Takes a guard out of a function, and fails when the guard is not there to be taken.
async fn weaken(world: &World, function: &str, guard: &str, instead: &str) {
    let client = connect(&world.database.url).await;
    let definition = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1";
    let definition: String = client.query_one(definition, &[&function]).await.expect("an answer").get(0);
    assert!(definition.contains(guard), "{function} has no such guard");
    client.batch_execute(&definition.replace(guard, instead)).await.expect("an answer");
}
