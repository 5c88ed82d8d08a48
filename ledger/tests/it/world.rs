//! What the tests stand on: a migrated database of their own, a ledger for each role, and sales in it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::keyring::Kid;
use domain::payment::{IntentFacts, IntentStatus};
use domain::sale::{CaptureMode, SaleConfig};
use domain::ticket::ticket_id;
use domain::{HoldId, Money, OrderId, OrganizerId, PaymentId, PlaceNumber, SaleId, TicketId, TierId, UnitNo, price};
use jiff::Timestamp;
use ledger::audit::audit;
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::inbox::{RawEvent, event_store};
use ledger::orders::{CreateOrder, NewOrder, OrderRow, order_create, order_fetch};
use ledger::organizers::{KeyRole, key_create};
use ledger::payments::{
    Applied, Apply, BeginPayment, FactSource, NewPayment, PaymentAttempt, RefundFacts, RefundStatus, payment_apply,
    payment_begin,
};
use ledger::refunds::{AskRefund, RefundAsk, RefundRow, RefundWish, refund_ask};
use ledger::sales::{CreateSale, Publish, sale_create, sale_publish};
use ledger::{Ledger, LedgerError, PoolConfig, Role};
use sandbox::Database;
use serde_json::{Value, json};
use uuid::Uuid;

/// A migrated database of one test.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) gateway: Ledger,
    pub(crate) workers: Ledger,
    pub(crate) readonly: Ledger,
    pub(crate) owner: Ledger,
}

/// A published sale at epoch 1: tier `ga` with numbered units, 45.00 € and 10 % fee and 19 % tax unless it is free.
pub(crate) struct TestSale<'w> {
    pub(crate) world: &'w World,
    pub(crate) id: SaleId,
    pub(crate) organizer: OrganizerId,
    pub(crate) config: SaleConfig,
}

/// How the books lie in the database.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// As the migrations make them.
    Plain,
    /// By sale, into partitions.
    Partitioned,
}

