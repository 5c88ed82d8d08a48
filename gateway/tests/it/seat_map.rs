//! `/v1/sales/{sale}/seats`, and the changes of it that sockets tell.

use http::{Method, StatusCode};
use sandbox::actors::{Answer, Buyer, Hold, Visitor};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{SOON, World, jazz, jazz_with};

/// The most bytes of a frame.
const FRAME_MAX_BYTES: usize = 1_024;

/// A floor and two tiers of rows, for nothing, so that an order has its units at once.
pub(crate) fn hall(balcony_rows: usize) -> Value {
    let balcony: Vec<_> = (1..=balcony_rows).map(|row| json!({ "row": row.to_string(), "seats": 20 })).collect();
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 0, "capacity": 5 },
        { "id": "stalls", "name": "Stalls", "price": 0, "rows": [{ "row": "A", "seats": 4 }, { "row": "B", "seats": 3 }] },
        { "id": "balcony", "name": "Balcony", "price": 0, "rows": balcony },
    ]);
    jazz_with(5, json!({ "tiers": tiers, "fees": [], "taxes": [], "per_buyer_limit": 20 }))
}

async fn map(world: &World, sale: &str) -> Answer {
    world.get(&format!("/v1/sales/{sale}/seats")).await
}

async fn map_with(world: &World, sale: &str, headers: &[(&str, &str)]) -> Answer {
    world.get_with(&format!("/v1/sales/{sale}/seats"), headers).await
}

/// The letters of the stalls, row by row.
fn stalls(map: &Value) -> Vec<&str> {
    let tier = map["tiers"].as_array().unwrap().iter().find(|tier| tier["tier"] == "stalls").unwrap();
    tier["rows"].as_array().unwrap().iter().map(|row| row["states"].as_str().unwrap()).collect()
}

async fn eventually_shows(world: &World, sale: &str, rows: [&str; 2]) {
    eventually(&format!("{rows:?}"), async || stalls(&map(world, sale).await.body) == rows).await;
}

async fn takes(buyer: &Buyer, seats: &[&str]) -> Hold {
    Hold::of(buyer.asks_to_hold_items(&json!([{ "tier": "stalls", "seats": seats }])).await.unwrap()).unwrap()
}

fn version(map: &Value) -> (u32, u64) {
    let (epoch, changes) = map["version"].as_str().unwrap().split_once('-').unwrap();
    (epoch.parse().unwrap(), changes.parse().unwrap())
}

#[tokio::test]
async fn anybody_sees_who_may_have_which_seat() {
    let world = World::new().await;
    let sale = world.sale(&hall(1)).await;
    let first = map(&world, &sale).await.expect(StatusCode::OK).unwrap();
    let rows = json!([{ "row": "A", "states": "ffff" }, { "row": "B", "states": "fff" }]);
    let balcony = json!([{ "row": "1", "states": "f".repeat(20) }]);
    let tiers = json!([{ "tier": "stalls", "rows": rows }, { "tier": "balcony", "rows": balcony }]);
    assert_eq!(first, json!({ "version": "1-0", "tiers": tiers }), "the floor has no seats");
    let told = world.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
    let seated: Vec<_> = told["tiers"].as_array().unwrap().iter().map(|tier| &tier["seated"]).collect();
    assert_eq!(seated, [&json!(false), &json!(true), &json!(true)]);
    let buyer = world.buyer(&sale).await;
    let held = takes(&buyer, &["A-2", "B-3"]).await;
    eventually_shows(&world, &sale, ["fhff", "ffh"]).await;
    buyer.gives_back(&held).await.unwrap();
    eventually_shows(&world, &sale, ["ffff", "fff"]).await;
    let held = takes(&buyer, &["A-1"]).await;
    buyer.orders(&held, "ada@example.org", "Ada").await.unwrap();
    eventually_shows(&world, &sale, ["sfff", "fff"]).await;
    assert!(version(&map(&world, &sale).await.body) > version(&first));
    world.stop().await;
}

