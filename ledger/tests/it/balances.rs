//! What is kept of the books, and the tail: exact at every instant, whoever posts and whoever adds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use domain::payment::IntentStatus;
use ledger::balances::{
    RollUp, TrialBalance, balances_caught_up, balances_lag, balances_read, balances_recompute, balances_roll_up,
    books_mark, report_behind_at_most, roll_up_at_most,
};
use ledger::{Role, audit::audit};
use tokio::task::JoinSet;

use crate::world::{Price, TestSale, World, connect, patiently, within_30_s};

/// One round, and how many transfers it added up.
async fn rolls_up(world: &World) -> u32 {
    match balances_roll_up(&world.workers).await.expect("an answer") {
        RollUp::Rolled(transfers) => transfers,
        RollUp::Busy => panic!("nobody else adds up"),
    }
}

/// Rounds until everything that is there now is added up, and how many transfers that was. Tests beside this one have
/// transactions in the same cluster, and the checkpoint waits for the oldest of them all.
async fn catches_up(world: &World) -> u32 {
    let (mark, transfers) = (books_mark(&world.workers).await.expect("a mark"), AtomicU32::new(0));
    within_30_s(async || {
        transfers.fetch_add(rolls_up(world).await, Ordering::Relaxed);
        balances_caught_up(&world.workers, &mark).await.expect("an answer")
    })
    .await;
    transfers.into_inner()
}

async fn reads(world: &World, sale: &TestSale<'_>) -> TrialBalance {
    balances_read(&world.gateway, sale.id).await.expect("an answer")
}

fn balance(read: &TrialBalance, account: &str) -> i64 {
    let found = read.accounts.iter().find(|row| row.account == account);
    found.unwrap_or_else(|| panic!("no {account}")).balance()
}

#[tokio::test]
async fn a_balance_is_what_is_kept_and_the_tail_wherever_the_checkpoint_is() {
    let world = World::new().await;
    let (sale, other) = (world.sale(4, Price::Paid).await, world.sale(2, Price::Free).await);
    for unit in 0..3 {
        let paying = sale.order_being_paid([unit]).await;
        world.applies(&paying.news(IntentStatus::Succeeded)).await;
        let tail = reads(&world, &sale).await.accounts;
        assert_eq!(tail, balances_recompute(&world.readonly, sale.id).await.unwrap(), "before it is added up");
        assert!(catches_up(&world).await >= 2);
        assert_eq!(reads(&world, &sale).await.accounts, tail, "and after");
    }
    let read = reads(&world, &sale).await;
    assert_eq!(balance(&read, "payment_clearing"), 3 * 5891);
    assert_eq!(balance(&read, "organizer_payable"), -3 * 4500);
    assert_eq!((balance(&read, "seats_sold"), balance(&read, "seats_available")), (3, 1));
    assert_eq!(balance(&reads(&world, &other).await, "seats_available"), 2, "a sale has its own");
    assert_eq!(rolls_up(&world).await, 0, "nothing is added up twice");
    assert_eq!(reads(&world, &sale).await.accounts, read.accounts);
    world.audits_clean().await;
}

