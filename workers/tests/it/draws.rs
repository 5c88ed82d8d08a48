//! How the registrations of a prequeue become numbers, whoever dies on the way.

use std::time::{Duration, Instant};

use admission::Join;
use domain::fairness::{draw_key, merkle_root, order};
use ledger::draws::{
    Attestation, CommitRoot, Draw, DrawState, Freeze, draw_commit_root, draw_finish, draw_freeze, draw_leaves,
};
use sandbox::BeaconFault;
use sha2::{Digest as _, Sha256};

use crate::eventually::eventually;
use crate::world::{GENERAL, Post, Sale, Vouched, World};

/// Longer than a beacon is waited for.
const LONGER_THAN_THE_WAIT: Duration = Duration::from_secs(61);

/// Everything that must be so once a draw is held, however it came to be.
async fn is_as_promised(world: &World, sale: &Sale, draw: &Draw, promised: [u8; 32], count: u32) {
    assert_eq!((draw.state, draw.count, draw.first_number), (DrawState::Drawn, count, 1));
    let seed = draw.seed.expect("revealed");
    assert_eq!((seed.hash(), draw.seed_hash), (promised, promised));
    let leaves = draw_leaves(&world.gateway, sale.id, GENERAL).await.expect("Postgres answers");
    assert_eq!(draw.root, Some(merkle_root(&leaves)));
    let value = draw.beacon.as_ref().and_then(|beacon| beacon.randomness);
    let order = order(&draw_key(&seed, &merkle_root(&leaves), count, value.as_ref()), count);
    assert_eq!(order.len(), leaves.len());
    let blocks = "SELECT count(*) FROM number_blocks";
    assert_eq!(world.count(blocks).await, 1, "one block for one cohort");
    walk_ups_come_behind(world, sale, count).await;
}

/// The cohort is in line: whoever walks up comes behind it, once numbers are reserved for walk-ups.
async fn walk_ups_come_behind(world: &World, sale: &Sale, count: u32) {
    eventually("a line with its cohort", async || world.epoch(sale).await.is_some()).await;
    assert_eq!(world.walks_up(sale).await, Join::ReserveNumbers, "the cohort has taken its numbers");
    let next = world.next_number(sale).await;
    assert_eq!(next, u64::from(count) + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_opening_the_prequeue_is_frozen_put_in_line_and_drawn_with_the_beacon() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    let promised = world.draw(&sale).await.seed_hash;
    world.register(&sale, 7).await;
    assert_eq!(world.draw(&sale).await.state, DrawState::Collecting);
    world.doors_open().await;

    let draw = world.until_drawn(&sale).await;
    is_as_promised(&world, &sale, &draw, promised, 7).await;
    assert_eq!(draw.self_attested, None);
    let beacon = draw.beacon.expect("a round was waited for");
    assert!(Some(beacon.round_at) > draw.frozen_at, "{beacon:?}");
    assert_eq!((beacon.url, beacon.chain_hash), (world.beacon.url(), world.beacon.chain_hash()));
    let hashed: [u8; 32] = Sha256::digest(beacon.signature.expect("kept")).into();
    assert_eq!(beacon.randomness, Some(hashed));
    workers.stop().await;
}

/// How far a worker came before it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Died {
    BeforeTheFreeze,
    AfterTheFreeze,
    AfterTheRoot,
    AfterTheCohort,
    AfterTheDraw,
}

