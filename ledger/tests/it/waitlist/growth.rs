//! A tier that grows: who waits for it is served first, the rest goes on sale, and nothing is lost or made up on the way.

use std::sync::Arc;

use domain::OrderId;
use domain::sale::SaleConfig;
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::orders::{CreateOrder, order_cancel, orders_expire_due};
use ledger::outbox::{Queue, Whose, Work, claim};
use ledger::sales::change::{ChangeSale, sale_change};
use ledger::sales::{SaleName, SaleRow, sale_fetch, sale_pause, sale_resume};
use ledger::waitlist::claims::Claim;
use ledger::waitlist::tending::{offers_lapse_due, waitlist_tend};
use ledger::waitlist::{Confirm, EntryState};
use tokio::task::JoinSet;

use super::{GATHERED_MS, Line, sold_out, units};
use crate::soak;
use crate::world::{Price, TestSale, World, connect, within_30_s};

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Units that are free while somebody waits for their tier.
const LEAKED: &str = "
    SELECT count(*) FROM units u
     WHERE u.state = 'free' AND EXISTS (SELECT FROM waitlist_wants w WHERE w.sale_id = u.sale_id AND w.tier_id = u.tier_id)";

/// How often a tier grows while everything else goes on.
const ROUNDS: u32 = 5;
const ROUNDS_SOAK: u32 = 200;

impl TestSale<'_> {
    pub(super) async fn row(&self) -> SaleRow {
        sale_fetch(&self.world.gateway, SaleName::Id(self.id)).await.expect("an answer").expect("the sale")
    }

    /// Changes what was seen to a tier of that size.
    async fn sizes(&self, seen: &SaleRow, capacity: u32) -> ChangeSale {
        let config = sized(&seen.config, capacity);
        sale_change(&self.world.gateway, self.organizer, self.id, seen.version, &config, "key_1")
            .await
            .expect("an answer")
    }

    pub(crate) async fn grows_to(&self, capacity: u32) {
        let changed = self.sizes(&self.row().await, capacity).await;
        let ChangeSale::Changed(row) = changed else { panic!("{changed:?}") };
        assert_eq!(row.config.tiers[0].capacity(), capacity);
    }
}

fn sized(config: &SaleConfig, capacity: u32) -> SaleConfig {
    let mut config = config.clone();
    config.tiers[0].capacity = Some(capacity);
    config
}

#[tokio::test]
async fn who_waits_is_served_first_and_the_rest_is_on_sale() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    sold_out(&sale, 2).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second, third] = line.wait_for([1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    sale.grows_to(4).await;
    assert_eq!(
        line.states([first, second, third]).await,
        [EntryState::Offered, EntryState::Offered, EntryState::Waiting]
    );
    assert_eq!((line.offer(first).await.units, line.offer(second).await.units), (units(&[2]), units(&[3])));
    assert!(line.on_sale_again().await.is_empty(), "Redis hears nothing of it");
    let counts = line.counts().await;
    assert_eq!((counts.capacity, counts.free, counts.ordered, counts.offered), (4, 0, 2, 2));
    world.audits_clean().await;

    sale.grows_to(9).await;
    assert_eq!(line.offer(third).await.units, units(&[4]));
    assert_eq!(line.on_sale_again().await, [5, 6, 7, 8]);
    let Claim::Created(order) = line.claims(first).await else { panic!("an order") };
    let paying = sale.being_paid(order).await;
    world.applies(&paying.news(domain::payment::IntentStatus::Succeeded)).await;
    sale.paid_order([8]).await;
    let counts = line.counts().await;
    assert_eq!((counts.capacity, counts.free, counts.sold, counts.offered), (9, 3, 2, 2));
    world.audits_clean().await;
}

/// The reply was lost: whoever asks again with the version that was seen changes nothing.
#[tokio::test]
async fn the_same_change_twice_makes_units_once() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let seen = sale.row().await;
    let line = Line { world: &world, sale: &sale };
    assert!(matches!(sale.sizes(&seen, 5).await, ChangeSale::Changed(row) if row.version == seen.version + 1));
    assert_eq!(sale.sizes(&seen, 5).await, ChangeSale::Stale);
    assert_eq!(sale.sizes(&seen, 9).await, ChangeSale::Stale, "nor another of what is not so any more");
    assert_eq!(world.number("SELECT count(*) FROM units").await, 5);
    assert_eq!(line.on_sale_again().await, [2, 3, 4]);
    assert_eq!(world.number("SELECT count(*) FROM transfers WHERE kind = 'seats_issued'").await, 2);
    let told = "SELECT count(*) FROM audit_log WHERE actor = 'key_1' AND act = 'sale_changed'
                   AND detail #> '{before,tiers,0,capacity}' = '2' AND detail #> '{after,tiers,0,capacity}' = '5'
                   AND NOT detail -> 'after' ? 'name'";
    assert_eq!(world.number(told).await, 1, "what was before and is after, and nothing else");
    world.audits_clean().await;
}

/// Redis takes a thousand units in a call, and none of them twice.
#[tokio::test]
async fn redis_is_told_in_parts_and_an_epoch_that_begins_knows_all() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    sale.grows_to(2_503).await;
    let mut sizes = Vec::new();
    for job in claim(&world.workers, Queue::Stock, 10, 60).await.unwrap() {
        let Work::UnitsReturn { epoch: 1, whose: Whose::Withheld, units, .. } = job.work else { panic!("{job:?}") };
        assert!(units.iter().all(|(_, unit)| (3..2_503).contains(&unit.0)));
        sizes.push(units.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [500, 1_000, 1_000]);
    let EpochBegin::Begun(epoch) = epoch_begin(&world.workers, sale.id, Some(1)).await.unwrap() else { panic!("free") };
    assert_eq!((epoch.tiers[0].capacity, epoch.tiers[0].free.len()), (2_503, 2_503));
    world.audits_clean().await;
}

