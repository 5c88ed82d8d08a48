//! Changing a sale: as a draft and after publishing, by many at once, and what the database itself refuses.

use domain::sale::SaleConfig;
use domain::{OrganizerId, SaleId};
use jiff::Timestamp;
use ledger::LedgerError;
use ledger::sales::change::{ChangeSale, sale_change};
use ledger::sales::{CreateSale, SaleName, SaleRow, sale_close, sale_create, sale_fetch, sale_publish};
use ledger::waitlist::{Join, NewEntry, waitlist_join};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Price, TestSale, World, config_with};

impl World {
    async fn sees(&self, sale: SaleId) -> SaleRow {
        sale_fetch(&self.gateway, SaleName::Id(sale)).await.expect("an answer").expect("the sale")
    }

    async fn changes_to(&self, seen: &SaleRow, config: &SaleConfig) -> Result<ChangeSale, LedgerError> {
        sale_change(&self.gateway, seen.organizer, seen.id, seen.version, config, "key_1").await
    }

    async fn drafts(&self, organizer: OrganizerId, config: &SaleConfig) -> SaleRow {
        let id = SaleId::from_uuid(Uuid::now_v7());
        let created = sale_create(&self.gateway, organizer, id, config).await.expect("an answer");
        let CreateSale::Created(row) = created else { panic!("{created:?}") };
        row
    }
}

