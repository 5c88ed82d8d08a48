//! Several phases: one visitor's chances in each, and which of them is the place.

use domain::PlaceNumber;
use domain::clock::Clock;
use domain::fairness::{draw_key, order};
use domain::sale::PhaseNo;
use domain::token::{PlaceToken, Spot};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use ledger::draws::Draw;
use sandbox::actors::{Answer, Visitor};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{GENERAL_AFTER_PRESALE, World, jazz_with};

/// A browser: the visitor's cookie alone, as if every answer to a join had been lost.
const COOKIE: (&str, &str) = ("cookie", "onsale_visitor=000102030405060708090a0b0c0d0e0f");

const FANS: PhaseNo = PhaseNo(0);

/// To the opening for fans, half an hour before that for everybody.
const FANS_OFFSET_MS: i64 = 1_801_000;

/// A sale of two phases with open prequeues, the first for those with a code, the second for everybody.
async fn two_prequeues(world: &World) -> String {
    let now = Clock::system().now();
    let phase = |id: &str, minutes, access: &str| {
        let opens_at = now + SignedDuration::from_mins(minutes);
        json!({ "id": id, "opens_at": opens_at, "prequeue_opens_at": "2026-01-01T00:00:00Z", "access": access })
    };
    let phases = [phase("fans", 30, "code"), phase("general", 60, "public")];
    let opens_at = phases[0]["opens_at"].clone();
    let changes = json!({ "opens_at": opens_at, "phases": phases, "admission": { "max_shoppers": 1 } });
    world.sale(&jazz_with(50, changes)).await
}

