//! What the tests stand on: servers, a sale, buyers who get as far as the test wants, and the workers.

use std::collections::HashSet;
use std::num::NonZeroU32;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admission::{Holds, Loader, Queue, Store, StoreConfig};
use bytes::Bytes;
use domain::clock::Clock;
use domain::order::OrderState;
use domain::price::{lines_of, total};
use domain::sale::{CaptureMode, SaleConfig};
use domain::ticket::TicketSigner;
use domain::token::Signer;
use domain::trace::Sampling;
use domain::{HoldId, OrderId, PaymentId, PlaceNumber, SaleId, TierId, UnitNo};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ledger::inbox::{RawEvent, event_store};
use ledger::orders::{CreateOrder, NewOrder, OrderRow, order_create, order_fetch};
use ledger::organizers::{KeyRole, key_create};
use ledger::payments::{BeginPayment, NewPayment, PaymentAttempt, StripeAnswer, payment_answered, payment_begin};
use ledger::sales::{CreateSale, Publish, sale_create, sale_publish};
use ledger::{Ledger, PoolConfig, Role};
use payments::{CreateIntent, Stripe, StripeConfig, StripeError, webhook};
use sandbox::{
    BeaconClock, Database, FakeBeacon, FakeBeaconOptions, FakeStripe, FakeStripeOptions, FaultProxy, MailSink,
    Persistence, Redis, RedisOptions,
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workers::{Drained, MailConfig, PoolSize, ReconcilePace, Workers, WorkersConfig, WorkersParts};

use crate::eventually::eventually;

// With paths, so that a bench that takes this file finds them too.
#[path = "world/books.rs"]
mod books;
#[path = "world/histories.rs"]
mod histories;
#[path = "world/prequeue.rs"]
mod prequeue;
#[path = "world/process.rs"]
mod process;
#[path = "world/refunds.rs"]
mod refunds;
#[path = "world/shopping.rs"]
mod shopping;

pub(crate) use histories::{Answer, Heard, History, dispute};
pub(crate) use prequeue::GENERAL;
pub(crate) use process::{Postman, Seen};

pub(crate) const VISA: &str = "pm_card_visa";
pub(crate) const DECLINED: &str = "pm_card_chargeDeclined";
pub(crate) const NEEDS_3DS: &str = "pm_card_authenticationRequired";

/// The price of one unit in the sales of these tests.
pub(crate) const PRICE: i64 = 2_000;

/// How long the buyers of these tests have to press Pay.
const PAY_WITHIN_S: u32 = 120;

/// For how long an order that is being paid waits for that.
const PAYMENT_WINDOW_S: u32 = 60;

/// 32 bytes in base64, behind a kid.
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Servers and clients of one test.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) redis: Redis,
    pub(crate) stripe: FakeStripe,
    pub(crate) mail: MailSink,
    /// Goes by the database's clock.
    pub(crate) beacon: FakeBeacon,
    /// By how much [`World::advances`] has moved that clock.
    ahead_ms: Arc<AtomicI64>,
    /// Postgres as the gateway sees it.
    pub(crate) gateway: Ledger,
    /// Postgres as the workers see it.
    pub(crate) workers: Ledger,
    /// Postgres as the auditor sees it.
    auditor: Ledger,
    owner: Ledger,
    pub(crate) holds: Holds,
    pub(crate) loader: Loader,
    queue: Queue,
    pub(crate) store: Store,
    pub(crate) till: Arc<Stripe>,
    pub(crate) ticket_signer: Arc<TicketSigner>,
    pub(crate) signer: Arc<Signer>,
    posted: Mutex<HashSet<String>>,
}

/// Whether the workers have a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Post {
    Open,
    None,
}

/// Whether the workers have a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vouched {
    ByBeacon,
    ByNobody,
}

/// A sale of one tier.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) id: SaleId,
    pub(crate) tier: TierId,
    config: SaleConfig,
}

/// Units held, up to the point where an order is written.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) hold: HoldId,
    number: PlaceNumber,
    epoch: u32,
    units: Vec<(TierId, UnitNo)>,
}

/// Running workers.
pub(crate) struct Running {
    pub(crate) workers: Workers,
    stop: CancellationToken,
}

