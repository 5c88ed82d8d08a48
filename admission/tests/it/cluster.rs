//! Sales on a Redis Cluster: each is on one server, whichever that is today.

use std::collections::BTreeSet;
use std::time::Instant;

use admission::keys::SaleKeys;
use admission::{AdmissionError, Commit, Extend, ExtendHold, Freeze, HoldView, Lose, Release};
use domain::PlaceNumber;
use sandbox::RedisCluster;

use crate::onsale::{Onsale, TTL_S, some_request, wish};
use crate::sentinel::{BACK_WITHIN, is_known_to_be_lost, is_served_again};

const UNITS: u32 = 9;
/// So many that each of three servers has one; that it has not is one in a million.
const SALES: usize = 40;
/// Calls that follow each other: each connection has one of them.
const CALLS: usize = 12;

/// Sales on connections of one client, one of them on each server.
async fn one_on_each(redis: &RedisCluster) -> Vec<Onsale> {
    let first = Onsale::at(&redis.url()).await;
    let mut owners = BTreeSet::from([redis.owner(&tag(&first)).await.unwrap()]);
    let mut sales = vec![first];
    for _ in 0..SALES {
        let sale = sales[0].another();
        if owners.insert(redis.owner(&tag(&sale)).await.unwrap()) {
            sales.push(sale);
        }
    }
    assert_eq!(sales.len(), 3, "{owners:?}");
    for sale in &sales {
        sale.loads(&[("ga", UNITS)]).await;
        sale.queue.raise_reserved(sale.id, 1_000).await.unwrap();
    }
    sales
}

/// A key that is where all keys of a sale are.
fn tag(sale: &Onsale) -> String {
    SaleKeys::new(sale.id).epoch()
}