#[tokio::test]
async fn a_round_is_bounded_and_the_next_one_goes_on_where_it_ended() {
    let world = World::new().await;
    let sale = world.sale(6, Price::Free).await;
    for unit in 0..6 {
        sale.has_order([unit]).await;
    }
    let (mark, mut rounds) = (books_mark(&world.workers).await.unwrap(), Vec::new());
    let all = async {
        while !balances_caught_up(&world.workers, &mark).await.unwrap() {
            let RollUp::Rolled(transfers) = roll_up_at_most(&world.workers, 2).await.unwrap() else {
                panic!("nobody else adds up");
            };
            rounds.extend((transfers > 0).then_some(transfers));
            let exact = balances_recompute(&world.readonly, sale.id).await.unwrap();
            assert_eq!(reads(&world, &sale).await.accounts, exact);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nothing holds the horizon back for long");
    // The transaction that comes first, and two transfers; an order writes two in one.
    assert_eq!(rounds.iter().sum::<u32>(), 13);
    assert!(rounds.iter().all(|transfers| *transfers <= 4), "{rounds:?}");
    world.audits_clean().await;
}

/// Transactions end in another order than they began in: what an older one writes is not passed over, only added up later.
#[tokio::test]
async fn the_checkpoint_waits_for_the_oldest_transaction_that_still_runs() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    catches_up(&world).await;
    let slow = connect(&world.database.url).await;
    slow.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    sale.has_order([0]).await;
    assert_eq!(rolls_up(&world).await, 0, "an older transaction is still running");
    let mark = books_mark(&world.workers).await.unwrap();
    assert!(!balances_caught_up(&world.workers, &mark).await.unwrap());
    assert_eq!(balance(&reads(&world, &sale).await, "seats_sold"), 1, "a read is exact all the same");
    let moved = "INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, effective_at)
                 SELECT id, gen_random_uuid(), 'captured', 'slow', sha256('slow'), now() FROM sales;
                 INSERT INTO entries SELECT t.sale_id, t.id, l.leg, l.account, 'eur', l.amount
                   FROM transfers t, (VALUES (1::smallint, 'payment_clearing', 5), (2::smallint, 'suspense', -5))
                        AS l (leg, account, amount) WHERE t.idem_key = 'slow';
                 COMMIT";
    slow.batch_execute(moved).await.unwrap();
    assert_eq!(catches_up(&world).await, 3);
    assert!(balances_caught_up(&world.workers, &mark).await.unwrap());
    assert!(balances_lag(&world.workers).await.unwrap().is_zero());
    let read = reads(&world, &sale).await;
    assert_eq!((balance(&read, "payment_clearing"), balance(&read, "suspense")), (5, -5));
    assert_eq!(read.accounts, balances_recompute(&world.readonly, sale.id).await.unwrap());
}

/// A report waits for the job when it is far behind, and does not wait for ever; what it says is exact either way. The order's
/// two transfers are of one transaction, so a transaction of a test beside this one never parts them, and another one keeps them
/// from being added up until the report was seen waiting.
#[tokio::test]
async fn a_report_waits_until_the_job_has_caught_up() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    catches_up(&world).await;
    let slow = connect(&world.database.url).await;
    slow.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    sale.has_order([0]).await;
    let mark = books_mark(&world.workers).await.unwrap();
    let report = |transfers, patience| report_behind_at_most(&world.gateway, sale.id, transfers, patience);
    let read = report(0, Duration::ZERO).await.unwrap();
    assert_eq!(balance(&read, "seats_sold"), 1, "out of patience, it adds up the tail itself");
    let near = tokio::time::timeout(Duration::from_secs(600), report(2, Duration::from_secs(3_600)));
    assert_eq!(near.await.expect("2 transfers are not far").unwrap().accounts, read.accounts);

    let mut far = Box::pin(report(1, Duration::from_secs(3_600)));
    let rounds = async {
        for _ in 0..20 {
            assert_eq!(rolls_up(&world).await, 0, "an older transaction is still running");
        }
    };
    tokio::select! {
        biased;
        _ = &mut far => panic!("it does not wait"),
        () = rounds => {}
    }
    assert!(!balances_caught_up(&world.workers, &mark).await.unwrap(), "nobody added up yet");
    slow.batch_execute("COMMIT").await.unwrap();
    let waited = async {
        let read = far.await.unwrap();
        assert!(balances_caught_up(&world.workers, &mark).await.unwrap(), "not before");
        read
    };
    let (waited, rolled) = tokio::join!(waited, catches_up(&world));
    assert_eq!((waited.accounts, rolled), (read.accounts, 2));
}

#[tokio::test]
async fn the_lag_is_the_age_of_the_oldest_transfer_that_waits() {
    let world = World::new().await;
    world.sale(1, Price::Free).await;
    world.database.advance_clock(90_000).await.unwrap();
    let lag = balances_lag(&world.workers).await.unwrap().as_secs();
    assert!((90..600).contains(&lag), "{lag}");
    catches_up(&world).await;
    assert!(balances_lag(&world.workers).await.unwrap().is_zero());
}

/// Four workers add up while buyers order and give up: every read is exact, and nothing is added up twice or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_adds_up_and_posts_at_once_every_read_is_exact() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(60, Price::Free).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut rounds = JoinSet::new();
    for _ in 0..4 {
        let (world, over) = (Arc::clone(&world), Arc::clone(&over));
        rounds.spawn(async move {
            let mut busy = 0;
            while !over.load(Ordering::Relaxed) {
                let round = patiently(|| roll_up_at_most(&world.workers, 3)).await;
                busy += u32::from(round == RollUp::Busy);
            }
            busy
        });
    }
    let mut buyers = JoinSet::new();
    for unit in 0..60 {
        let (world, order) = (Arc::clone(&world), sale.order([unit]));
        buyers.spawn(async move { patiently(|| ledger::orders::order_create(&world.gateway, &order)).await });
    }
    while !buyers.is_empty() {
        let read = patiently(|| balances_read(&world.readonly, sale.id)).await;
        let seats = ["seats_available", "seats_ordered", "seats_sold", "seats_withheld", "seats_offered"];
        assert_eq!(seats.iter().map(|account| balance(&read, account)).sum::<i64>(), 60, "{read:?}");
        assert_eq!(balance(&read, "seats_ordered"), 0, "a free order is sold in the call that makes it");
        while buyers.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    rounds.join_all().await;
    catches_up(&world).await;
    let kept = "SELECT sum(debits - credits)::bigint FROM balances WHERE account = 'seats_sold'";
    assert_eq!(world.number(kept).await, 60);
    assert_eq!(reads(&world, &sale).await.accounts, balances_recompute(&world.readonly, sale.id).await.unwrap());
    world.audits_clean().await;
}

