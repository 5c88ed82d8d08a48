//! Redis holds a unit that Postgres does not have free: nobody buys it, the buyer is offered others, and it is counted.

use http::StatusCode;
use sandbox::actors::Hold;
use serde_json::json;

use crate::metrics::scrape;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_only_redis_has_is_refused_with_others_to_have_instead_and_counted() {
    let world = World::start().await;
    let sale = world.sells(5).await;
    let buyer = world.has_turn(&sale).await;
    let held = buyer.asks_to_hold("ga", 2).await.unwrap().expect(StatusCode::CREATED).unwrap();
    let unit = &held["items"][0]["unit"];
    let hold = Hold { id: held["id"].as_str().unwrap().to_owned(), receipt: String::new() };
    world.database.execute(&format!("UPDATE units SET state = 'withheld' WHERE unit_no = {unit}")).await.unwrap();

    let refused = buyer.asks_to_order(&hold, "ada@example.org", "Ada").await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("seat_taken")));
    let others = json!([{ "tier": "ga", "quantity": 2, "seats": null, "together": false, "remaining": 4 }]);
    assert_eq!(refused.body["alternatives"], others);
    let counted = format!("onsale_seat_disagreements_total{{sale=\"{sale}\"}} 1");
    let scraped = scrape(&world.gateway).await;
    assert!(scraped.lines().any(|line| line == counted), "{scraped}");

    let instead = buyer.holds("ga", 2).await.unwrap();
    buyer.orders(&instead, "ada@example.org", "Ada").await.unwrap();
    let again = scrape(&world.gateway).await;
    assert!(again.lines().any(|line| line == counted), "an order that goes well is none: {again}");
}