/// Everything that a buyer may do, and everything that may become of a hold.
async fn sells(sale: &Onsale) {
    let numbers = sale.turns(5).await;
    let id = sale.id;
    let mut holds = Vec::new();
    for number in &numbers {
        holds.push(sale.holds_units(*number, "ga", 1).await);
    }
    assert!(matches!(sale.holds.release(id, holds[0].id, numbers[0]).await.unwrap(), Release::Released(_)));
    let (request, max_ttl_s) = (some_request(), 10 * TTL_S);
    let press =
        ExtendHold { hold: holds[1].id, number: numbers[1], request, ttl_s: TTL_S, max_ttl_s, extensions_max: 1 };
    assert!(matches!(sale.holds.extend(id, &press).await.unwrap(), Extend::Extended(_)));
    for index in [2, 3] {
        let frozen = sale.holds.freeze(id, holds[index].id, numbers[index]).await.unwrap();
        assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
    }
    assert_eq!(sale.holds.commit(id, holds[2].id).await.unwrap(), Commit::Committed);
    assert_eq!(sale.holds.unfreeze_lost(id, holds[3].id, &holds[3].units).await.unwrap(), Lose::Released);
    sale.holds.units_return(id, some_request(), 1, &holds[3].units).await.unwrap();
    sale.advance_s(TTL_S).await;
    assert_eq!(sale.holds.expire_due(id, 10).await.unwrap().released, [holds[4].id]);
    assert_eq!(sale.holds.look(id, holds[1].id).await.unwrap().map(|hold| hold.id), Some(holds[1].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_are_spread_over_the_servers_and_each_is_whole_on_its_own() {
    let redis = RedisCluster::start().await.unwrap();
    let sales = one_on_each(&redis).await;
    redis.flush_scripts().await.unwrap();
    let [first, second, third] = &sales[..] else { panic!("one on each server") };
    tokio::join!(sells(first), sells(second), sells(third));

    redis.flush().await.unwrap();
    for sale in &sales {
        assert!(matches!(sale.queue.view(sale.id).await, Err(AdmissionError::NotLoaded)));
        sale.loads(&[("ga", UNITS)]).await;
    }
}

async fn every_write_is_replicated(redis: &RedisCluster, sale: &Onsale) {
    redis.wait_until_replicated(&tag(sale)).await.unwrap();
}

/// Each connection knows by itself where a sale is: one may still ask the server that had it when another has an answer.
async fn each_connection_serves(sale: &Onsale) {
    let (begun, mut in_a_row) = (Instant::now(), 0);
    while in_a_row < CALLS {
        match sale.queue.view(sale.id).await {
            Ok(_) => in_a_row += 1,
            Err(AdmissionError::Unavailable(_)) => in_a_row = 0,
            Err(error) => panic!("{error:?}"),
        }
        assert!(begun.elapsed() < BACK_WITHIN, "not every connection finds the sale after {BACK_WITHIN:?}");
    }
}

/// Its holds are as they were and more can be taken, on whichever server it is now.
async fn goes_on(sale: &Onsale, before: &HoldView, next: PlaceNumber) {
    assert_eq!(sale.holds.look(sale.id, before.id).await.unwrap().as_ref(), Some(before));
    let more = sale.holds_units(next, "ga", 1).await;
    assert!(!before.units.contains(&more.units[0]), "{more:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_replaced_and_the_sales_of_all_servers_go_on() {
    let redis = RedisCluster::start().await.unwrap();
    let sales = one_on_each(&redis).await;
    let mut before = Vec::new();
    for sale in &sales {
        let numbers = sale.turns(2).await;
        before.push((sale.holds_units(numbers[0], "ga", 2).await, numbers[1]));
        every_write_is_replicated(&redis, sale).await;
    }
    let lost = redis.kill_owner(&tag(&sales[0])).await.unwrap();
    let new = redis.wait_until_failed_over(&tag(&sales[0]), lost).await.unwrap();
    for (sale, (hold, next)) in sales.iter().zip(&before) {
        let took = is_served_again(sale).await;
        eprintln!("a server of the cluster was replaced: served {took:?} later");
        each_connection_serves(sale).await;
        goes_on(sale, hold, *next).await;
    }
    redis.restart(lost).await.unwrap();
    assert_eq!(redis.owner(&tag(&sales[0])).await.unwrap(), new, "who comes back is a replica");
    let newer = sales[0].another();
    newer.loads(&[("ga", UNITS)]).await;
    newer.queue.raise_reserved(newer.id, 1_000).await.unwrap();
    sells(&newer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hands_over_in_order_loses_nothing() {
    let redis = RedisCluster::start().await.unwrap();
    let sales = one_on_each(&redis).await;
    let numbers = sales[0].turns(2).await;
    let hold = sales[0].holds_units(numbers[0], "ga", 2).await;
    redis.hand_over(&tag(&sales[0])).await.unwrap();
    each_connection_serves(&sales[0]).await;
    goes_on(&sales[0], &hold, numbers[1]).await;
}

/// A script has keys that are not there yet, so nobody knows whether they are on this side of the way or on the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_slot_moves_is_away_for_so_long_and_then_goes_on_where_it_is() {
    let redis = RedisCluster::start().await.unwrap();
    let sales = one_on_each(&redis).await;
    let numbers = sales[0].turns(2).await;
    let hold = sales[0].holds_units(numbers[0], "ga", 2).await;

    let moving = redis.begin_to_move(&tag(&sales[0])).await.unwrap();
    let on_its_way = sales[0].holds.take(sales[0].id, &wish(numbers[1], &[("ga", 1)])).await;
    assert!(matches!(on_its_way, Err(AdmissionError::Unavailable(_))), "{on_its_way:?}");
    moving.keys().await.unwrap();
    for _ in 0..CALLS {
        let over_there = sales[0].holds.take(sales[0].id, &wish(numbers[1], &[("ga", 1)])).await;
        assert!(matches!(over_there, Err(AdmissionError::Unavailable(_))), "{over_there:?}");
    }
    let owner = moving.finish().await.unwrap();
    assert_eq!(redis.owner(&tag(&sales[0])).await.unwrap(), owner);
    each_connection_serves(&sales[0]).await;
    goes_on(&sales[0], &hold, numbers[1]).await;
    for sale in &sales[1..] {
        each_connection_serves(sale).await;
        sells(sale).await;
    }
}

/// The whole cluster loses power, and has written nothing down but who belongs to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_comes_back_empty_is_loaded_again() {
    let redis = RedisCluster::start().await.unwrap();
    let sales = one_on_each(&redis).await;
    redis.restart_all_empty().await.unwrap();
    for sale in &sales {
        is_known_to_be_lost(sale).await;
        sale.loads(&[("ga", UNITS)]).await;
        sale.queue.raise_reserved(sale.id, 1_000).await.unwrap();
        sells(sale).await;
    }
}
