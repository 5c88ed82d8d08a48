//! Wishes that cannot be meant: each is told what it is and where, and nothing is held.

use domain::sale::{PER_BUYER_LIMIT_MAX, TIERS_MAX};
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Buyer, Hold};
use serde_json::{Value, json};

use crate::world::{World, jazz, jazz_with};

/// A floor, a hall and its balcony, of which one buyer may have two.
async fn hall(world: &World) -> String {
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 0, "capacity": 5 },
        { "id": "stalls", "name": "Stalls", "price": 0, "rows": [{ "row": "A", "seats": 4 }, { "row": "B", "seats": 7 }] },
        { "id": "balcony", "name": "Balcony", "price": 0, "rows": [{ "row": "Z", "seats": 3 }], "per_buyer_limit": 2 },
    ]);
    world.sale(&jazz_with(5, json!({ "tiers": tiers }))).await
}

/// The body as it is, under a key of its own: what is no number in JSON cannot be written with `json!`.
async fn asks(world: &World, sale: &str, buyer: &Buyer, body: &str) -> Answer {
    let (authorization, key) = (format!("Bearer {}", buyer.pass()), uuid::Uuid::new_v4().to_string());
    let headers =
        [("authorization", authorization.as_str()), ("idempotency-key", &key), ("content-type", "application/json")];
    world.edge.send(Method::POST, &format!("/v1/sales/{sale}/holds"), &headers, body.to_owned().into()).await.unwrap()
}

fn pointers(answer: &Answer) -> Vec<&str> {
    answer.body["errors"]
        .as_array()
        .map_or(vec![], |errors| errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect())
}

const INVALID: (u16, &str) = (400, "validation_failed");
const LIMIT: (u16, &str) = (409, "limit_reached");

