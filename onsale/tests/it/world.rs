//! A whole installation: private servers, the fake Stripe, a mail sink, and the real binary as gateway and workers.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use admission::keys::SaleKeys;
use admission::{Queue, Store, StoreConfig, View};
use http::StatusCode;
use sandbox::actors::{Buyer, Card, Edge, Order, Organizer, Visitor};
use sandbox::{
    Database, Durability, FakeStripe, FakeStripeOptions, FaultProxy, Mail, MailSink, Postgres, PostgresOptions, Redis,
    RedisOptions, Template, Webhook,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// The webhook secret that the fake signs with and the gateway verifies with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_end_to_end";
/// Key material for one test run; the kid says that it is no production key.
pub(crate) const SIGNING_KEYS: &str = "test:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// The same for tickets.
pub(crate) const TICKET_KEYS: &str = "test:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
/// A debug build on a busy machine is up within a few seconds; ten times that is a failure.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// When the doors of a [`Prequeue`] open, unless the clocks are moved: later than any test is over.
const DOORS_IN: Duration = Duration::from_secs(3_600);
/// How long a process may take to end after SIGTERM: its own bound and a margin.
const END_WITHIN: Duration = Duration::from_secs(40);

/// A crowd from one machine meets no limit.
pub(crate) const NO_LIMITS: (&str, &str) = ("ONSALE_RATE_LIMITS", "off");
/// What Stripe takes holds nobody up: no shopper outside, and no payment.
pub(crate) const STRIPE_TAKES_ALL: (&str, &str) = ("ONSALE_STRIPE_WRITES_PER_S", "10000000");

/// The path of the command under test.
pub(crate) const ONSALE: &str = env!("CARGO_BIN_EXE_onsale");

/// A sale whose prequeue is open, and whose doors open when [`World::opens_in`] says so.
pub(crate) struct Prequeue {
    pub(crate) sale: String,
    published: Instant,
}

/// A running process of the command; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    pub(crate) admin: Edge,
}

/// A whole installation.
pub(crate) struct World {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) database: Database,
    pub(crate) stripe: FakeStripe,
    pub(crate) mail: MailSink,
    pub(crate) edge: Edge,
    pub(crate) organizer: Organizer,
    pub(crate) gateway: Process,
    pub(crate) workers: Process,
    /// Between the processes and the stores, for a world that [`World::start_behind_proxies`].
    pub(crate) proxies: Option<Proxies>,
    key: String,
    variables: Vec<(&'static str, String)>,
    log: Option<File>,
}

/// What stands between the processes and the stores.
pub(crate) struct Proxies {
    pub(crate) redis: FaultProxy,
    pub(crate) postgres: FaultProxy,
}

impl Proxies {
    async fn before(redis: &Redis, postgres: &Postgres) -> Self {
        let (redis, postgres) = (FaultProxy::start(redis.address()), FaultProxy::start(postgres.address()));
        Self { redis: redis.await.unwrap(), postgres: postgres.await.unwrap() }
    }
}

/// Whether the processes reach the stores directly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Direct,
    Proxied,
    /// Directly, whichever of the database's own server and the standby at that port takes writes.
    OrStandby(u16),
}

impl World {
    /// A world whose processes write what they log, whatever they have to say, into this file.
    pub(crate) async fn start_and_log(log: File) -> Self {
        Self::start_with(Reach::Direct, &[("RUST_LOG", "trace")], Some(log)).await
    }