/// A configuration with other fields: what is null is left out.
fn with(config: &SaleConfig, fields: Value) -> SaleConfig {
    let mut document = serde_json::to_value(config).expect("JSON");
    let (Value::Object(all), Value::Object(fields)) = (&mut document, fields) else { panic!("an object") };
    all.extend(fields);
    serde_json::from_value(document).expect("a configuration")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[tokio::test]
async fn of_a_draft_everything_may_change_and_it_is_published_as_it_is_then() {
    let world = World::new().await;
    let organizer = world.organizer().await;
    let draft = world.drafts(organizer, &config_with(json!({ "slug": "first" }))).await;
    world.drafts(organizer, &config_with(json!({ "slug": "taken" }))).await;
    let tiers = json!([{ "id": "box", "name": "Box", "price": 700, "capacity": 3 }]);
    let fields = json!({ "slug": "other", "currency": "usd", "opens_at": "2027-03-01T10:00:00Z", "tiers": tiers });
    let other = with(&draft.config, fields);
    assert_eq!(
        world.changes_to(&draft, &with(&other, json!({ "slug": "taken" }))).await.unwrap(),
        ChangeSale::SlugTaken
    );
    let ChangeSale::Changed(row) = world.changes_to(&draft, &other).await.unwrap() else { panic!("it is as it was") };
    assert_eq!((row.slug.as_str(), row.version, &row.config), ("other", draft.version + 1, &other));
    assert_eq!(world.number("SELECT count(*) FROM tiers").await, 0, "a draft is a configuration and nothing else");
    sale_publish(&world.gateway, organizer, row.id).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM units WHERE tier_id = 'box'").await, 3);
    assert_eq!(
        world.number("SELECT count(*) FROM sales WHERE opens_at = '2027-03-01T10:00:00Z' AND currency = 'usd'").await,
        1
    );
    assert_eq!(world.changes_to(&row, &other).await.unwrap(), ChangeSale::Stale, "published meanwhile");
    world.audits_clean().await;
}

#[tokio::test]
async fn what_the_database_has_in_rows_of_its_own_changes_with_the_configuration() {
    let world = World::new().await;
    let phases = json!([{ "id": "early", "opens_at": "2026-01-01T10:00:00Z" }, { "id": "late", "opens_at": "2026-01-02T10:00:00Z" }]);
    let plain = world.sale(2, Price::Paid).await;
    let phased = world.sale_with(json!({ "phases": phases, "closes_at": "2030-01-01T10:00:00Z" })).await;
    for sale in [&plain, &phased] {
        let seen = world.sees(sale.id).await;
        let mut tier = serde_json::to_value(&seen.config.tiers[0]).unwrap();
        tier["name"] = json!("Floor");
        let fields =
            json!({ "name": "Matinee", "venue": "Barn", "closes_at": "2031-01-01T10:00:00Z", "tiers": [tier] });
        let changed = world.changes_to(&seen, &with(&seen.config, fields)).await.unwrap();
        let ChangeSale::Changed(row) = changed else { panic!("{changed:?}") };
        assert_eq!((row.version, row.config.closes_at), (seen.version + 1, Some(time("2031-01-01T10:00:00Z"))));
    }
    for (rows, count) in [
        ("performances WHERE name = 'Matinee' AND venue = 'Barn'", 2),
        ("tiers WHERE name = 'Floor'", 2),
        ("phases WHERE closes_at = '2031-01-01T10:00:00Z' AND id IN ('general', 'late')", 2),
        ("phases WHERE closes_at = '2026-01-02T10:00:00Z' AND id = 'early'", 1),
    ] {
        assert_eq!(world.number(&format!("SELECT count(*) FROM {rows}")).await, count, "{rows}");
    }
    world.audits_clean().await;
}

#[tokio::test]
async fn of_many_who_change_what_they_saw_one_does() {
    let world = std::sync::Arc::new(World::new().await);
    let sale = world.sale(2, Price::Paid).await;
    let seen = world.sees(sale.id).await;
    let mut acts = JoinSet::new();
    for number in 0..8 {
        let (world, seen) = (std::sync::Arc::clone(&world), seen.clone());
        acts.spawn(async move {
            let config = with(&seen.config, json!({ "venue": format!("Barn {number}") }));
            (number, world.changes_to(&seen, &config).await.unwrap())
        });
    }
    let mut changed = Vec::new();
    for (number, outcome) in acts.join_all().await {
        match outcome {
            ChangeSale::Changed(_) => changed.push(number),
            other => assert_eq!(other, ChangeSale::Stale),
        }
    }
    let [winner] = changed[..] else { panic!("{changed:?}") };
    let row = world.sees(sale.id).await;
    assert_eq!((row.version, row.config.venue), (seen.version + 1, format!("Barn {winner}")));
    assert_eq!(world.number("SELECT count(*) FROM audit_log WHERE act = 'sale_changed'").await, 1);
}

async fn is_refused(world: &World, sale: &TestSale<'_>, tiers: Value) {
    let seen = world.sees(sale.id).await;
    let refused = world.changes_to(&seen, &with(&seen.config, json!({ "tiers": tiers }))).await.expect_err("a refusal");
    assert_eq!(refused.constraint(), Some("tiers_only_grow"), "{tiers}: {refused}");
    assert_eq!(world.sees(sale.id).await, seen);
}

/// Whatever a caller checked before.
#[tokio::test]
async fn the_database_lets_no_tier_go_shrink_or_change_its_price() {
    let world = World::new().await;
    let floor = json!({ "id": "ga", "name": "Floor", "price": 4500, "capacity": 4 });
    let rows = json!([{ "row": "A", "seats": 3 }]);
    let stalls = json!({ "id": "stalls", "name": "Stalls", "price": 200, "rows": rows });
    let sale = world.sale_with(json!({ "tiers": [floor, stalls] })).await;
    let floor_of =
        |capacity: u32, price: i64| json!({ "id": "ga", "name": "Floor", "price": price, "capacity": capacity });
    let longer = json!({ "id": "stalls", "name": "Stalls", "price": 200, "rows": [{ "row": "A", "seats": 4 }] });
    for tiers in [
        json!([floor_of(3, 4500), stalls]),
        json!([floor_of(4, 4400), stalls]),
        json!([floor_of(5, 4600), stalls]),
        json!([stalls, floor]),
        json!([floor]),
        json!([floor, stalls, { "id": "box", "name": "Box", "price": 1, "capacity": 1 }]),
        json!([floor, longer]),
    ] {
        is_refused(&world, &sale, tiers).await;
    }
    let seen = world.sees(sale.id).await;
    let larger = with(&seen.config, json!({ "tiers": [floor_of(5, 4500), stalls] }));
    assert!(matches!(world.changes_to(&seen, &larger).await.unwrap(), ChangeSale::Changed(_)));
    let (seen, stranger) = (world.sees(sale.id).await, world.organizer().await);
    let by_another = SaleRow { organizer: stranger, ..seen.clone() };
    assert_eq!(world.changes_to(&by_another, &seen.config).await.unwrap(), ChangeSale::NotFound);
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(world.changes_to(&seen, &seen.config).await.unwrap(), ChangeSale::Stale);
    let closed = world.sees(sale.id).await;
    let told = with(&closed.config, json!({ "venue": "Barn" }));
    assert!(matches!(world.changes_to(&closed, &told).await.unwrap(), ChangeSale::Changed(_)));
    world.audits_clean().await;
}

/// When its performance begins, which may be moved, nobody can wait for a sale any more.
#[tokio::test]
async fn the_waitlist_ends_when_the_performance_begins_as_it_is_said_now() {
    let world = World::new().await;
    let now = world.now().await;
    let starts_in =
        |hours: i64| json!({ "performances": [{ "starts_at": now + jiff::SignedDuration::from_hours(hours) }] });
    let sale = world.sale_with(starts_in(-1)).await;
    let joins = async |email: &str| {
        let wish = NewEntry {
            id: domain::EntryId::from_uuid(Uuid::now_v7()),
            sale: sale.id,
            tiers: vec!["ga".parse().expect("a tier")],
            quantity: 1,
            email: email.to_owned(),
            number: None,
        };
        waitlist_join(&world.gateway, &wish).await.expect("an answer")
    };
    let over = joins("ada@example.com").await;
    assert!(matches!(over, Join::Over(_)), "{over:?}");
    let seen = world.sees(sale.id).await;
    let moved = world.changes_to(&seen, &with(&seen.config, starts_in(48))).await.unwrap();
    assert!(matches!(moved, ChangeSale::Changed(_)));
    let joined = joins("ada@example.com").await;
    assert!(matches!(joined, Join::Joined(_)), "{joined:?}");
}
