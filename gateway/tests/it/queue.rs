//! `/v1/sales/{sale}/queue`

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use domain::token::Holder;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Visitor};
use sandbox::{FaultProxy, LostReplies, shared};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, Setup, World, jazz, jazz_with};

#[tokio::test]
async fn a_visitor_joins_once_however_often_they_ask() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let first = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!((&first["place"]["number"], &first["position"]["sale_state"]), (&json!(1), &json!("open")));
    let again = visitor.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(again["place"]["number"], 1);
    let mut other = Visitor::new(&world.edge, &sale);
    assert_eq!(other.joins().await.unwrap().body["place"]["number"], 2);
    world.stop().await;
}

#[tokio::test]
async fn a_browser_keeps_its_place_by_its_cookies() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let queue = format!("/v1/sales/{sale}/queue");
    let joined = world.post(&queue, &[], &Value::Null).await;
    let set: Vec<_> = joined.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(set.iter().all(|cookie| cookie.contains("HttpOnly; SameSite=Lax")), "{set:?}");
    let pairs: Vec<_> = set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    let cookie = pairs.join("; ");
    let again = world.post(&queue, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")], &Value::Null).await;
    assert_eq!((again.status, &again.body["place"]["number"]), (StatusCode::OK, &json!(1)));
    let place = format!("{queue}/place");
    assert_eq!(world.get_with(&place, &[("cookie", &cookie)]).await.status, StatusCode::OK);
    let from_elsewhere = [("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(world.post(&queue, &from_elsewhere, &Value::Null).await.code(), Some("forbidden"));
    assert_eq!(world.get_with(&place, &from_elsewhere).await.code(), Some("forbidden"));
    assert_eq!(world.get(&place).await.code(), Some("unauthorized"));
    world.stop().await;
}

#[tokio::test]
async fn turns_are_given_in_order_and_the_pass_is_the_same_each_time() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut first, mut second) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    first.joins().await.unwrap();
    second.joins().await.unwrap();
    let buyer = first.polls_for_turn(SOON).await.unwrap();
    let again = first.polls().await.unwrap();
    assert_eq!(again.body["pass"].as_str(), Some(buyer.pass()));
    assert!(again.body["pass_expires_at"].is_string() && again.body["ahead"].is_null());
    let waiting = second.polls().await.unwrap().body;
    assert_eq!((&waiting["state"], &waiting["ahead"], &waiting["pass"]), (&json!("waiting"), &json!(0), &json!(null)));
    assert_eq!(first.leaves().await.unwrap().status, StatusCode::NO_CONTENT);
    second.polls_for_turn(SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_left_may_join_again_at_the_end() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut inside = Visitor::new(&world.edge, &sale);
    inside.joins().await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    assert_eq!(visitor.leaves().await.unwrap().status, StatusCode::NO_CONTENT);
    eventually("left", async || visitor.polls().await.unwrap().body["state"] == "left").await;
    let again = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!((&again["place"]["number"], &again["place"]["state"]), (&json!(3), &json!("waiting")));
    world.stop().await;
}

#[tokio::test]
async fn a_sale_takes_nobody_before_it_opens_while_it_is_paused_and_after_it_closed() {
    let world = World::new().await;
    let later = world.sale(&jazz_with(1, json!({ "opens_at": "2099-01-01T00:00:00Z" }))).await;
    let refused = Visitor::new(&world.edge, &later).joins().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("sale_not_open")));

    let sale = world.sale(&jazz(1)).await;
    let decide = async |decision: &str| {
        let path = format!("sales/{sale}/{decision}");
        world.organizer.asks(Method::POST, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    };
    let code = async || {
        let answer = Visitor::new(&world.edge, &sale).joins().await.unwrap();
        answer.code().unwrap_or("joined").to_owned()
    };
    decide("pause").await;
    assert_eq!(code().await, "sale_paused");
    decide("resume").await;
    assert_eq!(code().await, "joined");
    decide("close").await;
    assert_eq!(code().await, "sale_closed");
    world.stop().await;
}

#[tokio::test]
async fn numbers_are_reserved_in_postgres_before_they_are_used() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let reserved = "SELECT coalesce(max(last_number), 0) FROM number_blocks";
    assert_eq!(world.database.number(reserved).await.unwrap(), 0);
    Visitor::new(&world.edge, &sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert!(world.database.number(reserved).await.unwrap() >= 1);
    world.stop().await;
}

