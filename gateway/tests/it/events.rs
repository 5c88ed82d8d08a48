//! `/v1/sales/{sale}/live` with `Accept: text/event-stream`

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sandbox::actors::{Incoming, Visitor};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::live::{EVENTS, Raw};
use crate::world::{SOON, World, jazz, jazz_with};

/// One inside, and one who waits.
async fn one_waits(world: &World) -> (String, Visitor, Visitor) {
    let sale = world.sale(&jazz_with(5, json!({ "admission": { "max_shoppers": 1 } }))).await;
    let (mut inside, mut waiting) = (Visitor::new(&world.edge, &sale), Visitor::new(&world.edge, &sale));
    inside.joins().await.unwrap();
    inside.waits_for_turn(SOON).await.unwrap();
    waiting.joins().await.unwrap();
    (sale, inside, waiting)
}

#[tokio::test]
async fn a_stream_a_socket_and_a_poll_say_the_same() {
    let world = World::new().await;
    let (_, inside, waiting) = one_waits(&world).await;
    let mut stream = waiting.streams().await.unwrap();
    let event = stream.next_event().await.unwrap().unwrap();
    assert_eq!((event.kind.as_deref(), event.id.as_deref()), (Some("position"), Some("1")));
    let frame: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!((&frame["v"], &frame["type"], &frame["seq"]), (&json!(1), &json!("position"), &json!(1)));
    let mut socket = waiting.watches().await.unwrap();
    let Incoming::Frame(pushed) = socket.next().await.unwrap() else { panic!("a frame comes first") };
    let polled = waiting.polls().await.unwrap().body;
    assert_eq!((&frame["data"], &pushed["data"]), (&polled, &polled));
    inside.leaves().await.unwrap();
    let told = stream.waits_for("admitted", SOON).await.unwrap();
    let pushed = socket.waits_for("admitted", SOON).await.unwrap();
    assert_eq!(told["data"], pushed["data"], "one visitor, one pass");
    world.stop().await;
}

#[tokio::test]
async fn changes_of_the_sale_and_notices_are_told() {
    let world = World::new().await;
    let (sale, _inside, waiting) = one_waits(&world).await;
    let mut stream = waiting.streams().await.unwrap();
    stream.waits_for("position", SOON).await.unwrap();
    world.organizer.asks(Method::POST, &format!("sales/{sale}/pause"), &Value::Null).await.unwrap();
    let paused = |frame: &Value| {
        let pause = json!({ "by": "organizer", "what": null });
        frame["data"]["pause"] == pause
    };
    stream.waits_until("the pause", SOON, paused).await.unwrap();
    let notice = json!({ "text": "We are back in a minute." });
    let path = format!("sales/{sale}/notices");
    world.organizer.asks(Method::POST, &path, &notice).await.unwrap().expect(StatusCode::OK).unwrap();
    let noticed = |frame: &Value| frame["data"]["notice"]["text"] == notice["text"];
    stream.waits_until("the notice", SOON, noticed).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_has_no_place_is_told_nothing_and_a_place_in_the_address_is_none() {
    let world = World::new().await;
    let (sale, _inside, waiting) = one_waits(&world).await;
    let path = format!("/v1/sales/{sale}/live");
    let events = [("accept", "text/event-stream")];
    assert_eq!(world.get_with(&path, &events).await.code(), Some("unauthorized"));
    let in_address = format!("{path}?place={}", waiting.place().unwrap());
    assert_eq!(world.get_with(&in_address, &events).await.code(), Some("unauthorized"));
    let other = world.sale(&jazz(5)).await;
    let bearer = format!("Bearer {}", waiting.place().unwrap());
    let of_another_sale = [events[0], ("authorization", bearer.as_str())];
    let elsewhere = world.get_with(&format!("/v1/sales/{other}/live"), &of_another_sale).await;
    assert_eq!(elsewhere.code(), Some("place_invalid"));
    world.stop().await;
}

#[tokio::test]
async fn an_open_stream_keeps_its_visitor_in_line() {
    let world = World::new().await;
    let (_, inside, waiting) = one_waits(&world).await;
    let mut held = inside.streams().await.unwrap();
    held.waits_for("position", SOON).await.unwrap();
    let mut stream = waiting.streams().await.unwrap();
    stream.waits_for("position", SOON).await.unwrap();
    // Longer than the line remembers anybody: only the streams speak for the two.
    tokio::time::sleep(Duration::from_secs(17)).await;
    inside.leaves().await.unwrap();
    stream.waits_for("admitted", SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn http_2_carries_events_too() {
    let world = World::new().await;
    let (sale, _inside, waiting) = one_waits(&world).await;
    let stream = TcpStream::connect(world.gateway.addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(connection);
    let request = Request::get(format!("{}/v1/sales/{sale}/live", world.edge.base()))
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {}", waiting.place().unwrap()))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("event: position\nid: 1\n") {
        let part = tokio::time::timeout(SOON, answer.frame()).await.expect("an event comes").unwrap().unwrap();
        text += std::str::from_utf8(&part.into_data().unwrap()).unwrap();
    }
    assert!(text.starts_with("retry: "), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_dropped() {
    let world = World::new().await;
    let (sale, _inside, waiting) = one_waits(&world).await;
    let headers = format!("{EVENTS}authorization: Bearer {}\r\n", waiting.place().unwrap());
    let mut raw = Raw::watches(&world, &sale, &headers, 2_048).await;
    assert_eq!(raw.status().await, StatusCode::OK);
    assert!(raw.stops_reading_and_is_dropped(&world, &sale).await, "it is still there");
    world.stop().await;
}

#[tokio::test]
async fn a_head_has_no_events() {
    let world = World::new().await;
    let (sale, _inside, waiting) = one_waits(&world).await;
    let bearer = format!("Bearer {}", waiting.place().unwrap());
    let headers = [("accept", "text/event-stream"), ("authorization", bearer.as_str())];
    let head = world.edge.ask(Method::HEAD, &format!("/v1/sales/{sale}/live"), &headers, &Value::Null).await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (StatusCode::OK, Some("text/event-stream")));
    world.stop().await;
}
