//! How long a hold lasts: as long as paying takes, as the workers measured it.

use std::time::Duration;

use domain::SaleId;
use http::StatusCode;
use ledger::payments::latency::payment_latencies_keep;
use serde_json::json;

use crate::eventually::eventually;
use crate::world::{World, jazz};

#[tokio::test]
async fn a_hold_lasts_as_long_as_was_measured_and_its_organizer_sees_why() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let shown =
        async || world.organizer.looks_at_queue(&sale).await.unwrap().expect(StatusCode::OK).unwrap()["hold"].clone();
    let assumed = json!({ "ttl_s": 300, "checkout_window_s": 180, "p99_multiple": 3, "payment_p99_ms": 40_000,
                          "authorised": 0, "measured_at": null });
    assert_eq!(shown().await, assumed);
    let early = world.buyer(&sale).await.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(early["ttl_s"], 300);

    let (id, p99): (SaleId, _) = (sale.parse().unwrap(), Duration::from_millis(9_250));
    payment_latencies_keep(&world.workers, &[(id, p99, 512)]).await.unwrap();
    let measured = shown().await;
    assert_eq!((&measured["ttl_s"], &measured["authorised"]), (&json!(208), &json!(512)));
    assert_eq!(measured["payment_p99_ms"], 9_250);
    assert!(measured["measured_at"].is_string(), "{measured}");
    eventually("holds are taken for that long", async || {
        let buyer = world.buyer(&sale).await;
        let held = buyer.asks_to_hold("ga", 1).await.unwrap().expect(StatusCode::CREATED).unwrap();
        let hold = sandbox::actors::Hold { id: held["id"].as_str().unwrap().to_owned(), receipt: String::new() };
        buyer.gives_back(&hold).await.unwrap();
        held["ttl_s"] == 208
    })
    .await;
    world.stop().await;
}