/// What a unit costs.
#[derive(Clone, Copy)]
pub(crate) enum Price {
    Paid,
    Free,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_layout(if crate::soak::is_partitioned() { Layout::Partitioned } else { Layout::Plain }).await
    }

    pub(crate) async fn with_layout(layout: Layout) -> Self {
        let shared = sandbox::shared().await.expect("a private Postgres");
        let (name, statements) = match layout {
            Layout::Plain => ("ledger", ""),
            Layout::Partitioned => ("ledger_partitioned", include_str!("partitioned.sql")),
        };
        let migrate = async |url: String| {
            ledger::migrate(&url).await?;
            Ok::<_, LedgerError>(connect(&url).await.batch_execute(statements).await?)
        };
        let template = shared.postgres.template(name, migrate).await.expect("a migrated template");
        Self::in_database(template.fresh_database().await.expect("a copy of the template"))
    }

    pub(crate) fn in_database(database: Database) -> Self {
        // Tests run many at once on few cores: only those about waiting are to fail by waiting.
        let patience = Duration::from_secs(20);
        let config =
            PoolConfig { connections_max: 8, wait_max: patience, connect_max: patience, ..PoolConfig::default() };
        let ledger = |role| Ledger::connect(&database.url, role, config.clone()).expect("a URL");
        Self {
            gateway: ledger(Role::Gateway),
            workers: ledger(Role::Workers),
            readonly: ledger(Role::ReadOnly),
            owner: ledger(Role::Owner),
            database,
        }
    }

    pub(crate) async fn organizer(&self) -> OrganizerId {
        let name = Uuid::new_v4().to_string();
        key_create(&self.owner, KeyRole::Organizer, &name, "test").await.expect("a key").organizer
    }

    pub(crate) async fn sale(&self, units: u32, price: Price) -> TestSale<'_> {
        self.publishes(config(units, price)).await
    }

    /// A sale with these times, phases included: fields of a configuration as JSON.
    pub(crate) async fn sale_with(&self, fields: Value) -> TestSale<'_> {
        self.publishes(config_with(fields)).await
    }

    async fn publishes(&self, config: SaleConfig) -> TestSale<'_> {
        let organizer = self.organizer().await;
        let id = SaleId::from_uuid(Uuid::now_v7());
        let created = sale_create(&self.gateway, organizer, id, &config).await.expect("a draft");
        assert!(matches!(created, CreateSale::Created(_)));
        let published = sale_publish(&self.gateway, organizer, id).await.expect("a sale");
        assert!(matches!(published, Publish::Published(_)));
        let begun = epoch_begin(&self.workers, id, Some(0)).await.expect("an epoch");
        assert!(matches!(begun, EpochBegin::Begun(_)));
        TestSale { world: self, id, organizer, config }
    }

    /// Every invariant holds.
    pub(crate) async fn audits_clean(&self) {
        let report = audit(&self.readonly, None).await.expect("an audit");
        assert!(report.holds(), "{:#?}", report.lines);
    }

    /// The invariants that do not hold.
    pub(crate) async fn broken(&self) -> Vec<&'static str> {
        let report = audit(&self.readonly, None).await.expect("an audit");
        report.lines.iter().filter(|line| !line.breaches.is_empty()).map(|line| line.invariant).collect()
    }

    /// A number asked as the superuser.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.database.number(query).await.expect("a number")
    }

    /// The time by the database.
    pub(crate) async fn now(&self) -> Timestamp {
        let now = self.number("SELECT (extract(epoch FROM onsale_now()) * 1000)::bigint").await;
        Timestamp::from_millisecond(now).expect("a time")
    }

    /// Stores an event of that id, as the webhook does.
    pub(crate) async fn receives(&self, id: &str) {
        let event = RawEvent {
            id: id.to_owned(),
            kind: "payment_intent.updated".to_owned(),
            livemode: false,
            account: None,
            api_version: None,
            created: "2026-11-21T12:00:00Z".parse().expect("a time"),
            raw: b"{}".to_vec(),
        };
        event_store(&self.gateway, &event).await.expect("a stored event");
    }

    /// How an event ended: its state and its note.
    pub(crate) async fn event(&self, id: &str) -> (String, String) {
        let client = connect(&self.database.url).await;
        let row = client.query_one("SELECT state, coalesce(note, '') FROM inbox WHERE id = $1", &[&id]).await;
        let row = row.expect("the event");
        (row.get(0), row.get(1))
    }

    /// What an account holds: debits less credits.
    pub(crate) async fn balance(&self, account: &str) -> i64 {
        let sum = format!("SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = '{account}'");
        self.number(&sum).await
    }

    pub(crate) async fn applies(&self, apply: &Apply) -> Applied {
        payment_apply(&self.workers, apply).await.expect("an outcome")
    }
}

/// Buyers so far, over all tests of the process: no two orders are one buyer's unless a test says so.
static BUYERS: AtomicU64 = AtomicU64::new(1);

