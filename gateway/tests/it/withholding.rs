//! Units that organizers keep back and put on sale again.

use http::{Method, StatusCode};
use ledger::audit::audit;
use ledger::organizers::KeyRole;
use ledger::outbox::{Queue, claim};
use sandbox::actors::{Answer, Buyer};
use sandbox::{FaultProxy, LostReplies, shared};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{Setup, World, jazz, jazz_with};

/// A floor of ten, and stalls of two rows of three.
fn hall() -> Value {
    let rows = json!([{ "row": "A", "seats": 3 }, { "row": "B", "seats": 3 }]);
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 100, "capacity": 10 },
        { "id": "stalls", "name": "Stalls", "price": 200, "rows": rows },
    ]);
    jazz_with(1, json!({ "tiers": tiers }))
}

impl World {
    async fn acts(&self, sale: &str, act: &str, key: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.api_key);
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        self.post(&format!("/v1/organizer/sales/{sale}/{act}"), &headers, body).await
    }

    /// Free and held in Redis, then free and withheld in Postgres, of a tier.
    async fn stock(&self, sale: &str, tier: &str) -> [u32; 4] {
        let (id, tier) = (sale.parse().unwrap(), tier.parse().unwrap());
        let redis = self.queue().view(id).await.unwrap().stock[&tier];
        let postgres = ledger::sales::sale_stock(&self.workers, id).await.unwrap()[&tier];
        [redis.free, redis.held, postgres.free, postgres.withheld]
    }

    async fn audits_clean(&self) {
        let report = audit(&self.workers, None).await.unwrap();
        assert!(report.holds(), "{:#?}", report.lines);
    }
}

fn seats(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer.body["seats"].clone()
}

fn pointers(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

async fn is_refused(buyer: &Buyer, tier: &str, quantity: u32, code: &str) {
    let refused = buyer.asks_to_hold(tier, quantity).await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some(code)), "{:?}", refused.body);
}

#[tokio::test]
async fn what_is_withheld_is_nobody_s_and_what_is_released_is_on_sale_again() {
    let world = World::new().await;
    let sale = world.sale(&hall()).await;
    let body = json!({ "tier": "ga", "quantity": 7 });
    let kept = world.acts(&sale, "withhold", "keep", &body).await;
    assert_eq!((seats(&kept), &kept.body["units"]), (json!([]), &json!([3, 4, 5, 6, 7, 8, 9])));
    let again = world.acts(&sale, "withhold", "keep", &body).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&kept.body, Some("true")));
    assert_eq!(world.stock(&sale, "ga").await, [3, 0, 3, 7]);
    is_refused(&world.buyer(&sale).await, "ga", 4, "too_few_left").await;

    let front = world.acts(&sale, "withhold", "front", &json!({ "tier": "stalls", "seats": ["A-2", "A-1"] })).await;
    assert_eq!(seats(&front), json!(["A-1", "A-2"]));
    let back = world.acts(&sale, "withhold", "back", &json!({ "tier": "stalls", "quantity": 2 })).await;
    assert_eq!(seats(&back), json!(["B-2", "B-3"]), "those that would go last");
    let some = world.acts(&sale, "release", "some", &json!({ "tier": "stalls", "quantity": 1 })).await;
    assert_eq!(seats(&some), json!(["A-1"]), "those that would go first");
    let body = json!({ "tier": "stalls", "seats": ["B-3"] });
    assert_eq!(seats(&world.acts(&sale, "release", "one", &body).await), json!(["B-3"]));
    assert_eq!(seats(&world.acts(&sale, "release", "one", &body).await), json!(["B-3"]), "once");
    assert_eq!(world.stock(&sale, "stalls").await, [2, 0, 4, 2], "Redis is told by jobs");
    assert_eq!(claim(&world.workers, Queue::Stock, 10, 60).await.unwrap().len(), 2);

    // Loaded anew, Redis has what Postgres has.
    world.load(&sale).await;
    assert_eq!(world.stock(&sale, "stalls").await, [4, 0, 4, 2]);
    assert_eq!(world.stock(&sale, "ga").await, [3, 0, 3, 7]);
    world.audits_clean().await;
    world.stop().await;
}