    /// The same, as JSON, with these variables too; workers that are started in place of others write there, too.
    pub(crate) async fn start_and_log_as_json(log: File, more: &[(&'static str, &str)]) -> Self {
        let variables = [&[("RUST_LOG", "trace"), ("ONSALE_LOG_FORMAT", "json")], more].concat();
        Self::start_with(Reach::Direct, &variables, Some(log)).await
    }

    /// Starts everything and waits until both processes say that they are ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(Reach::Direct, &[], None).await
    }

    /// A world whose processes have these variables too; they win over the usual ones.
    pub(crate) async fn start_and_set(more: &[(&'static str, &str)]) -> Self {
        Self::start_with(Reach::Direct, more, None).await
    }

    /// A world whose processes reach Redis and Postgres through proxies that can do wrong.
    pub(crate) async fn start_behind_proxies(more: &[(&'static str, &str)]) -> Self {
        Self::start_with(Reach::Proxied, more, None).await
    }

    /// A world whose database has a synchronous standby, of which its processes know; and the standby.
    pub(crate) async fn start_with_standby(more: &[(&'static str, &str)]) -> (Self, Postgres) {
        let (postgres, standby) = migrated().await.copy_with_standby().await.unwrap();
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        let reach = Reach::OrStandby(standby.port());
        (Self::start_over((postgres, redis), reach, more, None).await, standby)
    }

    /// Looks at the database there from now on; the server it had, which is gone for good.
    pub(crate) fn has_failed_over_to(&mut self, standby: Postgres) -> Postgres {
        self.database.url = standby.url(&self.database.name);
        std::mem::replace(&mut self.postgres, standby)
    }

    async fn start_with(reach: Reach, more: &[(&'static str, &str)], log: Option<File>) -> Self {
        let postgres = migrated().await.copy().await.unwrap();
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        Self::start_over((postgres, redis), reach, more, log).await
    }

    /// A world over stores of the caller's, for what is measured on the disk.
    pub(crate) async fn start_over(
        (postgres, redis): (Postgres, Redis),
        reach: Reach,
        more: &[(&'static str, &str)],
        log: Option<File>,
    ) -> Self {
        let (public, gateway_admin, workers_admin) = (port(), port(), port());
        let database = template(&postgres).await.fresh_database().await.unwrap();
        let public_url = format!("http://127.0.0.1:{public}");
        let stripe = FakeStripe::start(FakeStripeOptions {
            webhook: Some(Webhook {
                url: format!("{public_url}/v1/stripe/webhook"),
                secret: WEBHOOK_SECRET.to_owned(),
            }),
            ..FakeStripeOptions::default()
        })
        .await
        .unwrap();
        let mail = MailSink::start().await.unwrap();
        let proxies = match reach {
            Reach::Direct | Reach::OrStandby(_) => None,
            Reach::Proxied => Some(Proxies::before(&redis, &postgres).await),
        };
        let through = |proxy: Option<&FaultProxy>, url: &str| proxy.map_or(url.to_owned(), |proxy| proxy.through(url));
        let database_url = match reach {
            Reach::OrStandby(port) => {
                let own = postgres.address();
                let both = database.url.replace(&own.to_string(), &format!("{own},127.0.0.1:{port}"));
                format!("{both}?target_session_attrs=read-write")
            }
            Reach::Direct | Reach::Proxied => through(proxies.as_ref().map(|proxies| &proxies.postgres), &database.url),
        };
        let mut variables = vec![
            ("DATABASE_URL", database_url),
            ("REDIS_URL", through(proxies.as_ref().map(|proxies| &proxies.redis), &redis.url())),
            ("STRIPE_SECRET_KEY", "sk_test_end_to_end".to_owned()),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_end_to_end".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("STRIPE_API_BASE", stripe.base_url()),
            ("STRIPE_BROWSER_BASE", stripe.base_url()),
            ("SMTP_URL", mail.url()),
            ("MAIL_FROM", "Onsale <tickets@example.com>".to_owned()),
            ("ONSALE_LISTEN", format!("127.0.0.1:{public}")),
            ("ONSALE_PUBLIC_URL", public_url.clone()),
            ("ONSALE_SIGNING_KEYS", SIGNING_KEYS.to_owned()),
            ("ONSALE_TICKET_KEYS", TICKET_KEYS.to_owned()),
            ("RUST_LOG", "error".to_owned()),
            ("ONSALE_TRUSTED_PROXIES", "127.0.0.0/8".to_owned()),
            // No load balancer looks, but in the tests that set it.
            ("ONSALE_DRAIN_NOTICE_S", "0".to_owned()),
        ];
        // The last value of a name counts.
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let key = output(&["keys", "create", "--role", "organizer", "--organizer", "Opera"], &variables);
        let gateway = Process::start_logging("gateway", gateway_admin, &variables, log.as_ref());
        let workers = Process::start_logging("workers", workers_admin, &variables, log.as_ref());
        gateway.is_ready().await;
        workers.is_ready().await;
        let edge = Edge::new(&public_url);
        let key = key.trim().to_owned();
        let organizer = Organizer::new(&edge, &key);
        Self {
            postgres,
            redis,
            database,
            stripe,
            mail,
            edge,
            organizer,
            gateway,
            workers,
            proxies,
            key,
            variables,
            log,
        }
    }

    /// Publishes a sale of one general-admission tier that opens at once.
    pub(crate) async fn sells(&self, units: u32) -> String {
        self.organizer.puts_on_sale(&sale(units)).await.unwrap()
    }

    /// Publishes a sale that lets visitors in at a pace of its own.
    pub(crate) async fn paced(&self, units: usize, admission: Value) -> String {
        let mut wish = sale(u32::try_from(units).unwrap());
        wish["admission"] = admission;
        self.organizer.puts_on_sale(&wish).await.unwrap()
    }

    /// Publishes a sale that has let one in, so that the others wait.
    pub(crate) async fn lets_one_in(&self, units: usize) -> String {
        let sale = self.paced(units, json!({ "rate_per_s": 1, "burst": 1, "max_shoppers": 1 })).await;
        let mut first = Visitor::new(&self.edge, &sale);
        first.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        first.waits_for_turn(UP_WITHIN).await.unwrap();
        sale
    }

    /// Publishes a sale with an open prequeue, for as many to register as a test wants, however slow the machine.
    pub(crate) async fn registers_for(&self, wish: &Value) -> Prequeue {
        let published = Instant::now();
        let sale = self.organizer.publishes_to_open(wish, Duration::ZERO, DOORS_IN).await.unwrap();
        self.organizer.waits_until_open(&sale).await.unwrap();
        Prequeue { sale, published }
    }

    /// Publishes a sale without a draw, whose doors open when [`World::opens_in`] says so: before them there is no place to have.
    pub(crate) async fn awaits_opening_of(&self, wish: &Value) -> Prequeue {
        let published = Instant::now();
        let sale = self.organizer.publishes_to_open(wish, DOORS_IN, DOORS_IN).await.unwrap();
        Prequeue { sale, published }
    }

    /// Moves the clocks of both stores so that the doors open that soon; when that is, at the earliest.
    pub(crate) async fn opens_in(&self, prequeue: &Prequeue, left: Duration) -> Instant {
        let key = SaleKeys::new(prequeue.sale.parse().unwrap()).clock_offset();
        let moved = Instant::now();
        let offset = i64::try_from((DOORS_IN - (moved - prequeue.published) - left).as_millis()).unwrap();
        self.database.set_clock_offset(offset).await.unwrap();
        self.redis.set_clock_offset(&key, offset).await.unwrap();
        moved + left
    }

    /// Changes how a sale lets visitors in.
    pub(crate) async fn paces(&self, sale: &str, admission: Value) {
        self.organizer.paces(sale, &admission).await.unwrap().expect(StatusCode::OK).unwrap();
    }

    /// Somebody whose turn it is.
    pub(crate) async fn has_turn(&self, sale: &str) -> Buyer {
        let mut visitor = Visitor::new(&self.edge, sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        visitor.waits_for_turn(UP_WITHIN).await.unwrap()
    }

    /// Somebody who has ordered one unit and not paid for it.
    pub(crate) async fn has_order(&self, sale: &str) -> (Buyer, Order) {
        let buyer = self.has_turn(sale).await;
        let hold = buyer.holds("ga", 1).await.unwrap();
        let order = buyer.orders(&hold, &format!("{}@example.com", &hold.id[5..]), "Ada").await.unwrap();
        (buyer, order)
    }

    /// Somebody who has bought one unit: the order is paid and has its ticket.
    pub(crate) async fn has_bought(&self, sale: &str) -> (Buyer, Order) {
        let (buyer, order) = self.has_order(sale).await;
        let paid = buyer.pays(&order, Card::Visa, &self.stripe.base_url()).await.unwrap();
        paid.expect(StatusCode::OK).unwrap();
        buyer.waits_until_order_is(&order, "paid", UP_WITHIN).await.unwrap();
        (buyer, order)
    }

    /// Runs the audit as an operator would; gives its exit status and what it printed.
    pub(crate) fn audit(&self) -> (ExitStatus, String) {
        self.audit_with(&[])
    }

    /// The same with options.
    pub(crate) fn audit_with(&self, options: &[&str]) -> (ExitStatus, String) {
        self.runs(&[&["audit"], options].concat())
    }

    /// Runs the command as an operator would; gives its exit status and what it printed.
    pub(crate) fn runs(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let output = command(arguments, &self.variables).stderr(Stdio::inherit()).output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    /// What its processes were told.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The audit must pass, and must have looked at every invariant it is for.
    pub(crate) fn holds_every_invariant(&self) {
        let (status, printed) = self.audit();
        assert!(status.success(), "{printed}");
        for invariant in ["I1", "I2", "I3", "I4", "I5", "I6", "I11", "I12"] {
            assert!(printed.lines().any(|line| line.starts_with(&format!("{invariant} "))), "{invariant}: {printed}");
        }
    }

    /// Waits until a number from the database is as wanted.
    pub(crate) async fn waits_until_counted(&self, query: &str, wanted: impl Fn(i64) -> bool) {
        let started = Instant::now();
        loop {
            let count = self.counts(query).await;
            if wanted(count) {
                return;
            }
            assert!(started.elapsed() < UP_WITHIN, "{count} from {query}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until that many mails have arrived; all of them.
    pub(crate) async fn waits_for_mails(&self, count: usize) -> Vec<Mail> {
        let started = Instant::now();
        loop {
            let mails = self.mail.messages();
            if mails.len() >= count {
                return mails;
            }
            assert!(started.elapsed() < UP_WITHIN, "{} of {count} mails", mails.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts another workers process in place of one that ended.
    pub(crate) async fn restarts_workers(&mut self) {
        self.workers = Process::start_logging("workers", port(), &self.variables, self.log.as_ref());
        self.workers.is_ready().await;
    }

    /// Starts one more workers process beside the first, with these variables too.
    pub(crate) async fn adds_workers_and_set(&self, more: &[(&'static str, &str)]) -> Process {
        let mut variables = self.variables.clone();
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let workers = Process::start("workers", port(), &variables);
        workers.is_ready().await;
        workers
    }

    /// Starts a gateway in place of one that ended, at the same address.
    pub(crate) async fn restarts_gateway(&mut self) {
        self.gateway = Process::start("gateway", port(), &self.variables);
        self.gateway.is_ready().await;
    }

    /// Starts one more gateway beside the first, and how it is reached.
    pub(crate) async fn adds_gateway(&self) -> (Process, Edge) {
        self.adds_gateway_and_set(&[]).await
    }

    /// The same with these variables too; they win over the usual ones.
    pub(crate) async fn adds_gateway_and_set(&self, more: &[(&'static str, &str)]) -> (Process, Edge) {
        let address = format!("127.0.0.1:{}", port());
        let mut variables = self.variables.clone();
        variables.push(("ONSALE_LISTEN", address.clone()));
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let gateway = Process::start("gateway", port(), &variables);
        gateway.is_ready().await;
        (gateway, Edge::new(&format!("http://{address}")))
    }

    /// The organizer's key, for requests that the actor does not make.
    pub(crate) fn organizer_key(&self) -> &str {
        &self.key
    }

    /// The organizer, who asks that gateway.
    pub(crate) fn organizer_at(&self, edge: &Edge) -> Organizer {
        Organizer::new(edge, &self.key)
    }

    /// What Redis has of a sale at this moment.
    pub(crate) async fn view(&self, sale: &str) -> View {
        let store = Store::connect(&self.redis.url(), StoreConfig::default()).await.unwrap();
        let view = Queue::new(store.clone()).view(sale.parse().unwrap()).await.unwrap();
        store.shutdown().await;
        view
    }

    /// A number from the database.
    pub(crate) async fn counts(&self, query: &str) -> i64 {
        self.database.number(query).await.unwrap()
    }
}

impl Proxies {
    /// Waits until more than so many replies of each are lost. The processes ask both stores as long as they run, so a fault
    /// that takes place is over some time, however slow the machine.
    pub(crate) async fn have_lost(&self, of_redis: u64, of_postgres: u64) {
        let started = Instant::now();
        loop {
            let lost = (self.redis.lost(), self.postgres.lost());
            if lost.0 > of_redis && lost.1 > of_postgres {
                return;
            }
            assert!(started.elapsed() < UP_WITHIN, "{lost:?} replies of Redis and Postgres were lost");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Made and migrated once in this process, and stopped. Each world has a copy of its own, which it may stop, kill and hold up.
async fn migrated() -> &'static Postgres {
    static MIGRATED: OnceCell<Postgres> = OnceCell::const_new();
    MIGRATED
        .get_or_init(async || {
            let postgres = Postgres::start(PostgresOptions { durability: Durability::Fast }).await.unwrap();
            template(&postgres).await;
            postgres
        })
        .await
}

/// What the database of a world is copied from.
async fn template(postgres: &Postgres) -> Template<'_> {
    postgres.template("onsale", async |url| ledger::migrate(&url).await.map(|_| ())).await.unwrap()
}

/// The sale that most tests sell: short waits, one tier, a fee and a tax.
pub(crate) fn sale(units: u32) -> Value {
    json!({
        "name": format!("Night of {units}"),
        "slug": format!("night-{}", uuid::Uuid::new_v4().simple()),
        "currency": "eur",
        "opens_at": "2026-01-01T00:00:00Z",
        "tiers": [{ "id": "ga", "name": "Standing", "price": 4500, "capacity": units }],
        "admission": { "rate_per_s": 500, "burst": 500, "max_shoppers": 5000 },
        "hold": { "reclaim_window_s": 3 },
        "fees": [{ "name": "Service", "per_unit": 150 }],
        "taxes": [{ "name": "VAT", "basis_points": 700 }],
    })
}

impl Process {
    fn start(which: &str, admin: u16, variables: &[(&'static str, String)]) -> Self {
        Self::start_logging(which, admin, variables, None)
    }

    fn start_logging(which: &str, admin: u16, variables: &[(&'static str, String)], log: Option<&File>) -> Self {
        let stderr = log.map_or_else(Stdio::inherit, |log| log.try_clone().unwrap().into());
        let child = command(&[which], variables)
            .env("ONSALE_ADMIN_LISTEN", format!("127.0.0.1:{admin}"))
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, admin: Edge::new(&format!("http://127.0.0.1:{admin}")) }
    }

    /// Waits until `/readyz` says ok.
    pub(crate) async fn is_ready(&self) {
        let started = Instant::now();
        loop {
            let answer = self.admin.ask(http::Method::GET, "/readyz?verbose", &[], &Value::Null).await;
            match &answer {
                Ok(answer) if answer.status.is_success() => return,
                _ => assert!(started.elapsed() < UP_WITHIN, "not ready: {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the process to end, as an orchestrator does.
    pub(crate) fn is_asked_to_end(&self) {
        self.is_sent(rustix::process::Signal::TERM);
    }

    /// Ends the process without asking.
    pub(crate) fn is_killed(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the process where it is, as a machine that is suspended: without a word to anybody.
    pub(crate) fn is_suspended(&self) {
        self.is_sent(rustix::process::Signal::STOP);
    }

    /// Lets it go on as if no time had passed.
    pub(crate) fn is_resumed(&self) {
        self.is_sent(rustix::process::Signal::CONT);
    }

    fn is_sent(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its number, as the kernel counts processes.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How much memory the process has in RAM.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// How many files it has open, sockets among them.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Waits for the end.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < END_WITHIN, "still running");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command with nothing in its environment but what it needs.
pub(crate) fn command(arguments: &[&str], variables: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(ONSALE);
    command.args(arguments).env_clear().envs(variables.iter().map(|(name, value)| (*name, value)));
    command
}

fn output(arguments: &[&str], variables: &[(&'static str, String)]) -> String {
    let output = command(arguments, variables).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn port() -> u16 {
    sandbox::free_port().unwrap()
}
