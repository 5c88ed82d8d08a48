//! Sales, organizers and keys.

use domain::sale::{Seating, StoredState};
use domain::{SaleId, UnitNo};
use ledger::organizers::{KeyRole, key_create, key_find};
use ledger::sales::{
    CreateSale, Decided, Publish, SaleFilter, SaleName, sale_close, sale_create, sale_fetch, sale_pause, sale_publish,
    sale_resume, sales_live, sales_published,
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{Price, World};

#[tokio::test]
async fn a_key_is_found_by_its_secret_only() {
    let world = World::new().await;
    let key = key_create(&world.owner, KeyRole::Door, "Opera", "scanner 1").await.unwrap();
    let other = key_create(&world.owner, KeyRole::Admin, "Opera", "office").await.unwrap();
    assert_eq!(key.organizer, other.organizer, "an organizer is made once");
    assert!(key.secret.starts_with("osk_") && key.secret != other.secret);
    let holder = key_find(&world.gateway, &key.secret).await.unwrap().unwrap();
    assert_eq!((holder.key, holder.organizer, holder.role), (key.id, key.organizer, KeyRole::Door));
    assert_eq!(key_find(&world.gateway, "osk_guess").await.unwrap(), None);
    assert!(key_create(&world.gateway, KeyRole::Admin, "Opera", "mine").await.is_err(), "the edge makes no keys");
}

#[tokio::test]
async fn a_sale_is_published_once() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let again = sale_publish(&world.gateway, sale.organizer, sale.id).await.unwrap();
    let Publish::AlreadyPublished(row) = again else { panic!("{again:?}") };
    assert_eq!((row.state, row.epoch, row.version), (StoredState::Published, 1, 2));
    assert_eq!(row.config, sale.config);
    assert_eq!(world.number("SELECT count(*) FROM units").await, 3);

    let stranger = world.organizer().await;
    assert_eq!(sale_publish(&world.gateway, stranger, sale.id).await.unwrap(), Publish::NotFound);
    let id = SaleId::from_uuid(Uuid::now_v7());
    assert_eq!(sale_create(&world.gateway, stranger, id, &sale.config).await.unwrap(), CreateSale::SlugTaken);
    world.audits_clean().await;
}

#[tokio::test]
async fn the_units_of_a_tier_of_rows_have_the_names_of_its_seats() {
    let world = World::new().await;
    let rows = json!([{ "row": "B", "seats": 2 }, { "row": "Box 1-2", "seats": 1 }, { "row": "A", "seats": 12 }]);
    let tiers = json!([
        { "id": "ga", "name": "Floor", "price": 100, "capacity": 4 },
        { "id": "stalls", "name": "Stalls", "price": 200, "rows": rows },
    ]);
    let sale = world.sale_with(json!({ "tiers": tiers })).await;
    let stalls = &sale.config.tiers[1];
    let seating = Seating::of(stalls).unwrap();
    for unit in 0..stalls.capacity() {
        let seat = seating.seat(UnitNo(unit)).unwrap();
        let named = format!(
            "SELECT count(*) FROM units WHERE tier_id = 'stalls' AND unit_no = {unit} AND seat_label = '{seat}'"
        );
        assert_eq!(world.number(&named).await, 1, "{unit} is {seat}");
    }
    assert_eq!(world.number("SELECT capacity::bigint FROM tiers WHERE id = 'stalls'").await, 15);
    assert_eq!(world.number("SELECT count(*) FROM units WHERE seat_label IS NULL AND tier_id = 'ga'").await, 4);
    assert_eq!(world.number("SELECT count(*) FROM units").await, 19);
    world.audits_clean().await;
}

#[tokio::test]
async fn decisions_follow_the_table() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let (ledger, organizer, id) = (&world.gateway, sale.organizer, sale.id);
    let paused = sale_pause(ledger, organizer, id).await.unwrap();
    assert!(
        matches!(&paused, Decided::Done(row) if row.state == StoredState::Paused && row.version == 3),
        "{paused:?}"
    );
    assert!(matches!(sale_pause(ledger, organizer, id).await.unwrap(), Decided::Already(_)));
    assert!(matches!(sale_resume(ledger, organizer, id).await.unwrap(), Decided::Done(_)));
    assert!(matches!(sale_close(ledger, organizer, id).await.unwrap(), Decided::Done(_)));
    assert_eq!(sale_resume(ledger, organizer, id).await.unwrap(), Decided::Refused(StoredState::Closed));
    let stranger = world.organizer().await;
    assert_eq!(sale_pause(ledger, stranger, id).await.unwrap(), Decided::NotFound);
    assert_eq!(sales_live(&world.workers).await.unwrap(), []);
}

#[tokio::test]
async fn sales_are_found_by_name_and_listed_page_by_page() {
    let world = World::new().await;
    for _ in 0..3 {
        world.sale(1, Price::Paid).await;
    }
    let all = sales_published(&world.gateway, &SaleFilter { limit: 10, ..SaleFilter::default() }).await.unwrap();
    assert_eq!(all.len(), 3);
    let mut filter = SaleFilter { limit: 2, ..SaleFilter::default() };
    let first = sales_published(&world.gateway, &filter).await.unwrap();
    filter.after = first.last().map(|sale| (sale.config.opens_at, sale.id));
    let rest = sales_published(&world.gateway, &filter).await.unwrap();
    assert_eq!([first, rest].concat(), all);

    let words = |text: &str| SaleFilter { text: Some(text.to_owned()), limit: 10, ..SaleFilter::default() };
    assert_eq!(sales_published(&world.gateway, &words("OPERA")).await.unwrap().len(), 3);
    assert_eq!(sales_published(&world.gateway, &words("%")).await.unwrap(), []);
    let found = sale_fetch(&world.gateway, SaleName::Slug(&all[0].slug)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&all[0]));
    assert_eq!(sale_fetch(&world.gateway, SaleName::Id(all[0].id)).await.unwrap(), found);
}
