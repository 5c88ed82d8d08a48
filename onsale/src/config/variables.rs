//! Every variable, once: its flag, its name in the environment, its help. Secrets may also come from a file.

use clap::Args;

/// What was given by flag or environment, as text. docs/configuration.md has the same rows; a test compares.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Configuration (flag or environment)")]
pub(crate) struct Variables {
    /// Postgres; of several servers (host:port,host:port) the one that takes writes
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// A file with `DATABASE_URL`
    #[arg(long, env, value_name = "FILE")]
    pub(crate) database_url_file: Option<String>,
    /// Redis
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub(crate) redis_url: Option<String>,
    /// A file with `REDIS_URL`
    #[arg(long, env, value_name = "FILE")]
    pub(crate) redis_url_file: Option<String>,
    /// Stripe's secret key
    #[arg(long, env, hide_env_values = true, value_name = "KEY")]
    pub(crate) stripe_secret_key: Option<String>,
    /// A file with `STRIPE_SECRET_KEY`
    #[arg(long, env, value_name = "FILE")]
    pub(crate) stripe_secret_key_file: Option<String>,
    /// Stripe's publishable key
    #[arg(long, env, value_name = "KEY")]
    pub(crate) stripe_publishable_key: Option<String>,
    /// Secrets of the webhook endpoint, comma separated for rotation
    #[arg(long, env, hide_env_values = true, value_name = "SECRETS")]
    pub(crate) stripe_webhook_secret: Option<String>,
    /// A file with `STRIPE_WEBHOOK_SECRET`
    #[arg(long, env, value_name = "FILE")]
    pub(crate) stripe_webhook_secret_file: Option<String>,
    /// Base URL of the Stripe API, without /v1 [default: <https://api.stripe.com>]
    #[arg(long, env, value_name = "URL")]
    pub(crate) stripe_api_base: Option<String>,
    /// Only for a fake: where the page loads its stand-in for Stripe.js
    #[arg(long, env, value_name = "URL")]
    pub(crate) stripe_browser_base: Option<String>,
    /// The account's write limit at Stripe, shared by all nodes [default: 100]
    #[arg(long, env = "ONSALE_STRIPE_WRITES_PER_S", value_name = "N")]
    pub(crate) stripe_writes_per_s: Option<String>,
    /// A drand chain by URL, for the draw of the prequeue [default: none, the order is self-attested]
    #[arg(long, env = "ONSALE_BEACON_URL", value_name = "URL")]
    pub(crate) beacon_url: Option<String>,
    /// Mail server, smtp:// or smtps:// with credentials
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub(crate) smtp_url: Option<String>,
    /// A file with `SMTP_URL`
    #[arg(long, env, value_name = "FILE")]
    pub(crate) smtp_url_file: Option<String>,
    /// Sender of the mail
    #[arg(long, env, value_name = "ADDRESS")]
    pub(crate) mail_from: Option<String>,
    /// Public address [default: 0.0.0.0:8080]
    #[arg(long, env = "ONSALE_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Health and metrics address [default: 127.0.0.1:9464 gateway, 127.0.0.1:9465 workers]
    #[arg(long, env = "ONSALE_ADMIN_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// How the outside sees the gateway
    #[arg(long, env = "ONSALE_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// kid:base64 list of 32-byte keys for tokens; the first signs, all verify
    #[arg(long, env = "ONSALE_SIGNING_KEYS", hide_env_values = true, value_name = "KEYS")]
    pub(crate) signing_keys: Option<String>,
    /// A file with `ONSALE_SIGNING_KEYS`
    #[arg(long, env = "ONSALE_SIGNING_KEYS_FILE", value_name = "FILE")]
    pub(crate) signing_keys_file: Option<String>,
    /// kid:base64 list of Ed25519 seeds for tickets; the first signs, all verify
    #[arg(long, env = "ONSALE_TICKET_KEYS", hide_env_values = true, value_name = "KEYS")]
    pub(crate) ticket_keys: Option<String>,
    /// A file with `ONSALE_TICKET_KEYS`
    #[arg(long, env = "ONSALE_TICKET_KEYS_FILE", value_name = "FILE")]
    pub(crate) ticket_keys_file: Option<String>,
    /// CIDRs whose X-Forwarded-For is believed, comma separated [default: none]
    #[arg(long, env = "ONSALE_TRUSTED_PROXIES", value_name = "CIDRS")]
    pub(crate) trusted_proxies: Option<String>,
    /// Limits per class as burst/period, like `join=5/10s,hold=…`, or off
    #[arg(long, env = "ONSALE_RATE_LIMITS", value_name = "LIMITS")]
    pub(crate) rate_limits: Option<String>,
    /// Seconds for which a gateway that is to end is not ready and still serves everybody [default: 5]
    #[arg(long, env = "ONSALE_DRAIN_NOTICE_S", value_name = "SECONDS")]
    pub(crate) drain_notice_s: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, env = "ONSALE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Base URL of an OTLP collector that spans are sent to; needs a build with the feature otlp [default: none]
    #[arg(long, env = "ONSALE_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Of the traces that begin here one in so many is sent, 0 for none [default: 100]
    #[arg(long, env = "ONSALE_OTLP_ONE_IN", value_name = "N")]
    pub(crate) otlp_one_in: Option<String>,
}
