//! News of many payments in one call: an outcome each, whoever else is in it.

use std::net::SocketAddr;
use std::sync::Arc;

use domain::order::OrderState;
use domain::payment::IntentStatus::{Canceled, RequiresCapture, Succeeded};
use domain::{TierId, UnitNo};
use ledger::payments::{Applied, Apply, payment_apply, payment_targets, payments_apply};
use ledger::{Ledger, LedgerError, PoolConfig, Role};
use sandbox::{FaultProxy, LostReplies};
use tokio::task::JoinSet;

use crate::world::{Paying, Price, TestSale, World, connect, patiently};

async fn being_paid(sale: &TestSale<'_>, orders: u32) -> Vec<Paying> {
    let mut paying = Vec::new();
    for unit in 0..orders {
        paying.push(sale.order_being_paid([unit]).await);
    }
    paying
}

/// The outcomes; none for what is to be applied alone.
async fn applied_together(world: &World, news: &[Apply]) -> Vec<Option<Applied>> {
    payments_apply(&world.workers, news).await.expect("outcomes")
}

/// News of five orders that comes to everything it can, in one way or the other.
async fn tells_of_five_orders(way: impl AsyncFn(Arc<World>, Vec<Apply>) -> Vec<Applied>) -> Vec<Applied> {
    let world = Arc::new(World::new().await);
    let sale = world.sale(5, Price::Paid).await;
    let paying = being_paid(&sale, 5).await;
    world.applies(&paying[4].news(Succeeded)).await;
    for event in ["evt_1", "evt_2"] {
        world.receives(event).await;
    }
    let mut news: Vec<Apply> = paying.iter().map(|paying| paying.news(RequiresCapture)).collect();
    news[0].facts.amount.minor += 1;
    news[0].event = Some("evt_1".to_owned());
    news[1].event = Some("evt_2".to_owned());
    news[2].facts.order = None;
    news[2].facts.id = "pi_of_nobody".to_owned();
    news.extend([paying[1].news(Succeeded), paying[3].news(Canceled), paying[4].news(Canceled)]);
    let outcomes = way(Arc::clone(&world), news).await;
    assert_eq!(world.event("evt_1").await, ("quarantined".to_owned(), "amount".to_owned()));
    assert_eq!(world.event("evt_2").await, ("done".to_owned(), "authorised".to_owned()));
    assert_eq!(sale.looks_at(paying[1].order.id).await.state, OrderState::Paid);
    assert_eq!(sale.looks_at(paying[3].order.id).await.state, OrderState::Cancelled);
    assert_eq!(world.number("SELECT count(*) FROM transfers WHERE resolves IS NOT NULL").await, 2);
    world.audits_clean().await;
    outcomes
}

#[tokio::test]
async fn a_batch_answers_what_as_many_calls_would() {
    let together = tells_of_five_orders(async |world, news| {
        let outcomes = applied_together(&world, &news).await;
        outcomes.into_iter().map(|applied| applied.expect("none is left alone")).collect()
    });
    let alone = tells_of_five_orders(async |world, news| {
        let mut outcomes = Vec::new();
        for news in &news {
            outcomes.push(world.applies(news).await);
        }
        outcomes
    });
    let expected = [
        Applied::Quarantined("amount".to_owned()),
        Applied::Authorised,
        Applied::UnknownPayment,
        Applied::Authorised,
        Applied::Nothing,
        Applied::Captured,
        Applied::Canceled,
        Applied::AskStripe,
    ];
    assert_eq!(together.await, expected);
    assert_eq!(alone.await, expected);
}

#[tokio::test]
async fn an_item_that_breaks_a_rule_is_left_alone_and_hinders_no_other() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = being_paid(&sale, 3).await;
    let mut news: Vec<Apply> = paying.iter().map(|paying| paying.news(Succeeded)).collect();
    news[1].tickets.clear();
    let outcomes = applied_together(&world, &news).await;
    assert_eq!(outcomes, [Some(Applied::Captured), None, Some(Applied::Captured)]);
    assert_eq!(sale.looks_at(paying[1].order.id).await.state, OrderState::AwaitingPayment);
    let refused = payment_apply(&world.workers, &news[1]).await.unwrap_err();
    assert_eq!(refused.constraint(), Some("tickets_for_every_unit"));
    assert_eq!(world.applies(&paying[1].news(Succeeded)).await, Applied::Captured);
    world.audits_clean().await;
}

