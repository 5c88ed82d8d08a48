//! Access codes: made by the organizer, used to join.

use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{Answer, Visitor};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{Setup, World, jazz_with};

/// A sale whose presale is open to those with a code, and whose general sale opens tomorrow.
fn presale(units: u32) -> Value {
    jazz_with(
        units,
        json!({
            "phases": [
                { "id": "presale", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
                { "id": "general", "opens_at": "2099-01-02T00:00:00Z" },
            ],
        }),
    )
}

async fn joins_with(world: &World, sale: &str, code: &str) -> Answer {
    Visitor::new(&world.edge, sale).with_access_code(code).joins().await.unwrap()
}

#[tokio::test]
async fn a_presale_admits_its_own_and_an_invite_lets_in_one_visitor() {
    let world = World::new().await;
    let sale = world.sale(&presale(10)).await;
    let codes = world.organizer.makes_codes(&sale, "presale", 2).await.unwrap();
    let refused = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, Some("access_code_required")));
    let wrong = joins_with(&world, &sale, "ABCD-EFGH-JKMN").await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::FORBIDDEN, Some("access_code_required")));

    let mut guest = Visitor::new(&world.edge, &sale).with_access_code(&codes[0]);
    assert_eq!(guest.joins().await.unwrap().body["place"]["number"], 1, "those who were refused used up no number");
    guest.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    let second = joins_with(&world, &sale, &codes[0]).await;
    assert_eq!(second.code(), Some("access_code_required"));
    assert!(second.body["detail"].as_str().unwrap().contains("used"), "{}", second.body);
    let typed = codes[1].to_lowercase().replace('-', " ");
    assert_eq!(joins_with(&world, &sale, &typed).await.body["place"]["number"], 2);
    world.stop().await;
}

#[tokio::test]
async fn a_join_sent_again_without_its_answer_is_no_second_use() {
    let world = World::new().await;
    let sale = world.sale(&presale(10)).await;
    let codes = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap();
    let queue = format!("/v1/sales/{sale}/queue");
    let body = json!({ "access_code": codes[0] });
    let challenge = world.get(&format!("{queue}/challenge")).await;
    let cookie = challenge.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mut numbers = Vec::new();
    for _ in 0..3 {
        // The same visitor, each time as if the answer before had been lost: no place token, no place cookie.
        let joined = world.post(&queue, &[("cookie", &cookie)], &body).await;
        numbers.push(joined.body["place"]["number"].clone());
    }
    assert_eq!(numbers, vec![json!(1); 3]);
    world.stop().await;
}

/// As a page does that makes sure of its cookie first: the answers to its joins are lost, and the invite is not.
#[tokio::test]
async fn an_invite_to_a_prequeue_survives_lost_answers_of_a_visitor_who_is_known() {
    let world = World::new().await;
    let phases = json!([
        { "id": "presale", "opens_at": "2099-01-01T00:00:00Z", "prequeue_opens_at": "2020-01-01T00:00:00Z", "access": "code" },
        { "id": "general", "opens_at": "2099-01-02T00:00:00Z" },
    ]);
    let sale = world.sale(&jazz_with(10, json!({ "opens_at": "2099-01-01T00:00:00Z", "phases": phases }))).await;
    let codes = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap();
    let queue = format!("/v1/sales/{sale}/queue");
    let body = json!({ "access_code": codes[0] });
    let known = world.get(&format!("{queue}/challenge")).await;
    let cookie = known.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let mut spots = Vec::new();
    for _ in 0..3 {
        let joined = world.post(&queue, &[("cookie", &cookie)], &body).await;
        spots.push(world.signer.verify_place(joined.body["place"]["token"].as_str().unwrap()).unwrap().spot);
    }
    assert!(spots.iter().all(|spot| *spot == spots[0]), "{spots:?}");
    assert_eq!(world.registrations(&sale).await, 1);
    let stranger = world.post(&queue, &[], &body).await;
    assert_eq!(stranger.code(), Some("access_code_required"), "without the cookie it is somebody else's retry");
    world.stop().await;
}

