//! The queue from its organizer's side: notices, the rate, bypasses, and the log.

use http::{Method, StatusCode};
use ledger::organizers::KeyRole;
use sandbox::actors::Visitor;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, World, jazz, jazz_with};

#[tokio::test]
async fn a_notice_reaches_everybody_and_can_be_taken_back() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let told = world.organizer.says(&sale, "  Doors at eight.\nBring a coat. ").await.unwrap();
    assert_eq!(told.expect(StatusCode::OK).unwrap()["notice"]["text"], "Doors at eight.\nBring a coat.");
    eventually("the notice in a position", async || {
        visitor.polls().await.unwrap().body["notice"]["text"] == "Doors at eight.\nBring a coat."
    })
    .await;
    let sale_page = world.get(&format!("/v1/sales/{sale}")).await.body;
    assert!(sale_page["notice"]["at"].is_string());
    let taken_back = world.organizer.says(&sale, "").await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(taken_back["notice"], json!(null));
    eventually("no notice", async || visitor.polls().await.unwrap().body["notice"].is_null()).await;
    for wrong in ["x".repeat(501), "bell\u{7}".to_owned()] {
        let refused = world.organizer.says(&sale, &wrong).await.unwrap();
        assert_eq!(refused.body["errors"][0]["pointer"], "/text");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_new_rate_and_cap_act_within_a_second_and_the_rest_stays() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 1, "session_s": 600 } }))).await;
    let mut visitors = vec![Visitor::new(&world.edge, &sale); 3];
    for visitor in &mut visitors {
        visitor.joins().await.unwrap();
    }
    visitors[0].waits_for_turn(SOON).await.unwrap();
    let changed = world.organizer.paces(&sale, &json!({ "max_shoppers": 2 })).await.unwrap();
    let changed = changed.expect(StatusCode::OK).unwrap();
    assert_eq!((&changed["admission"]["max_shoppers"], &changed["admission"]["session_s"]), (&json!(2), &json!(600)));
    visitors[1].waits_for_turn(SOON).await.unwrap();
    assert_eq!(visitors[2].polls().await.unwrap().body["state"], "waiting", "the order stays and so does the cap");
    for (patch, pointer) in [
        (json!({ "rate_per_s": 0 }), "/rate_per_s"),
        (json!({ "rate_per_s": 1_000_000 }), "/rate_per_s"),
        (json!({ "rate_per_s": null }), "/rate_per_s"),
        (json!({ "rate": 1 }), "/rate"),
    ] {
        let refused = world.organizer.paces(&sale, &patch).await.unwrap();
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (StatusCode::BAD_REQUEST, &json!(pointer)),
            "{patch}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn a_bypass_lets_one_in_out_of_turn_and_is_in_the_log_with_its_reason() {
    let world = World::new().await;
    // One turn a second: the thirtieth would come in half a minute.
    let pace = json!({ "rate_per_s": 1, "burst": 1, "max_shoppers": 29 });
    let sale = world.sale(&jazz_with(40, json!({ "admission": pace }))).await;
    let mut visitors = vec![Visitor::new(&world.edge, &sale); 30];
    for visitor in &mut visitors {
        visitor.joins().await.unwrap();
    }
    visitors[0].waits_for_turn(SOON).await.unwrap();
    world.organizer.paces(&sale, &json!({ "max_shoppers": 1 })).await.unwrap().expect(StatusCode::OK).unwrap();
    let mut tried = 1;
    eventually("a full shop", async || {
        // Until the new cap has reached the tick, one may still be let in, who waits no more: each try is another one.
        tried += 1;
        world.organizer.bypasses(&sale, tried, "a try").await.unwrap().code() == Some("no_room")
    })
    .await;
    world.organizer.paces(&sale, &json!({ "max_shoppers": 29 })).await.unwrap().expect(StatusCode::OK).unwrap();
    eventually("room", async || {
        let bypassed = world.organizer.bypasses(&sale, 30, "wheelchair user").await.unwrap();
        assert!(matches!(bypassed.code(), None | Some("no_room")), "{}", bypassed.body);
        bypassed.status == StatusCode::CREATED
    })
    .await;
    eventually("a turn out of turn", async || visitors[29].polls().await.unwrap().body["state"] == "admitted").await;
    assert_eq!(visitors[27].polls().await.unwrap().body["state"], "waiting", "the order of the others stays");
    let log =
        async || world.organizer.looks_at_queue(&sale).await.unwrap().expect(StatusCode::OK).unwrap()["log"].clone();
    eventually("the reason in the log", async || {
        let log = log().await;
        let asked = (&json!("bypass_asked"), &json!(30), &json!("wheelchair user"));
        let mut lines = log["data"].as_array().unwrap().iter();
        lines.any(|line| (&line["kind"], &line["number"], &line["note"]) == asked)
    })
    .await;
    let unknown = world.organizer.bypasses(&sale, 99, "no such number").await.unwrap();
    assert_eq!(unknown.code(), Some("not_waiting"));
    for (body, pointer) in [(json!({ "number": 3, "reason": " " }), "/reason"), (json!({ "number": 3 }), "")] {
        let refused = world.organizer.asks(Method::POST, &format!("sales/{sale}/bypasses"), &body).await.unwrap();
        assert_eq!(
            (refused.code(), &refused.body["errors"][0]["pointer"]),
            (Some("validation_failed"), &json!(pointer))
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn the_queue_is_shown_with_its_pace_and_its_log_page_by_page() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(10, json!({ "admission": { "max_shoppers": 3, "rate_per_s": 7 } }))).await;
    let mut visitors = vec![Visitor::new(&world.edge, &sale); 5];
    for visitor in &mut visitors {
        visitor.joins().await.unwrap();
    }
    for visitor in &visitors[..3] {
        visitor.waits_for_turn(SOON).await.unwrap();
    }
    let shown = async || world.organizer.looks_at_queue(&sale).await.unwrap().expect(StatusCode::OK).unwrap();
    eventually("two waiting and three inside", async || {
        let line = shown().await["line"].clone();
        (&line["waiting"], &line["shoppers"], &line["joined_total"]) == (&json!(2), &json!(3), &json!(5))
    })
    .await;
    let pace = shown().await["pace"].clone();
    assert_eq!((&pace["rate_per_s"], &pace["factor"], &pace["why"]), (&json!(7), &json!(1.0), &json!("full")));

    let page = async |query: &str| {
        let path = format!("sales/{sale}/queue?limit=2{query}");
        world.organizer.asks(Method::GET, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap()["log"]
            .clone()
    };
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = page(&cursor).await;
        lines.extend(part["data"].as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap()));
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(lines.len() >= 3, "three turns at least: {lines:?}");
    assert_eq!(lines, (1..=lines.len() as u64).rev().collect::<Vec<_>>(), "the latest first, without holes");

    world.organizer.asks(Method::POST, &format!("sales/{sale}/pause"), &Value::Null).await.unwrap();
    eventually("why nothing moves", async || shown().await["pace"]["why"] == "paused_by_organizer").await;
    assert_eq!(shown().await["pace"]["factor"], 0.0);
    for wrong in ["limit=0", "limit=101", "cursor=zz"] {
        let refused =
            world.organizer.asks(Method::GET, &format!("sales/{sale}/queue?{wrong}"), &Value::Null).await.unwrap();
        assert_eq!(refused.code(), Some("validation_failed"), "{wrong}");
    }
    world.stop().await;
}

/// No operator's endpoint has a way in without a key, or with one of too little weight, or of somebody else.
#[tokio::test]
async fn nobody_operates_a_sale_without_its_key() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (door, support) =
        (world.somebody(KeyRole::Door, "Blue Note").await, world.somebody(KeyRole::Support, "Blue Note").await);
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    let nobody = sandbox::actors::Organizer::new(&world.edge, "");
    let decisions = [
        (Method::POST, "notices", json!({ "text": "free beer" })),
        (Method::PATCH, "admission", json!({ "rate_per_s": 1_000 })),
        (Method::POST, "access-codes", json!({ "phase": "general", "count": 1 })),
        (Method::POST, "bypasses", json!({ "number": 1, "reason": "a friend" })),
        (Method::POST, "publish", Value::Null),
        (Method::POST, "pause", Value::Null),
        (Method::POST, "resume", Value::Null),
        (Method::POST, "close", Value::Null),
    ];
    let before = world.organizer.asks(Method::GET, &format!("sales/{sale}"), &Value::Null).await.unwrap();
    for (method, what, body) in decisions {
        let path = format!("sales/{sale}/{what}");
        for (who, code) in
            [(&nobody, "unauthorized"), (&stranger, "not_found"), (&door, "forbidden"), (&support, "forbidden")]
        {
            assert_eq!(who.asks(method.clone(), &path, &body).await.unwrap().code(), Some(code), "{what}");
        }
    }
    let queue = format!("sales/{sale}/queue");
    for (who, code) in [(&nobody, "unauthorized"), (&stranger, "not_found"), (&door, "forbidden")] {
        assert_eq!(who.asks(Method::GET, &queue, &Value::Null).await.unwrap().code(), Some(code));
    }
    support.asks(Method::GET, &queue, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let after = world.organizer.asks(Method::GET, &format!("sales/{sale}"), &Value::Null).await.unwrap();
    assert_eq!(after.body["version"], before.body["version"], "nothing was changed");
    world.stop().await;
}
