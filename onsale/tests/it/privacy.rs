//! Who buys is in no log, no metric and no book.

use std::fs::{self, File};
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::Card;
use serde_json::Value;

use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
/// What must stay among the buyer, us and the mail server.
const SECRETS: [&str; 3] = ["zenobia.quill", "Quillfeather", "zenobia"];
/// The tables that last: everything in them as text.
const BOOKS: &str = "
    SELECT count(*) FROM (
        SELECT transfers::text AS kept FROM transfers UNION ALL SELECT entries::text FROM entries
         UNION ALL SELECT audit_log::text FROM audit_log UNION ALL SELECT outbox::text FROM outbox
         UNION ALL SELECT orders::text FROM orders UNION ALL SELECT payments::text FROM payments
         UNION ALL SELECT tickets::text FROM tickets UNION ALL SELECT grants::text FROM grants
         UNION ALL SELECT convert_from(raw, 'UTF8') FROM inbox
         UNION ALL SELECT convert_from(body, 'UTF8') FROM idempotency WHERE body IS NOT NULL) AS everything
     WHERE kept ILIKE '%zenobia%' OR kept ILIKE '%quill%'";

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_is_in_no_log_no_metric_and_no_book() {
    let path = std::env::temp_dir().join(format!("onsale-privacy-{}.log", uuid::Uuid::new_v4()));
    let world = World::start_and_log(File::create(&path).unwrap()).await;
    let sale = world.sells(5).await;
    for card in [Card::Visa, Card::Declined] {
        let buyer = world.has_turn(&sale).await;
        let hold = buyer.holds("ga", 1).await.unwrap();
        // A refused request is where a log is tempted to say too much.
        let refused = buyer.asks_to_order(&hold, "zenobia.quill", "Zenobia Quillfeather").await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
        let order = buyer.orders(&hold, "zenobia.quill@example.com", "Zenobia Quillfeather").await.unwrap();
        let paid = buyer.pays(&order, card, &world.stripe.base_url()).await.unwrap();
        if paid.status == StatusCode::OK {
            buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
        }
    }
    let mails = world.waits_for_mails(1).await;
    assert_eq!(mails[0].to, ["zenobia.quill@example.com"]);

    assert_eq!(world.counts(BOOKS).await, 0);
    for process in [&world.gateway, &world.workers] {
        let metrics = process.admin.ask(Method::GET, "/metrics", &[], &Value::Null).await.unwrap();
        is_silent(metrics.body.as_str().unwrap());
    }
    let log = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    fs::remove_file(&path).unwrap();
    for module in ["DEBUG gateway::", "DEBUG workers::"] {
        assert!(log.contains(module), "no {module} in the log");
    }
    is_silent(&log);
    world.holds_every_invariant();
}

fn is_silent(text: &str) {
    for line in text.lines() {
        let line_lower = line.to_lowercase();
        assert!(!SECRETS.iter().any(|secret| line_lower.contains(&secret.to_lowercase())), "{line}");
    }
}
