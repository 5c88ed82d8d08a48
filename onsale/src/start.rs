//! From settings to running gateways and workers: the same way in every process, and in the demo's single one.

use std::sync::Arc;
use std::time::Duration;

use admission::{Store, StoreConfig};
use domain::clock::Clock;
use domain::trace::Sampling;
use gateway::{Drain, Gateway, GatewayConfig, GatewayParts};
use http::Uri;
use ledger::{Ledger, PoolConfig, Role};
use payments::{Stripe, StripeConfig};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;
use workers::{Workers, WorkersConfig, WorkersParts};

use crate::command::Failure;
use crate::config::{GatewaySettings, ProcessSettings, WorkersSettings};
use crate::spans::SpansTo;

/// The longest call to Stripe; its own libraries wait 80 s, which is longer than a buyer does.
const STRIPE_CALL_MAX: Duration = Duration::from_secs(20);

/// Starts a gateway; it drains when `draining` is cancelled.
pub(crate) async fn gateway(settings: GatewaySettings, draining: CancellationToken) -> Result<Gateway, Failure> {
    let process = settings.process;
    let parts = GatewayParts {
        ledger: ledger(&process, Role::Gateway)?,
        store: store(&process).await?,
        stripe: stripe(&process)?,
        signer: process.signer,
        ticket_signer: process.ticket_signer,
        clock: Clock::system(),
    };
    let config = GatewayConfig {
        public_url: Some(process.public_url),
        stripe_publishable_key: settings.stripe_publishable_key,
        stripe_browser_base: settings.stripe_browser_base,
        stripe_writes_per_s: process.stripe_writes_per_s,
        stripe_webhook_secrets: settings.webhook_secrets,
        beacon_configured: settings.beacon.is_some(),
        trusted_proxies: settings.trusted_proxies,
        rate_limits: settings.rate_limits,
        sampling: sampling(process.spans.as_ref()),
        drain: Drain { notice: settings.drain_notice, ..Drain::default() },
        ..GatewayConfig::new(settings.listen)
    };
    Ok(Gateway::start(config, parts, draining).await?)
}

/// Starts workers; they drain when `draining` is cancelled.
pub(crate) async fn workers(settings: WorkersSettings, draining: CancellationToken) -> Result<Workers, Failure> {
    let (config, parts) = workers_parts(settings).await?;
    Ok(Workers::start(config, parts, draining))
}

/// What workers work with, for whoever does some of their work without starting them.
pub(crate) async fn workers_parts(settings: WorkersSettings) -> Result<(WorkersConfig, WorkersParts), Failure> {
    let process = settings.process;
    let parts = WorkersParts {
        ledger: ledger(&process, Role::Workers)?,
        store: store(&process).await?,
        stripe: stripe(&process)?,
        ticket_signer: process.ticket_signer,
        signer: process.signer,
        mail: settings.mail,
        beacon: settings.beacon,
        public_url: process.public_url.origin().to_owned(),
    };
    let config = WorkersConfig {
        stripe_writes_per_s: process.stripe_writes_per_s,
        sampling: sampling(process.spans.as_ref()),
        ..WorkersConfig::default()
    };
    Ok((config, parts))
}

/// Which of the traces that begin here are recorded: none, where nobody collects them.
fn sampling(spans: Option<&SpansTo>) -> Sampling {
    spans.map_or(Sampling::Nothing, |spans| spans.sampling)
}

fn ledger(process: &ProcessSettings, role: Role) -> Result<Ledger, Failure> {
    Ok(Ledger::connect(process.database_url.expose_secret(), role, PoolConfig::default())?)
}

async fn store(process: &ProcessSettings) -> Result<Store, Failure> {
    Ok(Store::connect(process.redis_url.expose_secret(), StoreConfig::default()).await?)
}

pub(crate) fn stripe(process: &ProcessSettings) -> Result<Arc<Stripe>, Failure> {
    stripe_of(&process.stripe_secret_key, &process.stripe_api_base)
}

/// Stripe by a key, for a command that needs nothing else.
pub(crate) fn stripe_of(secret_key: &SecretString, api_base: &Uri) -> Result<Arc<Stripe>, Failure> {
    let config = StripeConfig { secret_key: secret_key.clone(), api_base: api_base.clone(), timeout: STRIPE_CALL_MAX };
    Ok(Arc::new(Stripe::new(config)?))
}