#[tokio::test]
async fn who_has_the_map_is_told_so_in_any_encoding() {
    let world = World::new().await;
    let sale = world.sale(&hall(1)).await;
    let whole = map(&world, &sale).await;
    assert_eq!((whole.header("etag"), whole.header("cache-control")), (Some("\"1-0\""), Some("no-cache")));
    assert_eq!(whole.header("vary"), Some("accept-encoding"));
    let packed = map_with(&world, &sale, &[("accept-encoding", "gzip")]).await;
    assert_eq!((packed.header("etag"), packed.header("content-encoding")), (Some("\"1-0-gzip\""), Some("gzip")));
    for tag in ["\"1-0\"", "\"1-0-gzip\"", "W/\"1-0\"", "\"x\", \"1-0\"", "*"] {
        for coding in ["gzip", "identity"] {
            let again = map_with(&world, &sale, &[("if-none-match", tag), ("accept-encoding", coding)]).await;
            assert_eq!((again.status, &again.body), (StatusCode::NOT_MODIFIED, &Value::Null), "{tag} {coding}");
        }
    }
    let head = world.edge.ask(Method::HEAD, &format!("/v1/sales/{sale}/seats"), &[], &Value::Null).await.unwrap();
    assert_eq!((head.status, head.header("etag"), &head.body), (StatusCode::OK, Some("\"1-0\""), &Value::Null));
    takes(&world.buyer(&sale).await, &["A-2"]).await;
    eventually("the map is another one", async || {
        map_with(&world, &sale, &[("if-none-match", "\"1-0\"")]).await.status == StatusCode::OK
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn a_sale_without_rows_has_an_empty_map_and_what_nobody_sees_has_none() {
    let world = World::new().await;
    let floor = world.sale(&jazz(5)).await;
    let empty = map(&world, &floor).await.expect(StatusCode::OK).unwrap();
    assert_eq!(empty, json!({ "version": "1-0", "tiers": [] }));
    let draft = world.organizer.asks(Method::POST, "sales", &hall(1)).await.unwrap();
    let draft = draft.expect(StatusCode::CREATED).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(map(&world, &draft).await.code(), Some("not_found"));
    let not_loaded = world.organizer.publishes(&hall(1)).await.unwrap();
    let answer = map(&world, &not_loaded).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    world.organizer.asks(Method::POST, &format!("sales/{floor}/close"), &Value::Null).await.unwrap();
    assert_eq!(map(&world, &floor).await.code(), Some("sale_closed"));
    world.stop().await;
}

/// What a page knows of the seats that does as it is told.
struct Page {
    map: Value,
}

/// What a frame asks of a page.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Old,
    Taken,
    Fetch,
}

impl Page {
    async fn fetches(world: &World, sale: &str) -> Self {
        Self { map: map(world, sale).await.expect(StatusCode::OK).unwrap() }
    }

    fn hears(&mut self, frame: &Value) -> Step {
        assert!(serde_json::to_vec(frame).unwrap().len() <= FRAME_MAX_BYTES, "{frame}");
        let delta = &frame["data"];
        let (mine, to) = (version(&self.map), version(&json!({ "version": delta["to"] })));
        if to <= mine {
            return Step::Old;
        }
        if delta["from"].is_null() || version(&json!({ "version": delta["from"] })) > mine || to.0 != mine.0 {
            return Step::Fetch;
        }
        for change in delta["changes"].as_array().unwrap() {
            self.takes(change);
        }
        self.map["version"] = delta["to"].clone();
        Step::Taken
    }

    fn takes(&mut self, change: &Value) {
        let tiers = self.map["tiers"].as_array_mut().unwrap();
        let tier = tiers.iter_mut().find(|tier| tier["tier"] == change[0]).unwrap();
        let row = tier["rows"].as_array_mut().unwrap().iter_mut().find(|row| row["row"] == change[1]).unwrap();
        let (at, letter) = (usize::try_from(change[2].as_u64().unwrap()).unwrap() - 1, change[3].as_str().unwrap());
        let states = row["states"].as_str().unwrap();
        row["states"] = format!("{}{letter}{}", &states[..at], &states[at + 1..]).into();
    }
}

/// A visitor inside, who watches.
async fn inside(world: &World, sale: &str) -> (Visitor, Buyer) {
    let mut visitor = Visitor::new(&world.edge, sale);
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let buyer = visitor.waits_for_turn(SOON).await.unwrap();
    (visitor, buyer)
}

#[tokio::test]
async fn who_is_inside_hears_of_each_seat_by_socket_and_by_stream() {
    let world = World::new().await;
    let sale = world.sale(&hall(1)).await;
    let (visitor, buyer) = inside(&world, &sale).await;
    let (mut socket, mut stream) = (visitor.watches().await.unwrap(), visitor.streams().await.unwrap());
    let first = socket.waits_for("seats", SOON).await.unwrap();
    assert_eq!(first["data"], json!({ "from": null, "to": "1-0", "changes": null }), "which map there is");
    assert_eq!(stream.waits_for("seats", SOON).await.unwrap()["data"], first["data"]);
    let mut pages = [Page::fetches(&world, &sale).await, Page::fetches(&world, &sale).await];
    assert_eq!(pages[0].hears(&first), Step::Old, "it has that map");
    let held = takes(&buyer, &["A-2", "B-3"]).await;
    for rows in [["fhff", "ffh"], ["ffff", "fff"]] {
        let told = [socket.waits_for("seats", SOON).await.unwrap(), stream.waits_for("seats", SOON).await.unwrap()];
        assert_eq!(told[0]["data"], told[1]["data"]);
        for (page, frame) in pages.iter_mut().zip(&told) {
            assert_eq!(page.hears(frame), Step::Taken, "{frame}");
            assert_eq!(stalls(&page.map), rows);
            assert_eq!(page.hears(frame), Step::Old, "twice is once");
        }
        buyer.gives_back(&held).await.unwrap();
    }
    assert_eq!(pages[0].map, map(&world, &sale).await.body);
    world.stop().await;
}

#[tokio::test]
async fn who_waits_outside_hears_of_no_seats() {
    let world = World::new().await;
    let mut one_inside = hall(1);
    one_inside["admission"] = json!({ "max_shoppers": 1 });
    let sale = world.sale(&one_inside).await;
    let (first, buyer) = inside(&world, &sale).await;
    let mut outside = Visitor::new(&world.edge, &sale);
    outside.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    let mut socket = outside.watches().await.unwrap();
    let held = takes(&buyer, &["A-2"]).await;
    socket.waits_for("availability", SOON).await.unwrap();
    buyer.gives_back(&held).await.unwrap();
    first.leaves().await.unwrap();
    let told = |frame: &Value| frame["type"] == "admitted" || frame["type"] == "seats";
    let told = socket.waits_until("a turn", SOON, told).await.unwrap();
    assert_eq!(told["type"], "admitted", "and only then of the seats");
    socket.waits_for("seats", SOON).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn more_than_a_frame_holds_is_fetched_again_and_so_is_a_map_of_a_new_epoch() {
    let world = World::new().await;
    let sale = world.sale(&hall(200)).await;
    let (visitor, _) = inside(&world, &sale).await;
    let mut socket = visitor.watches().await.unwrap();
    socket.waits_for("seats", SOON).await.unwrap();
    let mut page = Page::fetches(&world, &sale).await;
    let mut buyers = Vec::new();
    for _ in 0..6 {
        buyers.push(inside(&world, &sale).await.1);
    }
    let twenty = json!([{ "tier": "balcony", "quantity": 20, "together": true }]);
    let all = futures_util::future::join_all(buyers.iter().map(|buyer| buyer.asks_to_hold_items(&twenty))).await;
    assert!(all.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::CREATED));
    let everything = format!("1-{}", world.queue().view(sale.parse().unwrap()).await.unwrap().seat_changes);
    let mut fetched = 0;
    while page.map["version"] != everything {
        let frame = socket.waits_for("seats", SOON).await.unwrap();
        if page.hears(&frame) == Step::Fetch {
            page = Page::fetches(&world, &sale).await;
            fetched += 1;
        }
    }
    assert_eq!(page.map, map(&world, &sale).await.body);
    eprintln!("fetched the map {fetched} times");
    world.load(&sale).await;
    let rebuilt = |frame: &Value| frame["type"] == "seats" && frame["data"]["to"] == "2-0";
    let frame = socket.waits_until("the new epoch", SOON, rebuilt).await.unwrap();
    assert_eq!(page.hears(&frame), Step::Fetch);
    world.stop().await;
}
