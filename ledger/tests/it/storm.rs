//! Postgres killed again and again while buyers pay and every few answers are lost: what was acknowledged is there once.
//!
//! Buyers ask until they are answered, as gateways and workers do. An act whose answer was lost, by the line or with the
//! server, is found done when it is asked for again; one that was never done is done then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use domain::payment::IntentStatus;
use domain::{OrderId, SaleId};
use ledger::audit::audit_chain;
use ledger::orders::{CreateOrder, NewOrder, order_create};
use ledger::payments::{Applied, Apply, BeginPayment, payment_apply, payment_begin};
use ledger::seals::seal_next;
use ledger::{Ledger, LedgerError, PoolConfig, Role};
use sandbox::{Durability, FaultProxy, LostReplies, Postgres, PostgresOptions};
use tokio::task::JoinSet;

use crate::seals::seals_all;
use crate::soak;
use crate::world::{Paying, Price, World, new_payment};

/// How much of a storm: orders, each paid in four acts, and kills spread over them.
#[derive(Debug, Clone, Copy)]
struct Size {
    orders: u32,
    kills: u32,
}

const SMALL: Size = Size { orders: 48, kills: 2 };
const SOAK: Size = Size { orders: 4_000, kills: 10 };

/// Buyers at once.
const BUYERS: u32 = 8;
/// Of so many answers to acts, one is lost. No divisor of four: each of the four acts of an order meets it.
const LOST_EVERY: u64 = 7;
/// In every act on the wire, and in nothing else: the acts' answers are lost, not those to logins.
const MARK: &str = "storm";
/// How long one act may be asked for: a restart with recovery takes some seconds.
const ASKED_FOR_MAX: Duration = Duration::from_secs(120);

/// What the buyers share.
struct Storm {
    gateway: Ledger,
    workers: Ledger,
    /// Orders acknowledged as paid.
    paid: AtomicU32,
    /// Acts found done: their first answer was lost.
    found_done: AtomicU32,
    is_over: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_in_a_storm_is_there_once() {
    let size = if soak::is_on() { SOAK } else { SMALL };
    let postgres = Arc::new(Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap());
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let world = Arc::new(World::in_database(template.fresh_database().await.unwrap()));
    let sale = world.sale(size.orders, Price::Paid).await;
    let proxy = FaultProxy::start(postgres.address()).await.unwrap();
    proxy.lose_replies(LostReplies::EveryNth(LOST_EVERY), MARK.as_bytes());
    let storm = Arc::new(Storm::through(&proxy, &world));

    let orders: Vec<_> = (0..size.orders).map(|unit| sale.order([unit])).collect();
    let mut buyers = JoinSet::new();
    for of_buyer in orders.chunks(orders.len().div_ceil(BUYERS as usize)) {
        buyers.spawn(Arc::clone(&storm).buys(sale.id, of_buyer.to_vec()));
    }
    let mut beside = JoinSet::new();
    beside.spawn(Arc::clone(&storm).seals());
    beside.spawn(Arc::clone(&storm).kills(Arc::clone(&postgres), size));
    let acknowledged = buyers.join_all().await.concat();
    storm.is_over.store(true, Ordering::Release);
    beside.join_all().await;

    eprintln!(
        "{} orders, {} kills, {} answers lost by the line, {} acts found done",
        acknowledged.len(),
        size.kills,
        proxy.lost(),
        storm.found_done.load(Ordering::Relaxed)
    );
    assert!(proxy.lost() > 0 && storm.found_done.load(Ordering::Relaxed) > 0, "or nothing was repaired");
    everything_is_there_once(&world, &sale.id, &acknowledged).await;
}

async fn everything_is_there_once(world: &World, sale: &SaleId, acknowledged: &[OrderId]) {
    let ids: Vec<_> = acknowledged.iter().map(|order| format!("'{}'", order.uuid())).collect();
    let orders = i64::try_from(ids.len()).expect("few orders");
    let paid = format!("SELECT count(*) FROM orders WHERE state = 'paid' AND id IN ({})", ids.join(", "));
    assert_eq!(world.number(&paid).await, orders, "of sale {sale}");
    assert_eq!(world.number("SELECT count(*) FROM orders").await, orders);
    let once = "SELECT count(*) FROM (
                    SELECT string_agg(kind, ' ' ORDER BY kind) AS kinds FROM transfers WHERE order_id IS NOT NULL
                     GROUP BY order_id) AS acts
                 WHERE kinds = 'authorised captured seats_ordered'";
    assert_eq!(world.number(once).await, orders, "each act of each order once");
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, orders);
    world.audits_clean().await;
    seals_all(world).await;
    let chain = audit_chain(&world.readonly, None).await.expect("an audit");
    assert!(chain.breaches.is_empty(), "{chain:?}");
}