/// Items of a hold, and how they are refused: with which code, and pointing where.
type Row = (String, (u16, &'static str), Vec<&'static str>);

fn ga(quantity: &str) -> String {
    format!(r#"[{{"tier":"ga","quantity":{quantity}}}]"#)
}

fn stalls(fields: &str) -> String {
    format!(r#"[{{"tier":"stalls",{fields}}}]"#)
}

fn seats(seats: &str) -> String {
    stalls(&format!(r#""seats":{seats}"#))
}

fn list(items: &str) -> String {
    format!("[{items}]")
}

fn nested(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
}

fn how_many() -> Vec<Row> {
    let numbers = [
        "0",
        "-1",
        "1.5",
        "21",
        "1000000000",
        "1e9",
        "4294967296",
        "99999999999999999999999999",
        "1e400",
        "\"2\"",
        "true",
        "null",
        "[1]",
        "{}",
    ];
    let of_ga = numbers.iter().map(|number| ga(number)).chain([ga(&nested(20_000)), list(r#"{"tier":"ga"}"#)]);
    let mut rows: Vec<Row> = of_ga.map(|items| (items, INVALID, vec!["/items/0/quantity"])).collect();
    rows.extend([
        (ga("5"), LIMIT, vec!["/items"]),
        (list(r#"{"tier":"balcony","quantity":3}"#), LIMIT, vec!["/items/0/quantity"]),
        (list(r#"{"tier":"balcony","seats":["Z-1","Z-2","Z-3"]}"#), LIMIT, vec!["/items/0/seats"]),
        (list(r#"{"tier":"ga","quantity":3},{"tier":"stalls","quantity":2}"#), LIMIT, vec!["/items"]),
    ]);
    rows
}

fn of_what() -> Vec<Row> {
    let tier = |items: &str| (list(items), INVALID, vec!["/items/0/tier"]);
    vec![
        tier(r#"{"tier":"circle","quantity":1}"#),
        tier(r#"{"tier":"circle","seats":["A-1"]}"#),
        tier(r#"{"tier":"G A","quantity":1}"#),
        tier(r#"{"tier":"","quantity":1}"#),
        tier(r#"{"tier":1,"quantity":1}"#),
        (list(r#"{"quantity":1}"#), INVALID, vec!["/items/0"]),
        (list(r#"{"tier":"ga","quantity":1},{"tier":"ga","quantity":1}"#), INVALID, vec!["/items/1/tier"]),
        (list(r#"{"tier":"stalls","quantity":1},{"tier":"stalls","seats":["A-1"]}"#), INVALID, vec!["/items/1/tier"]),
    ]
}

fn which_seats() -> Vec<Row> {
    let too_many = list(&vec![r#""A-1""#; PER_BUYER_LIMIT_MAX as usize + 1].join(","));
    let among_good = r#"{"tier":"ga","quantity":1},{"tier":"stalls","seats":["A-1","Z-1"]}"#;
    vec![
        (seats(r#"["A-5"]"#), INVALID, vec!["/items/0/seats/0"]),
        (seats(r#"["Z-1"]"#), INVALID, vec!["/items/0/seats/0"]),
        (seats(r#"["A-1","A-1"]"#), INVALID, vec!["/items/0/seats/1"]),
        (
            seats(r#"["A-1","a-1","A-0","A-01","","A-99999999999"]"#),
            INVALID,
            vec!["/items/0/seats/1", "/items/0/seats/2", "/items/0/seats/3", "/items/0/seats/4", "/items/0/seats/5"],
        ),
        (seats("[1]"), INVALID, vec!["/items/0/seats/0"]),
        (seats(r#""A-1""#), INVALID, vec!["/items/0/seats"]),
        (seats("[]"), INVALID, vec!["/items/0/seats"]),
        (seats(&too_many), INVALID, vec!["/items/0/seats"]),
        (list(r#"{"tier":"ga","seats":["A-1"]}"#), INVALID, vec!["/items/0/seats"]),
        (list(among_good), INVALID, vec!["/items/1/seats/1"]),
    ]
}

fn contradictions() -> Vec<Row> {
    vec![
        (stalls(r#""quantity":1,"seats":["A-1"]"#), INVALID, vec!["/items/0/seats"]),
        (stalls(r#""seats":["A-1"],"together":true"#), INVALID, vec!["/items/0/together"]),
        (stalls(r#""quantity":2,"or_apart":true"#), INVALID, vec!["/items/0/or_apart"]),
        (stalls(r#""quantity":2,"together":"yes""#), INVALID, vec!["/items/0/together"]),
        (stalls(r#""quantity":2,"quantity":3"#), INVALID, vec!["/items/0"]),
        (list(r#"{"tier":"ga","quantity":2,"together":true}"#), INVALID, vec!["/items/0/together"]),
        (stalls(r#""quantity":1,"price":1"#), INVALID, vec!["/items/0/price"]),
    ]
}

fn no_items() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![
        ("[]".to_owned(), INVALID, vec!["/items"]),
        ("null".to_owned(), INVALID, vec!["/items"]),
        (r#"{"tier":"ga","quantity":1}"#.to_owned(), INVALID, vec!["/items"]),
    ];
    let items = ["null", r#"["ga",1]"#, r#"["ga",1,null,false,false]"#, &nested(20_000)];
    rows.extend(items.map(|item| (list(item), INVALID, vec!["/items/0"])));
    rows
}

/// More items than a sale has tiers: that alone is told, and which tiers are named again.
fn too_many_items() -> (String, Vec<String>) {
    let again = (1..TIERS_MAX).map(|index| format!("/items/{index}/tier"));
    (
        list(&[r#"{"tier":"ga","quantity":1}"#; 101].join(",")),
        std::iter::once("/items".to_owned()).chain(again).collect(),
    )
}

#[tokio::test]
async fn every_wish_that_cannot_be_meant_is_told_where_and_nothing_is_held() {
    let world = World::new().await;
    let sale = hall(&world).await;
    let buyer = world.buyer(&sale).await;
    let items = [how_many(), of_what(), which_seats(), contradictions(), no_items()].into_iter().flatten();
    let in_items = items.map(|(items, how, at)| (format!(r#"{{"items":{items}}}"#), how, at));
    let whole = [
        ("{}", vec![""]),
        ("[]", vec![""]),
        (r#"{"items":"#, vec!["/items"]),
        (r#"{"items":[],"price":1}"#, vec!["/price"]),
        (r#"{"items":[{"tier":"ga","quantity":1}]} {}"#, vec![""]),
    ];
    let whole = whole.map(|(body, at)| (body.to_owned(), INVALID, at));
    let mut otherwise = Vec::new();
    for (body, (status, code), at) in in_items.chain(whole) {
        let answer = asks(&world, &sale, &buyer, &body).await;
        if (answer.status.as_u16(), answer.code(), pointers(&answer)) != (status, Some(code), at) {
            otherwise.push(format!(
                "{}: {} {}",
                body.chars().take(120).collect::<String>(),
                answer.status,
                answer.body
            ));
        }
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    let (items, at) = too_many_items();
    assert_eq!(pointers(&asks(&world, &sale, &buyer, &format!(r#"{{"items":{items}}}"#)).await), at);
    let seat = asks(&world, &sale, &buyer, r#"{"items":[{"tier":"stalls","seats":["Z-1"]}]}"#).await;
    assert!(seat.body["errors"][0]["detail"].as_str().unwrap().contains("of balcony"), "{}", seat.body);
    world.holds_nothing(&sale).await;
    let had = buyer.asks_to_hold_items(&json!([{ "tier": "stalls", "seats": ["A-1"] }])).await.unwrap();
    assert_eq!(had.status, StatusCode::CREATED, "and the pass is as good as before");
    world.stop().await;
}

/// Two sales: what is of one is nothing in the other.
#[tokio::test]
async fn what_belongs_to_another_sale_opens_nothing_and_nothing_is_held() {
    let world = World::new().await;
    let (sale, elsewhere) = (hall(&world).await, world.sale(&jazz(5)).await);
    let (buyer, other) = (world.buyer(&sale).await, world.buyer(&elsewhere).await);
    let theirs = other.holds("ga", 1).await.unwrap();

    let stranger = Buyer::new(&world.edge, &sale, "10.9.9.9", other.pass());
    let with_their_pass = [
        stranger.asks_to_hold("ga", 1).await.unwrap(),
        stranger.looks_at_hold(&theirs).await.unwrap(),
        stranger.gives_back(&theirs).await.unwrap(),
        stranger.asks_for_more_time(&theirs, "k").await.unwrap(),
        stranger.asks_to_order(&theirs, "ada@example.org", "Ada").await.unwrap(),
    ];
    for answer in with_their_pass {
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, Some("pass_invalid")));
    }
    let with_their_hold = [
        buyer.looks_at_hold(&theirs).await.unwrap(),
        buyer.gives_back(&theirs).await.unwrap(),
        buyer.asks_for_more_time(&theirs, "k").await.unwrap(),
        buyer.asks_to_order(&theirs, "ada@example.org", "Ada").await.unwrap(),
    ];
    for answer in with_their_hold {
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, Some("hold_not_found")));
    }
    let mine = Hold { id: theirs.id.clone(), receipt: "rcp_AAAA".to_owned() };
    for hold in [&theirs, &mine] {
        let answer = buyer.reclaims(hold).await.unwrap();
        assert_eq!((answer.status, answer.code()), (StatusCode::UNAUTHORIZED, Some("token_invalid")));
    }
    let seats = other.asks_to_hold_items(&json!([{ "tier": "stalls", "seats": ["A-1"] }])).await.unwrap();
    assert_eq!((seats.code(), pointers(&seats)), (Some("validation_failed"), vec!["/items/0/tier"]));
    world.holds_nothing(&sale).await;
    assert_eq!(other.looks_at_hold(&theirs).await.unwrap().body["state"], Value::from("held"), "theirs is as it was");
    world.stop().await;
}
