//! `PATCH /v1/organizer/sales/{sale}`

use http::{Method, StatusCode};
use ledger::audit::audit;
use ledger::organizers::KeyRole;
use ledger::outbox::{Queue, Work, claim};
use sandbox::actors::Answer;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{World, jazz, jazz_with};

/// A floor of that size, which costs that much.
fn floor(capacity: u32, price: i64) -> Value {
    json!([{ "id": "ga", "name": "Floor", "price": price, "capacity": capacity }])
}

impl World {
    async fn shows(&self, sale: &str) -> Answer {
        self.organizer.asks(Method::GET, &format!("sales/{sale}"), &Value::Null).await.unwrap()
    }

    async fn version(&self, sale: &str) -> String {
        self.shows(sale).await.header("etag").unwrap().to_owned()
    }

    async fn patches(&self, sale: &str, headers: &[(&str, &str)], patch: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.api_key);
        let headers = [&[("authorization", authorization.as_str())], headers].concat();
        self.edge.ask(Method::PATCH, &format!("/v1/organizer/sales/{sale}"), &headers, patch).await.unwrap()
    }

    /// Changes what is there now.
    async fn changes(&self, sale: &str, patch: &Value) -> Answer {
        let version = self.version(sale).await;
        self.patches(sale, &[("if-match", &version)], patch).await
    }

    async fn drafts(&self, sale: &Value) -> String {
        let draft =
            self.organizer.asks(Method::POST, "sales", sale).await.unwrap().expect(StatusCode::CREATED).unwrap();
        draft["id"].as_str().unwrap().to_owned()
    }
}

fn refused(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status.as_u16(), answer.code())
}

