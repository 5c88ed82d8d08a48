//! A gateway with everything it needs, for one test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admission::keys::SaleKeys;
use admission::{GrantRow, Holds, Loader, Queue, Snapshot, Store, StoreConfig, TierSnapshot};
use domain::clock::Clock;
use domain::fairness::merkle_root;
use domain::payment::{IntentFacts, IntentStatus};
use domain::sale::PhaseNo;
use domain::ticket::{TicketSigner, ticket_id};
use domain::token::Signer;
use domain::{SaleId, TierId, UnitNo};
use gateway::{Drain, ExportPatience, Gateway, GatewayConfig, GatewayParts};
use http::{Method, StatusCode};
use ledger::draws::{
    Attestation, CommitRoot, Draw, Freeze, draw_commit_root, draw_finish, draw_freeze, draw_leaves, draws_of,
};
use ledger::epochs::{EpochBegin, epoch_begin};
use ledger::organizers::{KeyRole, key_create};
use ledger::payments::{Applied, Apply, FactSource, payment_apply, payment_target};
use ledger::sales::{SaleName, sale_fetch};
use ledger::{Ledger, PoolConfig, Role};
use payments::{Stripe, StripeConfig};
use sandbox::actors::{Answer, Buyer, Card, Edge, Hold, LiveSocket, Order, Organizer, Visitor};
use sandbox::{Database, FakeStripe, FakeStripeOptions, shared};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_tests";
const SIGNING_KEYS: &str = "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TICKET_KEYS: &str = "q1:Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

/// Long enough for a busy two-core machine; a healthy one needs a tick or two.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// When the doors of a [`World::prequeue`] open, and by how much clocks move to be past that.
const DOORS_IN: Duration = Duration::from_secs(3_600);
pub(crate) const DOORS_OFFSET_MS: i64 = 3_601_000;

/// The only phase of most sales here.
const PHASE: PhaseNo = PhaseNo(0);

/// The second one, where there is a presale.
pub(crate) const GENERAL_AFTER_PRESALE: PhaseNo = PhaseNo(1);

/// What differs from test to test.
#[derive(Default)]
pub(crate) struct Setup {
    /// A database that is migrated; one of the shared cluster, when nothing is said.
    pub(crate) database: Option<Database>,
    /// How many connections to it the gateway has; few, when nothing is said.
    pub(crate) connections: Option<usize>,
    /// Through what the gateway reaches Postgres; directly, when nothing is said.
    pub(crate) postgres: Option<SocketAddr>,
    /// Where Redis is; the shared one, when nothing is said.
    pub(crate) redis: Option<String>,
    /// `ONSALE_RATE_LIMITS`.
    pub(crate) limits: &'static str,
    /// Whether the gateway is told of a beacon.
    pub(crate) beacon_configured: bool,
    /// How long an export waits for its client.
    pub(crate) export_patience: ExportPatience,
}

/// A gateway and those it deals with.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) edge: Edge,
    pub(crate) stripe: FakeStripe,
    pub(crate) database: Database,
    pub(crate) organizer: Organizer,
    pub(crate) api_key: String,
    pub(crate) shutdown: CancellationToken,
    pub(crate) signer: Arc<Signer>,
    pub(crate) ticket_signer: Arc<TicketSigner>,
    pub(crate) store: Store,
    owner: Ledger,
    pub(crate) workers: Ledger,
}

/// A gateway beside that of the world.
pub(crate) struct SecondGateway {
    pub(crate) edge: Edge,
    gateway: Gateway,
    shutdown: CancellationToken,
}

impl SecondGateway {
    /// Stops it as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.gateway.join().await;
    }
}

pub(crate) fn signer() -> Signer {
    Signer::new(&SecretString::from(SIGNING_KEYS)).unwrap()
}

/// One connection pool is enough for a test, and a small one: the shared cluster serves many tests at once.
fn pool() -> PoolConfig {
    PoolConfig { connections_max: 4, ..PoolConfig::default() }
}

