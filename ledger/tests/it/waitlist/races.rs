//! Who begins to wait and what is freed at the same time: either the one is seen or the other, so nothing leaks past the line.

use std::sync::Arc;

use ledger::orders::{CreateOrder, order_cancel};
use ledger::waitlist::claims::Claim;
use ledger::waitlist::tending::waitlist_tend;
use ledger::waitlist::{Confirm, EntryState, waitlist_confirm, waitlist_fetch};
use tokio::task::JoinSet;

use super::{GATHERED_MS, Line, sold_out};
use crate::soak;
use crate::world::{Price, World, connect, within_30_s};

/// How often somebody begins to wait while the only unit comes back; in a soak, ten thousand times.
const MEETINGS: u32 = 60;
const MEETINGS_SOAK: u32 = 10_000;

/// Sessions whose transaction was given up to break a cycle.
const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Units that are free while somebody waits for their tier.
const LEAKED: &str = "
    SELECT count(*) FROM units u
     WHERE u.state = 'free' AND EXISTS (SELECT FROM waitlist_wants w WHERE w.sale_id = u.sale_id AND w.tier_id = u.tier_id)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_begins_to_wait_while_a_unit_comes_back_gets_it_or_finds_it_on_sale() {
    let world = Arc::new(World::new().await);
    let (mut offered, mut on_sale) = (0, 0);
    for meeting in 0..if soak::is_on() { MEETINGS_SOAK } else { MEETINGS } {
        let sale = world.sale(1, Price::Paid).await;
        let orders = sold_out(&sale, 1).await;
        let line = Line { world: &world, sale: &sale };
        let wish = sale.wish(1);
        line.joins(&wish).await;
        line.passes(GATHERED_MS).await;
        let (id, order) = (sale.id, orders[0].id);
        let frees = async { order_cancel(&world.gateway, id, order).await.expect("an answer") };
        let waits = async { waitlist_confirm(&world.gateway, id, wish.id).await.expect("an answer") };
        let confirmed = if meeting % 2 == 0 { tokio::join!(frees, waits).1 } else { tokio::join!(waits, frees).0 };
        let entry = waitlist_fetch(&world.gateway, id, wish.id).await.unwrap().expect("the entry");
        match confirmed {
            Confirm::Confirmed(_) => {
                assert_eq!(entry.state, EntryState::Offered, "the unit came back, so it is offered");
                offered += 1;
            }
            Confirm::OnSale(_) => {
                assert_eq!(entry.state, EntryState::Unconfirmed);
                on_sale += 1;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.number(LEAKED).await, 0);
    }
    eprintln!("{offered} offered, {on_sale} on sale");
    world.audits_clean().await;
}

/// Who frees a unit has looked whether somebody waits; until that is committed nobody begins to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_begins_to_wait_between_the_look_and_the_commit() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let wish = sale.wish(1);
    line.joins(&wish).await;
    let frees = connect(&world.database.url).await;
    let cancel = format!("BEGIN; SELECT order_cancel('{}', '{}')", sale.id.uuid(), orders[0].id.uuid());
    frees.batch_execute(&cancel).await.unwrap();
    let look = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%waitlist_confirm%'";
        within_30_s(async || world.number(waiting).await == 1).await;
        frees.batch_execute("COMMIT").await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(line.confirms(wish.id), look);
    assert_eq!(confirmed, Confirm::OnSale(super::ga()), "it sees what was freed");
    world.audits_clean().await;
}

/// Everything at once, over and over: nobody waits in a circle, and every invariant holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_keeps_the_line() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(6, Price::Paid).await;
    let line = Line { world: &world, sale: &sale };
    let mut orders = sold_out(&sale, 6).await;
    let mut claimed = 0;
    for _ in 0..6 {
        let mut entries = Vec::new();
        for quantity in [1, 2, 1, 1] {
            let wish = sale.wish(quantity);
            line.joins(&wish).await;
            entries.push(wish.id);
        }
        line.passes(GATHERED_MS).await;
        let mut acts = JoinSet::new();
        for order in orders.drain(..) {
            let (world, sale) = (Arc::clone(&world), sale.id);
            acts.spawn(async move { drop(order_cancel(&world.gateway, sale, order.id).await.expect("an answer")) });
        }
        for entry in entries.clone() {
            let (world, sale) = (Arc::clone(&world), sale.id);
            acts.spawn(async move { drop(waitlist_confirm(&world.gateway, sale, entry).await.expect("an answer")) });
        }
        for _ in 0..2 {
            let (world, sale) = (Arc::clone(&world), sale.id);
            acts.spawn(async move {
                waitlist_tend(&world.workers, sale).await.expect("an answer");
            });
        }
        acts.join_all().await;
        assert_eq!(world.number(LEAKED).await, 0);
        world.audits_clean().await;
        for entry in entries {
            if line.state(entry).await == EntryState::Offered {
                let Claim::Created(order) = line.claims(entry).await else { panic!("an order") };
                orders.push(order);
                claimed += 1;
            } else {
                line.leaves(entry).await;
            }
        }
        line.on_sale_again().await;
        // Whatever is nobody's is bought, so that the next round begins sold out.
        for unit in 0..6 {
            if let CreateOrder::Created(order) = sale.creates(&sale.order([unit])).await {
                orders.push(order);
            }
        }
        world.audits_clean().await;
    }
    eprintln!("{claimed} claimed");
    assert_eq!(world.number(DEADLOCKS).await, 0);
}
