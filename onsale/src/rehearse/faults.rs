//! What goes wrong on purpose, and how long it takes until things work again.
//!
//! A fault is over when what was broken is back; it is healed when the next turn was given, the next units were held and the
//! next order was paid. Each of the three is told by itself, and not at all when nobody came for it any more.

use std::sync::Arc;
use std::time::Duration;

use sandbox::{Availability, Latency, SandboxError};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::SaleClock;
use super::tally::{Count, Tally};
use crate::servers::Servers;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FaultKind {
    /// Every key is gone.
    RedisEmptied,
    /// It stands still with its connections open.
    RedisFrozen,
    /// Ended as by `kill -9` and started again.
    PostgresRestarted,
    /// Stopped for a while.
    PostgresAway,
    /// Every call takes so many times longer.
    StripeSlow,
    /// Connections are refused.
    StripeAway,
}

/// One fault, in seconds of the sale from the opening.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) at_s: f64,
    pub(super) for_s: f64,
    pub(super) times: f64,
}

impl FaultKind {
    pub(super) const ALL: [Self; 6] = [
        Self::RedisEmptied,
        Self::RedisFrozen,
        Self::PostgresRestarted,
        Self::PostgresAway,
        Self::StripeSlow,
        Self::StripeAway,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::RedisEmptied => "redis_emptied",
            Self::RedisFrozen => "redis_frozen",
            Self::PostgresRestarted => "postgres_restarted",
            Self::PostgresAway => "postgres_away",
            Self::StripeSlow => "stripe_slow",
            Self::StripeAway => "stripe_away",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether somebody has to say for how long.
    pub(super) const fn lasts(self) -> bool {
        match self {
            Self::RedisFrozen | Self::PostgresAway | Self::StripeSlow | Self::StripeAway => true,
            Self::RedisEmptied | Self::PostgresRestarted => false,
        }
    }
}

/// How often it is looked whether things work again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long that may take at most.
const HEALS_WITHIN: Duration = Duration::from_secs(300);

/// What must happen again, and what the report calls it.
const SIGNS: [(Count, &str); 3] =
    [(Count::Turns, "next_turn_s"), (Count::Holds, "next_hold_s"), (Count::PaidOrders, "next_paid_s")];

/// Makes things go wrong at the time, and says what became of it. Times are seconds of this machine, but for `at_s`.
pub(super) async fn inflict(
    fault: Fault,
    servers: Arc<Servers>,
    clock: SaleClock,
    tally: Arc<Tally>,
    usual: Latency,
) -> Value {
    sleep_until(clock.at(fault.at_s)).await;
    let began = Instant::now();
    let done = breaks(&fault, &servers, clock.lasts(fault.for_s), usual).await;
    let lasted = began.elapsed();
    let mut told = json!({ "kind": fault.kind, "at_s": fault.at_s, "lasted_s": lasted.as_secs_f64() });
    if let Err(error) = done {
        told["failed"] = error.to_string().into();
        return told;
    }
    let before = SIGNS.map(|(count, _)| tally.count(count));
    while SIGNS.iter().any(|(_, name)| told.get(name).is_none()) && began.elapsed() < HEALS_WITHIN {
        sleep(LOOK_EVERY).await;
        for ((count, name), before) in SIGNS.iter().zip(before) {
            if told.get(name).is_none() && tally.count(*count) > before {
                told[*name] = (began.elapsed() - lasted).as_secs_f64().into();
            }
        }
        tally.note_fault(&told);
    }
    told
}

async fn breaks(fault: &Fault, servers: &Servers, lasts: Duration, usual: Latency) -> Result<(), SandboxError> {
    match fault.kind {
        FaultKind::RedisEmptied => servers.redis.flush().await,
        FaultKind::RedisFrozen => {
            servers.redis.freeze().await;
            sleep(lasts).await;
            servers.redis.thaw().await;
            Ok(())
        }
        FaultKind::PostgresRestarted => {
            servers.postgres.kill().await?;
            servers.postgres.restart().await
        }
        FaultKind::PostgresAway => {
            servers.postgres.stop().await?;
            sleep(lasts).await;
            servers.postgres.restart().await
        }
        FaultKind::StripeSlow => {
            servers.stripe.set_latency(slower(usual, fault.times));
            sleep(lasts).await;
            servers.stripe.set_latency(usual);
            Ok(())
        }
        FaultKind::StripeAway => {
            servers.stripe.set_availability(Availability::Unreachable).await?;
            sleep(lasts).await;
            servers.stripe.set_availability(Availability::Available).await
        }
    }
}

fn slower(usual: Latency, times: f64) -> Latency {
    match usual {
        Latency::LogNormal { median, sigma } => Latency::LogNormal { median: median.mul_f64(times), sigma },
        Latency::None | Latency::Fixed(_) | Latency::Uniform { .. } => usual,
    }
}
