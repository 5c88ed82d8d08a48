//! `/v1/sales/{sale}/live`

use std::time::Duration;

use domain::clock::Clock;
use http::{Method, StatusCode};
use sandbox::actors::{Incoming, LiveSocket, Visitor};
use serde_json::{Value, json};

use crate::live::{EVENTS, Raw, SOCKET};
use crate::world::{SOON, World, jazz, jazz_with};

/// How often a visitor loses the connection.
const LOSSES: u64 = 100;
const SOCKETS_OF_A_PLACE_MAX: usize = 16;

/// Reads until the close, and says its code.
async fn close_code(socket: &mut LiveSocket) -> Option<u16> {
    let read = async {
        loop {
            match socket.next().await {
                Ok(Incoming::Frame(_)) => {}
                Ok(Incoming::Closed(frame)) => return frame.map(|frame| frame.code.into()),
                Err(_) => return None,
            }
        }
    };
    tokio::time::timeout(SOON, read).await.expect("it is closed")
}

#[tokio::test]
async fn the_first_frame_is_everything_and_the_turn_is_told() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut first, mut second) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    first.joins().await.unwrap();
    first.waits_for_turn(SOON).await.unwrap();
    second.joins().await.unwrap();
    let mut socket = second.watches().await.unwrap();
    let Incoming::Frame(frame) = socket.next().await.unwrap() else { panic!("a frame comes first") };
    assert_eq!((&frame["v"], &frame["type"], &frame["seq"]), (&json!(1), &json!("position"), &json!(1)));
    assert!(frame["server_time"].is_string());
    let polled = second.polls().await.unwrap().body;
    assert_eq!(frame["data"], polled, "the same as a poll");
    first.leaves().await.unwrap();
    let admitted = socket.waits_for("admitted", SOON).await.unwrap();
    assert!(admitted["data"]["pass"].is_string() && admitted["data"]["pass_expires_at"].is_string());
    world.stop().await;
}

#[tokio::test]
async fn changes_of_the_sale_and_of_what_is_left_are_told() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let buyer = world.buyer(&sale).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let mut socket = visitor.watches().await.unwrap();
    socket.waits_for("admitted", SOON).await.unwrap();
    buyer.holds("ga", 2).await.unwrap();
    let left = socket.waits_for("availability", SOON).await.unwrap();
    assert_eq!(left["data"]["availability"], json!([{ "tier": "ga", "level": "many", "remaining": 3 }]));
    world.organizer.asks(Method::POST, &format!("sales/{sale}/pause"), &Value::Null).await.unwrap();
    let paused = socket.waits_for("sale", SOON).await.unwrap();
    assert_eq!(paused["data"]["state"], "paused");
    world.stop().await;
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_in_words() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let other = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &other);
    visitor.joins().await.unwrap();
    let mut socket = LiveSocket::open(world.edge.base(), &sale, "10.8.8.8").await.unwrap();
    socket.shows_place(visitor.place().unwrap()).await.unwrap();
    let error = socket.waits_for("error", SOON).await.unwrap();
    assert_eq!(error["data"]["code"], "place_invalid");
    assert_eq!(error["data"]["trace_id"].as_str().map(str::len), Some(32), "{error}");
    assert_eq!(close_code(&mut socket).await, Some(1008));
    world.stop().await;
}

#[tokio::test]
async fn long_and_frequent_messages_end_a_socket() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let mut long = visitor.watches().await.unwrap();
    long.sends(&"x".repeat(64 * 1024)).await.unwrap();
    assert_eq!(close_code(&mut long).await, Some(1009));
    let mut frequent = visitor.watches().await.unwrap();
    for _ in 0..11 {
        let _ = frequent.sends("{}").await;
    }
    assert_eq!(close_code(&mut frequent).await, Some(1008));
    let mut quiet = visitor.watches().await.unwrap();
    quiet.sends(r#"{"what":"we do not know"}"#).await.unwrap();
    quiet.waits_for("position", SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_handshake_is_one_or_is_told_what_is_missing() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let path = format!("/v1/sales/{sale}/live");
    let plain = world.get(&path).await;
    assert_eq!((plain.status, plain.code()), (StatusCode::UPGRADE_REQUIRED, Some("upgrade_required")));
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    assert!(LiveSocket::open(world.edge.base(), "no-such-sale", "10.8.8.8").await.is_err());
    world.stop().await;
}

#[tokio::test]
async fn an_open_socket_keeps_its_visitor_in_line() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut inside = Visitor::new(&world.edge, &sale);
    inside.joins().await.unwrap();
    let mut held = inside.watches().await.unwrap();
    held.waits_for("admitted", SOON).await.unwrap();
    let (waiting, _socket) = world.watcher(&sale).await;
    // Longer than the line remembers anybody: only the sockets speak for the two.
    let silence = Duration::from_secs(18);
    assert!(held.waits_until("a change", silence, |frame| frame["data"]["state"] == "waiting").await.is_err());
    let position = waiting.polls().await.unwrap().body;
    assert_eq!((&position["state"], &position["ahead"]), (&json!("waiting"), &json!(0)));
    assert_eq!(inside.polls().await.unwrap().body["state"], "admitted");
    world.stop().await;
}

