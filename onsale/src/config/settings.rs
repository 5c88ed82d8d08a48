//! What each command needs, read from the variables.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::keyring::{self, Kid};
use domain::ticket::TicketSigner;
use domain::token::Signer;
use domain::trace::Sampling;
use gateway::{PublicUrl, RateLimits, TrustedProxies};
use http::Uri;
use ledger::{Ledger, PoolConfig, Role};
use secrecy::{ExposeSecret as _, SecretString};
use workers::{BeaconUrl, MailConfig};

use super::faults::Faults;
use super::reader::Reader;
use super::variables::Variables;
use crate::process::LogFormat;
use crate::spans::{BUILD, Build, SpansTo};

const STRIPE_API_BASE: &str = "https://api.stripe.com";
/// Stripe's limit in live mode, unless it was raised for the account.
const STRIPE_WRITES_PER_S: &str = "100";
/// Enough to see a sale by, and not much of the work.
const OTLP_ONE_IN: &str = "100";
/// Three looks of a load balancer that looks every second or two.
const DRAIN_NOTICE_S: &str = "5";
const LISTEN: &str = "0.0.0.0:8080";
const GATEWAY_ADMIN_LISTEN: &str = "127.0.0.1:9464";
const WORKERS_ADMIN_LISTEN: &str = "127.0.0.1:9465";

/// Where a process says how it is.
pub(crate) struct AdminSettings {
    pub(crate) admin_listen: SocketAddr,
}

/// For commands that need Postgres only.
pub(crate) struct DatabaseSettings {
    pub(crate) database_url: SecretString,
}

/// For the audit: Redis is looked at when it is named.
pub(crate) struct AuditSettings {
    pub(crate) database_url: SecretString,
    pub(crate) redis_url: Option<SecretString>,
}

/// What both long-running processes need.
pub(crate) struct ProcessSettings {
    pub(crate) database_url: SecretString,
    pub(crate) redis_url: SecretString,
    pub(crate) stripe_secret_key: SecretString,
    pub(crate) stripe_api_base: Uri,
    /// Of all processes together, so they must all be told the same.
    pub(crate) stripe_writes_per_s: NonZeroU32,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) public_url: PublicUrl,
    pub(crate) signer: Arc<Signer>,
    pub(crate) ticket_signer: Arc<TicketSigner>,
    pub(crate) log_format: LogFormat,
    pub(crate) spans: Option<SpansTo>,
}

/// For `onsale gateway`.
pub(crate) struct GatewaySettings {
    pub(crate) process: ProcessSettings,
    pub(crate) listen: SocketAddr,
    pub(crate) stripe_publishable_key: String,
    pub(crate) stripe_browser_base: Option<String>,
    pub(crate) webhook_secrets: Vec<SecretString>,
    /// What the workers ask; visitors are told whether there is one.
    pub(crate) beacon: Option<BeaconUrl>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) rate_limits: RateLimits,
    /// How long a gateway that is to end serves on and says that it is not ready.
    pub(crate) drain_notice: Duration,
}

/// For `onsale workers`.
pub(crate) struct WorkersSettings {
    pub(crate) process: ProcessSettings,
    pub(crate) mail: Option<MailConfig>,
    /// Without one, draws are self-attested.
    pub(crate) beacon: Option<BeaconUrl>,
}

impl AdminSettings {
    /// Of a gateway.
    pub(crate) fn gateway(listen: Option<&String>) -> Result<Self, Faults> {
        Self::read(listen, GATEWAY_ADMIN_LISTEN)
    }

    /// Of workers.
    pub(crate) fn workers(listen: Option<&String>) -> Result<Self, Faults> {
        Self::read(listen, WORKERS_ADMIN_LISTEN)
    }

    fn read(listen: Option<&String>, default: &str) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let admin_listen = reader.or_default("ONSALE_ADMIN_LISTEN", listen, default);
        reader.finish(admin_listen.map(|admin_listen| Self { admin_listen }))
    }
}

/// For a look before a sale: what both processes would be told.
pub(crate) struct PreflightSettings {
    pub(crate) gateway: GatewaySettings,
    pub(crate) workers: WorkersSettings,
    pub(crate) guessable: Guessable,
}

/// Keys that nobody drew by chance, by name.
#[derive(Debug, Default)]
pub(crate) struct Guessable {
    pub(crate) signing: Vec<Kid>,
    pub(crate) tickets: Vec<Kid>,
}

/// For commands that need Stripe only.
pub(crate) struct StripeSettings {
    pub(crate) stripe_secret_key: SecretString,
    pub(crate) stripe_api_base: Uri,
    pub(crate) public_url: PublicUrl,
}