/// The answer was lost, and the sale has closed since: also when only the act itself is remembered.
#[tokio::test]
async fn what_was_done_before_the_sale_closed_is_told_again_after() {
    let world = World::new().await;
    let sale = world.sale(&jazz(6)).await;
    let (three, two) = (json!({ "tier": "ga", "quantity": 3 }), json!({ "tier": "ga", "quantity": 2 }));
    let kept = world.acts(&sale, "withhold", "keep", &three).await;
    let freed = world.acts(&sale, "release", "free", &two).await;
    assert_eq!((kept.status, freed.status), (StatusCode::OK, StatusCode::OK));
    world.database.execute("UPDATE sales SET state = 'closed'").await.unwrap();
    for forgotten in ["", "DELETE FROM idempotency"] {
        world.database.execute(forgotten).await.unwrap();
        for (act, key, body, first) in [("withhold", "keep", &three, &kept), ("release", "free", &two, &freed)] {
            let again = world.acts(&sale, act, key, body).await;
            assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body), "{act}, {forgotten}");
            let new = world.acts(&sale, act, "new", body).await;
            assert_eq!((new.status, new.code()), (StatusCode::CONFLICT, Some("sale_state_conflict")), "{act}");
        }
    }
    assert_eq!(world.stock(&sale, "ga").await[3], 1);
    world.stop().await;
}

#[tokio::test]
async fn no_act_takes_anything_from_buyers() {
    let world = World::new().await;
    let sale = world.sale(&jazz(6)).await;
    let (_, _, _) = world.order(&sale, 2).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("ga", 2).await.unwrap();
    let refused = world.acts(&sale, "withhold", "1", &json!({ "tier": "ga", "quantity": 3 })).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("too_few_free")));
    assert!(refused.body["detail"].as_str().unwrap().starts_with("2 of ga"), "{}", refused.body);
    let kept = world.acts(&sale, "withhold", "1", &json!({ "tier": "ga", "quantity": 2 })).await;
    assert_eq!(kept.status, StatusCode::OK, "a refusal uses no key up");
    buyer.orders(&hold, "bea@example.org", "Bea").await.unwrap();
    assert_eq!(world.stock(&sale, "ga").await, [0, 0, 0, 2]);
    world.audits_clean().await;
    world.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told_where_it_stands_and_nothing_is_done() {
    let world = World::new().await;
    let sale = world.sale(&hall()).await;
    for (body, pointer) in [
        (json!({ "tier": "box", "quantity": 1 }), "/tier"),
        (json!({ "tier": "ga", "quantity": 0 }), "/quantity"),
        (json!({ "tier": "ga", "quantity": 1_001 }), "/quantity"),
        (json!({ "tier": "ga", "quantity": -1 }), "/quantity"),
        (json!({ "tier": "ga", "seats": ["A-1"] }), "/seats"),
        (json!({ "tier": "stalls", "seats": [] }), "/seats"),
        (json!({ "tier": "stalls", "seats": ["A-1", "C-1"] }), "/seats/1"),
        (json!({ "tier": "stalls", "seats": ["A-1", "A-1"] }), "/seats/1"),
        (json!({ "tier": "stalls" }), ""),
        (json!({ "tier": "stalls", "quantity": 1, "seats": ["A-1"] }), ""),
        (json!({ "tier": "ga", "quantity": 1, "why": "press" }), "/why"),
    ] {
        for act in ["withhold", "release"] {
            let refused = world.acts(&sale, act, "bad", &body).await;
            assert_eq!(refused.code(), Some("validation_failed"), "{act} {body}: {:?}", refused.body);
            assert_eq!(pointers(&refused), [pointer], "{act} {body}");
        }
    }
    let ga = json!({ "tier": "ga", "quantity": 1 });
    let none = world.acts(&sale, "release", "none", &ga).await;
    assert_eq!((none.status, none.code()), (StatusCode::CONFLICT, Some("not_withheld")));
    let seats = json!({ "tier": "stalls", "seats": ["A-1", "B-1"] });
    assert_eq!(pointers(&world.acts(&sale, "release", "none", &seats).await), ["/seats/0", "/seats/1"]);
    let held = json!([{ "tier": "stalls", "seats": ["B-1"] }]);
    world.buyer(&sale).await.asks_to_hold_items(&held).await.unwrap().expect(StatusCode::CREATED).unwrap();
    let taken = world.acts(&sale, "withhold", "taken", &seats).await;
    assert_eq!((taken.code(), pointers(&taken)), (Some("seat_taken"), vec!["/seats/1"]));
    assert_eq!(world.stock(&sale, "stalls").await, [5, 1, 6, 0]);
    assert_eq!(world.stock(&sale, "ga").await, [10, 0, 10, 0]);

    let path = format!("sales/{sale}/withhold");
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    assert_eq!(stranger.asks(Method::POST, &path, &ga).await.unwrap().code(), Some("not_found"));
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    assert_eq!(door.asks(Method::POST, &path, &ga).await.unwrap().code(), Some("forbidden"));
    let authorization = format!("Bearer {}", world.api_key);
    let keyless = world.post(&format!("/v1/organizer/{path}"), &[("authorization", &authorization)], &ga).await;
    assert_eq!(keyless.code(), Some("idempotency_key_missing"));
    let draft = world.organizer.asks(Method::POST, "sales", &hall()).await.unwrap();
    let draft = draft.body["id"].as_str().unwrap().to_owned();
    assert_eq!(world.acts(&draft, "withhold", "draft", &ga).await.code(), Some("sale_state_conflict"));
    assert_eq!(world.acts(&draft, "release", "draft", &ga).await.code(), Some("sale_state_conflict"));
    world.stop().await;
}

