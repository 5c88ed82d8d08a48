//! The turns of the reconcilers.

use std::sync::Arc;

use ledger::reconciliations::{Ended, Findings, Round, begin, end, latest};
use tokio::task::JoinSet;

use crate::world::{World, patiently};

const NAME: &str = "a_reconciler";
const EVERY_S: u32 = 60;
const LEASE_S: u32 = 300;

async fn begins(world: &World) -> Option<Round> {
    begin(&world.workers, NAME, EVERY_S, LEASE_S).await.expect("an answer")
}

fn came_to(cursor: &str) -> Findings {
    Findings {
        looked_at: 7,
        found: 2,
        mended: 1,
        alerted: 1,
        cursor: Some(cursor.to_owned()),
        told: vec!["odd".to_owned()],
    }
}

#[tokio::test]
async fn a_round_begins_where_the_last_good_one_ended_and_not_too_soon() {
    let world = World::new().await;
    let first = begins(&world).await.unwrap();
    assert_eq!((first.resume.as_deref(), begins(&world).await), (None, None), "one at a time");
    assert!(end(&world.workers, &first, Ended::Done, &came_to("here")).await.unwrap());
    assert!(!end(&world.workers, &first, Ended::Failed, &Findings::default()).await.unwrap(), "it is closed");
    assert_eq!(begins(&world).await, None, "too soon");
    assert!(begin(&world.workers, "another", EVERY_S, LEASE_S).await.unwrap().is_some());

    world.database.advance_clock(61_000).await.unwrap();
    let second = begins(&world).await.unwrap();
    assert_eq!(second.resume.as_deref(), Some("here"));
    assert!(end(&world.workers, &second, Ended::Failed, &Findings::default()).await.unwrap());
    world.database.advance_clock(61_000).await.unwrap();
    let third = begins(&world).await.unwrap();
    assert_eq!(third.resume.as_deref(), Some("here"), "a round that failed came no further");
    let seen = latest(&world.readonly).await.unwrap().into_iter().find(|round| round.name == NAME).unwrap();
    assert_eq!((seen.result, seen.good_age_s.map(|age| age / 60)), (None, Some(2)));
}

#[tokio::test]
async fn who_died_keeps_the_turn_until_its_lease_is_over_and_ends_nobody_elses_round() {
    let world = World::new().await;
    let dead = begins(&world).await.unwrap();
    world.database.advance_clock(299_000).await.unwrap();
    assert_eq!(begins(&world).await, None);
    world.database.advance_clock(2_000).await.unwrap();
    let next = begins(&world).await.unwrap();
    assert!(!end(&world.workers, &dead, Ended::Done, &came_to("nowhere")).await.unwrap(), "it overslept");
    assert!(end(&world.workers, &next, Ended::Done, &came_to("here")).await.unwrap());
    assert_eq!(world.number("SELECT count(*) FROM reconciliations WHERE result = 'lost'").await, 1);
    let seen = latest(&world.readonly).await.unwrap().remove(0);
    assert_eq!((seen.result.as_deref(), seen.findings), (Some("done"), came_to("here")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_begins() {
    let world = Arc::new(World::new().await);
    for round in 1..=5 {
        let mut asking = JoinSet::new();
        for _ in 0..16 {
            let world = Arc::clone(&world);
            asking.spawn(async move { patiently(|| begin(&world.workers, NAME, 0, LEASE_S)).await });
        }
        let begun: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
        assert_eq!(begun.len(), 1, "{begun:?}");
        assert!(end(&world.workers, &begun[0], Ended::Done, &Findings::default()).await.unwrap());
        assert_eq!(world.number("SELECT count(*) FROM reconciliations").await, round);
    }
}