#[tokio::test]
async fn what_is_kept_and_wrong_is_named_by_the_audit_and_added_up_again() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    sale.has_order([0]).await;
    catches_up(&world).await;
    let right = reads(&world, &sale).await.accounts;
    world.database.execute("UPDATE balances SET debits = debits + 1 WHERE account = 'seats_sold'").await.unwrap();
    let report = audit(&world.readonly, None).await.unwrap();
    let books = report.lines.iter().find(|line| line.invariant == "I3").unwrap();
    assert_eq!(books.breaches.len(), 1, "{books:?}");
    assert!(books.breaches[0].starts_with("seats_sold of seats:ga"), "{books:?}");
    // As the page on money says.
    let page = include_str!("../../../docs/money.md");
    let repair = page.split('`').find(|code| code.starts_with("BEGIN; DELETE FROM balances")).expect("the repair");
    world.database.execute(&format!("SET ROLE {}; {repair}", Role::Owner.name())).await.unwrap();
    assert_eq!(reads(&world, &sale).await.accounts, right, "from the tail alone");
    catches_up(&world).await;
    assert_eq!(reads(&world, &sale).await.accounts, right);
    world.audits_clean().await;
}

/// A dump loaded into a new cluster brings a checkpoint that its transaction ids have not reached.
#[tokio::test]
async fn a_checkpoint_of_the_future_is_begun_again() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    sale.has_order([0]).await;
    catches_up(&world).await;
    world.database.execute("UPDATE rollup_checkpoint SET upto = '9000000000'").await.unwrap();
    sale.has_order([1]).await;
    assert_eq!(balance(&reads(&world, &sale).await, "seats_sold"), 2, "what is kept is not believed");
    assert_eq!(world.broken().await, ["I3"], "and people are told");
    assert_eq!(catches_up(&world).await, 5, "all of it again");
    assert_eq!(reads(&world, &sale).await.accounts, balances_recompute(&world.readonly, sale.id).await.unwrap());
    world.audits_clean().await;
}

/// So it is in truth: the transfers of the dump lie in the future too, and stay out until the cluster has had their ids.
#[tokio::test]
async fn transfers_of_the_future_are_read_and_told_but_not_kept() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    sale.has_order([0]).await;
    catches_up(&world).await;
    let loaded = "SET session_replication_role = replica;
                  UPDATE transfers SET xid = (xid::text::bigint + 9000000000)::text::xid8;
                  UPDATE rollup_checkpoint SET upto = '9900000000'";
    world.database.execute(loaded).await.unwrap();
    sale.has_order([1]).await;
    assert_eq!(balance(&reads(&world, &sale).await, "seats_sold"), 2);
    assert_eq!(world.broken().await, ["I3"]);
    let mark = books_mark(&world.readonly).await.unwrap();
    balances_roll_up(&world.workers).await.unwrap();
    assert!(!balances_caught_up(&world.readonly, &mark).await.unwrap(), "a report that waits for all of it waits");
    assert_eq!(balance(&reads(&world, &sale).await, "seats_sold"), 2);
}

#[tokio::test]
async fn only_workers_add_up_and_nobody_writes_what_is_kept() {
    let world = World::new().await;
    world.sale(1, Price::Free).await;
    for role in [Role::Gateway, Role::Workers, Role::ReadOnly] {
        let client = connect(&world.database.url).await;
        client.batch_execute(&format!("SET ROLE {}", role.name())).await.unwrap();
        for write in
            ["UPDATE balances SET debits = 0", "DELETE FROM balances", "UPDATE rollup_checkpoint SET upto = '0'"]
        {
            let refused = client.batch_execute(write).await.unwrap_err();
            assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{write} as {}", role.name());
        }
        let adds_up = client.batch_execute("SELECT balances_roll_up(1)").await;
        assert_eq!(adds_up.is_ok(), role == Role::Workers, "{}", role.name());
    }
}
