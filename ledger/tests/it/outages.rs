//! Postgres away and back: a named failure meanwhile, no restart needed afterwards, nothing acknowledged lost.

use std::net::SocketAddr;
use std::time::Duration;

use domain::order::OrderState;
use domain::payment::IntentStatus;
use ledger::orders::{CreateOrder, order_create};
use ledger::payments::{Applied, BeginPayment, payment_apply, payment_begin};
use ledger::{Ledger, LedgerError, PoolConfig, Role, Wakeup};
use sandbox::{Durability, FaultProxy, LostReplies, Postgres, PostgresOptions};
use tokio::time::Instant;

use crate::world::{Paying, Price, World, new_payment};

/// How soon a store that went is known to be gone, and one that came back serves again.
const CHANGE_MAX: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_ledger_outlives_its_database() {
    let postgres = Postgres::start(PostgresOptions { durability: Durability::Durable }).await.unwrap();
    let template = postgres.template("ledger", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap();
    let world = World::in_database(template.fresh_database().await.unwrap());
    let sale = world.sale(3, Price::Paid).await;
    let order = sale.has_order([0]).await;

    postgres.kill().await.unwrap();
    let away = until(&world.gateway, |answer| answer.is_err()).await;
    assert!(matches!(away, Err(LedgerError::Unavailable(_))), "{away:?}");

    postgres.restart().await.unwrap();
    until(&world.gateway, Result::is_ok).await.unwrap();
    assert_eq!(sale.looks_at(order.id).await, order);
    world.audits_clean().await;
}

/// Pings until the answer is as wanted, which must be soon: the sessions of a killed server may outlive it by a moment.
async fn until(ledger: &Ledger, wanted: fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ledger.ping().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < CHANGE_MAX, "{answer:?} for {:?}", begun.elapsed());
        tokio::task::yield_now().await;
    }
}

type Answer = Result<(), LedgerError>;

#[tokio::test]
async fn a_database_that_never_was_is_unavailable() {
    let ledger = Ledger::connect("postgres://nobody@127.0.0.1:1/x", Role::Gateway, PoolConfig::default()).unwrap();
    assert!(matches!(ledger.ping().await, Err(LedgerError::Unavailable(_))));
    assert!(Ledger::connect("not a url", Role::Gateway, PoolConfig::default()).is_err());
}

#[tokio::test]
async fn a_full_pool_refuses_in_time() {
    let world = World::new().await;
    let config = PoolConfig {
        connections_max: 1,
        wait_max: Duration::from_millis(100),
        lock_max: Duration::from_millis(500),
        ..PoolConfig::default()
    };
    let small = Ledger::connect(&world.database.url, Role::Workers, config).unwrap();
    let sale = world.sale(1, Price::Paid).await.id;
    let client = crate::world::connect(&world.database.url).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.execute("SELECT gate_enter($1)", &[&sale.uuid()]).await.unwrap();
    let (blocked, refused) = tokio::join!(ledger::epochs::epoch_begin(&small, sale, None), small.ping());
    assert_eq!(blocked.unwrap(), ledger::epochs::EpochBegin::Busy, "the lock was waited for, within its bound");
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
}

/// The answer to an act is lost after the act took place: asked again, it is found done.
#[tokio::test]
async fn a_lost_answer_is_repaired_by_asking_again() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let port = sandbox::shared().await.unwrap().postgres.port();
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let url = proxy.through(&world.database.url);
    let through = |role| Ledger::connect(&url, role, PoolConfig::default()).unwrap();
    let (gateway, workers) = (through(Role::Gateway), through(Role::Workers));
    // Parameters name the act on the wire; preparing a statement has none, so it is the act whose answer is lost.
    let lose = |parameter: &str| proxy.lose_replies(LostReplies::Next(1), parameter.as_bytes());

    let order = sale.order([0]);
    lose(&order.email);
    assert_unavailable(order_create(&gateway, &order).await);
    let again = order_create(&gateway, &order).await.unwrap();
    let CreateOrder::Existing(row) = again else { panic!("{again:?}") };

    let mut payment = new_payment(sale.id, row.id);
    payment.confirmation_token = Some("ctoken_lost".to_owned());
    lose("ctoken_lost");
    assert_unavailable(payment_begin(&gateway, &payment).await);
    let again = payment_begin(&gateway, &payment).await.unwrap();
    let BeginPayment::Resume(attempt) = again else { panic!("{again:?}") };
    assert_eq!(attempt.id, payment.id);

    let paying = Paying { intent: "pi_lost".to_owned(), order: row, attempt };
    lose(&paying.intent);
    let news = paying.news(IntentStatus::Succeeded);
    assert_unavailable(payment_apply(&workers, &news).await);
    assert_eq!(payment_apply(&workers, &news).await.unwrap(), Applied::Nothing);
    assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
    assert_eq!(proxy.lost(), 3, "one answer of each act");
    world.audits_clean().await;
}

