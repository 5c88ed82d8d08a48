//! The signing key is rotated in the middle of a sale.

use std::time::Duration;

use http::{Method, StatusCode, header};
use sandbox::actors::{Answer, Edge, Visitor};
use serde_json::{Value, json};

use crate::line::crowd;
use crate::world::{NO_LIMITS, SIGNING_KEYS, World};

const BOUND: Duration = Duration::from_secs(60);
const NEW_KEY: &str = "next:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

#[tokio::test(flavor = "multi_thread")]
async fn while_the_old_key_is_known_its_places_stay_good_and_without_it_the_way_back_is_told() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let both = format!("{NEW_KEY},{SIGNING_KEYS}");
    let (_rotated, rotated) = world.adds_gateway_and_set(&[("ONSALE_SIGNING_KEYS", &both)]).await;
    let (_forgetful, forgetful) = world.adds_gateway_and_set(&[("ONSALE_SIGNING_KEYS", NEW_KEY)]).await;
    let sale = world.lets_one_in(10).await;
    let old = crowd(&world.edge, &sale, 1).await.remove(0);
    let number = number(&old.polls().await.unwrap());

    let mut moved = at(&rotated, &sale, &old);
    assert_eq!(self::number(&moved.polls().await.unwrap()), number);
    let joined = moved.joins().await.unwrap();
    assert_eq!((joined.status, joined.body["place"]["number"].as_u64()), (StatusCode::OK, Some(number)), "{joined:?}");
    assert_ne!(moved.place(), old.place(), "the new key signs");
    let lost = at(&forgetful, &sale, &old);
    for refused in [lost.polls().await.unwrap(), lost.clone().joins().await.unwrap(), lost.leaves().await.unwrap()] {
        assert_eq!((refused.status, refused.code()), (StatusCode::UNAUTHORIZED, Some("place_invalid")), "{refused:?}");
        assert_eq!(refused.body["title"], "The place is not valid", "{refused:?}");
    }
    let mut socket = lost.watches().await.unwrap();
    let error = socket.waits_for("error", BOUND).await.unwrap();
    assert_eq!(error["data"]["code"], "place_invalid", "{error}");

    // What the new key signed is good for the gateway that knows no other, the turn and its pass too.
    let moved = at(&forgetful, &sale, &moved);
    assert_eq!(self::number(&moved.polls().await.unwrap()), number);
    world.paces(&sale, json!({ "max_shoppers": 5, "burst": 5 })).await;
    moved.waits_for_turn(BOUND).await.unwrap().holds("ga", 1).await.unwrap();
    world.holds_every_invariant();
}

/// The browser still has the visitor's cookie, which is no token: joining again brings the same place back.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_place_is_not_known_any_more_offers_to_join_and_finds_the_same_place() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (_forgetful, forgetful) = world.adds_gateway_and_set(&[("ONSALE_SIGNING_KEYS", NEW_KEY)]).await;
    let sale = world.lets_one_in(10).await;
    let slug = world.edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await.unwrap();
    let page = format!("/s/{}/plain", slug.body["slug"].as_str().unwrap());
    let visit = world.edge.ask(Method::GET, &page, &[], &Value::Null).await.unwrap();
    let joined = posts(&world.edge, &page, &cookies(&[&visit])).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{joined:?}");
    let kept = cookies(&[&visit, &joined]);
    let known = text(&reads(&world.edge, &page, &kept).await);
    assert!(known.contains("ahead of you") && !known.contains("Join the queue"), "{known}");

    let unknown = text(&reads(&forgetful, &page, &kept).await);
    assert!(unknown.contains("Join the queue") && !unknown.contains("ahead of you"), "{unknown}");
    let again = posts(&forgetful, &page, &kept).await;
    let location = again.header("location").unwrap().to_owned();
    assert_eq!(location, page, "refused: {again:?}");
    let back = text(&reads(&forgetful, &page, &cookies(&[&visit, &again])).await);
    assert!(back.contains("ahead of you"), "{back}");
    assert_eq!(world.view(&sale).await.joined_total, 2, "a place was given twice");
    world.holds_every_invariant();
}

/// The same visitor at another gateway.
fn at(edge: &Edge, sale: &str, visitor: &Visitor) -> Visitor {
    let mut there = Visitor::new(edge, sale);
    there.shows(visitor.place().unwrap());
    there
}

fn number(answer: &Answer) -> u64 {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["number"].as_u64().unwrap()
}

async fn reads(edge: &Edge, page: &str, cookies: &str) -> Answer {
    let seen = edge.ask(Method::GET, page, &[("cookie", cookies)], &Value::Null).await.unwrap();
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    seen
}

async fn posts(edge: &Edge, page: &str, cookies: &str) -> Answer {
    let headers = [("cookie", cookies), ("content-type", "application/x-www-form-urlencoded")];
    edge.send(Method::POST, page, &headers, "act=join".into()).await.unwrap()
}

/// What a browser keeps of these answers.
fn cookies(answers: &[&Answer]) -> String {
    let set = answers.iter().flat_map(|answer| answer.headers.get_all(header::SET_COOKIE));
    let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

fn text(page: &Answer) -> String {
    page.body.as_str().unwrap().to_owned()
}