pub(crate) async fn database() -> Database {
    let servers = shared().await.unwrap();
    let migrate = async |url: String| ledger::migrate(&url).await.map(|_| ());
    servers.postgres.template("gateway", migrate).await.unwrap().fresh_database().await.unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let database = match setup.database {
            Some(database) => database,
            None => database().await,
        };
        let stripe = FakeStripe::start(FakeStripeOptions::default()).await.unwrap();
        let servers = shared().await.unwrap();
        let connections_max = setup.connections.unwrap_or_else(|| pool().connections_max);
        let redis = setup.redis.unwrap_or_else(|| servers.redis.url());
        let store = Store::connect(&redis, StoreConfig::default()).await.unwrap();
        let of_gateway = setup.postgres.map_or_else(
            || database.url.clone(),
            |proxy| database.url.replace(&servers.postgres.address().to_string(), &proxy.to_string()),
        );
        let owner = Ledger::connect(&database.url, Role::Owner, pool()).unwrap();
        let key = key_create(&owner, KeyRole::Organizer, "Blue Note", "tests").await.unwrap();
        let (signer, shutdown) = (Arc::new(signer()), CancellationToken::new());
        let ticket_signer = Arc::new(TicketSigner::new(&SecretString::from(TICKET_KEYS)).unwrap());
        let parts = GatewayParts {
            ledger: Ledger::connect(&of_gateway, Role::Gateway, PoolConfig { connections_max, ..pool() }).unwrap(),
            store: store.clone(),
            stripe: Arc::new(stripe_client(&stripe)),
            signer: Arc::clone(&signer),
            ticket_signer: Arc::clone(&ticket_signer),
            clock: Clock::system(),
        };
        let config = GatewayConfig {
            beacon_configured: setup.beacon_configured,
            export_patience: setup.export_patience,
            ..config(setup.limits)
        };
        let gateway = Gateway::start(config, parts, shutdown.clone()).await.unwrap();
        let edge = Edge::new(&format!("http://{}", gateway.addr()));
        let organizer = Organizer::new(&edge, &key.secret);
        let workers = Ledger::connect(&database.url, Role::Workers, pool()).unwrap();
        let api_key = key.secret;
        Self {
            gateway,
            edge,
            stripe,
            database,
            organizer,
            api_key,
            shutdown,
            signer,
            ticket_signer,
            store,
            owner,
            workers,
        }
    }

    /// A published sale, loaded into Redis.
    pub(crate) async fn sale(&self, sale: &Value) -> String {
        let id = self.organizer.publishes(sale).await.unwrap();
        self.load(&id).await;
        id
    }

    /// What a worker does when Redis does not have a sale.
    pub(crate) async fn load(&self, sale: &str) {
        let sale: SaleId = sale.parse().unwrap();
        let EpochBegin::Begun(snapshot) = epoch_begin(&self.workers, sale, None).await.unwrap() else {
            panic!("nobody else begins an epoch of a test's sale");
        };
        let grants = snapshot.grants.iter().map(|grant| GrantRow { number: grant.number, until: grant.until });
        let config = sale_fetch(&self.workers, SaleName::Id(sale)).await.unwrap().unwrap().config;
        let tiers = snapshot.tiers.into_iter().map(|tier| TierSnapshot {
            rows: config.tier(&tier.tier).unwrap().row_sizes(),
            tier: tier.tier,
            capacity: tier.capacity,
            withheld: tier.withheld,
            free: tier.free,
        });
        let snapshot = Snapshot {
            sale,
            epoch: snapshot.epoch,
            reserved_number: snapshot.reserved_number,
            grants: grants.collect(),
            left: snapshot.left,
            cohorts: snapshot.cohorts,
            tiers: tiers.collect(),
            reclaim_window_s: snapshot.reclaim_window_s,
            receipts_from: snapshot.receipts_from,
        };
        Loader::new(self.store.clone()).load(&snapshot).await.unwrap();
    }

    /// A published sale, loaded into Redis, whose prequeue is open and whose doors open in an hour.
    pub(crate) async fn prequeue(&self, sale: &Value) -> String {
        let id = self.organizer.publishes_to_open(sale, Duration::ZERO, DOORS_IN).await.unwrap();
        self.load(&id).await;
        id
    }

    /// Moves the clocks of both stores to the opening of a [`World::prequeue`].
    pub(crate) async fn doors_open(&self, sale: &str) {
        self.clocks_move(sale, DOORS_OFFSET_MS).await;
    }

    /// Moves the clocks of both stores by so much from the real time.
    pub(crate) async fn clocks_move(&self, sale: &str, offset_ms: i64) {
        self.database.set_clock_offset(offset_ms).await.unwrap();
        let redis = &shared().await.unwrap().redis;
        redis.set_clock_offset(&self.clock_of(sale), offset_ms).await.unwrap();
    }

    /// Moves the clock of Postgres alone: the gateway still sees that of Redis.
    pub(crate) async fn postgres_opens_doors(&self) {
        self.database.set_clock_offset(DOORS_OFFSET_MS).await.unwrap();
    }

    /// The key that moves the clock of a sale in Redis.
    pub(crate) fn clock_of(&self, sale: &str) -> String {
        SaleKeys::new(sale.parse().unwrap()).clock_offset()
    }

    /// What a worker does at the opening of the first phase, up to the seed.
    pub(crate) async fn freezes(&self, sale: &str) -> Draw {
        self.ends_registration(sale, PHASE).await;
        self.commits_root(sale, PHASE).await;
        self.tells_cohort(sale, PHASE).await
    }

    async fn commits_root(&self, sale: &str, phase: PhaseNo) {
        let sale: SaleId = sale.parse().unwrap();
        let root = merkle_root(&draw_leaves(&self.workers, sale, phase).await.unwrap());
        let CommitRoot::Committed(_) = draw_commit_root(&self.workers, sale, phase, root, None).await.unwrap() else {
            panic!("there is no round that could have passed");
        };
    }

    /// The first step of that alone, for a phase whose doors are open in Postgres.
    pub(crate) async fn ends_registration(&self, sale: &str, phase: PhaseNo) {
        let Freeze::Frozen(_) = draw_freeze(&self.workers, sale.parse().unwrap(), phase).await.unwrap() else {
            panic!("the doors are open");
        };
    }

    /// Tells Redis the cohort of a phase that is frozen.
    pub(crate) async fn tells_cohort(&self, sale: &str, phase: PhaseNo) -> Draw {
        let sale: SaleId = sale.parse().unwrap();
        let draws = draws_of(&self.workers, sale).await.unwrap();
        let (cohorts, draw) = (1..).zip(draws).find(|(_, draw)| draw.phase == phase).unwrap();
        let last = draw.first_number + u64::from(draw.count) - 1;
        Queue::new(self.store.clone()).cohort(sale, cohorts, draw.first_number, last).await.unwrap();
        draw
    }

    /// The rest of it: the seed is revealed, and every registration has its number.
    pub(crate) async fn draws(&self, sale: &str) -> Draw {
        self.draws_phase(sale, PHASE).await
    }

    /// The same for any phase.
    pub(crate) async fn draws_phase(&self, sale: &str, phase: PhaseNo) -> Draw {
        self.ends_registration(sale, phase).await;
        self.commits_root(sale, phase).await;
        self.tells_cohort(sale, phase).await;
        self.finishes_phase(sale, phase).await
    }

    /// The last step of that alone.
    pub(crate) async fn finishes(&self, sale: &str) -> Draw {
        self.finishes_phase(sale, PHASE).await
    }

    async fn finishes_phase(&self, sale: &str, phase: PhaseNo) -> Draw {
        let reason = Attestation::SelfAttested { reason: "no beacon in this test".to_owned() };
        draw_finish(&self.workers, sale.parse().unwrap(), phase, &reason).await.unwrap()
    }

    /// How many registered for the first phase.
    pub(crate) async fn registrations(&self, sale: &str) -> u32 {
        draws_of(&self.workers, sale.parse().unwrap()).await.unwrap()[0].count
    }

    /// A second gateway on the same stores.
    pub(crate) async fn second_gateway(&self) -> SecondGateway {
        self.second_gateway_by(Clock::system()).await
    }

    /// The same, whose process goes by that clock.
    pub(crate) async fn second_gateway_by(&self, clock: Clock) -> SecondGateway {
        let shutdown = CancellationToken::new();
        let parts = GatewayParts {
            ledger: Ledger::connect(&self.database.url, Role::Gateway, pool()).unwrap(),
            store: self.store.clone(),
            stripe: Arc::new(stripe_client(&self.stripe)),
            signer: Arc::clone(&self.signer),
            ticket_signer: Arc::clone(&self.ticket_signer),
            clock,
        };
        let gateway = Gateway::start(config(""), parts, shutdown.clone()).await.unwrap();
        SecondGateway { edge: Edge::new(&format!("http://{}", gateway.addr())), gateway, shutdown }
    }

    /// The line in Redis.
    pub(crate) fn queue(&self) -> Queue {
        Queue::new(self.store.clone())
    }

    /// Units and holds in Redis.
    pub(crate) fn holds_in_redis(&self) -> Holds {
        Holds::new(self.store.clone())
    }

    /// A key of another kind.
    pub(crate) async fn somebody(&self, role: KeyRole, organizer: &str) -> Organizer {
        let key = key_create(&self.owner, role, organizer, "tests").await.unwrap();
        Organizer::new(&self.edge, &key.secret)
    }

    /// Somebody who has joined, and was told of the place on a socket.
    pub(crate) async fn watcher(&self, sale: &str) -> (Visitor, LiveSocket) {
        let mut visitor = Visitor::new(&self.edge, sale);
        visitor.joins().await.unwrap();
        let mut socket = visitor.watches().await.unwrap();
        socket.waits_for("position", SOON).await.unwrap();
        (visitor, socket)
    }

    /// Someone whose turn came.
    pub(crate) async fn buyer(&self, sale: &str) -> Buyer {
        let mut visitor = Visitor::new(&self.edge, sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        visitor.waits_for_turn(SOON).await.unwrap()
    }

    /// Someone with an order that waits for payment.
    pub(crate) async fn order(&self, sale: &str, quantity: u32) -> (Buyer, Hold, Order) {
        self.order_of(sale, "ga", quantity).await
    }

    /// The same of a tier with another name.
    pub(crate) async fn order_of(&self, sale: &str, tier: &str, quantity: u32) -> (Buyer, Hold, Order) {
        let buyer = self.buyer(sale).await;
        let hold = buyer.holds(tier, quantity).await.unwrap();
        let address = format!("{}@example.org", hold.id);
        let order = buyer.orders(&hold, &address, "Ada Lovelace").await.unwrap();
        (buyer, hold, order)
    }

    /// Presses Pay with `card`.
    pub(crate) async fn pays(&self, buyer: &Buyer, order: &Order, card: Card) -> Answer {
        buyer.pays(order, card, &self.stripe.base_url()).await.unwrap()
    }

    /// Someone with an order that is paid, as a worker makes it paid when Stripe says that it captured.
    pub(crate) async fn paid_order(&self, sale: &str, quantity: u32) -> (Buyer, Order) {
        let (buyer, _, order) = self.order(sale, quantity).await;
        self.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
        assert_eq!(self.money_comes().await, Applied::Captured);
        (buyer, order)
    }

    /// What comes of it when Stripe says that the money of its latest intent was captured.
    pub(crate) async fn money_comes(&self) -> Applied {
        let intent = self.stripe.payment_intents().pop().unwrap().id;
        let promised = stripe_client(&self.stripe).fetch(&intent).await.unwrap().facts();
        let received = promised.amount.minor;
        let facts = IntentFacts {
            status: IntentStatus::Succeeded,
            amount_capturable: 0,
            amount_received: received,
            ..promised
        };
        let units = payment_target(&self.workers, &facts).await.unwrap().unwrap().units;
        let ticket = |(tier, unit): (TierId, UnitNo)| (tier.clone(), unit, ticket_id(&intent, &tier, unit));
        let captured = Apply {
            event: None,
            source: FactSource::Fetched,
            facts,
            failure: None,
            tickets: units.into_iter().map(ticket).collect(),
            qr_kid: self.ticket_signer.kid(),
        };
        payment_apply(&self.workers, &captured).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.edge.ask(Method::GET, path, &[], &Value::Null).await.unwrap()
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.edge.ask(Method::GET, path, headers, &Value::Null).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.edge.ask(Method::POST, path, headers, body).await.unwrap()
    }

    /// Fails unless Redis has every unit of a sale free and none held.
    pub(crate) async fn holds_nothing(&self, sale: &str) {
        let sale: SaleId = sale.parse().unwrap();
        let config = sale_fetch(&self.workers, SaleName::Id(sale)).await.unwrap().unwrap().config;
        let view = Queue::new(self.store.clone()).view(sale).await.unwrap();
        for tier in &config.tiers {
            let stock = view.stock[&tier.id];
            assert_eq!((stock.free, stock.held), (tier.capacity(), 0), "{}", tier.id);
        }
    }

    /// What is free of the only tier.
    pub(crate) async fn remaining(&self, sale: &str) -> i64 {
        let sale = self.get(&format!("/v1/sales/{sale}")).await.expect(StatusCode::OK).unwrap();
        sale["tiers"][0]["availability"]["remaining"].as_i64().unwrap()
    }

    /// Stops the gateway as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.gateway.join().await;
    }
}

