//! Before the opening, and at it: registrations, the draw, stragglers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::fairness::{draw_key, order};
use domain::token::{Holder, Spot};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use jiff::Timestamp;
use sandbox::actors::{Answer, Visitor};
use sandbox::{FaultProxy, LostReplies, shared};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{self, SOON, Setup, World, jazz, jazz_with};

/// A browser: the visitor's cookie alone.
const COOKIE: (&str, &str) = ("cookie", "onsale_visitor=000102030405060708090a0b0c0d0e0f");

fn holder() -> Holder {
    Holder::of_secret(&std::array::from_fn::<u8, 16, _>(|byte| u8::try_from(byte).unwrap()))
}

async fn joins(world: &World, sale: &str, headers: &[(&str, &str)]) -> Answer {
    world.post(&format!("/v1/sales/{sale}/queue"), headers, &Value::Null).await
}

fn spot(world: &World, answer: &Answer) -> Spot {
    world.signer.verify_place(answer.body["place"]["token"].as_str().unwrap()).unwrap().spot
}

/// The number that a browser is told in the end, which may be a look of the gateway later.
async fn number_of(world: &World, sale: &str, cookie: &str) -> u64 {
    let mut number = None;
    eventually("the browser has a number", async || {
        let again = joins(world, sale, &[("cookie", cookie)]).await.expect(StatusCode::OK).unwrap();
        number = again["place"]["number"].as_u64();
        number.is_some()
    })
    .await;
    number.unwrap()
}

/// Visitors who registered one after the other.
async fn registrants(world: &World, sale: &str, count: usize) -> Vec<Visitor> {
    let mut visitors = vec![Visitor::new(&world.edge, sale); count];
    for visitor in &mut visitors {
        visitor.registers().await.unwrap();
    }
    visitors
}

#[tokio::test]
async fn a_registration_says_when_the_draw_is_and_no_number() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(joined["place"]["state"], "prequeue");
    let position = visitor.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&position["state"], &position["sale_state"]), (&json!("prequeue"), &json!("prequeue")));
    let nothing = ["number", "ahead", "eta_s", "pass", "pass_expires_at", "pause", "notice"];
    assert!(nothing.iter().all(|field| position[field].is_null()), "{position}");
    assert!(position["opens_at"].is_string());
    assert_eq!(position["poll_after_ms"], 30_000, "nobody needs to be heard an hour before");
    assert_eq!(world.registrations(&sale).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_visitor_registers_once_however_often_and_at_once_they_ask() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let answers = join_all((0..10).map(|_| joins(&world, &sale, &[COOKIE]))).await;
    let spots: BTreeSet<String> = answers.iter().map(|answer| format!("{:?}", spot(&world, answer))).collect();
    assert_eq!(spots.len(), 1, "{spots:?}");
    let place = format!("Bearer {}", answers[0].body["place"]["token"].as_str().unwrap());
    let again = joins(&world, &sale, &[("authorization", &place)]).await;
    assert_eq!((again.status, spot(&world, &again)), (StatusCode::OK, spot(&world, &answers[0])));
    assert_eq!(world.registrations(&sale).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_found_again() {
    let postgres = &shared().await.unwrap().postgres;
    let proxy = FaultProxy::start(postgres.address()).await.unwrap();
    let world = World::with(Setup { postgres: Some(proxy.address()), ..Setup::default() }).await;
    let sale = world.prequeue(&jazz(10)).await;
    // The first request that names the holder looks for a registration, the second one makes it.
    proxy.lose_replies(LostReplies::EveryNth(2), &holder().0);
    let lost = joins(&world, &sale, &[COOKIE]).await;
    assert_eq!((lost.code(), proxy.lost()), (Some("store_unavailable"), 1));
    assert_eq!(world.registrations(&sale).await, 1, "it was written before its answer was lost");
    proxy.lose_replies(LostReplies::None, &[]);
    let found = joins(&world, &sale, &[COOKIE]).await;
    assert_eq!((found.status, &found.body["place"]["state"]), (StatusCode::OK, &json!("prequeue")));
    assert_eq!(world.registrations(&sale).await, 1);
    world.stop().await;
}

#[tokio::test]
async fn the_draw_gives_every_registration_the_number_that_anybody_can_compute() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let visitors = registrants(&world, &sale, 9).await;
    world.doors_open(&sale).await;
    let draw = world.draws(&sale).await;
    let key = draw_key(draw.seed.as_ref().unwrap(), &draw.root.unwrap(), draw.count, None);
    let expected: Vec<u64> = order(&key, 9).into_iter().map(|rank| draw.first_number + u64::from(rank)).collect();
    let drawn = join_all(visitors.iter().map(|visitor| visitor.waits_for_number(SOON))).await;
    assert_eq!(drawn.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
    let mut late = Visitor::new(&world.edge, &sale);
    let joined = late.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(joined["place"]["number"], draw.first_number + 9, "whoever comes later is behind the cohort");
    world.stop().await;
}

#[tokio::test]
async fn who_is_here_at_the_draw_is_let_in_and_who_is_not_is_passed_over() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(50)).await;
    let visitors = registrants(&world, &sale, 12).await;
    let mut socket = visitors[3].watches().await.unwrap();
    socket.waits_for("position", SOON).await.unwrap();
    world.doors_open(&sale).await;
    world.draws(&sale).await;
    let drawn = Instant::now();
    socket.waits_for("admitted", SOON).await.unwrap();
    let waited = drawn.elapsed();
    visitors[7].polls_for_turn(SOON).await.unwrap();
    assert!(waited < Duration::from_secs(10), "the absent hold nobody up: {waited:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_walk_up_waits_for_the_draw_and_is_told_so() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(50)).await;
    registrants(&world, &sale, 3).await;
    world.doors_open(&sale).await;
    eventually("the doors are open", async || world.get(&format!("/v1/sales/{sale}")).await.body["state"] == "open")
        .await;
    let refused = joins(&world, &sale, &[COOKIE]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    let waiting = tokio::join!(joins(&world, &sale, &[COOKIE]), world.draws(&sale));
    assert_eq!(waiting.0.body["place"]["number"], 4, "the refused join used up no number: {:?}", waiting.0.body);
    world.stop().await;
}

#[tokio::test]
async fn a_straggler_at_the_opening_gets_exactly_one_place() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(50)).await;
    registrants(&world, &sale, 3).await;
    let cookies: Vec<String> = (0..20_u8).map(|n| format!("onsale_visitor={}", hex::encode([n; 16]))).collect();
    // The clock of Postgres ends the prequeue while some of them knock; that of Redis, which the gateway shows, is late.
    let knocks = join_all(cookies.iter().map(|cookie| async {
        let answer = joins(&world, &sale, &[("cookie", cookie)]).await;
        if answer.status.is_success() { answer } else { joins(&world, &sale, &[("cookie", cookie)]).await }
    }));
    let opening = async {
        world.doors_open(&sale).await;
        world.draws(&sale).await
    };
    let (answers, draw) = tokio::join!(knocks, opening);
    let mut numbers = BTreeSet::new();
    for (cookie, answer) in cookies.iter().zip(&answers) {
        assert!(answer.status.is_success(), "{:?}", answer.body);
        let number = number_of(&world, &sale, cookie).await;
        if let Spot::Number(given) = spot(&world, answer) {
            assert!(given.0 >= draw.first_number + u64::from(draw.count), "{given} is behind the cohort");
            assert_eq!(number, given.0);
        }
        numbers.insert(number);
    }
    assert_eq!(numbers.len(), cookies.len(), "no two have one number");
    world.stop().await;
}