/// The invite is used by the first try, which a lost store refuses; the second try is the same visitor's.
#[tokio::test]
async fn an_invite_survives_a_join_that_was_refused_after_it_was_used() {
    let world = World::new().await;
    let config = presale(10);
    // Published and not loaded: Postgres takes the code, and Redis knows nothing of the sale.
    let sale = world.organizer.publishes(&config).await.unwrap();
    let codes = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap();
    let queue = format!("/v1/sales/{sale}/queue");
    let body = json!({ "access_code": codes[0] });
    let refused = world.post(&queue, &[], &body).await;
    assert_eq!(refused.code(), Some("store_unavailable"), "{}", refused.body);
    let cookie = refused.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    world.load(&sale).await;
    eventually("a number", async || {
        let joined = world.post(&queue, &[("cookie", &cookie)], &body).await;
        joined.body["place"]["number"] == 1
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn whoever_has_a_place_needs_no_code_again() {
    let world = World::new().await;
    let sale = world.sale(&presale(10)).await;
    let codes = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap();
    let mut guest = Visitor::new(&world.edge, &sale).with_access_code(&codes[0]);
    guest.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let mut elsewhere = Visitor::new(&world.edge, &sale);
    elsewhere.shows(guest.place().unwrap());
    let again = elsewhere.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(again["place"]["number"], 1);
    world.stop().await;
}

#[tokio::test]
async fn of_many_at_once_with_one_invite_one_gets_in() {
    let world = World::new().await;
    let sale = world.sale(&presale(10)).await;
    let code = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap().remove(0);
    let joins: Vec<_> = (0..20).map(|_| joins_with(&world, &sale, &code)).collect();
    let mut joined = 0;
    for answer in futures_util::future::join_all(joins).await {
        match answer.status {
            StatusCode::CREATED => joined += 1,
            _ => assert_eq!(answer.code(), Some("access_code_required")),
        }
    }
    assert_eq!(joined, 1);
    world.stop().await;
}

#[tokio::test]
async fn guessing_runs_dry_for_its_address_and_for_nobody_else() {
    let world = World::with(Setup { limits: "code=200/3600s", ..Setup::default() }).await;
    let sale = world.sale(&presale(10)).await;
    let code = world.organizer.makes_codes(&sale, "presale", 2).await.unwrap();
    let guess = async |guess: &str| {
        let queue = format!("/v1/sales/{sale}/queue");
        let headers = [("x-forwarded-for", "203.0.113.7")];
        world.post(&queue, &headers, &json!({ "access_code": guess })).await
    };
    let mut tried = 0;
    while guess("WRONG-CODE-1").await.code() != Some("rate_limited") {
        tried += 1;
        assert!(tried < 10, "a wrong code counts as fifty");
    }
    // What is left of the bucket is worth nothing to a guesser for long, and the right code is not looked at.
    for _ in 0..200 {
        guess("WRONG-CODE-1").await;
    }
    assert_eq!(guess(&code[0]).await.code(), Some("rate_limited"));
    assert_eq!(joins_with(&world, &sale, &code[1]).await.status, StatusCode::CREATED);
    world.stop().await;
}

#[tokio::test]
async fn codes_are_kept_as_digests_only() {
    let world = World::new().await;
    let sale = world.sale(&presale(10)).await;
    let path = format!("sales/{sale}/access-codes");
    let own = json!({ "phase": "presale", "codes": ["JAZZ-2030-NIGHT"], "max_uses": 3 });
    let made = world.organizer.asks(Method::POST, &path, &own).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!((&made["codes"][0], &made["added"]), (&json!("JAZZ-2030-NIGHT"), &json!(1)));
    let again = world.organizer.asks(Method::POST, &path, &own).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(again["added"], 0, "a code that is there stays as it is");
    let found = "SELECT count(*) FROM access_codes c WHERE c::text ILIKE '%JAZZ%'";
    assert_eq!(world.database.number(found).await.unwrap(), 0);
    assert_eq!(
        world.database.number("SELECT count(*) FROM audit_log l WHERE l::text ILIKE '%2030-NIGHT%'").await.unwrap(),
        0
    );
    for _ in 0..3 {
        assert_eq!(joins_with(&world, &sale, "jazz 2030 night").await.status, StatusCode::CREATED);
    }
    assert_eq!(joins_with(&world, &sale, "jazz 2030 night").await.code(), Some("access_code_required"));
    world.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_for_codes_is_told() {
    let world = World::new().await;
    let sale = world.sale(&presale(1)).await;
    let path = format!("sales/{sale}/access-codes");
    for (wish, pointer) in [
        (json!({ "phase": "presale" }), ""),
        (json!({ "phase": "presale", "count": 0 }), "/count"),
        (json!({ "phase": "presale", "count": 1_001 }), "/count"),
        (json!({ "phase": "presale", "codes": ["short"] }), "/codes/0"),
        (json!({ "phase": "presale", "codes": ["LONG-ENOUGH", "long enough"] }), "/codes"),
        (json!({ "phase": "presale", "count": 1, "max_uses": 0 }), "/max_uses"),
        (json!({ "phase": "general", "count": 1 }), "/phase"),
        (json!({ "phase": "never", "count": 1 }), "/phase"),
    ] {
        let refused = world.organizer.asks(Method::POST, &path, &wish).await.unwrap();
        assert_eq!(
            (refused.code(), &refused.body["errors"][0]["pointer"]),
            (Some("validation_failed"), &json!(pointer)),
            "{wish}"
        );
    }
    world.stop().await;
}

/// A prequeue for everybody beside an open presale: who shows a code wants what it opens.
#[tokio::test]
async fn a_wrong_code_is_told_rather_than_ignored() {
    let world = World::new().await;
    let soon = jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let config = jazz_with(
        10,
        json!({
            "phases": [
                { "id": "presale", "opens_at": "2020-01-01T00:00:00Z", "access": "code" },
                { "id": "general", "prequeue_opens_at": "2020-01-02T00:00:00Z", "opens_at": soon.to_string() },
            ],
        }),
    );
    let sale = world.sale(&config).await;
    let code = world.organizer.makes_codes(&sale, "presale", 1).await.unwrap().remove(0);
    let registered = Visitor::new(&world.edge, &sale).joins().await.unwrap();
    assert_eq!(registered.body["place"]["state"], "prequeue");
    assert_eq!(joins_with(&world, &sale, "WRONG-CODE-1").await.code(), Some("access_code_required"));
    assert_eq!(joins_with(&world, &sale, &code).await.body["place"]["number"], 1);
    world.stop().await;
}
