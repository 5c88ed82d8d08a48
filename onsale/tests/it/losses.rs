//! Something happens to Redis in the middle of a sell-out, whatever kind of Redis it is: every unit is sold once, and whoever
//! comes back with a receipt has the same units.

use std::collections::BTreeMap;
use std::time::Duration;

use admission::keys::SaleKeys;
use domain::SaleId;
use http::StatusCode;
use sandbox::actors::Hold;
use sandbox::{Redis, RedisCluster, RedisSentinel};
use serde_json::json;
use tokio::time::Instant;

use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::holders::{COME_AT_ONCE, Holder, Lasts, all_reclaim, holders, pay, works_its_backlog_off};
use crate::reclaim::{WINDOW_S, reclaims, wish};
use crate::scale::{scaled, soak};
use crate::shopper;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World};

/// The contract: back so soon after Redis itself answers.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// How many units a crowd of twice as many buys in the end.
const RUSH: usize = 40;
/// What is sold in the long run, and how many shop on meanwhile: each asks several times a second.
const FULL_STOCK: usize = 5_000;
const SHOP_ON: usize = 60;
/// The most units of a sale, and the most seats of a row.
const LARGEST: usize = 100_000;
const ROW: usize = 500;
/// The primaries of a cluster, and so many sales that each has one, but for bad luck of one in a million.
const SERVERS: usize = 3;
const SALES_MAX: usize = 40;
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";
const EPOCH: &str = "SELECT max(epoch)::bigint FROM epochs";