#[tokio::test]
async fn who_lost_the_place_but_not_the_visitor_cookie_has_the_place_of_the_draw() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "max_shoppers": 1 } }))).await;
    joins(&world, &sale, &[COOKIE]).await.expect(StatusCode::CREATED).unwrap();
    registrants(&world, &sale, 5).await;
    world.doors_open(&sale).await;
    let draw = world.draws(&sale).await;
    let key = draw_key(draw.seed.as_ref().unwrap(), &draw.root.unwrap(), draw.count, None);
    let expected = draw.first_number + u64::from(order(&key, draw.count)[0]);
    eventually("the place of the draw", async || {
        let found = joins(&world, &sale, &[COOKIE]).await;
        found.status == StatusCode::OK && found.body["place"]["number"] == expected
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn refused_joins_register_nobody() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(10)).await;
    let other = world.prequeue(&jazz(10)).await;
    let elsewhere = joins(&world, &other, &[COOKIE]).await.expect(StatusCode::CREATED).unwrap();
    let of_other = format!("Bearer {}", elsewhere["place"]["token"].as_str().unwrap());
    let forged = format!("{of_other}x");
    for headers in [&[("authorization", of_other.as_str())], &[("authorization", forged.as_str())]] {
        assert_eq!(joins(&world, &sale, headers).await.code(), Some("place_invalid"));
    }
    let from_elsewhere = [COOKIE, ("sec-fetch-site", "cross-site")];
    assert_eq!(joins(&world, &sale, &from_elsewhere).await.code(), Some("forbidden"));
    let queue = format!("/v1/sales/{sale}/queue");
    let too_long = "x".repeat(65);
    for body in [json!({ "number": 1 }), json!({ "more_time": "yes" }), json!([]), json!({ "access_code": too_long })] {
        assert_eq!(world.post(&queue, &[COOKIE], &body).await.code(), Some("validation_failed"), "{body}");
    }
    assert_eq!(world.registrations(&sale).await, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_registration_is_taken_and_shown_while_redis_is_away() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let limits = "place=100000/1s";
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), limits, ..Setup::default() }).await;
    let sale = world.prequeue(&jazz(10)).await;
    let mut early = Visitor::new(&world.edge, &sale);
    early.registers().await.unwrap();
    proxy.cut().await;
    eventually("nobody can tell what is left", async || {
        let position = early.polls().await.unwrap().expect(StatusCode::OK).unwrap();
        position["state"] == "prequeue" && position["availability"] == json!([])
    })
    .await;
    Visitor::new(&world.edge, &sale).registers().await.unwrap();
    assert_eq!(world.registrations(&sale).await, 2);
    world.stop().await;
}

