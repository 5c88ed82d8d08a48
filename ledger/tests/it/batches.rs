//! Many transfers in one call: an outcome each, and every rule of the books.

use std::sync::Arc;

use ledger::audit::audit;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::world::{Price, World, connect};

/// A posting of so many cents under a key.
type Item<'a> = (&'a str, i64);

/// Batches of a session that plans a statement anew five times and then keeps what it has.
const KEPT: u32 = 8;

async fn owner(world: &World) -> Client {
    let client = connect(&world.database.url).await;
    client.batch_execute("SET ROLE onsale_owner").await.expect("an answer");
    client
}

const BATCH: &str = "
    SELECT item, outcome FROM sales, post_batch((
        SELECT array_agg(ROW(sales.id, 'captured', key, NULL, NULL, '2026-01-01Z', NULL, NULL, ARRAY[
                   ROW('payment_clearing', 'eur', amount)::leg, ROW('organizer_payable', 'eur', $3 - amount)::leg
               ])::posting ORDER BY place)
          FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS p (key, amount, place)))";

/// The outcomes, in the order of the items. Legs are `off_by` from zero.
async fn posts(client: &Client, items: &[Item<'_>], off_by: i64) -> Result<Vec<String>, tokio_postgres::Error> {
    let (keys, amounts): (Vec<&str>, Vec<i64>) = items.iter().copied().unzip();
    let rows = client.query(BATCH, &[&keys, &amounts, &off_by]).await?;
    let places: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert!(places.is_sorted() && places.len() == items.len(), "{places:?}");
    Ok(rows.iter().map(|row| row.get(1)).collect())
}

/// The books balance; what they say of payments, which there are none of, is another matter.
async fn balances(world: &World) {
    let report = audit(&world.readonly, None).await.expect("an audit");
    let books = report.lines.iter().find(|line| line.invariant == "I3").expect("a line");
    let mut examined = books.figures.iter().filter(|(name, _)| ["transfers", "entries"].contains(name));
    assert!(books.breaches.is_empty() && examined.all(|(_, count)| *count > 0), "{books:?}");
}

#[tokio::test]
async fn every_item_of_a_batch_has_its_outcome() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = owner(&world).await;
    let first = posts(&owner, &[("a", 5), ("b", 6), ("a", 5), ("b", 7)], 0).await.unwrap();
    assert_eq!(first, ["posted", "posted", "existing", "key_in_use"]);
    let again = posts(&owner, &[("c", 1), ("b", 6), ("a", 9), ("d", 2)], 0).await.unwrap();
    assert_eq!(again, ["posted", "existing", "key_in_use", "posted"]);
    assert_eq!(world.number("SELECT sum(amount)::bigint FROM entries WHERE account = 'payment_clearing'").await, 14);
    let single = "SELECT post(id, 'captured', 'a', NULL, NULL, now(), NULL, NULL, ARRAY[
                      ROW('payment_clearing', 'eur', 5)::leg, ROW('organizer_payable', 'eur', -5)::leg])::text FROM sales";
    let posted = "SELECT id::text FROM transfers WHERE idem_key = 'a'";
    let (single, posted) = (owner.query_one(single, &[]).await.unwrap(), owner.query_one(posted, &[]).await.unwrap());
    assert_eq!(single.get::<_, String>(0), posted.get::<_, String>(0), "posted alone, it is the one of the batch");
    let ids = "SELECT count(*) FROM transfers WHERE id::text NOT LIKE '________-____-7___-%'";
    assert_eq!(world.number(ids).await, 0, "ids in the order of time");
    balances(&world).await;
}

#[tokio::test]
async fn a_batch_that_breaks_a_rule_is_refused_whole() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = owner(&world).await;
    let refused = posts(&owner, &[("a", 5), ("b", 6)], 1).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("entries_sum_zero"));
    assert_eq!(world.number("SELECT count(*) FROM transfers WHERE idem_key IN ('a', 'b')").await, 0);
}

/// Nobody asks whether a transfer's sale is there: its entries need an account of it.
#[tokio::test]
async fn a_sale_that_is_not_there_has_no_transfers() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = owner(&world).await;
    let elsewhere = |legs: &str| {
        format!(
            "SELECT * FROM post_batch(ARRAY[ROW(gen_random_uuid(), 'captured', 'a', NULL, NULL, now(), NULL, NULL,
                                            ARRAY[{legs}]::leg[])::posting])"
        )
    };
    let legs = "ROW('payment_clearing', 'eur', 5), ROW('organizer_payable', 'eur', -5)";
    for (legs, rule) in [(legs, "entries_account_fkey"), ("", "transfers_have_entries")] {
        let refused = owner.query(&elsewhere(legs), &[]).await.unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().constraint(), Some(rule));
    }
}

/// A session that knew the books when they were a page keeps its plans, and still reads no table from end to end: the rules look each
/// transfer up, and so each is as quick as the first.
#[tokio::test]
async fn plans_that_were_made_for_small_books_do_not_read_all_of_large_ones() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    world.database.execute("VACUUM ANALYZE transfers, entries, accounts").await.expect("an answer");
    let owner = owner(&world).await;
    for batch in 0..KEPT {
        let keys: Vec<String> = (0..20).map(|key| format!("key {batch} {key}")).collect();
        let items: Vec<Item<'_>> = keys.iter().map(|key| (key.as_str(), 5)).collect();
        owner.batch_execute("BEGIN").await.unwrap();
        posts(&owner, &items, 0).await.unwrap();
        owner.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await.unwrap();
        let read =
            "SELECT sum(seq_tup_read)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('transfers', 'entries')";
        assert_eq!(owner.query_one(read, &[]).await.unwrap().get::<_, i64>(0), 0, "rows read in vain by batch {batch}");
        owner.batch_execute("COMMIT").await.unwrap();
    }
    balances(&world).await;
}

/// The same twenty keys eight times at once, forwards and backwards: each is posted once, and nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_the_same_keys_post_each_once() {
    let world = Arc::new(World::new().await);
    world.sale(1, Price::Paid).await;
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let owner = owner(&world).await;
        callers.spawn(async move {
            let mut keys: Vec<String> = (0..20).map(|key| format!("key {key:02}")).collect();
            if caller % 2 == 1 {
                keys.reverse();
            }
            let items: Vec<Item<'_>> = keys.iter().map(|key| (key.as_str(), 5)).collect();
            posts(&owner, &items, 0).await.unwrap()
        });
    }
    let outcomes = callers.join_all().await.concat();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "posted").count(), 20);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "existing").count(), 140);
    balances(&world).await;
}