/// What happens to Redis.
enum Loss<'a> {
    /// `FLUSHALL`.
    Emptied(&'a Redis),
    /// `SCRIPT FLUSH`.
    ScriptsForgotten(&'a Redis),
    /// Killed and started without its data.
    Killed(&'a Redis),
    /// A primary killed, and replaced by the sentinels.
    PrimaryKilled(&'a RedisSentinel),
    /// The server of a cluster that has this key killed, and replaced by the others.
    OwnerKilled(&'a RedisCluster, String),
}

impl Loss<'_> {
    /// It happens; the port of a server that is gone for good, if one is.
    async fn happens(&self) -> Option<u16> {
        match self {
            Self::Emptied(redis) => redis.flush().await.map(|()| None),
            Self::ScriptsForgotten(redis) => redis.flush_scripts().await.map(|()| None),
            Self::Killed(redis) => redis.kill().await.map(|()| None),
            Self::PrimaryKilled(redis) => redis.kill_primary().await.map(Some),
            Self::OwnerKilled(redis, key) => redis.kill_owner(key).await.map(Some),
        }
        .unwrap()
    }

    /// Waits until Redis itself answers again.
    async fn is_over(&self, gone: Option<u16>) -> Instant {
        match (self, gone) {
            (Self::Killed(redis), _) => redis.restart().await.unwrap(),
            (Self::PrimaryKilled(redis), Some(gone)) => drop(redis.wait_until_failed_over(gone).await.unwrap()),
            (Self::OwnerKilled(redis, key), Some(gone)) => drop(redis.wait_until_failed_over(key, gone).await.unwrap()),
            _ => {}
        }
        Instant::now()
    }

    /// Starts the server again that is gone, as somebody does who looks after it.
    async fn is_mended(&self, gone: Option<u16>) {
        match (self, gone) {
            (Self::PrimaryKilled(redis), Some(gone)) => redis.restart(gone).await.unwrap(),
            (Self::OwnerKilled(redis, _), Some(gone)) => redis.restart(gone).await.unwrap(),
            _ => {}
        }
    }

    /// Whether holds are lost, or nobody can say which.
    fn loses_holds(&self) -> bool {
        !matches!(self, Self::ScriptsForgotten(_))
    }

    /// Redis answers on where nothing was killed.
    fn lasts(&self) -> Lasts {
        match self {
            Self::Emptied(_) | Self::ScriptsForgotten(_) => Lasts::AsTold,
            Self::Killed(_) | Self::PrimaryKilled(_) | Self::OwnerKilled(..) => Lasts::AsToldOrLonger,
        }
    }
}

/// A sell-out of so many units to people who come, are struck by the loss, and come back; and to a crowd that shops on
/// meanwhile and knows nothing of receipts.
async fn sells_out(world: &World, sale: &str, stock: usize, loss: &Loss<'_>) {
    let sold_before = pay(world, holders(world, sale, stock / 12).await).await;
    let newcomer = world.has_turn(sale).await;
    let returning = holders(world, sale, stock / 6).await;
    let absent = holders(world, sale, stock / 12).await;
    let meanwhile = scaled(12, SHOP_ON);
    let edges = std::slice::from_ref(&world.edge);

    let mut returned = Vec::new();
    let struck = async {
        let begun = Instant::now();
        let gone = loss.happens().await;
        let (over, first) = tokio::join!(loss.is_over(gone), async {
            reclaims(&returning[0].buyer, &returning[0].hold).await.expect(StatusCode::OK).unwrap();
            Instant::now()
        });
        let took = first.saturating_duration_since(over);
        eprintln!("a hold is back {took:?} after Redis is, {:?} after it was lost", first - begun);
        assert!(took < BACK_WITHIN, "{took:?}");
        if loss.loses_holds() {
            world.waits_until_counted(EPOCH, |epoch| epoch > 1).await;
            let refused = newcomer.asks_to_hold("ga", 1).await.unwrap();
            assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
            let retry_after_s: u32 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=window_s()).contains(&retry_after_s), "{refused:?}");
        }
        returned = all_reclaim(returning, loss.lasts()).await;
        // The window begins later, with the new epoch.
        let all_back = over.elapsed();
        eprintln!("all {} are back {all_back:?} after Redis is", returned.len());
        assert!(all_back < Duration::from_secs(u64::from(window_s())), "not all were back in the window: {all_back:?}");
        loss.is_mended(gone).await;
    };
    let crowd = shopper::crowd(edges, sale, &world.stripe.base_url(), meanwhile, struck).await;
    assert_eq!(crowd.paid(), meanwhile, "{:?}", crowd.told);

    let left = stock - sold_before - meanwhile - pay(world, returned).await;
    // Who does not come back loses the units: with the hold, or by giving it back.
    if world.counts(EPOCH).await == 1 {
        for holder in &absent {
            holder.buyer.gives_back(&holder.hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
        }
    }
    sells_the_rest(world, sale, left).await;
    let gone = absent[0].buyer.reclaims(&absent[0].hold).await.unwrap();
    assert!(matches!(gone.code(), Some("seat_taken" | "hold_expired")), "{gone:?}");
    everything_is_sold_once(world, stock).await;
}

/// Sells what is left, the last ones to a crowd that is too large.
async fn sells_the_rest(world: &World, sale: &str, mut left: usize) {
    while left > RUSH {
        let wave = holders(world, sale, COME_AT_ONCE.min((left - RUSH).div_ceil(3))).await;
        left -= pay(world, wave).await;
    }
    let edges = std::slice::from_ref(&world.edge);
    let crowd = shopper::crowd(edges, sale, &world.stripe.base_url(), 2 * RUSH, async {}).await;
    assert_eq!(crowd.paid(), left, "{:?}", crowd.told);
}

async fn everything_is_sold_once(world: &World, stock: usize) {
    let stock = i64::try_from(stock).unwrap();
    assert_eq!(world.counts(SOLD).await, stock);
    works_its_backlog_off(world).await;
    nothing_is_left_to_do(world).await;
    money_is_where_it_belongs(world, stock * PRICE).await;
    world.holds_every_invariant();
}

/// Long enough for everyone to be back in it: the usual one for the full stock.
fn window_s() -> u32 {
    if soak() { 30 } else { WINDOW_S }
}

fn stock() -> usize {
    scaled(144, FULL_STOCK)
}

async fn puts_on_sale(world: &World, stock: usize) -> String {
    let mut wish = wish(stock);
    wish["hold"]["reclaim_window_s"] = json!(window_s());
    world.organizer.puts_on_sale(&wish).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_emptied_in_mid_sale_gives_everyone_who_comes_back_the_same_units_and_sells_out() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = puts_on_sale(&world, stock()).await;
    sells_out(&world, &sale, stock(), &Loss::Emptied(&world.redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_in_mid_sale_and_started_empty_sells_out() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = puts_on_sale(&world, stock()).await;
    sells_out(&world, &sale, stock(), &Loss::Killed(&world.redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_forgotten_in_mid_sale_are_nothing_that_anybody_notices() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = puts_on_sale(&world, stock()).await;
    sells_out(&world, &sale, stock(), &Loss::ScriptsForgotten(&world.redis)).await;
    assert_eq!(world.counts(EPOCH).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_by_sentinels_in_mid_sale_sells_out() {
    let redis = RedisSentinel::start().await.unwrap();
    let world = World::start_and_set(&[NO_LIMITS, ("REDIS_URL", &redis.url())]).await;
    let sale = puts_on_sale(&world, stock()).await;
    sells_out(&world, &sale, stock(), &Loss::PrimaryKilled(&redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_a_cluster_lost_in_mid_sale_sells_out() {
    let redis = RedisCluster::start().await.unwrap();
    let world = World::start_and_set(&[NO_LIMITS, ("REDIS_URL", &redis.url())]).await;
    let sale = puts_on_sale(&world, stock()).await;
    let key = SaleKeys::new(sale.parse().unwrap()).epoch();
    sells_out(&world, &sale, stock(), &Loss::OwnerKilled(&redis, key)).await;
}

/// As large as a sale may be, half of it in rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_emptied_of_the_largest_sale_is_filled_again_in_time() {
    let units = scaled(20_000, LARGEST);
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut wish = wish(units / 2);
    let rows: Vec<_> = (0..units / 2 / ROW).map(|row| json!({ "row": format!("R{row}"), "seats": ROW })).collect();
    let stalls = json!({ "id": "stalls", "name": "Stalls", "price": 8000, "rows": rows });
    wish["tiers"].as_array_mut().unwrap().push(stalls);
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    let buyer = world.has_turn(&sale).await;
    let seats = json!([{ "tier": "stalls", "quantity": 4, "together": true }, { "tier": "ga", "quantity": 2 }]);
    let told = buyer.asks_to_hold_items(&seats).await.unwrap();
    let hold = Hold::of(told).unwrap();
    let held = buyer.looks_at_hold(&hold).await.unwrap().expect(StatusCode::OK).unwrap();

    world.redis.flush().await.unwrap();
    let lost = Instant::now();
    let back = reclaims(&buyer, &hold).await.expect(StatusCode::OK).unwrap();
    let took = lost.elapsed();
    eprintln!("{units} units lost: filled again, and a hold of them back, after {took:?}");
    assert_eq!(back["items"], held["items"]);
    assert!(took < BACK_WITHIN, "{took:?}");
    let stock = world.view(&sale).await.stock;
    let known: u32 = stock.values().map(|tier| tier.free + tier.held).sum();
    assert_eq!(usize::try_from(known).unwrap(), units);
    world.holds_every_invariant();
}

/// Each sale is on one server; that one is lost is nothing to the sales of the others, once the cluster serves again.
#[tokio::test(flavor = "multi_thread")]
async fn sales_on_all_servers_of_a_cluster_outlive_the_loss_of_one() {
    let redis = RedisCluster::start().await.unwrap();
    let world = World::start_and_set(&[NO_LIMITS, ("REDIS_URL", &redis.url())]).await;
    let mut sales = BTreeMap::new();
    for _ in 0..SALES_MAX {
        let sale = puts_on_sale(&world, 4).await;
        let key = SaleKeys::new(sale.parse().unwrap()).epoch();
        sales.entry(redis.owner(&key).await.unwrap()).or_insert((sale, key));
        if sales.len() == SERVERS {
            break;
        }
    }
    assert_eq!(sales.len(), SERVERS, "sales in the slots of {SERVERS} servers");
    let mut bought = Vec::new();
    for (sale, _) in sales.values() {
        bought.push((sale, Holder::comes(&world, sale, 2).await));
    }
    let (_, key) = sales.values().next().unwrap();
    let begun = Instant::now();
    let lost = redis.kill_owner(key).await.unwrap();
    redis.wait_until_failed_over(key, lost).await.unwrap();
    let over = Instant::now();
    // The sale of the one that is gone begins anew, so that receipts give back what its replica was not sent; the others go on.
    world.waits_until_counted(EPOCH, |epoch| epoch == 2).await;
    for (sale, holder) in bought {
        let holder = all_reclaim(vec![holder], Lasts::AsToldOrLonger).await.remove(0);
        assert_eq!(holder.pays(world.stripe.base_url()).await.len(), 2);
        let next = Holder::comes(&world, sale, 2).await;
        assert_eq!(next.pays(world.stripe.base_url()).await.len(), 2);
    }
    eprintln!(
        "{SERVERS} sales sold out {:?} after a server was lost, {:?} after it was replaced",
        begun.elapsed(),
        over.elapsed()
    );
    for (server, (sale, key)) in &sales {
        // On a busy machine more servers than one may have been replaced.
        if redis.owner(key).await.unwrap() == *server {
            let sale: SaleId = sale.parse().unwrap();
            let epoch = format!("SELECT max(epoch)::bigint FROM epochs WHERE sale_id = '{}'", sale.uuid());
            assert_eq!(world.counts(&epoch).await, 1, "a sale of a server that nothing happened to");
        }
    }
    assert_eq!(world.counts(SOLD).await, i64::try_from(4 * SERVERS).unwrap());
    works_its_backlog_off(&world).await;
    nothing_is_left_to_do(&world).await;
    world.holds_every_invariant();
}