/// Takes the steps of a worker up to the one it died after, each twice.
async fn steps(world: &World, sale: &Sale, died: Died) {
    for _ in 0..2 {
        if died >= Died::AfterTheFreeze {
            let frozen = draw_freeze(&world.workers, sale.id, GENERAL).await.expect("Postgres answers");
            assert!(matches!(frozen, Freeze::Frozen(_)));
        }
        if died >= Died::AfterTheRoot {
            let leaves = draw_leaves(&world.workers, sale.id, GENERAL).await.expect("Postgres answers");
            let committed = draw_commit_root(&world.workers, sale.id, GENERAL, merkle_root(&leaves), None).await;
            assert!(matches!(committed, Ok(CommitRoot::Committed(_))));
        }
        if died >= Died::AfterTheCohort {
            let draw = world.draw(sale).await;
            world.tells_cohort(sale, draw.first_number, draw.first_number + u64::from(draw.count) - 1).await;
        }
        if died >= Died::AfterTheDraw {
            let alone = Attestation::SelfAttested { reason: "no beacon is configured".to_owned() };
            draw_finish(&world.workers, sale.id, GENERAL, &alone).await.expect("Postgres answers");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_any_two_steps_has_lost_nothing() {
    let all =
        [Died::BeforeTheFreeze, Died::AfterTheFreeze, Died::AfterTheRoot, Died::AfterTheCohort, Died::AfterTheDraw];
    for died in all {
        let world = World::new().await;
        let dying = world.start_with(Post::None, Vouched::ByNobody);
        let sale = world.sale_with_prequeue().await;
        let promised = world.draw(&sale).await.seed_hash;
        world.register(&sale, 5).await;
        eventually("the sale is loaded", async || world.epoch(&sale).await.is_some()).await;
        dying.stop().await;
        world.doors_open().await;
        steps(&world, &sale, died).await;

        let next = world.start_with(Post::None, Vouched::ByNobody);
        let draw = world.until_drawn(&sale).await;
        is_as_promised(&world, &sale, &draw, promised, 5).await;
        assert_eq!(draw.self_attested.as_deref(), Some("no beacon is configured"), "{died:?}");
        next.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_hold_one_draw() {
    let world = World::new().await;
    let sale = world.sale_with_prequeue().await;
    let promised = world.draw(&sale).await.seed_hash;
    world.register(&sale, 1_500).await;
    world.doors_open().await;
    let workers = [(); 4].map(|()| world.start(Post::None));
    let draw = world.until_drawn(&sale).await;
    is_as_promised(&world, &sale, &draw, promised, 1_500).await;
    assert_eq!(draw.self_attested, None);
    for workers in workers {
        workers.stop().await;
    }
    assert_eq!(world.draw(&sale).await, draw, "none of them changed anything afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prequeue_to_which_nobody_came_is_drawn_too() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    eventually("the sale is loaded", async || world.epoch(&sale).await.is_some()).await;
    world.doors_open().await;
    let draw = world.until_drawn(&sale).await;
    assert_eq!((draw.count, draw.root), (0, Some(merkle_root(&[]))));
    // Somebody who walks up is told to wait for numbers, not for a draw.
    assert_eq!(world.walks_up(&sale).await, Join::ReserveNumbers);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_that_stays_away_is_waited_for_and_then_named() {
    let world = World::new().await;
    world.beacon.set_fault(BeaconFault::Failing).await.expect("it is up");
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    world.register(&sale, 3).await;
    world.doors_open().await;
    eventually("it is asked again and again", async || world.beacon.asked() >= 3).await;
    eventually("walk-ups join meanwhile", async || world.walks_up(&sale).await == Join::ReserveNumbers).await;
    let waiting = world.draw(&sale).await;
    assert_eq!((waiting.state, waiting.root, waiting.seed), (DrawState::Frozen, None, None), "it is still waited for");
    world.advances(LONGER_THAN_THE_WAIT).await;
    let draw = world.until_drawn(&sale).await;
    assert_eq!(draw.self_attested.as_deref(), Some("the beacon did not answer within 60 s of the freeze"));
    assert_eq!(draw.beacon, None);
    walk_ups_come_behind(&world, &sale, 3).await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beacon_that_comes_back_in_time_vouches_for_the_draw() {
    let world = World::new().await;
    world.beacon.set_fault(BeaconFault::Silent).await.expect("it is up");
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    world.register(&sale, 3).await;
    world.doors_open().await;
    eventually("the freeze", async || world.draw(&sale).await.state == DrawState::Frozen).await;
    world.advances(Duration::from_secs(40)).await;
    world.beacon.set_fault(BeaconFault::None).await.expect("it is up");
    let draw = world.until_drawn(&sale).await;
    assert_eq!(draw.self_attested, None);
    let after_the_freeze =
        draw.beacon.map(|beacon| beacon.round_at) > draw.frozen_at.map(|at| at + Duration::from_secs(40));
    assert!(after_the_freeze, "no round that was out when it was chosen");
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_the_hash_of_its_signature_is_refused() {
    let world = World::new().await;
    world.beacon.set_fault(BeaconFault::WrongRandomness).await.expect("it is up");
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    world.register(&sale, 3).await;
    world.doors_open().await;
    eventually("a round", async || world.draw(&sale).await.beacon.is_some()).await;
    let asked = world.beacon.asked();
    eventually("its value is asked for twice", async || world.beacon.asked() >= asked + 2).await;
    assert_eq!(world.draw(&sale).await.state, DrawState::Frozen, "the round is out, and its value is no value");
    world.advances(LONGER_THAN_THE_WAIT).await;
    let draw = world.until_drawn(&sale).await;
    let reason = draw.self_attested.expect("nobody vouches");
    assert!(reason.contains("did not come within 60 s"), "{reason}");
    assert_eq!(draw.beacon.and_then(|beacon| beacon.randomness), None);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_lost_around_the_draw_has_the_cohort_again() {
    let world = World::new().await;
    let workers = world.start(Post::None);
    let sale = world.sale_with_prequeue().await;
    world.register(&sale, 6).await;
    eventually("the sale is loaded", async || world.epoch(&sale).await.is_some()).await;
    world.redis.flush().await.expect("Redis answers");
    world.doors_open().await;
    world.until_drawn(&sale).await;
    walk_ups_come_behind(&world, &sale, 6).await;

    world.redis.flush().await.expect("Redis answers");
    walk_ups_come_behind(&world, &sale, 6).await;
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_prequeue_is_drawn_within_seconds() {
    let soak = std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1");
    let count: u32 = if soak { 1_000_000 } else { 20_000 };
    let world = World::new().await;
    let sale = world.sale_with_prequeue().await;
    world.register(&sale, usize::try_from(count).expect("a small number")).await;
    let workers = world.start_with(Post::None, Vouched::ByNobody);
    eventually("the sale is loaded", async || world.epoch(&sale).await.is_some()).await;
    world.doors_open().await;
    let opened = Instant::now();
    let draw = world.until_drawn(&sale).await;
    let took = opened.elapsed();
    assert_eq!(draw.count, count);
    walk_ups_come_behind(&world, &sale, count).await;
    assert!(took < Duration::from_secs(20), "{count} registrations took {took:?}");
    workers.stop().await;
}