/// Nothing is offered while the queue has its time to join, nor in a pause; and nothing of it is sold meanwhile.
#[tokio::test]
async fn what_nobody_may_be_offered_yet_is_kept_for_the_line() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [first] = line.wait_for([1]).await;
    sale.grows_to(2).await;
    assert_eq!((line.state(first).await, line.counts().await.offered), (EntryState::Waiting, 1));
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.passes(GATHERED_MS).await;
    sale.grows_to(3).await;
    assert_eq!((line.state(first).await, line.counts().await.offered), (EntryState::Waiting, 2));
    world.audits_clean().await;
    sale_resume(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.tend().await;
    assert_eq!(line.offer(first).await.units, units(&[1]));
    assert_eq!(line.on_sale_again().await, [2], "what nobody waits for");
    world.audits_clean().await;
}

/// A growth has looked whether somebody waits; until it is committed nobody begins to, and then there is something to buy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_begins_to_wait_while_a_tier_grows() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let wish = sale.wish(1);
    line.joins(&wish).await;
    let seen = sale.row().await;
    let config = serde_json::to_string(&sized(&seen.config, 2)).unwrap();
    let (organizer, id, version, slug) = (seen.organizer.uuid(), seen.id.uuid(), seen.version, &seen.slug);
    let grows = connect(&world.database.url).await;
    let change = format!(
        "BEGIN; SELECT sale_change('{organizer}', '{id}', {version}, '{config}', '{slug}', 'eur', now(), 'key_1')"
    );
    grows.batch_execute(&change).await.unwrap();
    let look = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%waitlist_confirm%'";
        within_30_s(async || world.number(waiting).await == 1).await;
        grows.batch_execute("COMMIT").await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(line.confirms(wish.id), look);
    assert_eq!(confirmed, Confirm::OnSale(super::ga()), "it sees what there is more");
    assert_eq!(line.on_sale_again().await, [1]);
    world.audits_clean().await;
}

/// Three who saw the same each want another size.
fn changed_by_three(acts: &mut JoinSet<bool>, world: &Arc<World>, seen: &SaleRow) {
    for more in 1..=3 {
        let (world, seen) = (Arc::clone(world), seen.clone());
        acts.spawn(async move {
            let config = sized(&seen.config, seen.config.tiers[0].capacity() + more);
            let changed = sale_change(&world.gateway, seen.organizer, seen.id, seen.version, &config, "key_1").await;
            matches!(changed.expect("an answer"), ChangeSale::Changed(_))
        });
    }
}

/// Grown, freed, paid for, confirmed, lapsed and promoted at once: every invariant holds, and nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tier_grows_while_everything_else_goes_on() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(4, Price::Paid).await;
    let line = Line { world: &world, sale: &sale };
    let (mut orders, mut claimed) = (sold_out(&sale, 4).await, 0);
    for round in 0..if soak::is_on() { ROUNDS_SOAK } else { ROUNDS } {
        let mut entries = Vec::new();
        for quantity in [1, 2, 1, 1] {
            let wish = sale.wish(quantity);
            line.joins(&wish).await;
            entries.push(wish.id);
        }
        // Before the time that the queue has: an order lives hardly longer.
        let paying = sale.being_paid(orders.pop().expect("an order")).await;
        line.passes(GATHERED_MS).await;
        let seen = sale.row().await;
        let mut acts = JoinSet::new();
        changed_by_three(&mut acts, &world, &seen);
        let cancelled: Vec<OrderId> = orders.drain(..orders.len().min(2)).map(|order| order.id).collect();
        for order in cancelled {
            let (world, sale) = (Arc::clone(&world), sale.id);
            acts.spawn(async move {
                drop(order_cancel(&world.gateway, sale, order).await.expect("an answer"));
                false
            });
        }
        for entry in entries.clone() {
            let (world, sale) = (Arc::clone(&world), sale.id);
            acts.spawn(async move {
                drop(ledger::waitlist::waitlist_confirm(&world.gateway, sale, entry).await.expect("an answer"));
                false
            });
        }
        let tends = Arc::clone(&world);
        let id = sale.id;
        acts.spawn(async move {
            waitlist_tend(&tends.workers, id).await.expect("an answer");
            offers_lapse_due(&tends.workers, 100).await.expect("an answer");
            orders_expire_due(&tends.workers, 100).await.expect("an answer");
            false
        });
        let pays = Arc::clone(&world);
        acts.spawn(async move {
            pays.applies(&paying.news(domain::payment::IntentStatus::Succeeded)).await;
            false
        });
        let grown = acts.join_all().await.into_iter().filter(|grew| *grew).count();
        assert_eq!(grown, 1, "of those who saw the same, one changes it: round {round}");
        assert_eq!(world.number(LEAKED).await, 0);
        world.audits_clean().await;
        for entry in entries {
            if line.state(entry).await == EntryState::Offered
                && let Claim::Created(order) = line.claims(entry).await
            {
                orders.push(order);
                claimed += 1;
            } else {
                line.leaves(entry).await;
            }
        }
        line.on_sale_again().await;
        // Whatever is nobody's is bought, so that the next round begins sold out.
        let row = sale.row().await;
        for unit in 0..row.config.tiers[0].capacity() {
            if let CreateOrder::Created(order) = sale.creates(&sale.order([unit])).await {
                orders.push(order);
            }
        }
        world.audits_clean().await;
    }
    eprintln!("{claimed} claimed");
    assert_eq!(world.number(DEADLOCKS).await, 0);
}
