//! How the fake Stripe is set up.

use std::net::SocketAddr;
use std::time::Duration;

use super::latency::Latency;
use super::limits::Limits;
use super::movement::Fees;
use super::timers::{BankPace, RefundPace};

/// How to start a [`super::FakeStripe`]. The default is a quick, healthy Stripe in test mode without a webhook.
#[derive(Debug, Clone, Default)]
pub struct FakeStripeOptions {
    /// Where to listen; a free loopback port when `None`.
    pub bind: Option<SocketAddr>,
    /// How a browser reaches it, for links in what it answers; where it listens when `None`.
    pub browser_base: Option<String>,
    /// Where events go; [`super::FakeStripe::set_webhook`] can say so later.
    pub webhook: Option<Webhook>,
    /// How long calls take.
    pub latency: Latency,
    /// How much it takes at once; [`super::FakeStripe::set_limits`] can say so later.
    pub limits: Limits,
    /// What it takes for itself.
    pub fees: Fees,
    /// How old a payment intent is before a search finds it, in whole seconds; at Stripe up to a minute, or an hour when it
    /// has trouble.
    pub search_lag: Duration,
    /// How long authorisations last by the clock of the fake; a week when `None`.
    pub authorisation_lasts: Option<Duration>,
    /// When and what a bank answers a card that processes; when a test says so, if `None`.
    pub bank_pace: Option<BankPace>,
    /// What becomes of refunds.
    pub refund_pace: RefundPace,
    /// Seed of latency and webhook order, printed by tests that draw one.
    pub seed: u64,
    /// Whether objects say `livemode`.
    pub mode: Mode,
    /// The connected account that events name; `None`, as for an account of one's own.
    pub account: Option<String>,
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `http://…`, usually a gateway's `/v1/stripe/webhook`.
    pub url: String,
    /// What deliveries are signed with, `whsec_…`.
    pub secret: String,
}

/// Stripe's two worlds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// `livemode: false`.
    #[default]
    Test,
    /// `livemode: true`: for showing that such an event is refused by a test installation.
    Live,
}

/// Whether the fake can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It answers.
    Available,
    /// Every call is answered 503.
    Answering503,
    /// Connections are refused, and those there were are cut.
    Unreachable,
}
