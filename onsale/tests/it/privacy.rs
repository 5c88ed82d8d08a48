//! Who buys is in no log, no metric and no book.

use std::fs::{self, File};
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::Card;
use serde_json::Value;

use crate::door::Door;
use crate::waitlist::ticket_of;
use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
/// What must stay among the buyer, us and the mail server.
const SECRETS: [&str; 3] = ["zenobia.quill", "Quillfeather", "zenobia"];
/// Where people are, to be erased: everything else refers to them by ids alone.
const PEOPLE: &str = "'contacts', 'waitlist_contacts'";

/// The tables that say something of her, except some.
fn tables_that_tell(except: &str) -> String {
    format!(
        "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM (
             SELECT relname AS name, query_to_xml(format(
                 $$SELECT count(*) AS n FROM %I AS t WHERE t::text ILIKE ANY ('{{%%zenobia%%,%%quill%%}}')$$, relname),
                 false, true, '') AS told
               FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                AND relname NOT IN ('', {except})) AS searched
          WHERE (xpath('/row/n/text()', told))[1]::text <> '0'"
    )
}

/// What is kept as bytes, which no table shows as text.
const BYTES: &str = "
    SELECT count(*) FROM (
        SELECT convert_from(raw, 'UTF8') AS kept FROM inbox
         UNION ALL SELECT convert_from(body, 'UTF8') FROM idempotency WHERE body IS NOT NULL) AS everything
     WHERE kept ILIKE '%zenobia%' OR kept ILIKE '%quill%'";

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_is_in_no_log_no_metric_and_no_book() {
    let path = std::env::temp_dir().join(format!("onsale-privacy-{}.log", uuid::Uuid::new_v4()));
    let world = World::start_and_log(File::create(&path).unwrap()).await;
    let sale = world.sells(2).await;
    let door = Door::of(&world, &sale);
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
            let path = format!("sales/{sale}/orders/{}/tickets/send", order.id);
            world
                .organizer
                .asks(Method::POST, &path, &Value::Null)
                .await
                .unwrap()
                .expect(StatusCode::ACCEPTED)
                .unwrap();
            // Once the ticket is used, no letter has it any more.
            world.waits_for_mails(2).await;
            assert_eq!(door.scans(&ticket_of(&buyer, &order).await).await, "valid");
        }
    }
    let entry = world.is_in_line(&sale, "zenobia.quill@example.net").await;
    let mails = world.waits_for_mails(3).await;
    for address in ["zenobia.quill@example.com", "zenobia.quill@example.net"] {
        assert!(mails.iter().any(|mail| mail.to == [address]), "no mail to {address}");
    }

    let tell = async |except: &str| world.database.text(&tables_that_tell(except)).await.unwrap();
    assert_eq!(tell("''").await, "contacts waitlist_contacts", "the control: she is found where she is");
    assert_eq!(tell(PEOPLE).await, "");
    assert_eq!(world.counts(BYTES).await, 0);
    for process in [&world.gateway, &world.workers] {
        let metrics = process.admin.ask(Method::GET, "/metrics", &[], &Value::Null).await.unwrap();
        is_silent(metrics.body.as_str().unwrap());
    }
    let log = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    fs::remove_file(&path).unwrap();
    for said in ["gateway::server: answered", "workers::runner: done"] {
        assert!(log.contains(said), "no {said} in the log");
    }
    is_silent(&log);

    // As docs/operations.md erases her; what she bought and where she stood stays.
    world.database.execute("DELETE FROM contacts; DELETE FROM waitlist_contacts").await.unwrap();
    assert_eq!(tell("''").await, "");
    assert_eq!(entry.looks().await["position"], 1);
    world.holds_every_invariant();
}

fn is_silent(text: &str) {
    for line in text.lines() {
        let line_lower = line.to_lowercase();
        assert!(!SECRETS.iter().any(|secret| line_lower.contains(&secret.to_lowercase())), "{line}");
    }
}
