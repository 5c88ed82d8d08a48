//! A new version goes out in the middle of a sale: every gateway and every workers process is replaced, one after the other,
//! behind a load balancer that knows nothing but `/readyz`. Nobody notices.

use std::time::Duration;

use sandbox::actors::Edge;
use sandbox::{Latency, free_port};
use serde_json::json;
use tokio::time::Instant;

use crate::balancer::Balancer;
use crate::faults::{PRICE, money_is_where_it_belongs, nothing_is_left_to_do};
use crate::shopper::{Answers, crowd};
use crate::world::{NO_LIMITS, Process, STRIPE_TAKES_ALL, World, sale};

/// Everybody gets one.
const UNITS: usize = 30;
/// Many looks of the balancer, on a busy machine too.
const NOTICE: (&str, &str) = ("ONSALE_DRAIN_NOTICE_S", "2");
const SOLD: &str = "SELECT count(*) FROM units WHERE state = 'sold'";

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_and_two_workers_replaced_one_by_one_in_mid_sale_lose_nothing_and_refuse_nobody() {
    let first = free_address();
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL, NOTICE, ("ONSALE_LISTEN", &first)]).await;
    let mut balancer = Balancer::start(world.edge.base().trim_start_matches("http://")).await;
    balancer.adds(&first, &world.gateway).await;
    let mut second = starts_gateway(&world, &mut balancer).await;
    let mut helpers = world.adds_workers_and_set(&[]).await;
    world.stripe.set_latency(Latency::Uniform { min: Duration::from_millis(20), max: Duration::from_millis(300) });
    let mut wish = sale(u32::try_from(UNITS).unwrap());
    // So that some are still to come when the last process is replaced.
    wish["admission"] = json!({ "rate_per_s": 1, "burst": 2, "max_shoppers": 200 });
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();

    let (edges, stripe) = ([Edge::of_strangers(world.edge.base())], world.stripe.base_url());
    let rolls = async {
        world.waits_until_counted(SOLD, |sold| sold >= 2).await;
        let begun = Instant::now();
        ends(&mut world.gateway).await;
        let third = starts_gateway(&world, &mut balancer).await;
        ends(&mut helpers).await;
        let fresh = world.adds_workers_and_set(&[]).await;
        ends(&mut second).await;
        let fourth = starts_gateway(&world, &mut balancer).await;
        world.workers.is_asked_to_end();
        assert!(world.workers.ends().await.success());
        eprintln!("two gateways and two workers replaced in {:?}", begun.elapsed());
        assert!(world.counts(SOLD).await < i64::try_from(UNITS).unwrap(), "all sold before the end of it");
        world.paces(&sale, json!({ "rate_per_s": 50, "burst": 50 })).await;
        (third, fourth, fresh)
    };
    let mut replacements = None;
    let crowd = crowd(&edges, &sale, &stripe, UNITS, async { replacements = Some(rolls.await) }).await;

    let Answers { holds, orders, gone, declined, unanswered } = &crowd.answers;
    eprintln!("{declined} requests were told to come later");
    assert_eq!(crowd.paid(), UNITS, "{:?}", crowd.told);
    assert_eq!(
        (*gone, unanswered.as_slice()),
        (0, [].as_slice()),
        "what was acknowledged is there, and who asked was answered"
    );
    assert_eq!((holds.len(), orders.len()), (UNITS, UNITS));
    assert_eq!(world.counts(SOLD).await, i64::try_from(UNITS).unwrap());
    nothing_is_left_to_do(&world).await;
    money_is_where_it_belongs(&world, i64::try_from(UNITS).unwrap() * PRICE).await;
    world.holds_every_invariant();
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port().unwrap())
}

async fn starts_gateway(world: &World, balancer: &mut Balancer) -> Process {
    let address = free_address();
    let (gateway, _) = world.adds_gateway_and_set(&[("ONSALE_LISTEN", &address)]).await;
    balancer.adds(&address, &gateway).await;
    gateway
}

async fn ends(process: &mut Process) {
    process.is_asked_to_end();
    assert!(process.ends().await.success());
}
