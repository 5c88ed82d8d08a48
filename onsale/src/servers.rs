//! The private servers around the demo and rehearsals, and the variables that point the product at them.

use std::net::{Ipv4Addr, SocketAddr};

use admission::{Store, StoreConfig};
use ledger::audit::AuditReport;
use ledger::organizers::{self, KeyRole};
use ledger::{Ledger, PoolConfig, Role};
use sandbox::{
    Database, FakeBeacon, FakeStripe, FakeStripeOptions, MailSink, Postgres, PostgresOptions, Redis, RedisOptions,
    SandboxError, Webhook,
};

use crate::audit::audit;
use crate::cli::Purpose;
use crate::command::{Failure, fresh_key};
use crate::config::Variables;

/// What the fake Stripe signs its events with.
const WEBHOOK_SECRET: &str = "whsec_demo";

/// How the fakes behave; the default is quick and healthy.
#[derive(Default)]
pub(crate) struct Fakes {
    /// Where its events go is said by [`Servers::start`].
    pub(crate) stripe: FakeStripeOptions,
    pub(crate) redis: RedisOptions,
}

/// Everything that runs beside gateway and workers; gone when this is dropped.
pub(crate) struct Servers {
    pub(crate) database: Database,
    pub(crate) stripe: FakeStripe,
    pub(crate) mail: MailSink,
    pub(crate) organizer_key: String,
    pub(crate) public_url: String,
    pub(crate) variables: Variables,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    _beacon: FakeBeacon,
}

impl Servers {
    /// Starts all of them; the gateway will listen on `listen`, on a free port when that says 0.
    pub(crate) async fn start(listen: SocketAddr, fakes: Fakes) -> Result<Self, Failure> {
        let port = if listen.port() == 0 { sandbox::free_port()? } else { listen.port() };
        let public_url = format!("http://{}", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let postgres = Postgres::start(PostgresOptions::default()).await?;
        let redis = Redis::start(fakes.redis).await?;
        let migrate = async |url: String| ledger::migrate(&url).await.map(|_| ());
        let database = postgres.template("onsale", migrate).await?.fresh_database().await?;
        let webhook = Webhook { url: format!("{public_url}/v1/stripe/webhook"), secret: WEBHOOK_SECRET.to_owned() };
        let stripe = FakeStripe::start(FakeStripeOptions { webhook: Some(webhook), ..fakes.stripe }).await?;
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
            beacon_url: Some(beacon.url()),
            smtp_url: Some(mail.url()),
            mail_from: Some("Onsale <tickets@example.com>".to_owned()),
            listen: Some(SocketAddr::new(listen.ip(), port).to_string()),
            public_url: Some(public_url.clone()),
            // No load balancer looks.
            drain_notice_s: Some("0".to_owned()),
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
            postgres,
            _beacon: beacon,
        })
    }

    /// For programs: a name and a value a line.
    pub(crate) fn says_where_they_are(&self) {
        println!("mail      {}\nkey       {}", self.mail.page_url(), self.organizer_key);
        println!("postgres  {}\nredis     {}\npage      {}", self.database.url, self.redis.url(), self.public_url);
    }

    /// Pieces of work that nobody has done yet: events to apply, calls, returns and mails to make.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn work_left(&self) -> Result<i64, SandboxError> {
        const WAITING: &str = "SELECT (SELECT count(*) FROM inbox WHERE state = 'pending')
                                     + (SELECT count(*) FROM outbox WHERE state = 'pending')";
        self.database.number(WAITING).await
    }

    /// Looks at every invariant.
    pub(crate) async fn audited(&self) -> Result<AuditReport, Failure> {
        let ledger = Ledger::connect(&self.database.url, Role::ReadOnly, PoolConfig::default())?;
        let store = Store::connect(&self.redis.url(), StoreConfig::default()).await?;
        Ok(audit(&ledger, Some(store), None).await?)
    }
}