impl TestSale<'_> {
    /// An order for these units of the tier, from a hold of its own, by somebody who has ordered nothing before.
    pub(crate) fn order(&self, units: impl IntoIterator<Item = u32>) -> NewOrder {
        let tier: TierId = "ga".parse().expect("a tier");
        let units: Vec<_> = units.into_iter().map(|unit| (tier.clone(), UnitNo(unit))).collect();
        let quantity = NonZeroU32::new(u32::try_from(units.len()).expect("few units")).expect("some units");
        let lines = price::lines_of(&self.config, &self.config.tiers[0], quantity).expect("a price");
        let number = BUYERS.fetch_add(1, Ordering::Relaxed);
        NewOrder {
            id: OrderId::from_uuid(Uuid::now_v7()),
            sale: self.id,
            hold: HoldId::from_uuid(Uuid::now_v7()),
            epoch: 1,
            number: PlaceNumber(number),
            email: format!("buyer{number}@example.com"),
            name: "Ada".to_owned(),
            total: price::total(&self.config, &lines).expect("a total"),
            lines,
            units,
            pay_within_s: 300,
            qr_kid: kid(),
        }
    }

    pub(crate) async fn creates(&self, order: &NewOrder) -> CreateOrder {
        order_create(&self.world.gateway, order).await.expect("an outcome")
    }

    /// An order that is there.
    pub(crate) async fn has_order(&self, units: impl IntoIterator<Item = u32>) -> OrderRow {
        match self.creates(&self.order(units)).await {
            CreateOrder::Created(order) => order,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn looks_at(&self, order: OrderId) -> OrderRow {
        order_fetch(&self.world.gateway, self.id, order).await.expect("an answer").expect("the order")
    }

    pub(crate) async fn presses_pay(&self, order: OrderId) -> BeginPayment {
        payment_begin(&self.world.gateway, &new_payment(self.id, order)).await.expect("an outcome")
    }

    /// An attempt to pay, about to be sent.
    pub(crate) async fn begins(&self, order: OrderId) -> PaymentAttempt {
        match self.presses_pay(order).await {
            BeginPayment::Begun(attempt) => attempt,
            other => panic!("{other:?}"),
        }
    }

    /// An order with an attempt that Stripe knows as `intent` and has not answered.
    pub(crate) async fn order_being_paid(&self, units: impl IntoIterator<Item = u32>) -> Paying {
        let order = self.has_order(units).await;
        self.being_paid(order).await
    }

    /// An order that is paid.
    pub(crate) async fn paid_order(&self, units: impl IntoIterator<Item = u32>) -> Paying {
        let paying = self.order_being_paid(units).await;
        assert_eq!(self.world.applies(&paying.news(IntentStatus::Succeeded)).await, Applied::Captured);
        paying
    }

    /// A request for a refund that was not made before.
    pub(crate) fn ask(&self, paying: &Paying, wish: RefundWish) -> RefundAsk {
        self.ask_of(paying.order.id, wish)
    }

    /// The same for any order.
    pub(crate) fn ask_of(&self, order: OrderId, wish: RefundWish) -> RefundAsk {
        let key = Uuid::new_v4();
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(key.as_bytes());
        RefundAsk {
            organizer: self.organizer,
            sale: self.id,
            order,
            key: bytes,
            content: bytes,
            wish,
            reason: "cannot come".to_owned(),
            by: "test".to_owned(),
        }
    }

    pub(crate) async fn asks(&self, ask: &RefundAsk) -> AskRefund {
        refund_ask(&self.world.gateway, ask).await.expect("an answer")
    }

    /// A refund that is under way.
    pub(crate) async fn refunds(&self, paying: &Paying, wish: RefundWish) -> RefundRow {
        match self.asks(&self.ask(paying, wish)).await {
            AskRefund::Asked(refund) => refund,
            other => panic!("{other:?}"),
        }
    }

    /// The same for an order that is there.
    pub(crate) async fn being_paid(&self, order: OrderRow) -> Paying {
        let attempt = self.begins(order.id).await;
        Paying { intent: format!("pi_{}", attempt.id.uuid().simple()), order, attempt }
    }
}

/// An order whose payment is under way.
pub(crate) struct Paying {
    pub(crate) order: OrderRow,
    pub(crate) attempt: PaymentAttempt,
    pub(crate) intent: String,
}

impl Paying {
    pub(crate) fn facts(&self, status: IntentStatus) -> IntentFacts {
        let amount = self.order.total;
        IntentFacts {
            id: self.intent.clone(),
            status,
            amount,
            amount_capturable: if status == IntentStatus::RequiresCapture { amount.minor } else { 0 },
            amount_received: if status == IntentStatus::Succeeded { amount.minor } else { 0 },
            livemode: false,
            sale: Some(self.order.sale),
            order: Some(self.order.id),
            attempt: Some(self.attempt.attempt),
            created: Timestamp::UNIX_EPOCH,
            paid_with: None,
            capture_before: None,
        }
    }

    pub(crate) fn tickets(&self) -> Vec<(TierId, UnitNo, TicketId)> {
        let units = self.order.units.iter();
        units.map(|(tier, unit)| (tier.clone(), *unit, ticket_id(&self.intent, tier, *unit))).collect()
    }

    /// What Stripe says of a refund of ours.
    pub(crate) fn refund_news(&self, refund: &RefundRow, status: RefundStatus) -> RefundFacts {
        RefundFacts {
            event: None,
            id: format!("re_{}", refund.id.uuid().simple()),
            refund: Some(refund.id),
            intent: self.intent.clone(),
            amount: refund.amount,
            status,
        }
    }

    /// News of that status without an event, as an event would tell it.
    pub(crate) fn news(&self, status: IntentStatus) -> Apply {
        Apply {
            event: None,
            source: FactSource::Event,
            facts: self.facts(status),
            failure: (status == IntentStatus::RequiresPaymentMethod).then(|| "card_declined".to_owned()),
            tickets: self.tickets(),
            qr_kid: kid(),
        }
    }

    /// The same, told by an event.
    pub(crate) fn event(&self, id: &str, status: IntentStatus) -> Apply {
        Apply { event: Some(id.to_owned()), ..self.news(status) }
    }

    /// The same, fetched from Stripe.
    pub(crate) fn fetched(&self, status: IntentStatus) -> Apply {
        Apply { source: FactSource::Fetched, ..self.news(status) }
    }
}

pub(crate) fn new_payment(sale: SaleId, order: OrderId) -> NewPayment {
    NewPayment {
        id: PaymentId::from_uuid(Uuid::now_v7()),
        sale,
        order,
        confirmation_token: Some("ctoken_1".to_owned()),
        return_url: "https://example.com/s/x".to_owned(),
        description: "Tickets".to_owned(),
        capture: CaptureMode::Manual,
        livemode: false,
        window_s: 600,
        memo_kid: kid(),
    }
}

pub(crate) fn kid() -> Kid {
    Kid::from_bytes(*b"t1\0\0\0\0\0\0").expect("a kid")
}

pub(crate) fn euros(minor: i64) -> Money {
    Money::new(minor, domain::Currency::EUR)
}

fn config(units: u32, price: Price) -> SaleConfig {
    let slug = Uuid::new_v4();
    let (price, charges) = match price {
        Price::Free => (0, ""),
        Price::Paid => {
            (4500, r#","fees":[{"name":"Booking","basis_points":1000}],"taxes":[{"name":"VAT","basis_points":1900}]"#)
        }
    };
    let json = format!(
        r#"{{"name":"Night at the Opera","slug":"{slug}","currency":"eur","opens_at":"2026-01-01T10:00:00Z",
            "tiers":[{{"id":"ga","name":"Standing","price":{price},"capacity":{units}}}]{charges}}}"#
    );
    serde_json::from_str(&json).expect("a configuration")
}