#[tokio::test]
async fn who_leaves_the_prequeue_is_passed_over_at_the_draw() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(50)).await;
    let visitors = registrants(&world, &sale, 2).await;
    let left = visitors[0].leaves().await.unwrap();
    assert_eq!(left.status, StatusCode::NO_CONTENT);
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"), "the browser forgets the place");
    visitors[1].polls().await.unwrap().expect(StatusCode::OK).unwrap();
    world.doors_open(&sale).await;
    world.draws(&sale).await;
    visitors[1].polls_for_turn(SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_is_too_late_for_postgres_joins_the_line_whatever_the_gateway_thinks() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz(50)).await;
    registrants(&world, &sale, 3).await;
    world.postgres_opens_doors().await;
    let (joined, draw) = tokio::join!(joins(&world, &sale, &[COOKIE]), world.draws(&sale));
    let expected = draw.first_number + u64::from(draw.count);
    assert_eq!(joined.body["place"]["number"], expected, "{:?}", joined.body);
    assert_eq!(number_of(&world, &sale, COOKIE.1).await, expected, "and it is the only place");
    assert_eq!(world.registrations(&sale).await, 3);
    world.stop().await;
}

#[tokio::test]
async fn places_of_the_draw_outlive_redis() {
    let redis = sandbox::Redis::start(sandbox::RedisOptions { persistence: sandbox::Persistence::None }).await.unwrap();
    let world = World::with(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let visitors = registrants(&world, &sale, 6).await;
    redis.flush().await.unwrap();
    world.load(&sale).await;
    let kept = visitors[0].polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(kept["state"], "prequeue", "a registration is not in Redis at all");
    world.postgres_opens_doors().await;
    redis.set_clock_offset(&world.clock_of(&sale), world::DOORS_OFFSET_MS).await.unwrap();
    world.draws(&sale).await;
    let numbers = async || {
        let looks = visitors.iter().map(|visitor| visitor.waits_for_number(SOON));
        join_all(looks).await.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let drawn = numbers().await;
    redis.flush().await.unwrap();
    redis.set_clock_offset(&world.clock_of(&sale), world::DOORS_OFFSET_MS).await.unwrap();
    world.load(&sale).await;
    eventually("the line is there again", async || visitors[0].polls().await.unwrap().status == StatusCode::OK).await;
    assert_eq!(numbers().await, drawn);
    let mut late = Visitor::new(&world.edge, &sale);
    let joined = late.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert!(joined["place"]["number"].as_u64() > drawn.into_iter().max(), "{joined}");
    world.stop().await;
}

#[tokio::test]
async fn more_time_asked_for_before_the_draw_is_there_after_it() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "claim_window_s": 100 } }))).await;
    let (mut usual, mut unhurried) =
        (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale).needing_more_time());
    usual.registers().await.unwrap();
    unhurried.registers().await.unwrap();
    world.doors_open(&sale).await;
    world.draws(&sale).await;
    let mut times = Vec::new();
    for visitor in [&usual, &unhurried] {
        visitor.polls_for_turn(SOON).await.unwrap();
        let expires = visitor.polls().await.unwrap().body["pass_expires_at"].as_str().unwrap().parse::<Timestamp>();
        times.push(expires.unwrap());
    }
    let more_s = (times[1] - times[0]).total(jiff::Unit::Second).unwrap();
    assert!((170.0..230.0).contains(&more_s), "300 s to use a turn instead of 100 s: {more_s} s more");
    world.stop().await;
}

#[tokio::test]
async fn who_gave_up_the_place_of_the_draw_gets_one_new_place() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz_with(50, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let registered = joins(&world, &sale, &[COOKIE]).await.expect(StatusCode::CREATED).unwrap();
    registrants(&world, &sale, 2).await;
    world.doors_open(&sale).await;
    let draw = world.draws(&sale).await;
    let drawn = number_of(&world, &sale, COOKIE.1).await;
    let place = format!("Bearer {}", registered["place"]["token"].as_str().unwrap());
    let path = format!("/v1/sales/{sale}/queue/place");
    let left = world.edge.ask(Method::DELETE, &path, &[("authorization", &place)], &Value::Null).await.unwrap();
    assert_eq!(left.status, StatusCode::NO_CONTENT);
    let again = joins(&world, &sale, &[COOKIE]).await.expect(StatusCode::CREATED).unwrap();
    let new = again["place"]["number"].as_u64().unwrap();
    assert!(new >= draw.first_number + 3 && new != drawn, "{new} instead of {drawn}");
    assert_eq!(number_of(&world, &sale, COOKIE.1).await, new, "the registration does not give another one");
    world.stop().await;
}