#[tokio::test]
async fn refused_joins_use_up_no_number() {
    let world = World::new().await;
    let (sale, other) = (world.sale(&jazz(10)).await, world.sale(&jazz(10)).await);
    let queue = format!("/v1/sales/{sale}/queue");
    let mut elsewhere = Visitor::new(&world.edge, &other);
    elsewhere.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let of_other = format!("Bearer {}", elsewhere.place().unwrap());
    let forged = format!("{of_other}A");
    for authorization in [of_other.as_str(), forged.as_str(), "Bearer plc_", "Bearer x"] {
        let refused = world.post(&queue, &[("authorization", authorization)], &Value::Null).await;
        assert_eq!(refused.code(), Some("place_invalid"), "{authorization}");
    }
    for body in [json!({ "number": 1 }), json!({ "proof": 1 }), json!("join")] {
        assert_eq!(world.post(&queue, &[], &body).await.code(), Some("validation_failed"), "{body}");
    }
    assert_eq!(world.post(&queue, &[("sec-fetch-site", "cross-site")], &Value::Null).await.code(), Some("forbidden"));
    let first = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!(first.body["place"]["number"], 1);
    world.stop().await;
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_finds_the_same_number_again() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz(10)).await;
    Visitor::new(&world.edge, &sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let secret = [7; 16];
    let cookie = format!("onsale_visitor={}", hex::encode(secret));
    let join = async || world.post(&format!("/v1/sales/{sale}/queue"), &[("cookie", &cookie)], &Value::Null).await;
    // The end of the thumbprint is in every way to write it down.
    proxy.lose_replies(LostReplies::Next(1), &Holder::of_secret(&secret).0[4..]);
    let lost = join().await;
    assert_eq!(proxy.lost(), 1);
    // The client of Redis may have sent the script once more by itself: that is asking again, too.
    assert!(lost.code() == Some("store_unavailable") || lost.body["place"]["number"] == 2, "{:?}", lost.body);
    eventually("the place is found", async || {
        let found = join().await;
        found.status == StatusCode::OK && found.body["place"]["number"] == 2
    })
    .await;
    let next = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!(next.body["place"]["number"], 3, "asking again used up nothing");
    world.stop().await;
}

#[tokio::test]
async fn numbers_follow_the_order_of_arrival() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    for wave in 0..4_u64 {
        let mut visitors: Vec<_> = (0..50).map(|_| Visitor::new(&world.edge, &sale)).collect();
        let answers = join_all(visitors.iter_mut().map(Visitor::joins)).await;
        let number = |answer: &Answer| answer.body["place"]["number"].as_u64().unwrap();
        let numbers: BTreeSet<u64> = answers.iter().map(|answer| number(answer.as_ref().unwrap())).collect();
        assert_eq!(numbers, (wave * 50 + 1..=wave * 50 + 50).collect(), "a wave is behind the one before it");
    }
    world.stop().await;
}

#[tokio::test]
async fn two_devices_of_one_holder_agree_through_any_gateway() {
    let world = World::new().await;
    let second = world.second_gateway().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut inside = Visitor::new(&world.edge, &sale);
    inside.joins().await.unwrap();
    inside.polls_for_turn(SOON).await.unwrap();
    let mut ahead = Visitor::new(&world.edge, &sale);
    ahead.joins().await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let bearer = format!("Bearer {}", visitor.place().unwrap());
    let path = format!("/v1/sales/{sale}/queue/place");
    let both = async || {
        let headers = [("authorization", bearer.as_str())];
        let phone = second.edge.ask(Method::GET, &path, &headers, &Value::Null).await.unwrap().body;
        (world.get_with(&path, &headers).await.body, phone)
    };
    let agree = |seen: &(Value, Value), ahead: u64| {
        [&seen.0, &seen.1].iter().all(|position| position["ahead"] == ahead && position["number"] == 3)
    };
    eventually("both see one ahead", async || agree(&both().await, 1)).await;
    ahead.leaves().await.unwrap();
    eventually("both see nobody ahead", async || agree(&both().await, 0)).await;
    second.stop().await;
    world.stop().await;
}