/// The fields of a sale that keeps its fees when it gives back tickets or the whole, and not when it gives back an amount.
pub(crate) fn keeping_fees() -> Value {
    json!({
        "fees": [{ "name": "Booking", "basis_points": 1000 }],
        "taxes": [{ "name": "VAT", "basis_points": 1900 }],
        "refunds": { "whole": "keep_fees", "tickets": "keep_fees" },
    })
}

/// The usual configuration with some fields of its own.
pub(crate) fn config_with(fields: Value) -> SaleConfig {
    let mut config = serde_json::to_value(config(4, Price::Paid)).expect("JSON");
    let (Value::Object(all), Value::Object(fields)) = (&mut config, fields) else { panic!("an object") };
    all.extend(fields);
    serde_json::from_value(config).expect("a configuration")
}

/// Asks again while the database is too busy to answer in time; what was not answered was not done.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, LedgerError>>>(act: impl Fn() -> F) -> T {
    for _ in 0..20 {
        match act().await {
            Err(LedgerError::Unavailable(_)) => {}
            answer => return answer.expect("an answer"),
        }
    }
    panic!("it never answered");
}

/// Comes back when the condition holds, which is soon.
pub(crate) async fn within_30_s(condition: impl AsyncFn() -> bool) {
    let reached = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it comes within 30 s");
}

/// A plain connection as the superuser, for what has no interface.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "a test's connection ends with its client")]
    tokio::spawn(connection);
    client
}