impl PreflightSettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let gateway = GatewaySettings::read(variables).map_err(|found| faults.merge(found)).ok();
        let workers = WorkersSettings::read(variables).map_err(|found| faults.merge(found)).ok();
        let mut reader = Reader::default();
        let signing = reader
            .guessable("ONSALE_SIGNING_KEYS", (variables.signing_keys.as_ref(), variables.signing_keys_file.as_ref()));
        let tickets = reader
            .guessable("ONSALE_TICKET_KEYS", (variables.ticket_keys.as_ref(), variables.ticket_keys_file.as_ref()));
        let guessable = reader.finish(signing.zip(tickets)).map_err(|found| faults.merge(found)).ok();
        match (gateway, workers, guessable) {
            (Some(gateway), Some(workers), Some((signing, tickets))) => {
                Ok(Self { gateway, workers, guessable: Guessable { signing, tickets } })
            }
            _ => Err(faults),
        }
    }
}

impl StripeSettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let key = reader.secret(
            "STRIPE_SECRET_KEY",
            variables.stripe_secret_key.as_ref(),
            variables.stripe_secret_key_file.as_ref(),
        );
        let base = reader.or_default("STRIPE_API_BASE", variables.stripe_api_base.as_ref(), STRIPE_API_BASE);
        let url = reader.required("ONSALE_PUBLIC_URL", variables.public_url.as_ref());
        let settings = key.zip(base).zip(url);
        reader.finish(settings.map(|((stripe_secret_key, stripe_api_base), public_url)| Self {
            stripe_secret_key,
            stripe_api_base,
            public_url,
        }))
    }
}

impl DatabaseSettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let settings = reader.database_url(variables).map(|database_url| Self { database_url });
        reader.finish(settings)
    }
}

impl AuditSettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let database_url = reader.database_url(variables);
        let redis_url =
            reader.optional_secret("REDIS_URL", variables.redis_url.as_ref(), variables.redis_url_file.as_ref());
        reader.finish(database_url.map(|database_url| Self { database_url, redis_url }))
    }
}

impl GatewaySettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let process = reader.process(variables, GATEWAY_ADMIN_LISTEN);
        let listen = reader.or_default("ONSALE_LISTEN", variables.listen.as_ref(), LISTEN);
        let key = reader.required("STRIPE_PUBLISHABLE_KEY", variables.stripe_publishable_key.as_ref());
        let browser_base = reader.optional("STRIPE_BROWSER_BASE", variables.stripe_browser_base.as_ref());
        let webhook_secret = reader.secret(
            "STRIPE_WEBHOOK_SECRET",
            variables.stripe_webhook_secret.as_ref(),
            variables.stripe_webhook_secret_file.as_ref(),
        );
        let beacon = reader.optional("ONSALE_BEACON_URL", variables.beacon_url.as_ref());
        let proxies = reader.optional("ONSALE_TRUSTED_PROXIES", variables.trusted_proxies.as_ref());
        let limits = reader.optional("ONSALE_RATE_LIMITS", variables.rate_limits.as_ref());
        let notice =
            reader.or_default::<u16>("ONSALE_DRAIN_NOTICE_S", variables.drain_notice_s.as_ref(), DRAIN_NOTICE_S);
        let settings = || {
            Some(Self {
                process: process?,
                listen: listen?,
                stripe_publishable_key: key?,
                stripe_browser_base: browser_base,
                webhook_secrets: split(&webhook_secret?),
                beacon,
                trusted_proxies: proxies.unwrap_or_default(),
                rate_limits: limits.unwrap_or_default(),
                drain_notice: Duration::from_secs(notice?.into()),
            })
        };
        let settings = settings();
        reader.finish(settings)
    }

    /// What would be used, without what must stay secret.
    pub(crate) fn without_secrets(&self) -> String {
        let mut text = self.process.without_secrets();
        let browser_base = self.stripe_browser_base.as_deref().unwrap_or("js.stripe.com");
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n  listens on       {}\n  webhook secrets  {}\n  Stripe.js        {browser_base}\n  drain notice     {} s\n  beacon           {}",
            self.listen,
            self.webhook_secrets.len(),
            self.drain_notice.as_secs(),
            beacon_in_words(self.beacon.as_ref()),
        );
        text
    }
}

impl WorkersSettings {
    pub(crate) fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let process = reader.process(variables, WORKERS_ADMIN_LISTEN);
        let mail = reader.mail(variables);
        let beacon = reader.optional("ONSALE_BEACON_URL", variables.beacon_url.as_ref());
        reader.finish(process.map(|process| Self { process, mail, beacon }))
    }

    /// What would be used, without what must stay secret.
    pub(crate) fn without_secrets(&self) -> String {
        let mail = if self.mail.is_some() { "sent" } else { "waits in the outbox: no SMTP_URL" };
        let beacon = beacon_in_words(self.beacon.as_ref());
        format!("{}\n  mail             {mail}\n  beacon           {beacon}", self.process.without_secrets())
    }
}

fn beacon_in_words(beacon: Option<&BeaconUrl>) -> &str {
    beacon.map_or("none: draws are self-attested", BeaconUrl::as_str)
}