#[tokio::test]
async fn a_registration_is_called_at_the_draw() {
    let world = World::new().await;
    let sale = world.prequeue(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut first, mut second) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    first.registers().await.unwrap();
    second.registers().await.unwrap();
    let (mut socket, mut stream) = (first.watches().await.unwrap(), second.streams().await.unwrap());
    let waits = socket.waits_for("position", SOON).await.unwrap()["data"].clone();
    assert_eq!((&waits["state"], &waits["number"], &waits["ahead"]), (&json!("prequeue"), &json!(null), &json!(null)));
    assert!(waits["opens_at"].is_string());
    assert_eq!(stream.waits_for("position", SOON).await.unwrap()["data"]["state"], "prequeue");
    world.doors_open(&sale).await;
    world.draws(&sale).await;
    let drawn = |frame: &Value| frame["type"] == "position" && frame["data"]["number"].is_u64();
    let one = socket.waits_until("the draw", SOON, drawn).await.unwrap();
    let other = stream.waits_until("the draw", SOON, drawn).await.unwrap();
    let mut numbers = [&one, &other].map(|frame| frame["data"]["number"].as_u64().unwrap());
    numbers.sort_unstable();
    assert_eq!(numbers[1], numbers[0] + 1);
    world.stop().await;
}

#[tokio::test]
async fn a_visitor_who_loses_the_connection_again_and_again_does_not_miss_the_turn() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut inside, mut waiting) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    inside.joins().await.unwrap();
    inside.waits_for_turn(SOON).await.unwrap();
    waiting.joins().await.unwrap();
    let mut states = Vec::new();
    let mut free_at = None;
    for loss in 0..LOSSES {
        let mut socket = waiting.watches().await.unwrap();
        let Incoming::Frame(first) = socket.next().await.unwrap() else { panic!("a frame comes first") };
        assert_eq!((&first["type"], &first["seq"]), (&json!("position"), &json!(1)), "everything, each time");
        let admitted = first["data"]["state"] == "admitted";
        assert_eq!(admitted, first["data"]["pass"].is_string());
        if let (Some(free_at), true) = (free_at, admitted && !states.contains(&true)) {
            let late = tokio::time::Instant::now().duration_since(free_at);
            assert!(late < SOON, "{late:?}");
        }
        states.push(admitted);
        if loss == LOSSES / 2 {
            inside.leaves().await.unwrap();
            free_at = Some(tokio::time::Instant::now());
        }
        // Killed at any moment, most often while nothing is said.
        let _ = tokio::time::timeout(Duration::from_millis(loss * 7 % 40), socket.next()).await;
    }
    let told_at = states.iter().position(|admitted| *admitted).expect("the turn came");
    assert!(states[told_at..].iter().all(|admitted| *admitted), "and stayed: {states:?}");
    world.stop().await;
}

