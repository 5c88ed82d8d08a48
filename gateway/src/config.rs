//! What a gateway is told when it starts. A plain struct: reading flags and the environment is not its business.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::trace::Sampling;
use secrecy::SecretString;

use crate::limits::RateLimits;
use crate::public_url::PublicUrl;
use crate::request::address::TrustedProxies;

/// What Stripe takes in live mode unless it was raised.
const STRIPE_WRITES_PER_S: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// How a gateway serves.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How the outside sees it; where it listens, when nothing is said.
    pub public_url: Option<PublicUrl>,
    /// What the pages tell Stripe.js.
    pub stripe_publishable_key: String,
    /// Where the payment page loads its stand-in for Stripe.js, for a fake only.
    pub stripe_browser_base: Option<String>,
    /// How many writes a second Stripe takes from the account, whoever makes them.
    pub stripe_writes_per_s: NonZeroU32,
    /// The webhook's secrets: more than one while it is rotated.
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// Whether the workers ask a public beacon for the draws. Nothing here depends on it but what visitors are told before a
    /// draw.
    pub beacon_configured: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// How often one client may ask.
    pub rate_limits: RateLimits,
    /// How long an export waits for its client.
    pub export_patience: ExportPatience,
    /// Which of the traces that begin here are recorded.
    pub sampling: Sampling,
    /// How it stops.
    pub drain: Drain,
}

/// How long an export waits for its client.
#[derive(Debug, Clone, Copy)]
pub struct ExportPatience {
    /// For one page to be taken.
    pub page: Duration,
    /// For all of them together.
    pub whole: Duration,
}

impl Default for ExportPatience {
    fn default() -> Self {
        // A page is some 100 kB: who takes less than that in a minute is gone, or means to stay. The largest sale has 200 pages,
        // which a line of 1 Mbit/s takes in three minutes.
        Self { page: Duration::from_secs(60), whole: Duration::from_secs(300) }
    }
}

/// How a gateway stops.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long it says that it is not ready and serves everybody who comes as ever, so that load balancers look elsewhere
    /// before it stops listening.
    pub notice: Duration,
    /// After that, sockets are closed one after the other over this long, so that they do not all reconnect at once.
    pub sockets_spread: Duration,
    /// How long requests under way may take to finish.
    pub requests_max: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        // Together with what ends after them below the 30 s that orchestrators give by default.
        Self {
            notice: Duration::from_secs(5),
            sockets_spread: Duration::from_secs(5),
            requests_max: Duration::from_secs(15),
        }
    }
}

impl GatewayConfig {
    /// The defaults, on an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            public_url: None,
            stripe_publishable_key: String::new(),
            stripe_browser_base: None,
            stripe_writes_per_s: STRIPE_WRITES_PER_S,
            stripe_webhook_secrets: Vec::new(),
            beacon_configured: false,
            trusted_proxies: TrustedProxies::default(),
            rate_limits: RateLimits::default(),
            export_patience: ExportPatience::default(),
            sampling: Sampling::default(),
            drain: Drain::default(),
        }
    }
}