impl Running {
    pub(crate) async fn stop(self) -> Drained {
        self.stop.cancel();
        self.workers.join().await
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::of(FakeStripeOptions::default()).await
    }

    /// The same over another Stripe.
    pub(crate) async fn of(stripe: FakeStripeOptions) -> World {
        let shared = sandbox::shared().await.expect("a private Postgres");
        let migrate = async |url: String| ledger::migrate(&url).await.map(|_| ());
        let template = shared.postgres.template("workers", migrate).await.expect("a migrated template");
        Self::in_database(template.fresh_database().await.expect("a copy of the template"), stripe).await
    }

    /// In a database that is migrated, whatever Postgres it is in.
    pub(crate) async fn in_database(database: Database, stripe: FakeStripeOptions) -> World {
        let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.expect("a private Redis");
        let store = Store::connect(&redis.url(), StoreConfig::default()).await.expect("an address");
        let stripe = FakeStripe::start(stripe).await.expect("a free port");
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let beacon = beacon(Arc::clone(&ahead_ms)).await;
        let pool = || PoolConfig { connections_max: 8, ..PoolConfig::default() };
        let ledger = |role| Ledger::connect(&database.url, role, pool()).expect("a URL");
        World {
            gateway: ledger(Role::Gateway),
            workers: ledger(Role::Workers),
            auditor: ledger(Role::ReadOnly),
            owner: ledger(Role::Owner),
            holds: Holds::new(store.clone()),
            loader: Loader::new(store.clone()),
            queue: Queue::new(store.clone()),
            store,
            till: Arc::new(till(&stripe)),
            mail: MailSink::start().await.expect("free ports"),
            beacon,
            ahead_ms,
            ticket_signer: Arc::new(TicketSigner::new(&SecretString::from(KEY)).expect("a key")),
            signer: Arc::new(Signer::new(&SecretString::from(KEY)).expect("a key")),
            posted: Mutex::default(),
            database,
            redis,
            stripe,
        }
    }