#[tokio::test]
async fn people_ahead_only_become_fewer() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut line = Vec::new();
    for _ in 0..8 {
        let mut visitor = Visitor::new(&world.edge, &sale);
        visitor.joins().await.unwrap();
        line.push((visitor.watches().await.unwrap(), visitor));
    }
    let (mut last, _) = line.pop().unwrap();
    for (_, visitor) in line.iter().rev() {
        visitor.leaves().await.unwrap();
    }
    let mut ahead = u64::MAX;
    loop {
        let Incoming::Frame(frame) = last.next().await.unwrap() else { panic!("the turn comes first") };
        match (frame["type"].as_str().unwrap(), frame["data"]["ahead"].as_u64()) {
            ("admitted", _) => break,
            ("position", Some(now)) => {
                assert!(now < ahead, "{now} after {ahead}");
                ahead = now;
            }
            _ => {}
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let headers = format!("{SOCKET}authorization: Bearer {}\r\n", visitor.place().unwrap());
    let mut raw = Raw::watches(&world, &sale, &headers, 2_048).await;
    assert_eq!(raw.status().await, StatusCode::SWITCHING_PROTOCOLS);
    assert!(raw.stops_reading_and_is_dropped(&world, &sale).await, "it is still there");
    world.stop().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_not_here() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let headers = format!("{SOCKET}authorization: Bearer {}\r\n", visitor.place().unwrap());
    let mut raw = Raw::watches(&world, &sale, &headers, 64 * 1_024).await;
    assert_eq!(raw.status().await, StatusCode::SWITCHING_PROTOCOLS);
    assert!(raw.answers_nothing_and_is_dropped().await, "it is still there");
    world.stop().await;
}

#[tokio::test]
async fn a_place_has_as_many_sockets_as_a_person_may_need() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let mut open = Vec::new();
    for _ in 0..SOCKETS_OF_A_PLACE_MAX {
        let mut socket = visitor.watches().await.unwrap();
        socket.waits_for("position", SOON).await.unwrap();
        open.push(socket);
    }
    let mut one_more = visitor.watches().await.unwrap();
    let error = one_more.waits_for("error", SOON).await.unwrap();
    assert_eq!(error["data"]["code"], "rate_limited");
    assert_eq!(close_code(&mut one_more).await, Some(1008));
    world.stop().await;
}

#[tokio::test]
async fn a_cookie_counts_from_our_own_pages_only() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let joined = world.post(&format!("/v1/sales/{sale}/queue"), &[], &Value::Null).await;
    let set = joined.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = set.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
    for (kind, accepted) in [(SOCKET, StatusCode::SWITCHING_PROTOCOLS), (EVENTS, StatusCode::OK)] {
        let own = format!("origin: {}\r\n", world.edge.base());
        let cases = [
            (own.as_str(), accepted),
            ("sec-fetch-site: same-origin\r\n", accepted),
            ("origin: https://evil.example\r\n", StatusCode::FORBIDDEN),
            ("origin: null\r\n", StatusCode::FORBIDDEN),
            ("sec-fetch-site: cross-site\r\n", StatusCode::FORBIDDEN),
        ];
        for (from, status) in cases {
            let headers = format!("{kind}cookie: {cookie}\r\n{from}");
            let mut raw = Raw::watches(&world, &sale, &headers, 64 * 1024).await;
            assert_eq!(raw.status().await, status, "{headers}");
        }
    }
    world.stop().await;
}

/// Countdowns go by the clock that the moments in a frame are by, and not by that of the process.
#[tokio::test]
async fn the_time_in_a_frame_is_that_of_redis() {
    const AHEAD: Duration = Duration::from_secs(3_600);
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    world.clocks_move(&sale, i64::try_from(AHEAD.as_millis()).unwrap()).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    visitor.joins().await.unwrap();
    let mut socket = visitor.watches().await.unwrap();
    let admitted = socket.waits_for("admitted", SOON).await.unwrap();
    let moment = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let told = moment(&admitted["server_time"]);
    let ahead = Duration::try_from(told.duration_since(Clock::system().now())).unwrap();
    assert!(ahead.abs_diff(AHEAD) < SOON, "{ahead:?}");
    assert!(moment(&admitted["data"]["pass_expires_at"]) > told, "the turn has begun by the same clock");
    world.stop().await;
}

#[tokio::test]
async fn the_last_frame_has_the_notice() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (_, mut socket) = world.watcher(&sale).await;
    world.organizer.says(&sale, "Sold out. Thank you!").await.unwrap().expect(StatusCode::OK).unwrap();
    let has_notice = |frame: &Value| frame["data"]["notice"]["text"] == "Sold out. Thank you!";
    socket.waits_until("the notice", SOON, has_notice).await.unwrap();
    world.organizer.asks(Method::POST, &format!("sales/{sale}/close"), &Value::Null).await.unwrap();
    let last = |frame: &Value| frame["data"]["state"] == "closed";
    let last = socket.waits_until("the end", SOON, last).await.unwrap();
    assert!(has_notice(&last), "{last}");
    assert_eq!(close_code(&mut socket).await, Some(1000));
    world.stop().await;
}