fn config(limits: &str) -> GatewayConfig {
    GatewayConfig {
        stripe_publishable_key: "pk_test_of_the_tests".to_owned(),
        stripe_webhook_secrets: vec![SecretString::from(WEBHOOK_SECRET)],
        trusted_proxies: "127.0.0.0/8".parse().unwrap(),
        rate_limits: limits.parse().unwrap(),
        drain: Drain {
            notice: Duration::ZERO,
            sockets_spread: Duration::from_millis(500),
            requests_max: Duration::from_secs(5),
        },
        ..GatewayConfig::new(([127, 0, 0, 1], 0).into())
    }
}

pub(crate) fn stripe_client(stripe: &FakeStripe) -> Stripe {
    let config = StripeConfig {
        secret_key: SecretString::from("sk_test_of_the_tests"),
        api_base: stripe.base_url().parse().unwrap(),
        timeout: Duration::from_secs(2),
    };
    Stripe::new(config).unwrap()
}

/// An open sale of one tier with so many units.
pub(crate) fn jazz(units: u32) -> Value {
    json!({
        "name": "Jazz Night",
        "slug": format!("jazz-{}", uuid::Uuid::new_v4().simple()),
        "currency": "eur",
        "venue": "Blue Note",
        "opens_at": "2020-01-01T00:00:00Z",
        "tiers": [{ "id": "ga", "name": "Floor", "price": 4_000, "capacity": units }],
        "fees": [{ "name": "Booking fee", "per_unit": 250 }],
        "taxes": [{ "name": "VAT", "basis_points": 700 }],
        "per_buyer_limit": 4,
        "hold": { "reclaim_window_s": 3 },
    })
}

/// The same, changed.
pub(crate) fn jazz_with(units: u32, changes: Value) -> Value {
    let mut sale = jazz(units);
    for (name, value) in changes.as_object().unwrap() {
        sale[name] = value.clone();
    }
    sale
}