fn assert_unavailable<T: std::fmt::Debug>(answer: Result<T, LedgerError>) {
    assert!(matches!(answer, Err(LedgerError::Unavailable(_))), "{answer:?}");
}

/// Of several servers the first is there and says nothing, as a primary whose machine hangs: the next one is asked soon, by
/// the pool and by who listens, and from then on it is the first.
#[tokio::test]
async fn a_server_that_hangs_keeps_nobody_from_the_next_one() {
    let world = World::new().await;
    let port = sandbox::shared().await.unwrap().postgres.port();
    let own = format!("127.0.0.1:{port}");
    let hangs = FaultProxy::start(own.parse().unwrap()).await.unwrap();
    hangs.stall();
    let both = world.database.url.replace(&own, &format!("{},{own}", hangs.address()));
    let ledger = Ledger::connect(&both, Role::Workers, PoolConfig::default()).unwrap();
    let begun = Instant::now();
    ledger.ping().await.unwrap();
    let mut wakeups = ledger.wakeups(&[ledger::inbox::CHANNEL]);
    assert_eq!(tokio::time::timeout(CHANGE_MAX, wakeups.next()).await, Ok(Wakeup::Connected));
    assert!(begun.elapsed() < CHANGE_MAX, "{:?}", begun.elapsed());
}

/// Of several servers only one takes writes: it is used, whichever is named first and whatever the URL says of it.
#[tokio::test]
async fn a_standby_beside_the_primary_is_never_used() {
    let made = Postgres::start(PostgresOptions { durability: Durability::Fast }).await.unwrap();
    let (primary, standby) = made.copy_with_standby().await.unwrap();
    let url = format!("postgres://postgres@{},{}/postgres", standby.address(), primary.address());
    ledger::migrate(&url).await.unwrap();
    let both = Ledger::connect(&url, Role::Gateway, PoolConfig::default()).unwrap();
    both.ping().await.unwrap();
    let alone = Ledger::connect(&standby.url("postgres"), Role::Gateway, PoolConfig::default()).unwrap();
    let refused = alone.ping().await;
    assert!(
        matches!(&refused, Err(LedgerError::Unavailable(why)) if why.to_string().contains("writes")),
        "{refused:?}"
    );

    primary.kill().await.unwrap();
    standby.promote().await.unwrap();
    until(&both, Result::is_ok).await.unwrap();
}

/// A connection that was made when the server took no writes does not stay in the pool.
#[tokio::test]
async fn a_connection_that_takes_no_writes_is_given_up() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let one = PoolConfig { connections_max: 1, ..PoolConfig::default() };
    let gateway = Ledger::connect(&world.database.url, Role::Gateway, one).unwrap();
    let database = &world.database.name;
    // Of new sessions only: those that are there keep what they have.
    let turn = async |to: &str| {
        let alter = format!("ALTER DATABASE {database} SET default_transaction_read_only = {to}");
        world.database.execute(&format!("BEGIN READ WRITE; {alter}; COMMIT")).await.unwrap();
    };
    turn("on").await;
    assert_unavailable(order_create(&gateway, &sale.order([0])).await);
    turn("off").await;
    let made = order_create(&gateway, &sale.order([1])).await.unwrap();
    assert!(matches!(made, CreateOrder::Created(_)), "{made:?}");
}
