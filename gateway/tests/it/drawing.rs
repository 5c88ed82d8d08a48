//! While a draw is under way: who waits for it, and whose numbers are whose.

use std::time::{Duration, Instant};

use domain::clock::Clock;
use http::StatusCode;
use jiff::SignedDuration;
use sandbox::actors::Visitor;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{GENERAL_AFTER_PRESALE, SOON, Setup, World, jazz_with};

/// Longer than any grace after the cohort is in line, and as long as a beacon's round may take.
const LONG_DRAW: Duration = Duration::from_secs(4);

/// Joins one after the other: long before the last of them the walk-up is where it waits.
const JOINS_MEANWHILE: u32 = 20;

/// Looking again and again is what these tests do.
const LOOKS: &str = "place=100000/1s";

#[tokio::test]
async fn nobody_is_let_in_before_the_draw_however_long_its_beacon_takes() {
    let world = World::with(Setup { limits: LOOKS, ..Setup::default() }).await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut registered = Visitor::new(&world.edge, &sale);
    registered.registers().await.unwrap();
    world.doors_open(&sale).await;
    world.freezes(&sale).await;
    let frozen = Instant::now();
    let mut walk_up = Visitor::new(&world.edge, &sale);
    walk_up.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    eventually("the draw takes long", async || {
        let position = walk_up.polls().await.unwrap().expect(StatusCode::OK).unwrap();
        assert_eq!(position["state"], "waiting", "those who were drawn come first");
        registered.polls().await.unwrap().expect(StatusCode::OK).unwrap();
        frozen.elapsed() > LONG_DRAW
    })
    .await;
    world.finishes(&sale).await;
    registered.polls_for_turn(SOON).await.unwrap();
    assert_eq!(walk_up.polls().await.unwrap().body["state"], "waiting");
    world.stop().await;
}

#[tokio::test]
async fn a_walk_up_of_an_earlier_phase_gets_no_number_of_the_cohort_whatever_the_clocks_say() {
    let world = World::new().await;
    let opens_at = Clock::system().now() + SignedDuration::from_hours(1);
    let phases = json!([
        { "id": "presale", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
        { "id": "general", "opens_at": opens_at, "prequeue_opens_at": "2026-01-01T00:00:00Z" },
    ]);
    let sale = world.sale(&jazz_with(50, json!({ "phases": phases }))).await;
    let codes = world.organizer.makes_codes(&sale, "presale", 2).await.unwrap();
    for _ in 0..3 {
        Visitor::new(&world.edge, &sale).registers().await.unwrap();
    }
    // The clock of Redis, by which the gateway goes, still says that the general phase is an hour away.
    world.postgres_opens_doors().await;
    world.ends_registration(&sale, GENERAL_AFTER_PRESALE).await;
    let joins = async |code: &str| Visitor::new(&world.edge, &sale).with_access_code(code).joins().await.unwrap();
    let refused = joins(&codes[0]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", refused.body);
    let draw = world.tells_cohort(&sale, GENERAL_AFTER_PRESALE).await;
    let joined = joins(&codes[1]).await.expect(StatusCode::CREATED).unwrap();
    assert_eq!(joined["place"]["number"], draw.first_number + 3);
    world.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_draw_holds_up_nobody_who_has_a_place() {
    let world = World::with(Setup { limits: LOOKS, ..Setup::default() }).await;
    let opens_at = Clock::system().now() + SignedDuration::from_hours(1);
    let phases = json!([
        { "id": "presale", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
        { "id": "general", "opens_at": opens_at, "prequeue_opens_at": "2026-01-01T00:00:00Z" },
    ]);
    let sale = world.sale(&jazz_with(50, json!({ "phases": phases }))).await;
    let code = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap().remove(0);
    let mut early = Visitor::new(&world.edge, &sale).with_access_code(&code);
    early.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    Visitor::new(&world.edge, &sale).registers().await.unwrap();
    // The doors are open, and nobody draws: whoever walks up is told so after three seconds.
    world.doors_open(&sale).await;
    eventually("somebody with a place is answered while a walk-up waits", async || {
        let mut late = Visitor::new(&world.edge, &sale);
        let waits = late.joins();
        let meanwhile = async {
            let mut found = true;
            for _ in 0..JOINS_MEANWHILE {
                found &= early.joins().await.unwrap().body["place"]["number"] == 1;
            }
            found
        };
        tokio::select! {
            biased;
            refused = waits => {
                assert_eq!(refused.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
                false
            }
            found = meanwhile => found,
        }
    })
    .await;
    world.stop().await;
}
