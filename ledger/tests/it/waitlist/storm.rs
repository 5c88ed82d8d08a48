//! A long line, units in bursts, three promoters, and a third of the offers left to lapse: the order is kept, no unit is offered twice,
//! and every unit is sold in the end or still offered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use domain::{EntryId, SaleId};
use ledger::waitlist::claims::{Claim, offer_claim};
use ledger::waitlist::tending::{offers_lapse_due, waitlist_sales, waitlist_tend};
use ledger::waitlist::{Confirm, EntryState, Join, NewEntry, waitlist_confirm, waitlist_fetch, waitlist_join};
use ledger::withholdings::{Release, ReleaseWish, StockAct, units_release};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{GATHERED_MS, LAPSED_MS, ga};
use crate::soak;
use crate::world::{TestSale, World, connect, within_30_s};

/// How much of a storm.
#[derive(Debug, Clone, Copy)]
struct Size {
    entries: u32,
    units: u32,
}

const SMALL: Size = Size { entries: 300, units: 60 };
const SOAK: Size = Size { entries: 10_000, units: 300 };

/// Bursts in which the units come back.
const BURSTS: u32 = 6;
/// Acts at once, as many as the pools have connections for.
const AT_ONCE: usize = 8;
/// Of so many entries, one lets its offer lapse.
const SLEEPS_EVERY: u32 = 3;

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
const LIVE: &str = "SELECT entry_id FROM offers WHERE state = 'live' ORDER BY rank";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_on_the_waitlist_keeps_its_order_and_sells_everything() {
    let size = if soak::is_on() { SOAK } else { SMALL };
    let world = Arc::new(World::new().await);
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 0, "capacity": size.units }]);
    // All of it is the organizer's at first, who puts it on sale in bursts.
    let withheld = json!({ "ga": size.units });
    let free = json!({ "tiers": tiers, "withheld": withheld, "fees": [], "taxes": [] });
    let sale = world.sale_with(free).await;
    let begun = Instant::now();
    let wishes: Vec<_> = (0..size.entries).map(|entry| sale.wish(1 + entry % 5 / 3)).collect();
    let sleepers: Arc<std::collections::BTreeSet<EntryId>> =
        Arc::new(wishes.iter().step_by(SLEEPS_EVERY as usize).map(|wish| wish.id).collect());
    everybody_waits(&world, wishes).await;
    let joined = begun.elapsed();
    world.database.advance_clock(GATHERED_MS).await.unwrap();

    let is_over = Arc::new(AtomicBool::new(false));
    let (lapsed, mut claimed) = (Arc::new(AtomicU32::new(0)), 0);
    let mut promoters = JoinSet::new();
    for _ in 0..3 {
        promoters.spawn(promotes(Arc::clone(&world), Arc::clone(&is_over), Arc::clone(&lapsed)));
    }
    let served = Instant::now();
    for burst in 0..BURSTS {
        releases(&world, &sale, burst, size.units / BURSTS).await;
        claimed += everybody_claims(&world, &sale, &sleepers).await;
        nobody_is_due(&world).await;
    }
    // Whoever was next because others slept is served too, until all is sold.
    while world.number("SELECT count(*) FROM units WHERE state <> 'sold'").await > 0 {
        claimed += everybody_claims(&world, &sale, &sleepers).await;
        nobody_is_due(&world).await;
    }
    is_over.store(true, Ordering::Release);
    promoters.join_all().await;

    let lapsed = lapsed.load(Ordering::Relaxed);
    eprintln!(
        "{} entries joined and confirmed in {joined:.1?}; {} units in {:.1?}: {claimed} claims, {lapsed} lapses",
        size.entries,
        size.units,
        served.elapsed()
    );
    assert!(lapsed > 0 && claimed > 0);
    assert_eq!(world.number("SELECT count(*) FROM outbox WHERE kind = 'units_return'").await, 0, "nothing leaked");
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, i64::from(size.units));
    assert_eq!(world.number(DEADLOCKS).await, 0);
    world.audits_clean().await;
}

async fn everybody_waits(world: &Arc<World>, wishes: Vec<NewEntry>) {
    let mut joining = JoinSet::new();
    for some in wishes.chunks(wishes.len().div_ceil(AT_ONCE)) {
        let (world, some) = (Arc::clone(world), some.to_vec());
        joining.spawn(async move {
            for wish in some {
                let joined = waitlist_join(&world.gateway, &wish).await.expect("an answer");
                assert!(matches!(joined, Join::Joined(_)), "{joined:?}");
                let confirmed = waitlist_confirm(&world.gateway, wish.sale, wish.id).await.expect("an answer");
                assert!(matches!(confirmed, Confirm::Confirmed(_)), "{confirmed:?}");
            }
        });
    }
    joining.join_all().await;
}

/// Puts units on sale, by several acts at once.
async fn releases(world: &Arc<World>, sale: &TestSale<'_>, burst: u32, units: u32) {
    let mut acts = JoinSet::new();
    for _ in 0..units / 5 {
        let mut request = [0; 32];
        request[..16].copy_from_slice(Uuid::now_v7().as_bytes());
        let act =
            StockAct { organizer: sale.organizer, sale: sale.id, tier: ga(), request, by: format!("burst {burst}") };
        let world = Arc::clone(world);
        acts.spawn(
            async move { units_release(&world.gateway, &act, &ReleaseWish::Quantity(5)).await.expect("an answer") },
        );
    }
    for released in acts.join_all().await {
        assert!(matches!(released, Release::Released(_)), "{released:?}");
    }
}

/// Everybody who has an offer now claims it, but for those who sleep; how many did.
async fn everybody_claims(
    world: &Arc<World>,
    sale: &TestSale<'_>,
    sleepers: &std::collections::BTreeSet<EntryId>,
) -> u32 {
    let rows = connect(&world.database.url).await.query(LIVE, &[]).await.expect("the offers");
    let awake = rows.iter().map(|row| EntryId::from_uuid(row.get(0))).filter(|entry| !sleepers.contains(entry));
    let mut claims = JoinSet::new();
    for entry in awake {
        let row = waitlist_fetch(&world.gateway, sale.id, entry).await.expect("an answer").expect("the entry");
        assert_eq!(row.state, EntryState::Offered);
        let claim = sale.claim_of(entry, &row.offer.expect("an offer"));
        let world = Arc::clone(world);
        claims.spawn(async move { offer_claim(&world.gateway, &claim).await.expect("an answer") });
    }
    let mut claimed = 0;
    for claim in claims.join_all().await {
        assert!(matches!(claim, Claim::Created(_)), "{claim:?}");
        claimed += 1;
    }
    claimed
}

/// The time of those who sleep is over, and the promoters saw it.
async fn nobody_is_due(world: &World) {
    world.database.advance_clock(LAPSED_MS).await.expect("a clock");
    let due = "SELECT count(*) FROM offers WHERE state = 'live' AND until <= onsale_now()";
    within_30_s(async || world.number(due).await == 0).await;
}

async fn promotes(world: Arc<World>, is_over: Arc<AtomicBool>, lapsed: Arc<AtomicU32>) {
    while !is_over.load(Ordering::Acquire) {
        let ended = offers_lapse_due(&world.workers, 100).await.expect("an answer").len();
        lapsed.fetch_add(u32::try_from(ended).expect("few"), Ordering::Relaxed);
        let sales: Vec<SaleId> = waitlist_sales(&world.workers).await.expect("an answer");
        for sale in sales {
            waitlist_tend(&world.workers, sale).await.expect("an answer");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