impl ProcessSettings {
    fn without_secrets(&self) -> String {
        let kids: Vec<_> = self.ticket_signer.verifying_keys().map(|(kid, _)| kid.to_string()).collect();
        format!(
            "  public URL       {}\n  admin address    {}\n  Stripe API       {}\n  Stripe writes    {} a second\n  ticket keys      {}\n  spans            {}",
            self.public_url.origin(),
            self.admin_listen,
            self.stripe_api_base,
            self.stripe_writes_per_s,
            kids.join(", "),
            self.spans.as_ref().map_or("stay in the log".to_owned(), SpansTo::to_string),
        )
    }
}

impl Reader {
    fn database_url(&mut self, variables: &Variables) -> Option<SecretString> {
        let url = self.secret("DATABASE_URL", variables.database_url.as_ref(), variables.database_url_file.as_ref())?;
        // Connects to nothing yet: it only reads the URL.
        let read = Ledger::connect(url.expose_secret(), Role::ReadOnly, PoolConfig::default());
        self.parsed("DATABASE_URL", read.map(|_| url).map_err(|_| "is not a Postgres URL"))
    }

    fn process(&mut self, variables: &Variables, admin_listen: &str) -> Option<ProcessSettings> {
        let database_url = self.database_url(variables);
        let redis_url = self.secret("REDIS_URL", variables.redis_url.as_ref(), variables.redis_url_file.as_ref());
        let stripe_secret_key = self.secret(
            "STRIPE_SECRET_KEY",
            variables.stripe_secret_key.as_ref(),
            variables.stripe_secret_key_file.as_ref(),
        );
        let api_base = self.or_default("STRIPE_API_BASE", variables.stripe_api_base.as_ref(), STRIPE_API_BASE);
        let writes =
            self.or_default("ONSALE_STRIPE_WRITES_PER_S", variables.stripe_writes_per_s.as_ref(), STRIPE_WRITES_PER_S);
        let admin = self.or_default("ONSALE_ADMIN_LISTEN", variables.admin_listen.as_ref(), admin_listen);
        let public_url = self.required("ONSALE_PUBLIC_URL", variables.public_url.as_ref());
        let signer = self.keys(
            "ONSALE_SIGNING_KEYS",
            (variables.signing_keys.as_ref(), variables.signing_keys_file.as_ref()),
            Signer::new,
        );
        let ticket_signer = self.keys(
            "ONSALE_TICKET_KEYS",
            (variables.ticket_keys.as_ref(), variables.ticket_keys_file.as_ref()),
            TicketSigner::new,
        );
        let log_format = self.optional("ONSALE_LOG_FORMAT", variables.log_format.as_ref());
        let spans = self.spans(variables, BUILD);
        Some(ProcessSettings {
            database_url: database_url?,
            redis_url: redis_url?,
            stripe_secret_key: stripe_secret_key?,
            stripe_api_base: api_base?,
            stripe_writes_per_s: writes?,
            admin_listen: admin?,
            public_url: public_url?,
            signer: Arc::new(signer?),
            ticket_signer: Arc::new(ticket_signer?),
            log_format: log_format.unwrap_or_default(),
            spans,
        })
    }

    /// Where spans go. A build that can send none refuses to be told.
    pub(super) fn spans(&mut self, variables: &Variables, build: Build) -> Option<SpansTo> {
        let endpoint = ("ONSALE_OTLP_ENDPOINT", variables.otlp_endpoint.as_ref());
        let one_in = ("ONSALE_OTLP_ONE_IN", variables.otlp_one_in.as_ref());
        let is_given = |text: Option<&String>| text.is_some_and(|text| !text.trim().is_empty());
        for (name, _) in [endpoint, one_in].into_iter().filter(|(_, text)| build == Build::LogsOnly && is_given(*text))
        {
            self.parsed::<SpansTo>(name, Err("this build sends no spans: it was built without the feature otlp"));
        }
        let collector = self.optional(endpoint.0, endpoint.1);
        let many: u32 = self.or_default(one_in.0, one_in.1, OTLP_ONE_IN)?;
        let sampling = NonZeroU32::new(many).map_or(Sampling::Nothing, Sampling::OneIn);
        collector.map(|collector| SpansTo { collector, sampling })
    }

    fn keys<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        (text, file): (Option<&String>, Option<&String>),
        parse: impl FnOnce(&SecretString) -> Result<T, E>,
    ) -> Option<T> {
        let keys = self.secret(name, text, file)?;
        self.parsed(name, parse(&keys))
    }

    fn guessable(&mut self, name: &str, (text, file): (Option<&String>, Option<&String>)) -> Option<Vec<Kid>> {
        let keys = self.secret(name, text, file)?;
        self.parsed(name, keyring::guessable(&keys))
    }

    fn mail(&mut self, variables: &Variables) -> Option<MailConfig> {
        let url = self.optional_secret("SMTP_URL", variables.smtp_url.as_ref(), variables.smtp_url_file.as_ref())?;
        let from: String = self.required("MAIL_FROM", variables.mail_from.as_ref())?;
        self.parsed("SMTP_URL", MailConfig::parse(&url, &from))
    }
}

fn split(secrets: &SecretString) -> Vec<SecretString> {
    let parts = secrets.expose_secret().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(SecretString::from).collect()
}
