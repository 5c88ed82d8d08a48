//! No other way of writing a path, a method or a token opens what the right one does not, and guessing tells nothing.

use domain::token::{Allowance, Holder, PlaceToken, Signer, Spot};
use http::{Method, StatusCode};
use sandbox::actors::Visitor;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::traces::TRACEPARENT;
use crate::world::{SOON, World, jazz, jazz_with};

/// Ways to write a path that some servers take for the same.
fn variants(path: &str) -> Vec<String> {
    let last = path.rfind('/').expect("a path has a slash");
    vec![
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        path.replacen("/v1/", "//v1//", 1),
        format!("{}%2F{}", &path[..last], &path[last + 1..]),
        format!("{}/%{:02x}{}", &path[..last], path.as_bytes()[last + 1], &path[last + 2..]),
        format!("{}/./{}", &path[..last], &path[last + 1..]),
        format!("{path}/../{}", &path[last + 1..]),
        format!("{path};jsessionid=1"),
        format!("{path}%00"),
        format!("{path}."),
        format!("{path}\\"),
    ]
}

/// Ways to claim another method than that of the request.
const OVERRIDES: [(&str, &str); 3] =
    [("x-http-method-override", "DELETE"), ("x-http-method", "POST"), ("x-method-override", "PATCH")];

#[tokio::test]
async fn no_variant_of_a_path_reaches_an_endpoint() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let pass = format!("Bearer {}", buyer.pass());
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let place = format!("Bearer {}", visitor.place().unwrap());
    let key = format!("Bearer {}", world.api_key);
    let targets = [
        (Method::GET, format!("/v1/sales/{sale}/queue/place"), &place),
        (Method::DELETE, format!("/v1/sales/{sale}/queue/place"), &place),
        (Method::POST, format!("/v1/sales/{sale}/queue"), &place),
        (Method::POST, format!("/v1/sales/{sale}/holds"), &pass),
        (Method::GET, format!("/v1/sales/{sale}/live"), &place),
        (Method::POST, format!("/v1/organizer/sales/{sale}/close"), &key),
        (Method::GET, format!("/v1/organizer/sales/{sale}/queue"), &key),
    ];
    for (method, path, credentials) in &targets {
        for variant in variants(path) {
            // What is no URI at all cannot be sent.
            let headers = [("authorization", credentials.as_str()), ("idempotency-key", "k")];
            let Ok(answer) = world.edge.ask(method.clone(), &variant, &headers, &Value::Null).await else { continue };
            assert!(
                matches!(
                    answer.status,
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST
                ),
                "{method} {variant}: {}",
                answer.status
            );
        }
    }
    assert_eq!(world.remaining(&sale).await, 5);
    assert_eq!(visitor.polls().await.unwrap().status, StatusCode::OK, "nobody left the queue");
    assert_eq!(world.get(&format!("/v1/sales/{sale}")).await.body["state"], "open");
    world.stop().await;
}

#[tokio::test]
async fn a_method_is_what_the_request_says_and_a_query_adds_nothing() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let buyer = world.buyer(&sale).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let place = format!("Bearer {}", visitor.place().unwrap());
    let path = format!("/v1/sales/{sale}/queue/place");
    for over in OVERRIDES {
        let answer = world.get_with(&path, &[("authorization", &place), over]).await;
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("waiting")), "{over:?}");
        let posted = world.post(&path, &[("authorization", &place), over], &Value::Null).await;
        assert_eq!(posted.code(), Some("method_not_allowed"), "{over:?}");
    }
    for query in ["?_method=DELETE", "?place=1&place=2", "?token=x&token=y", "?pass=1", "?state=admitted"] {
        let answer = world.get_with(&format!("{path}{query}"), &[("authorization", &place)]).await;
        assert_eq!((answer.status, &answer.body["state"]), (StatusCode::OK, &json!("waiting")), "{query}");
    }
    // Two credentials are none: nobody chooses which of them counts.
    let pass = format!("Bearer {}", buyer.pass());
    let both = [("authorization", place.as_str()), ("authorization", pass.as_str()), ("idempotency-key", "k")];
    let hold = world.post(&format!("/v1/sales/{sale}/holds"), &both, &json!({ "items": [] })).await;
    assert_eq!(hold.code(), Some("unauthorized"));
    world.stop().await;
}

#[tokio::test]
async fn an_upgrade_without_a_place_learns_nothing_and_opens_nothing() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "v1.onsale"),
    ];
    for path in ["holds", "queue", "queue/place", "orders"] {
        let answer = world.get_with(&format!("/v1/sales/{sale}/{path}"), &upgrade).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    let forged = [&upgrade[..], &[("authorization", "Bearer plc_AAAA")]].concat();
    let answer = world.get_with(&format!("/v1/sales/{sale}/live"), &forged).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, Some("place_invalid")));
    let mut socket = sandbox::actors::LiveSocket::open(world.edge.base(), &sale, "203.0.113.5").await.unwrap();
    let before = tokio::time::timeout(std::time::Duration::from_millis(500), socket.next()).await;
    assert!(before.is_err(), "nothing is said to who has not shown a place: {before:?}");
    world.stop().await;
}