/// What only shows when all is posted at once: a key that is another transfer's.
#[tokio::test]
async fn a_batch_that_cannot_be_posted_changes_nothing() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let paying = being_paid(&sale, 2).await;
    let owner = connect(&world.database.url).await;
    let taken = format!(
        "SET ROLE onsale_owner; SELECT post('{}', 'captured', 'payment:{}:authorised', NULL, NULL, now(), NULL, NULL, ARRAY[
             ROW('payment_clearing', 'eur', 5)::leg, ROW('organizer_payable', 'eur', -5)::leg])",
        sale.id.uuid(),
        paying[1].attempt.id.uuid()
    );
    owner.batch_execute(&taken).await.unwrap();
    let news: Vec<Apply> = paying.iter().map(|paying| paying.news(RequiresCapture)).collect();
    let refused = payments_apply(&world.workers, &news).await.unwrap_err();
    assert_eq!(refused.constraint(), Some("transfers_same_key_same_request"));
    for paying in &paying {
        assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::AwaitingPayment);
    }
    assert_eq!(world.applies(&news[0]).await, Applied::Authorised, "alone, it is none of its business");
    let refused = payment_apply(&world.workers, &news[1]).await.unwrap_err();
    assert_eq!(refused.constraint(), Some("transfers_same_key_same_request"));
}

/// Somebody has the order and does not let go: the others are applied meanwhile, and this one when it is free.
#[tokio::test]
async fn an_order_that_is_busy_holds_nobody_up() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = being_paid(&sale, 3).await;
    let news: Vec<Apply> = paying.iter().map(|paying| paying.news(Succeeded)).collect();
    let busy = connect(&world.database.url).await;
    let lock = format!("BEGIN; SELECT FROM orders WHERE id = '{}' FOR UPDATE", paying[0].order.id.uuid());
    busy.batch_execute(&lock).await.unwrap();
    let outcomes = applied_together(&world, &news).await;
    assert_eq!(outcomes, [None, Some(Applied::Captured), Some(Applied::Captured)]);
    busy.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.applies(&news[0]).await, Applied::Captured);
    world.audits_clean().await;
}

/// Forwards, backwards and one by one at the same time: each takes effect once, and nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_news_in_many_batches_takes_effect_once() {
    const ORDERS: u32 = 20;
    let world = Arc::new(World::new().await);
    let sale = world.sale(ORDERS, Price::Paid).await;
    let paying = being_paid(&sale, ORDERS).await;
    let mut callers = JoinSet::new();
    for caller in 0..6 {
        let mut news: Vec<Apply> =
            paying.iter().flat_map(|paying| [paying.news(RequiresCapture), paying.news(Succeeded)]).collect();
        if caller % 2 == 1 {
            news.reverse();
        }
        callers.spawn(applied_in_the_end(Arc::clone(&world), news));
    }
    let outcomes = callers.join_all().await.concat();
    let captured = outcomes.iter().filter(|outcome| **outcome == Applied::Captured).count();
    assert_eq!(u32::try_from(captured), Ok(ORDERS));
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, i64::from(ORDERS));
    assert_eq!(world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await, 0);
    world.audits_clean().await;
}

/// As workers do it: together, and what that left alone.
async fn applied_in_the_end(world: Arc<World>, news: Vec<Apply>) -> Vec<Applied> {
    let together = payments_apply(&world.workers, &news).await.expect("outcomes");
    let mut outcomes = Vec::new();
    for (news, together) in news.iter().zip(together) {
        outcomes.push(match together {
            Some(applied) => applied,
            None => patiently(|| payment_apply(&world.workers, news)).await,
        });
    }
    outcomes
}

/// The answer is lost after everything took place: one by one, each is found done.
#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_found_done() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let news: Vec<Apply> = being_paid(&sale, 3).await.iter().map(|paying| paying.news(Succeeded)).collect();
    let port = sandbox::shared().await.unwrap().postgres.port();
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let url = proxy.through(&world.database.url);
    let workers = Ledger::connect(&url, Role::Workers, PoolConfig::default()).unwrap();
    proxy.lose_replies(LostReplies::Next(1), news[2].facts.id.as_bytes());
    let lost = payments_apply(&workers, &news).await;
    assert!(matches!(lost, Err(LedgerError::Unavailable(_))), "{lost:?}");
    for news in &news {
        assert_eq!(payment_apply(&workers, news).await.unwrap(), Applied::Nothing);
    }
    assert_eq!((proxy.lost(), world.number("SELECT count(*) FROM tickets").await), (1, 3));
    world.audits_clean().await;
}

#[tokio::test]
async fn targets_come_in_the_order_they_were_asked_for() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let paying = being_paid(&sale, 3).await;
    let mut facts: Vec<_> = paying.iter().rev().map(|paying| paying.facts(Succeeded)).collect();
    (facts[1].id, facts[1].order) = ("pi_of_nobody".to_owned(), None);
    let targets = payment_targets(&world.workers, &facts.iter().collect::<Vec<_>>()).await.unwrap();
    let units: Vec<Option<Vec<(TierId, UnitNo)>>> = targets.into_iter().map(|target| Some(target?.units)).collect();
    assert_eq!(units, [Some(paying[2].order.units.clone()), None, Some(paying[0].order.units.clone())]);
}
