//! The books partitioned by sale: the same tests pass, and a partition is guarded as the whole is.

use std::process::Command;

use crate::soak;
use crate::world::{Layout, Price, World};

/// What is asked of partitioned books: all that posts, reads or tries to change them.
const SUITE: [&str; 20] = [
    "acts::",
    "audits::",
    "balances::",
    "batches::",
    "books::",
    "disputes::",
    "forbidden::",
    "limits::",
    "money_model::",
    "money_page::",
    "orders::",
    "payment_batches::",
    "payments::",
    "races::",
    "recent_audits::",
    "refund_asks::",
    "refunds::",
    "sales::",
    "seals::",
    "withholdings::",
];
/// Without time for all of it: what must not be written, on each partition itself, and a sale.
const SMALL_SUITE: [&str; 3] = ["forbidden::", "orders::an_order_becomes_tickets", "refunds::a_refund_that_fails"];
/// Fewer than there are, and more than a filter that finds nothing.
const TESTS_MIN: usize = 60;
const SMALL_TESTS_MIN: usize = 5;

/// This program again, for that part of it, with every database partitioned.
#[tokio::test]
async fn the_suite_passes_on_partitioned_books() {
    let (suite, least): (&[_], _) = if soak::is_on() { (&SUITE, TESTS_MIN) } else { (&SMALL_SUITE, SMALL_TESTS_MIN) };
    let suite = Command::new(std::env::current_exe().unwrap())
        .args(suite)
        .env(soak::PARTITIONED, "1")
        .env_remove("ONSALE_SOAK")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&suite.stdout);
    let passed = printed.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ok")).count();
    assert!(suite.status.success() && passed >= least, "{passed} passed:\n{printed}");
}

/// Each partition has every guard of the whole, or the suite would show nothing of it.
#[tokio::test]
async fn a_partition_has_every_guard_of_the_whole() {
    let world = World::with_layout(Layout::Partitioned).await;
    let sale = world.sale(1, Price::Free).await;
    sale.has_order([0]).await;
    assert_eq!(world.number("SELECT count(*) FROM pg_partition_tree('transfers') WHERE isleaf").await, 4);
    let guards = |schema: &str, kind: &str| {
        format!(
            "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
              WHERE c.relnamespace = '{schema}'::regnamespace AND c.relname IN ('transfers', 'entries')
                AND NOT (t.tgisinternal AND t.tgparentid = 0) AND {kind}"
        )
    };
    for (kind, least) in [("t.tgtype & 1 = 0", 3), ("t.tgname LIKE 'transfers_check%'", 1)] {
        let of_whole = world.number(&guards("public", kind)).await;
        assert!(of_whole >= least, "{kind}");
        for part in 0..4 {
            assert_eq!(world.number(&guards(&format!("books_{part}"), kind)).await, of_whole, "books_{part}: {kind}");
        }
    }
    world.audits_clean().await;
}