#[tokio::test]
async fn tokens_that_are_altered_cut_joined_or_of_another_kind_open_nothing() {
    let world = World::new().await;
    let (sale, other) = (world.sale(&jazz(5)).await, world.sale(&jazz(5)).await);
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let buyer = visitor.waits_for_turn(SOON).await.unwrap();
    let place = visitor.place().unwrap().to_owned();
    let path = format!("/v1/sales/{sale}/queue/place");
    let code = async |path: &str, token: &str| {
        let answer = world.get_with(path, &[("authorization", &format!("Bearer {token}"))]).await;
        answer.code().map(str::to_owned)
    };
    let body = &place[4..];
    let mut wrong = vec![
        place[..place.len() - 1].to_owned(),
        place[..10].to_owned(),
        "plc_".to_owned(),
        format!("{place}A"),
        format!("{place}{body}"),
        format!("{place}."),
        format!("{place}="),
        place.replace("plc_", "PLC_"),
        body.to_owned(),
        format!("pas_{body}"),
        buyer.pass().to_owned(),
        format!("plc_{}", &buyer.pass()[4..]),
        format!("plc_{}", "A".repeat(body.len())),
        "plc_eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "plc_null".to_owned(),
    ];
    // Every single sign of it changed.
    for at in 0..body.len() {
        let mut changed = body.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        wrong.push(format!("plc_{}", String::from_utf8(changed).unwrap()));
    }
    wrong.retain(|token| *token != place);
    for token in &wrong {
        assert_eq!(code(&path, token).await.as_deref(), Some("place_invalid"), "{token}");
    }
    assert_eq!(code(&format!("/v1/sales/{other}/queue/place"), &place).await.as_deref(), Some("place_invalid"));
    assert_eq!(code(&path, &place).await, None);
    world.stop().await;
}

#[tokio::test]
async fn a_key_that_signs_no_more_still_verifies_and_one_that_is_gone_does_not() {
    const OLD: &str = "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "t2:Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";
    let keys = |list: String| Signer::new(&SecretString::from(list)).unwrap();
    let (before, during, after) = (keys(OLD.to_owned()), keys(format!("{NEW},{OLD}")), keys(NEW.to_owned()));
    let place = PlaceToken {
        sale: "sale_0190c5a0b0c07abc8def0123456789ab".parse().unwrap(),
        epoch: 1,
        spot: Spot::Number(domain::PlaceNumber(7)),
        allowance: Allowance::Usual,
        holder: Holder::of_secret(b"somebody"),
    };
    let token = before.sign_place(&place);
    assert_eq!(during.verify_place(&token).unwrap(), place);
    assert!(after.verify_place(&token).is_err());
    assert_eq!(after.verify_place(&during.sign_place(&place)).unwrap(), place);

    // The gateway of the world runs with the old key: what another one signed with the same list is good here, too.
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let same = before.verify_place(visitor.place().unwrap()).unwrap();
    visitor.shows(&before.sign_place(&same));
    assert_eq!(visitor.polls().await.unwrap().status, StatusCode::OK);
    visitor.shows(&after.sign_place(&same));
    assert_eq!(visitor.polls().await.unwrap().code(), Some("place_invalid"));
    world.stop().await;
}

/// Every answer that a guesser gets is the same whether there is somebody with that number or not.
#[tokio::test]
async fn guessing_numbers_and_ids_tells_nothing_of_others() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    let order = buyer.orders(&hold, "ada@example.org", "Ada").await.unwrap();
    let (nobody_s_hold, nobody_s_order) =
        ("hold_0190c5a0b0c07abc8def0123456789ab", "ord_0190c5a0b0c07abc8def0123456789ab");
    let mut stranger = Visitor::new(&world.edge, &sale);
    stranger.joins().await.unwrap();
    let other = stranger.waits_for_turn(SOON).await.unwrap();
    let pass = format!("Bearer {}", other.pass());
    let same = async |credentials: &str, real: &str, guessed: &str| {
        // Of one trace, so that nothing at all may differ.
        let headers = [("authorization", credentials), ("traceparent", TRACEPARENT)];
        let base = format!("/v1/sales/{sale}/");
        let (real, guessed) = (
            world.get_with(&format!("{base}{real}"), &headers).await,
            world.get_with(&format!("{base}{guessed}"), &headers).await,
        );
        assert!(real.status.is_client_error(), "{}", real.body);
        assert_eq!((real.status, real.body), (guessed.status, guessed.body));
    };
    same(&pass, &format!("holds/{}", hold.id), &format!("holds/{nobody_s_hold}")).await;
    same("Bearer x", &format!("orders/{}", order.id), &format!("orders/{nobody_s_order}")).await;
    same(&pass, &format!("orders/{}", order.id), &format!("orders/{nobody_s_order}")).await;
    for number in ["1", "2", "999999"] {
        for path in [format!("queue/place?number={number}"), format!("queue/place/{number}"), format!("queue/{number}")]
        {
            let answer = world.get(&format!("/v1/sales/{sale}/{path}")).await;
            assert!(matches!(answer.code(), Some("unauthorized" | "not_found")), "{path}: {}", answer.body);
        }
    }
    world.stop().await;
}
