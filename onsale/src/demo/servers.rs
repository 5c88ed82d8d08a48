//! The private servers around the demo, and the variables that point the product at them.

use std::net::{Ipv4Addr, SocketAddr};

use ledger::organizers::{self, KeyRole};
use ledger::{Ledger, PoolConfig, Role};
use sandbox::{
    Database, FakeBeacon, FakeStripe, FakeStripeOptions, MailSink, Postgres, PostgresOptions, Redis, RedisOptions,
    Webhook,
};

use crate::cli::{Demo, Purpose};
use crate::command::{Failure, fresh_key};
use crate::config::Variables;

/// What the fake Stripe signs its events with.
const WEBHOOK_SECRET: &str = "whsec_demo";

/// Everything that runs beside gateway and workers; gone when this is dropped.
pub(super) struct Servers {
    pub(super) database: Database,
    pub(super) stripe: FakeStripe,
    pub(super) mail: MailSink,
    pub(super) organizer_key: String,
    pub(super) public_url: String,
    pub(super) variables: Variables,
    redis: Redis,
    _beacon: FakeBeacon,
    _postgres: Postgres,
}

impl Servers {
    /// Starts all of them; the gateway will listen where the demo is to, on a free port when that says 0.
    pub(super) async fn start(demo: &Demo) -> Result<Self, Failure> {
        let listen = demo.listen;
        let port = if listen.port() == 0 { sandbox::free_port()? } else { listen.port() };
        let public_url = format!("http://{}", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        let redis = Redis::start(RedisOptions::default()).await?;
        let migrate = async |url: String| ledger::migrate(&url).await.map(|_| ());
        let database = postgres.template("onsale", migrate).await?.fresh_database().await?;
        let webhook = Webhook { url: format!("{public_url}/v1/stripe/webhook"), secret: WEBHOOK_SECRET.to_owned() };
        let options =
            FakeStripeOptions { webhook: Some(webhook), latency: demo.latency.into(), ..FakeStripeOptions::default() };
        let stripe = FakeStripe::start(options).await?;
        let mail = MailSink::start().await?;
        let beacon = FakeBeacon::start().await?;
        let owner = Ledger::connect(&database.url, Role::Owner, PoolConfig::default())?;
        let key = organizers::key_create(&owner, KeyRole::Organizer, "Demo", "demo").await?;
        let variables = Variables {
            database_url: Some(database.url.clone()),
            redis_url: Some(redis.url()),
            stripe_secret_key: Some("sk_test_demo".to_owned()),
            stripe_publishable_key: Some("pk_test_demo".to_owned()),
            stripe_webhook_secret: Some(WEBHOOK_SECRET.to_owned()),
            stripe_api_base: Some(stripe.base_url()),
            stripe_browser_base: Some(stripe.base_url()),
            stripe_writes_per_s: demo.stripe_writes_per_s.map(|writes| writes.to_string()),
            trusted_proxies: demo.servers_only.then(|| "127.0.0.0/8".to_owned()),
            beacon_url: Some(beacon.url()),
            smtp_url: Some(mail.url()),
            mail_from: Some("Onsale <tickets@example.com>".to_owned()),
            listen: Some(SocketAddr::new(listen.ip(), port).to_string()),
            public_url: Some(public_url.clone()),
            signing_keys: Some(fresh_key(Purpose::Signing)?),
            ticket_keys: Some(fresh_key(Purpose::Ticket)?),
            ..Variables::default()
        };
        Ok(Self {
            database,
            stripe,
            mail,
            organizer_key: key.secret,
            public_url,
            variables,
            redis,
            _beacon: beacon,
            _postgres: postgres,
        })
    }

    /// For programs: a name and a value a line.
    pub(super) fn says_where_they_are(&self) {
        println!("mail      {}\nkey       {}", self.mail.page_url(), self.organizer_key);
        println!("postgres  {}\nredis     {}\npage      {}", self.database.url, self.redis_url(), self.public_url);
    }

    pub(super) fn redis_url(&self) -> String {
        self.redis.url()
    }
}