/// Each third answer of Redis is lost on its way, also those that say what was taken and that it is gone for good.
#[tokio::test]
async fn a_request_that_is_repeated_until_it_is_answered_is_done_once() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz(60)).await;
    proxy.lose_replies(LostReplies::EveryNth(3), b"EVALSHA");
    for key in 0..10 {
        let body = json!({ "tier": "ga", "quantity": 3 });
        let mut kept = Value::Null;
        eventually("it is answered", async || {
            let answer = world.acts(&sale, "withhold", &format!("keep {key}"), &body).await;
            assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status), "{:?}", answer.body);
            kept = answer.body["units"].clone();
            answer.status == StatusCode::OK
        })
        .await;
        let first = 57 - 3 * key;
        assert_eq!(kept, json!([first, first + 1, first + 2]), "and each time the units of the first try");
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(proxy.lost() >= 5, "only {} replies were lost", proxy.lost());
    let [free, held, ..] = world.stock(&sale, "ga").await;
    assert_eq!((free, world.stock(&sale, "ga").await[3]), (30, 30));
    assert!(held <= 30, "what nobody told Redis of waits for the sweep");
    world.audits_clean().await;
    world.stop().await;
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_withheld() {
    let redis = &shared().await.unwrap().redis;
    let proxy = FaultProxy::start(redis.address()).await.unwrap();
    let world = World::with(Setup { redis: Some(proxy.through(&redis.url())), ..Setup::default() }).await;
    let sale = world.sale(&jazz(6)).await;
    proxy.cut().await;
    let body = json!({ "tier": "ga", "quantity": 2 });
    let away = world.acts(&sale, "withhold", "keep", &body).await;
    assert_eq!((away.status, away.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable")));
    assert!(away.header("retry-after").is_some());
    proxy.restore().await.unwrap();
    eventually("Redis is back", async || world.acts(&sale, "withhold", "keep", &body).await.status == StatusCode::OK)
        .await;
    assert_eq!(world.stock(&sale, "ga").await, [4, 0, 4, 2]);
    world.stop().await;
}