/// The same with a presale that is open.
async fn open_presale(world: &World) -> String {
    let opens_at = Clock::system().now() + SignedDuration::from_hours(1);
    let phases = json!([
        { "id": "fans", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
        { "id": "general", "opens_at": opens_at, "prequeue_opens_at": "2026-01-01T00:00:00Z" },
    ]);
    world.sale(&jazz_with(50, json!({ "phases": phases, "admission": { "max_shoppers": 1 } }))).await
}

async fn joins(world: &World, sale: &str, body: &Value) -> Answer {
    world.post(&format!("/v1/sales/{sale}/queue"), &[COOKIE], body).await
}

/// The number that a join comes to in the end, which may be a look of the gateway later.
async fn number_of(world: &World, sale: &str, body: &Value) -> u64 {
    let mut number = None;
    eventually("the browser has a number", async || {
        number = joins(world, sale, body).await.body["place"]["number"].as_u64();
        number.is_some()
    })
    .await;
    number.unwrap()
}

fn place_of(world: &World, answer: &Answer) -> PlaceToken {
    world.signer.verify_place(answer.body["place"]["token"].as_str().unwrap()).unwrap()
}

async fn asks(world: &World, method: Method, path: &str, place: &PlaceToken) -> Answer {
    let token = format!("Bearer {}", world.signer.sign_place(place));
    world.edge.ask(method, path, &[("authorization", &token)], &Value::Null).await.unwrap()
}

/// Gives a place up, until the gateway has seen it.
async fn leaves(world: &World, sale: &str, place: &PlaceToken) {
    let path = format!("/v1/sales/{sale}/queue/place");
    assert_eq!(asks(world, Method::DELETE, &path, place).await.status, StatusCode::NO_CONTENT);
    eventually("the place is given up", async || asks(world, Method::GET, &path, place).await.body["state"] == "left")
        .await;
}

/// The phase of the draw that a number is proven to come from.
async fn proven_phase(world: &World, sale: &str, place: &PlaceToken, number: u64) -> Value {
    let place = PlaceToken { spot: Spot::Number(PlaceNumber(number)), ..*place };
    let path = format!("/v1/sales/{sale}/queue/place/proof");
    let proof = asks(world, Method::GET, &path, &place).await.expect(StatusCode::OK).unwrap();
    assert_eq!(proof["number"], number);
    proof["phase"].clone()
}

/// The number that was drawn for a registration.
fn drawn(draw: &Draw, index: usize) -> u64 {
    let key = draw_key(draw.seed.as_ref().unwrap(), &draw.root.unwrap(), draw.count, None);
    draw.first_number + u64::from(order(&key, draw.count)[index])
}

#[tokio::test]
async fn of_several_registrations_the_first_whose_number_lives_is_the_place() {
    let world = World::new().await;
    let sale = two_prequeues(&world).await;
    let code = world.organizer.makes_codes(&sale, "fans", 1).await.unwrap().remove(0);
    let (nothing, with_code) = (Value::Null, json!({ "access_code": code }));
    let general = place_of(&world, &joins(&world, &sale, &nothing).await);
    let fans = place_of(&world, &joins(&world, &sale, &with_code).await);
    assert_eq!(general.spot, Spot::Registration { phase: GENERAL_AFTER_PRESALE, index: 0 });
    assert_eq!(fans.spot, Spot::Registration { phase: FANS, index: 0 });
    let again = joins(&world, &sale, &with_code).await;
    assert_eq!((again.status, place_of(&world, &again).spot), (StatusCode::OK, fans.spot), "registered already");
    let again = joins(&world, &sale, &nothing).await;
    assert_eq!((again.status, place_of(&world, &again).spot), (StatusCode::OK, general.spot));
    for _ in 0..3 {
        Visitor::new(&world.edge, &sale).registers().await.unwrap();
    }

    world.clocks_move(&sale, FANS_OFFSET_MS).await;
    let of_fans = drawn(&world.draws_phase(&sale, FANS).await, 0);
    assert_eq!(number_of(&world, &sale, &with_code).await, of_fans, "the other phase has not opened");
    assert_eq!(proven_phase(&world, &sale, &fans, of_fans).await, "fans");

    world.doors_open(&sale).await;
    let of_general = drawn(&world.draws_phase(&sale, GENERAL_AFTER_PRESALE).await, 0);
    let path = format!("/v1/sales/{sale}/queue/place");
    eventually("both are drawn", async || {
        asks(&world, Method::GET, &path, &general).await.body["number"] == of_general
    })
    .await;
    assert_eq!(number_of(&world, &sale, &nothing).await, of_fans, "the number of the first phase lives");
    for (number, phase) in [(of_fans, "fans"), (of_general, "general")] {
        assert_eq!(proven_phase(&world, &sale, &fans, number).await, phase);
    }
    leaves(&world, &sale, &fans).await;
    assert_eq!(number_of(&world, &sale, &nothing).await, of_general, "the other one counts then");
    leaves(&world, &sale, &general).await;
    let new = number_of(&world, &sale, &nothing).await;
    assert!(new > of_general.max(of_fans), "{new}: whoever gave up both lines up again");
    world.stop().await;
}

#[tokio::test]
async fn a_registration_and_a_place_of_the_presale_are_two_chances_of_one_visitor() {
    let world = World::new().await;
    let sale = open_presale(&world).await;
    let code = world.organizer.makes_codes(&sale, "fans", 1).await.unwrap().remove(0);
    let registered = place_of(&world, &joins(&world, &sale, &Value::Null).await);
    let joined = joins(&world, &sale, &json!({ "access_code": code })).await;
    let in_presale = place_of(&world, &joined);
    assert_eq!(joined.body["place"]["number"], 1);
    let path = format!("/v1/sales/{sale}/queue/place");
    let look = async |place: &PlaceToken| asks(&world, Method::GET, &path, place).await.body;
    assert_eq!(look(&registered).await["state"], "prequeue", "the code takes nothing from the registration");

    world.doors_open(&sale).await;
    let of_general = drawn(&world.draws_phase(&sale, GENERAL_AFTER_PRESALE).await, 0);
    eventually("the draw", async || look(&registered).await["number"] == of_general).await;
    assert_eq!(look(&in_presale).await["number"], 1);
    assert_eq!(number_of(&world, &sale, &Value::Null).await, 1, "the browser has the place of the presale");
    leaves(&world, &sale, &in_presale).await;
    assert_eq!(number_of(&world, &sale, &Value::Null).await, of_general, "and then that of the draw");
    world.stop().await;
}