fn pointers(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_change_names_the_version_that_it_is_of() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let seen = world.version(&sale).await;
    let barn = json!({ "venue": "Barn" });
    let blind = world.patches(&sale, &[], &barn).await;
    assert_eq!(refused(&blind), (428, Some("precondition_required")));
    let weak = format!("W/{seen}");
    for other in ["\"0\"", weak.as_str(), "venue"] {
        let stale = world.patches(&sale, &[("if-match", other)], &barn).await;
        assert_eq!(refused(&stale), (412, Some("precondition_failed")), "{other}");
        assert_eq!(stale.header("etag"), Some(seen.as_str()), "where it stands");
    }
    let changed = world.patches(&sale, &[("if-match", &format!("\"0\", {seen}"))], &barn).await;
    assert_eq!((changed.status, &changed.body["venue"]), (StatusCode::OK, &json!("Barn")), "{:?}", changed.body);
    let version = changed.header("etag").unwrap().to_owned();
    assert_ne!(version, seen);
    assert_eq!(world.shows(&sale).await.body, changed.body);
    let again = world.patches(&sale, &[("if-match", &seen)], &json!({ "venue": "Hall" })).await;
    assert_eq!(refused(&again), (412, Some("precondition_failed")), "somebody was faster");
    let same = world.patches(&sale, &[("if-match", "*")], &barn).await;
    assert_eq!(
        (same.status, same.header("etag")),
        (StatusCode::OK, Some(version.as_str())),
        "nothing changes, so nothing grows"
    );
    assert_eq!(world.database.number("SELECT count(*) FROM audit_log WHERE act = 'sale_changed'").await.unwrap(), 1);
    eventually("visitors are told", async || world.get(&format!("/v1/sales/{sale}")).await.body["venue"] == "Barn")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn of_a_draft_everything_may_change_but_it_stays_a_sale() {
    let world = World::new().await;
    let draft = world.drafts(&jazz(5)).await;
    let patch = json!({
        "name": "Jazz Day", "slug": "jazz-day", "currency": "usd", "venue": null, "per_buyer_limit": null, "fees": [],
        "opens_at": "2030-01-01T00:00:00Z", "tiers": floor(3, 1_000), "hold": { "max_ttl_s": 600 },
    });
    let changed = world.changes(&draft, &patch).await.expect(StatusCode::OK).unwrap();
    for (pointer, value) in [
        ("/slug", json!("jazz-day")),
        ("/currency", json!("usd")),
        ("/venue", json!("")),
        ("/per_buyer_limit", json!(6)),
        ("/tiers/0/capacity", json!(3)),
        ("/hold/max_ttl_s", json!(600)),
        ("/hold/reclaim_window_s", json!(3)),
        ("/taxes/0/name", json!("VAT")),
        ("/state", json!("draft")),
    ] {
        assert_eq!(changed.pointer(pointer), Some(&value), "{pointer}");
    }
    for (patch, pointer) in [
        (json!({ "colour": "red" }), "/colour"),
        (json!({ "state": "published" }), "/state"),
        (json!({ "name": null }), ""),
        (json!({ "per_buyer_limit": 99 }), "/per_buyer_limit"),
        (json!({ "tiers": [{ "id": "ga" }] }), "/tiers/0"),
        (json!({ "hold": { "max_ttl_s": "long" } }), "/hold/max_ttl_s"),
    ] {
        let wrong = world.changes(&draft, &patch).await;
        assert_eq!((refused(&wrong), pointers(&wrong)), ((400, Some("validation_failed")), vec![pointer]), "{patch}");
    }
    for body in [json!([]), json!("name"), json!(7)] {
        assert_eq!(refused(&world.changes(&draft, &body).await), (400, Some("validation_failed")), "{body}");
    }
    let other = world.drafts(&jazz(1)).await;
    assert_eq!(refused(&world.changes(&other, &json!({ "slug": "jazz-day" })).await), (409, Some("slug_taken")));
    let publish = format!("sales/{draft}/publish");
    world.organizer.asks(Method::POST, &publish, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(world.database.number("SELECT count(*) FROM units").await.unwrap(), 3);
    world.stop().await;
}

#[tokio::test]
async fn what_buyers_rely_on_does_not_change_once_it_is_published() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    for (patch, pointer) in [
        (json!({ "currency": "usd" }), "/currency"),
        (json!({ "slug": "other" }), "/slug"),
        (json!({ "opens_at": "2020-01-02T00:00:00Z" }), "/opens_at"),
        (json!({ "per_buyer_limit": 3 }), "/per_buyer_limit"),
        (json!({ "tiers": floor(4, 4_000) }), "/tiers/0/capacity"),
        (json!({ "tiers": floor(5, 3_900) }), "/tiers/0/price"),
        (
            json!({ "tiers": [floor(5, 4_000)[0], { "id": "box", "name": "Box", "price": 9_000, "capacity": 1 }] }),
            "/tiers",
        ),
        (json!({ "withheld": { "ga": 1 } }), "/withheld"),
        (json!({ "fees": [] }), "/fees"),
        (json!({ "taxes": [] }), "/taxes"),
        (json!({ "payment": { "capture": "automatic" } }), "/payment"),
        (json!({ "refunds": { "whole": "keep_fees" } }), "/refunds"),
        (json!({ "hold": { "max_ttl_s": 600 } }), "/hold"),
    ] {
        let wrong = world.changes(&sale, &patch).await;
        assert_eq!((refused(&wrong), pointers(&wrong)), ((409, Some("not_changeable")), vec![pointer]), "{patch}");
    }
    let both = json!({ "venue": "Barn", "currency": "usd" });
    assert_eq!(pointers(&world.changes(&sale, &both).await), ["/currency"]);
    assert_eq!(world.shows(&sale).await.body["venue"], "Blue Note", "all of it or nothing");
    let may = json!({ "venue": "Barn", "per_buyer_limit": 6, "closes_at": "2090-01-01T00:00:00Z", "admission": { "rate_per_s": 9 } });
    world.changes(&sale, &may).await.expect(StatusCode::OK).unwrap();
    world.organizer.asks(Method::POST, &format!("sales/{sale}/close"), &Value::Null).await.unwrap();
    let late = world.changes(&sale, &json!({ "tiers": floor(6, 4_000), "terms": "No glass." })).await;
    assert_eq!((refused(&late), pointers(&late)), ((409, Some("not_changeable")), vec!["/tiers/0/capacity"]));
    let told = json!({ "performances": [{ "starts_at": "2030-12-06T19:00:00Z" }], "terms": "No glass." });
    world.changes(&sale, &told).await.expect(StatusCode::OK).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn only_those_who_sell_change_and_only_what_is_theirs() {
    let world = World::new().await;
    let sale = world.sale(&jazz_with(5, json!({ "venue": "Hall" }))).await;
    let (path, patch) = (format!("sales/{sale}"), json!({ "venue": "Barn" }));
    for (role, organizer, code) in [
        (KeyRole::Organizer, "Red Note", "not_found"),
        (KeyRole::Door, "Blue Note", "forbidden"),
        (KeyRole::Support, "Blue Note", "forbidden"),
    ] {
        let somebody = world.somebody(role, organizer).await;
        let answer = somebody.asks(Method::PATCH, &path, &patch).await.unwrap();
        assert_eq!(answer.code(), Some(code), "{role:?} of {organizer}");
    }
    let admin = world.somebody(KeyRole::Admin, "House").await;
    let blind = admin.asks(Method::PATCH, &path, &patch).await.unwrap();
    assert_eq!(refused(&blind), (428, Some("precondition_required")), "an admin may, and must say of what");
    let nothing = world.patches(&sale, &[("if-match", "*"), ("content-type", "text/plain")], &Value::Null).await;
    assert_eq!(refused(&nothing), (415, Some("unsupported_media_type")));
    assert_eq!(nothing.header("accept-patch"), Some("application/merge-patch+json"));
    world.stop().await;
}

/// The gateway runs on; what the worker does is done by hand here.
#[tokio::test]
async fn a_tier_that_grows_is_sold_by_gateways_that_run() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    world.order(&sale, 2).await;
    let state = async || world.get(&format!("/v1/sales/{sale}")).await.body["state"].clone();
    eventually("it is known that all is ordered", async || state().await == "sold_out").await;
    world.changes(&sale, &json!({ "tiers": floor(6, 4_000) })).await.expect(StatusCode::OK).unwrap();
    let jobs = claim(&world.workers, Queue::Stock, 10, 60).await.unwrap();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let Work::UnitsReturn { request, epoch, units, .. } = &job.work else { panic!("{job:?}") };
    let units: Vec<_> =
        units.iter().map(|(tier, unit)| admission::HeldUnit { tier: tier.clone(), unit: *unit }).collect();
    let id = sale.parse().unwrap();
    let holds = world.holds_in_redis();
    for _ in 0..2 {
        holds.withheld_return(id, admission::RequestId(*request), *epoch, &units).await.unwrap();
    }
    eventually("it sells again", async || state().await == "open").await;
    let stock = world.queue().view(id).await.unwrap().stock[&"ga".parse().unwrap()];
    assert_eq!((stock.free, stock.held, stock.all), (4, 0, 6));
    let (_, _, order) = world.order(&sale, 3).await;
    assert!(order.id.starts_with("ord_"));
    world.load(&sale).await;
    let stock = world.queue().view(id).await.unwrap().stock[&"ga".parse().unwrap()];
    assert_eq!((stock.free, stock.all), (1, 6), "loaded anew, Redis has what Postgres has");
    let report = audit(&world.workers, None).await.unwrap();
    assert!(report.holds(), "{:#?}", report.lines);
    world.stop().await;
}