    /// Workers that start from now on have the ticket key `k2`, too.
    pub(crate) fn knows_a_second_ticket_key(&mut self) {
        let keys = format!("{KEY},k2:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
        self.ticket_signer = Arc::new(TicketSigner::new(&SecretString::from(keys)).expect("keys"));
    }

    /// Starts workers of a process of its own.
    pub(crate) fn start(&self, post: Post) -> Running {
        self.start_with(post, Vouched::ByBeacon)
    }

    /// The same, whose line to Postgres may be cut.
    pub(crate) fn start_through(&self, postgres: &FaultProxy, post: Post) -> Running {
        let pool = PoolConfig { connections_max: 8, ..PoolConfig::default() };
        let ledger = Ledger::connect(&postgres.through(&self.database.url), Role::Workers, pool).expect("a URL");
        self.start_over(pools(), ledger, post, Vouched::ByBeacon)
    }

    /// The same, with or without a beacon.
    pub(crate) fn start_with(&self, post: Post, vouched: Vouched) -> Running {
        self.start_as(pools(), post, vouched)
    }

    /// The same, with pools of these sizes.
    pub(crate) fn start_as(&self, pools: WorkersConfig, post: Post, vouched: Vouched) -> Running {
        self.start_over(pools, self.workers.clone(), post, vouched)
    }

    /// Workers that reconcile all the time.
    pub(crate) fn start_reconciling(&self) -> Running {
        let config = WorkersConfig { reconcile: ReconcilePace::Every(Duration::from_millis(100)), ..pools() };
        self.start_as(config, Post::Open, Vouched::ByBeacon)
    }

    fn start_over(&self, config: WorkersConfig, ledger: Ledger, post: Post, vouched: Vouched) -> Running {
        let mail = MailConfig::parse(&SecretString::from(self.mail.url()), "Tickets <tickets@example.com>");
        let parts = WorkersParts {
            ledger,
            store: self.store.clone(),
            stripe: Arc::clone(&self.till),
            ticket_signer: Arc::clone(&self.ticket_signer),
            signer: Arc::clone(&self.signer),
            mail: (post == Post::Open).then(|| mail.expect("a good configuration")),
            beacon: (vouched == Vouched::ByBeacon).then(|| self.beacon.url().parse().expect("a URL")),
            public_url: "https://tickets.example/".to_owned(),
        };
        let stop = CancellationToken::new();
        Running { workers: Workers::start(config, parts, stop.clone()), stop }
    }

    /// A published sale with so many units. Workers load it into Redis.
    pub(crate) async fn sale(&self, capacity: u32, capture: CaptureMode) -> Sale {
        let id = SaleId::from_uuid(Uuid::now_v7());
        self.publishes(id, config(id, capacity, capture)).await
    }

    async fn publishes(&self, id: SaleId, config: SaleConfig) -> Sale {
        let organizer =
            key_create(&self.owner, KeyRole::Organizer, "Night Ltd", "test").await.expect("a key").organizer;
        let created = sale_create(&self.gateway, organizer, id, &config).await.expect("Postgres answers");
        assert!(matches!(created, CreateSale::Created(_)), "{created:?}");
        let published = sale_publish(&self.gateway, organizer, id).await.expect("Postgres answers");
        assert!(matches!(published, Publish::Published(_)), "{published:?}");
        Sale { id, tier: config.tiers[0].id.clone(), config }
    }

    /// The same, once Redis has it.
    pub(crate) async fn open_sale(&self, capacity: u32, capture: CaptureMode) -> Sale {
        let sale = self.sale(capacity, capture).await;
        eventually("the sale is loaded", async || self.epoch(&sale).await.is_some()).await;
        sale
    }

    pub(crate) async fn epoch(&self, sale: &Sale) -> Option<u32> {
        self.loader.loaded_epoch(sale.id).await.ok().flatten()
    }

    /// Free and held units, as Redis counts them.
    pub(crate) async fn stock(&self, sale: &Sale) -> (u32, u32) {
        let view = self.queue.view(sale.id).await.expect("Redis has the sale");
        let stock = &view.stock[&sale.tier];
        (stock.free, stock.held)
    }

    /// The order is written in Postgres.
    pub(crate) async fn writes_order(&self, sale: &Sale, held: &Held) -> OrderRow {
        match self.tries_to_order(sale, held).await {
            CreateOrder::Created(order) => order,
            other => panic!("{other:?}"),
        }
    }

    /// What Postgres says to an order.
    pub(crate) async fn tries_to_order(&self, sale: &Sale, held: &Held) -> CreateOrder {
        let quantity = NonZeroU32::new(u32::try_from(held.units.len()).expect("few units")).expect("some units");
        let lines = lines_of(&sale.config, &sale.config.tiers[0], quantity).expect("small amounts");
        let order = NewOrder {
            id: OrderId::from_uuid(Uuid::now_v7()),
            sale: sale.id,
            hold: held.hold,
            epoch: held.epoch,
            number: held.number,
            email: format!("buyer{}@example.org", held.number),
            name: "Ada Lovelace".to_owned(),
            units: held.units.clone(),
            total: total(&sale.config, &lines).expect("small amounts"),
            lines,
            pay_within_s: PAY_WITHIN_S,
            qr_kid: self.ticket_signer.kid(),
        };
        order_create(&self.gateway, &order).await.expect("Postgres answers")
    }

    /// An order for the same units again, from a hold that Redis never saw: for what only Postgres decides.
    pub(crate) async fn orders_the_units_of(&self, sale: &Sale, order: &OrderRow) -> OrderRow {
        self.orders_unheld(sale, order.number, order.units.clone()).await
    }

    /// An order for units that Redis never held.
    pub(crate) async fn orders_unheld(
        &self,
        sale: &Sale,
        number: PlaceNumber,
        units: Vec<(TierId, UnitNo)>,
    ) -> OrderRow {
        let epoch = self.epoch(sale).await.expect("it is loaded");
        let held = Held { hold: HoldId::from_uuid(Uuid::now_v7()), number, epoch, units };
        self.writes_order(sale, &held).await
    }

    /// The whole way to an order, as a gateway goes it.
    pub(crate) async fn orders(&self, sale: &Sale, quantity: u32) -> OrderRow {
        let held = self.holds_units(sale, quantity, 300).await;
        self.freezes(sale, &held).await;
        let order = self.writes_order(sale, &held).await;
        self.holds.commit(sale.id, held.hold).await.expect("Redis answers");
        order
    }

    /// Pressing Pay, as a gateway goes it.
    pub(crate) async fn pays(&self, order: &OrderRow, card: &str, capture: CaptureMode) -> PaymentAttempt {
        let attempt = self.presses_pay(order, card, capture, PAYMENT_WINDOW_S).await;
        if let Some(answer) = self.asks_stripe(&attempt).await {
            payment_answered(&self.gateway, &attempt, &answer).await.expect("Postgres answers");
        }
        attempt
    }

    /// An attempt to pay, about to be sent.
    async fn presses_pay(&self, order: &OrderRow, card: &str, capture: CaptureMode, window_s: u32) -> PaymentAttempt {
        let payment = NewPayment {
            id: PaymentId::from_uuid(Uuid::now_v7()),
            sale: order.sale,
            order: order.id,
            confirmation_token: Some(self.token(card).await),
            return_url: "https://tickets.example/s/night".to_owned(),
            description: "tickets".to_owned(),
            capture,
            livemode: false,
            window_s,
            memo_kid: self.ticket_signer.kid(),
        };
        let BeginPayment::Begun(attempt) = payment_begin(&self.gateway, &payment).await.expect("Postgres answers")
        else {
            panic!("the order cannot be paid");
        };
        attempt
    }

    /// Stripe's answer; none when it got lost.
    async fn asks_stripe(&self, attempt: &PaymentAttempt) -> Option<StripeAnswer> {
        let request = CreateIntent {
            sale: attempt.sale,
            order: attempt.order,
            attempt: attempt.attempt,
            amount: attempt.amount,
            confirmation_token: attempt.confirmation_token.clone(),
            return_url: attempt.return_url.clone(),
            capture: attempt.capture,
            description: attempt.description.clone(),
            memo: Vec::new(),
        };
        match self.till.create_and_confirm(&request, &attempt.key).await {
            Ok(intent) => Some(StripeAnswer::Intent(intent.facts())),
            Err(StripeError::Declined { code, intent, .. }) => {
                Some(StripeAnswer::Declined { code, intent: intent.map(|intent| intent.id) })
            }
            Err(StripeError::Unknown(_)) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// What a browser would make of a card.
    async fn token(&self, card: &str) -> String {
        let token = self.posts_to_stripe("test_helpers/confirmation_tokens", format!("payment_method={card}")).await;
        token["id"].as_str().expect("a token has an id").to_owned()
    }

    /// A buyer tries an intent again, with another card, in a tab that was open still.
    pub(crate) async fn tries_again_elsewhere(&self, intent: &str, card: &str) {
        let form = format!("payment_method={card}&return_url=https://tickets.example/s/night");
        let confirmed = self.posts_to_stripe(&format!("payment_intents/{intent}/confirm"), form).await;
        assert_eq!(confirmed["id"].as_str(), Some(intent), "{confirmed}");
    }

    async fn posts_to_stripe(&self, path: &str, form: String) -> serde_json::Value {
        let request = Request::post(format!("{}/v1/{path}", self.stripe.base_url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", "Bearer sk_test_1")
            .body(Full::new(Bytes::from(form)))
            .expect("a request");
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The postman: every event that Stripe made since the last time is stored, as a gateway stores it.
    pub(crate) async fn posts_events(&self) {
        for event in self.stripe.events() {
            if self.posted.lock().expect("no panic under this lock").insert(event.id.clone()) {
                let body = self.stripe.event_body(&event.id).expect("the fake remembers");
                self.stores_event(&body).await;
            }
        }
    }

    pub(crate) async fn stores_event(&self, body: &[u8]) {
        let envelope = webhook::envelope(body).expect("an event");
        let raw = RawEvent {
            id: envelope.id,
            kind: envelope.kind,
            livemode: envelope.livemode,
            account: envelope.account,
            api_version: envelope.api_version,
            created: envelope.created,
            raw: body.to_vec(),
        };
        event_store(&self.gateway, &raw).await.expect("Postgres answers");
    }

    pub(crate) async fn order(&self, order: &OrderRow) -> OrderRow {
        order_fetch(&self.gateway, order.sale, order.id).await.expect("Postgres answers").expect("it is there")
    }

    /// Waits until an order is in a state; the postman goes round meanwhile.
    pub(crate) async fn until_order_is(&self, order: &OrderRow, state: OrderState) -> OrderRow {
        eventually(&format!("an order that is {}", state.word()), async || {
            self.posts_events().await;
            self.order(order).await.state == state
        })
        .await;
        self.order(order).await
    }

    /// Waits until no event and no job is left to do.
    pub(crate) async fn until_idle(&self) {
        eventually("nothing left to do", async || {
            self.posts_events().await;
            self.count("SELECT count(*) FROM inbox WHERE state = 'pending'").await == 0
                && self.count("SELECT count(*) FROM outbox WHERE state = 'pending'").await == 0
        })
        .await;
    }

    /// Jobs of that kind wait a while, so that something else comes first.
    pub(crate) async fn holds_back(&self, which: &str) {
        let wait = format!("UPDATE outbox SET next_at = next_at + interval '3 s' WHERE state = 'pending' AND {which}");
        self.database.execute(&wait).await.expect("Postgres answers");
    }

    /// So do all of one kind that come from now on.
    pub(crate) async fn holds_back_what_comes(&self, kind: &str) {
        let rule = format!(
            "CREATE FUNCTION public.sandbox_waits() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.next_at := NEW.next_at + interval '3 s'; RETURN NEW; END $$;
             CREATE TRIGGER sandbox_waits BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.kind = '{kind}')
                 EXECUTE FUNCTION public.sandbox_waits()"
        );
        self.database.execute(&rule).await.expect("Postgres answers");
    }

    /// Moves the database's clock, and the beacon's with it.
    pub(crate) async fn advances(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).expect("a short time");
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.database.advance_clock(by_ms).await.expect("Postgres answers");
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.database.number(query).await.expect("Postgres answers")
    }

    /// The invariants, at the end of every test.
    pub(crate) async fn audit(&self) {
        let report = ledger::audit::audit(&self.auditor, None).await.expect("Postgres answers");
        assert!(report.holds(), "{report:#?}");
    }
}

/// Pools of the workers of these tests.
pub(crate) fn pools() -> WorkersConfig {
    WorkersConfig {
        // Far more than calls at once, so that batches form that are told by sets.
        inbox: PoolSize(64),
        stripe: PoolSize(4),
        stock: PoolSize(2),
        mail: PoolSize(2),
        stripe_writes_per_s: NonZeroU32::new(100).expect("a limit"),
        poll_every: Duration::from_millis(200),
        sampling: Sampling::Nothing,
        reconcile: ReconcilePace::Usual,
        drain_max: Duration::from_secs(10),
    }
}

async fn beacon(ahead_ms: Arc<AtomicI64>) -> FakeBeacon {
    let system = Clock::system();
    let clock = BeaconClock::by(move || system.now().as_millisecond() + ahead_ms.load(Ordering::Relaxed));
    let options = FakeBeaconOptions { clock, ..FakeBeaconOptions::default() };
    FakeBeacon::start_with(options).await.expect("a free port")
}

fn till(stripe: &FakeStripe) -> Stripe {
    let config = StripeConfig {
        secret_key: SecretString::from("sk_test_onsale"),
        api_base: stripe.base_url().parse().expect("a URL"),
        timeout: Duration::from_secs(5),
    };
    Stripe::new(config).expect("a good configuration")
}

fn config(id: SaleId, capacity: u32, capture: CaptureMode) -> SaleConfig {
    let mut config: SaleConfig = serde_json::from_value(serde_json::json!({
        "name": "Night <Live>",
        "slug": format!("night-{}", id.uuid().simple()),
        "currency": "eur",
        "venue": "Hall 2",
        "opens_at": "2026-01-01T00:00:00Z",
        "per_buyer_limit": 20,
        "tiers": [{ "id": "ga", "name": "Standing", "price": PRICE, "capacity": capacity }],
    }))
    .expect("a good configuration");
    config.payment.capture = capture;
    config
}
