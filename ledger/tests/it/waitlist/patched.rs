//! A sale that is changed while people wait and have offers: what was right when it was done is no breach afterwards, and offers end
//! when selling does, wherever that was moved to.

use domain::sale::SaleConfig;
use jiff::{SignedDuration, Timestamp};
use ledger::sales::change::{ChangeSale, sale_change};
use ledger::waitlist::EntryState;
use ledger::waitlist::claims::Claim;
use serde_json::{Value, json};

use super::long_lines::{OVER, releases, stand_in_line};
use super::{GATHERED_MS, Line, sold_out};
use crate::world::{TestSale, World};

const HOUR_MS: i64 = 3_600_000;
/// Entries of a line that one call ends.
const ENDS_MAX: u32 = 1_000;

impl TestSale<'_> {
    /// Changes fields of the sale as it is now.
    async fn patched(&self, fields: Value) {
        let seen = self.row().await;
        let mut document = serde_json::to_value(&seen.config).expect("JSON");
        let (Value::Object(all), Value::Object(fields)) = (&mut document, fields) else { panic!("objects") };
        all.extend(fields);
        let config: SaleConfig = serde_json::from_value(document).expect("a configuration");
        let changed = sale_change(&self.world.gateway, self.organizer, self.id, seen.version, &config, "key_1").await;
        assert!(matches!(changed.expect("an answer"), ChangeSale::Changed(_)));
    }
}

/// A sale of so many units that closes in so many hours, whose offers live for four.
async fn closes_in<'w>(world: &'w World, units: u32, hours: i64) -> TestSale<'w> {
    let closes_at = in_hours(world, hours).await;
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": units }]);
    let opens_at = "2026-01-01T10:00:00Z";
    world
        .sale_with(json!({ "opens_at": opens_at, "closes_at": closes_at, "tiers": tiers, "offer_ttl_s": 14_400 }))
        .await
}

async fn in_hours(world: &World, hours: i64) -> Timestamp {
    world.now().await + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn what_was_offered_before_a_change_is_no_breach_after_it() {
    let world = World::new().await;
    let sale = closes_in(&world, 4, 48).await;
    let orders = sold_out(&sale, 4).await;
    let line = Line { world: &world, sale: &sale };
    let [first, big, second] = line.wait_for([1, 3, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    line.gives_back(orders[1].id).await;
    assert_eq!(
        line.states([first, big, second]).await,
        [EntryState::Offered, EntryState::Waiting, EntryState::Offered]
    );
    let until = line.offer(first).await.until;
    for fields in [
        json!({ "hold": { "max_ttl_s": 3_000 }, "offer_ttl_s": 3_000 }),
        json!({ "offer_ttl_s": 604_800 }),
        json!({ "hold": {}, "offer_ttl_s": 900 }),
        json!({ "closes_at": in_hours(&world, 24).await }),
        json!({ "closes_at": in_hours(&world, 200).await }),
        json!({ "closes_at": null }),
        json!({ "tiers": [{ "id": "ga", "name": "Stalls", "price": 4500, "capacity": 4 }] }),
        json!({ "tiers": [{ "id": "ga", "name": "Stalls", "price": 4500, "capacity": 6 }] }),
    ] {
        let told = fields.to_string();
        sale.patched(fields).await;
        line.tend().await;
        assert_eq!(line.offer(first).await.until, until, "an offer lives as long as it was said: {told}");
        world.audits_clean().await;
    }
    assert_eq!(line.state(big).await, EntryState::Waiting, "of three units there are two");
    assert!(matches!(line.claims(second).await, Claim::Created(_)));
    sale.patched(json!({ "tiers": [{ "id": "ga", "name": "Stalls", "price": 4500, "capacity": 7 }] })).await;
    assert_eq!(line.state(big).await, EntryState::Offered);
    world.audits_clean().await;
}

/// Selling ends earlier than an offer was to: so does the offer, and its units go on sale at the counter.
#[tokio::test]
async fn an_offer_ends_with_selling_when_that_is_moved_to_an_earlier_time() {
    let world = World::new().await;
    let sale = closes_in(&world, 1, 48).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [has, waits] = line.wait_for([1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let closes_at = in_hours(&world, 1).await;
    sale.patched(json!({ "closes_at": closes_at })).await;
    assert_eq!(line.offer(has).await.until, closes_at);
    line.passes(HOUR_MS + 1_000).await;
    line.lapse().await;
    line.tend().await;
    assert_eq!(line.states([has, waits]).await, [EntryState::Lapsed, EntryState::Over]);
    assert_eq!(line.on_sale_again().await, [0]);
    world.audits_clean().await;
}

/// Selling is moved to an earlier time and back again before that came: the offer lives as it would have.
#[tokio::test]
async fn an_offer_has_its_time_again_when_selling_ends_later_after_all() {
    let world = World::new().await;
    let sale = closes_in(&world, 1, 48).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [has] = line.wait_for([1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let until = line.offer(has).await.until;
    sale.patched(json!({ "closes_at": in_hours(&world, 1).await })).await;
    line.tend().await;
    sale.patched(json!({ "closes_at": in_hours(&world, 48).await })).await;
    assert_eq!(line.offer(has).await.until, until);
    line.passes(HOUR_MS * 2).await;
    line.lapse().await;
    line.tend().await;
    assert!(matches!(line.claims(has).await, Claim::Created(_)));
    world.audits_clean().await;
}

/// Of a long line that stands for several tiers, some are over when selling goes on after all: with everything they waited for.
#[tokio::test]
async fn who_is_over_is_so_in_each_line_when_selling_goes_on_after_all() {
    let world = World::new().await;
    let tiers = [("ga", 2), ("vip", 2)]
        .map(|(id, capacity)| json!({ "id": id, "name": id, "price": 4500, "capacity": capacity }));
    let sale = world.sale_with(json!({ "tiers": tiers, "withheld": { "ga": 2, "vip": 2 } })).await;
    let line = Line { world: &world, sale: &sale };
    stand_in_line(&world, &sale, ENDS_MAX + 2, 1).await;
    sale.patched(json!({ "closes_at": in_hours(&world, 0).await + SignedDuration::from_mins(1) })).await;
    line.tend().await;
    sale.patched(json!({ "closes_at": null })).await;
    assert_eq!(world.number(OVER).await, i64::from(ENDS_MAX));
    releases(&sale, 1).await;
    assert_eq!(world.number("SELECT count(*) FROM waitlist_entries WHERE state = 'offered'").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM waitlist_wants").await, 2, "one waits, for both");
    world.audits_clean().await;
}