#[tokio::test]
async fn places_outlive_redis_and_nobody_counts_numbers_that_were_never_given() {
    let redis = sandbox::Redis::start(sandbox::RedisOptions { persistence: sandbox::Persistence::None }).await.unwrap();
    let world = World::with(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut visitors = vec![Visitor::new(&world.edge, &sale); 4];
    for visitor in &mut visitors {
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    }
    visitors[0].polls_for_turn(SOON).await.unwrap();
    redis.flush().await.unwrap();
    world.load(&sale).await;
    let number = async |visitor: &Visitor| visitor.polls().await.unwrap().body["number"].as_u64();
    for (place, visitor) in (1..).zip(&visitors) {
        eventually("the place is there again", async || number(visitor).await == Some(place)).await;
    }
    eventually("who was inside is inside", async || visitors[0].polls().await.unwrap().body["state"] == "admitted")
        .await;
    eventually("the others are in line", async || visitors[3].polls().await.unwrap().body["ahead"] == 2).await;
    let again = visitors[2].joins().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(again["place"]["number"], 3, "the token proves it");
    let mut late = Visitor::new(&world.edge, &sale);
    let joined = late.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert!(joined["place"]["number"].as_u64().unwrap() > 4, "no number is given again");
    assert!(joined["position"]["ahead"].as_u64().unwrap() <= 3, "{joined}");
    let token = world.signer.verify_place(late.place().unwrap()).unwrap();
    assert_eq!(token.epoch, 2, "the place says in which epoch it was given");
    world.stop().await;
}

#[tokio::test]
async fn notices_and_pauses_are_in_every_position() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut inside = Visitor::new(&world.edge, &sale);
    inside.joins().await.unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale);
    let joined = visitor.joins().await.unwrap();
    assert!(joined.body["position"]["notice"].is_null() && joined.body["position"]["pause"].is_null());
    world.organizer.says(&sale, "The doors of the hall open an hour later.").await.unwrap();
    eventually("the notice", async || {
        let notice = visitor.polls().await.unwrap().body["notice"].take();
        notice["text"] == "The doors of the hall open an hour later." && notice["at"].is_string()
    })
    .await;
    world.organizer.asks(Method::POST, &format!("sales/{sale}/pause"), &Value::Null).await.unwrap();
    let paused = json!({ "by": "organizer", "what": null });
    eventually("the pause", async || visitor.polls().await.unwrap().body["pause"] == paused).await;
    let again = visitor.joins().await.unwrap();
    assert_eq!(again.status, StatusCode::OK, "who has a place keeps it during a pause");
    world.organizer.asks(Method::POST, &format!("sales/{sale}/resume"), &Value::Null).await.unwrap();
    eventually("it goes on", async || visitor.polls().await.unwrap().body["pause"].is_null()).await;
    world.stop().await;
}

#[tokio::test]
async fn who_leaves_gives_back_what_is_held() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let buyer = visitor.polls_for_turn(SOON).await.unwrap();
    buyer.holds("ga", 2).await.unwrap();
    eventually("two are held", async || world.remaining(&sale).await == 3).await;
    let left = visitor.leaves().await.unwrap();
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"), "the browser forgets the place");
    eventually("all are back", async || world.remaining(&sale).await == 5).await;
    world.stop().await;
}

#[tokio::test]
async fn who_asks_for_more_time_has_three_times_as_much() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let usual = world.buyer(&sale).await.asks_to_hold("ga", 1).await.unwrap().body["ttl_s"].as_u64().unwrap();
    let mut visitor = Visitor::new(&world.edge, &sale).needing_more_time();
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.polls_for_turn(SOON).await.unwrap();
    assert_eq!(buyer.asks_to_hold("ga", 1).await.unwrap().body["ttl_s"], 3 * usual);
    world.stop().await;
}

/// As many as a carrier puts behind one address.
const BEHIND_ONE_ADDRESS: usize = 5_000;
/// How long all of them may take.
const CROWD_MAX: Duration = Duration::from_secs(60);
/// Joins on their way at once.
const AT_ONCE: usize = 250;

#[tokio::test]
async fn thousands_behind_one_address_join() {
    let world = World::new().await;
    let sale = world.sale(&jazz(10)).await;
    let path = format!("/v1/sales/{sale}/queue");
    let begun = Instant::now();
    let join = async |_: usize| {
        let mut answer = world.post(&path, &[("x-forwarded-for", "203.0.113.9")], &Value::Null).await;
        // A busy machine may be too busy for a moment; a limit it is not.
        while answer.status == StatusCode::SERVICE_UNAVAILABLE && begun.elapsed() < CROWD_MAX {
            let pause = Duration::from_secs(answer.header("retry-after").unwrap().parse().unwrap());
            tokio::time::sleep(pause).await;
            answer = world.post(&path, &[("x-forwarded-for", "203.0.113.9")], &Value::Null).await;
        }
        answer.expect(StatusCode::CREATED).unwrap()["place"]["number"].as_u64().unwrap()
    };
    let numbers: BTreeSet<u64> =
        futures_util::stream::iter(0..BEHIND_ONE_ADDRESS).map(join).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(numbers.len(), BEHIND_ONE_ADDRESS);
    world.stop().await;
}