impl Storm {
    fn through(proxy: &FaultProxy, world: &World) -> Self {
        let url = proxy.through(&world.database.url);
        let ledger = |role| Ledger::connect(&url, role, PoolConfig::default()).expect("a URL");
        Self {
            gateway: ledger(Role::Gateway),
            workers: ledger(Role::Workers),
            paid: AtomicU32::new(0),
            found_done: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Orders and pays one after the other; those that were acknowledged, which are all.
    async fn buys(self: Arc<Self>, sale: SaleId, orders: Vec<NewOrder>) -> Vec<OrderId> {
        let mut acknowledged = Vec::new();
        for mut order in orders {
            order.email = format!("{MARK}-{}", order.email);
            let paying = self.pays(sale, &order).await;
            for status in [IntentStatus::RequiresCapture, IntentStatus::Succeeded] {
                self.applies(&paying.news(status)).await;
            }
            acknowledged.push(order.id);
            self.paid.fetch_add(1, Ordering::Release);
        }
        acknowledged
    }

    async fn pays(&self, sale: SaleId, order: &NewOrder) -> Paying {
        let order = match self.acknowledged(|| order_create(&self.gateway, order)).await {
            CreateOrder::Created(row) => row,
            CreateOrder::Existing(row) => self.found_done(row),
            other => panic!("{other:?}"),
        };
        let mut payment = new_payment(sale, order.id);
        payment.confirmation_token = Some(format!("ctoken_{MARK}"));
        let attempt = match self.acknowledged(|| payment_begin(&self.gateway, &payment)).await {
            BeginPayment::Begun(attempt) => attempt,
            BeginPayment::Resume(attempt) => self.found_done(attempt),
            other => panic!("{other:?}"),
        };
        assert_eq!(attempt.id, payment.id, "the attempt is the one that was asked for, whoever heard of it");
        Paying { intent: format!("pi_{MARK}_{}", attempt.id.uuid().simple()), order, attempt }
    }

    async fn applies(&self, news: &Apply) {
        if self.acknowledged(|| payment_apply(&self.workers, news)).await == Applied::Nothing {
            self.found_done(());
        }
    }

    fn found_done<T>(&self, what: T) -> T {
        self.found_done.fetch_add(1, Ordering::Relaxed);
        what
    }

    /// Asks until there is an answer. Not to have one is the only failure there may be.
    async fn acknowledged<T, F: Future<Output = Result<T, LedgerError>>>(&self, act: impl Fn() -> F) -> T {
        let asked = async {
            loop {
                match act().await {
                    Ok(answer) => return answer,
                    Err(LedgerError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(ASKED_FOR_MAX, asked).await.expect("the server is back within a minute")
    }

    /// Seals through it all.
    async fn seals(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Acquire) {
            self.acknowledged(|| seal_next(&self.workers)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the server each time another part of the orders is paid; the last part is paid by one that stays.
    async fn kills(self: Arc<Self>, postgres: Arc<Postgres>, size: Size) {
        for kill in 1..=size.kills {
            while self.paid.load(Ordering::Acquire) < size.orders * kill / (size.kills + 1) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            postgres.kill().await.expect("it ends");
            postgres.restart().await.expect("it recovers");
        }
    }
}
