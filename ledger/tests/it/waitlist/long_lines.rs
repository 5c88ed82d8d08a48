//! Lines of thousands: no call does more than its part of one, so none runs into the time a statement may take.

use ledger::sales::{sale_close, sale_pause};
use ledger::waitlist::EntryState;
use ledger::waitlist::tending::{waitlist_sales, waitlist_tend};
use ledger::withholdings::{Release, ReleaseWish, StockAct, units_release};
use serde_json::json;
use uuid::Uuid;

use super::{Line, ga};
use crate::soak;
use crate::world::{TestSale, World};

const ENTRIES: u32 = 5_000;
const ENTRIES_SOAK: u32 = 50_000;
/// Units that are in offers when the sale is closed, and units that are kept then.
const OFFERED: u32 = 300;
const KEPT: u32 = 1_000;
/// Entries that one call ends at most: of the line, and of those with an offer.
const ENDS_MAX: u32 = 1_000 + OFFERED;

pub(super) const OVER: &str = "SELECT count(*) FROM waitlist_entries WHERE state = 'over'";
const FREE: &str = "SELECT count(*) FROM units WHERE state = 'free'";

/// A sale whose units are all withheld.
pub(super) async fn nothing_on_sale(world: &World, units: u32) -> TestSale<'_> {
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": units }]);
    world.sale_with(json!({ "tiers": tiers, "withheld": { "ga": units } })).await
}

/// So many stand in each line of the sale, confirmed, each for so many units; written by hand, for there are too many to come one by one.
pub(super) async fn stand_in_line(world: &World, sale: &TestSale<'_>, entries: u32, quantity: u32) {
    let id = sale.id.uuid();
    let rows = format!(
        "INSERT INTO waitlist_lines SELECT sale_id, id, onsale_now() - interval '1 hour' FROM tiers WHERE sale_id = '{id}'
             ON CONFLICT DO NOTHING;
         WITH e AS (
             INSERT INTO waitlist_entries (sale_id, id, rank, tiers, quantity, state, joined_at, confirmed_at, changed_at)
             SELECT '{id}', gen_random_uuid(), nextval('waitlist_ranks'),
                    ARRAY(SELECT id FROM tiers WHERE sale_id = '{id}' ORDER BY id), {quantity}, 'waiting', onsale_now(),
                    onsale_now(), onsale_now() FROM generate_series(1, {entries})
             RETURNING *),
         c AS (
             INSERT INTO waitlist_contacts (sale_id, entry_id, email, buyer, is_live)
             SELECT sale_id, id, id || '@example.com', id || '@example.com', true FROM e)
         INSERT INTO waitlist_wants (sale_id, tier_id, rank, entry_id, preference, quantity)
         SELECT sale_id, tier, rank, id, place, quantity FROM e, unnest(e.tiers) WITH ORDINALITY AS wanted (tier, place)"
    );
    world.database.execute(&rows).await.expect("a line");
}

pub(super) async fn releases(sale: &TestSale<'_>, units: u32) {
    let mut request = [0; 32];
    request[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    let act = StockAct { organizer: sale.organizer, sale: sale.id, tier: ga(), request, by: "test".to_owned() };
    let released = units_release(&sale.world.gateway, &act, &ReleaseWish::Quantity(units)).await.expect("an answer");
    assert!(matches!(released, Release::Released(_)), "{released:?}");
}

#[tokio::test]
async fn a_long_line_that_is_over_ends_part_by_part() {
    let entries = if soak::is_on() { ENTRIES_SOAK } else { ENTRIES };
    let world = World::new().await;
    let sale = nothing_on_sale(&world, OFFERED + KEPT).await;
    let line = Line { world: &world, sale: &sale };
    stand_in_line(&world, &sale, entries, 1).await;
    releases(&sale, OFFERED).await;
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    releases(&sale, KEPT).await;
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    let mut ended = 0;
    while waitlist_sales(&world.workers).await.expect("an answer").contains(&sale.id) {
        let tended = waitlist_tend(&world.workers, sale.id).await.expect("an answer within the time of a statement");
        assert!((1..=ENDS_MAX).contains(&tended.entries_ended), "{tended:?}");
        ended += tended.entries_ended;
    }
    world.audits_clean().await;
    assert_eq!((ended, world.number(OVER).await), (entries, i64::from(entries)));
    assert_eq!(world.number(FREE).await, i64::from(OFFERED + KEPT));
    assert_eq!(line.on_sale_again().await.len(), usize::try_from(OFFERED + KEPT).unwrap());
}

#[tokio::test]
async fn who_stands_behind_a_thousand_passes_nobody() {
    let world = World::new().await;
    let sale = nothing_on_sale(&world, 4).await;
    let line = Line { world: &world, sale: &sale };
    stand_in_line(&world, &sale, 999, 2).await;
    let near = line.waits(&sale.wish(1)).await;
    let far = line.waits(&sale.wish(1)).await;
    releases(&sale, 1).await;
    assert_eq!(line.states([near, far]).await, [EntryState::Offered, EntryState::Waiting]);
    line.leaves(near).await;
    assert_eq!(line.state(far).await, EntryState::Offered, "the thousandth now");
    world.audits_clean().await;
    let [next] = line.wait_for([2]).await;
    let last = line.waits(&sale.wish(1)).await;
    releases(&sale, 1).await;
    assert_eq!(
        line.states([next, last]).await,
        [EntryState::Waiting; 2],
        "a thousand want more than there is: it is kept"
    );
    world.audits_clean().await;
}
