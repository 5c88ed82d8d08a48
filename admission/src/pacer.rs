//! The pacer: how fast the line moves when paying is in trouble, and when it stands still by itself.
//!
//! Every tick brings the [`Pulse`] of one gateway. Redis keeps the last one of each gateway, forgets those older than 3 s,
//! and sums the others, so the decision is the same whoever ticks. It is taken in the tick (`lua/include/pacer.lua`).
//!
//! **The rule.** The line moves at `rate × f`. With elapsed time Δt since the last tick (at most 1 s):
//!
//! ```text
//! bad / payments > 10 %, payments ≥ 5     f ← max(f / 2, 0.02), at most once in 2 s
//! bad / payments > 10 %, fewer payments   f stays
//! otherwise                               f ← min(f + 0.05 s⁻¹ · Δt, 1)
//! ```
//!
//! Additive increase with multiplicative decrease is the linear control that converges to efficiency and fairness from any
//! start (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks",
//! Computer Networks and ISDN Systems 17, 1989).
//!
//! **Why it does not oscillate.** Trouble shows at once: a call in flight for too long counts as bad before it ends, so a
//! stall of Stripe is seen within two seconds. The signal then stays for the window of a pulse, 5 s. Cuts are
//! as far apart as a cut takes to show in new calls (2 s), so one glitch costs three of them at most, f = 1/8, and not a
//! fall to the floor; and nothing rises while the window still holds the trouble. Rising takes 0.05 a second, so within one
//! window f gains at most 0.25, less than one cut takes away; from 1/8 it is back at 1 after 18 s, from the floor after 20.
//! f never exceeds 1, and the bucket saves up no more than `burst × f`, so there is nothing to overshoot with: after
//! recovery the rate is the configured one. The floor keeps a trickle of calls going, without which nothing could show
//! recovery.
//!
//! **What it cannot do.** Who is inside already pays, so f acts late by the time from a turn to its payment. It is made for
//! trouble that passes. Against a payment system that is too small for the rate it swings between its floor and 1: the
//! system is not drowned, but about half of it stays unused (simulated: half of the rate, 6 s from turn to payment). What holds
//! such a system steady is the payment budget, which is passed in as a second cap and bounds shoppers, not the rate.
//!
//! **Incidents.** A sale stands still by itself while a store is away for longer than a bound, and says so:
//!
//! | store    | begins                                                      | ends |
//! |----------|-------------------------------------------------------------|------|
//! | Postgres | for 5 s some gateway says it is away and none says it answers | some gateway has said for 2 s that it answers |
//! | Stripe   | for 10 s every call was bad, at least 5 of them, and no gateway says it answers | see below |
//!
//! After 15 s of an incident of Stripe the line moves again, half open: f is held at its floor until a call goes well, which
//! ends the incident, or all calls of the window are bad, which begins it again for twice as long, at most 120 s. The
//! doubled wait is kept until f has been back at 1. Waiting longer after each failed probe is the circuit breaker of Nygard,
//! "Release It!" (2007).
//!
//! While a sale stands still, for whatever reason, nobody is admitted, nothing new is held, and the clocks of turns,
//! sessions and holds stand; payments under way finish. A time of more than 5 s in which no tick came (Redis was frozen or cut
//! off, its clock jumped, or every gateway was dead) counts as a standstill afterwards: the next tick moves the same clocks
//! by it, and ages nobody's sign of life.
//!
//! **Bounds.** One pulse for each gateway of the last 3 s; a dozen commands a tick. It keeps no history.

use uuid::Uuid;

/// What one gateway saw of payments and stores over the last [`PULSE_WINDOW_S`], told with every tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Which gateway; its next pulse replaces this one.
    pub gateway: Uuid,
    /// Payment calls that ended, and those in flight for so long that they count as bad.
    pub payments: u32,
    /// Of them, bad: a technical error, a timeout, a 429, or slower than three times the calm mean and than a second.
    pub bad: u32,
    /// How long they took, summed.
    pub sum_ms: u64,
    /// Whether Postgres answers this gateway.
    pub postgres: Health,
    /// Whether Stripe answers this gateway.
    pub stripe: Health,
}

/// Whether a store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It was not asked lately.
    Unknown,
    /// It answers.
    Answers,
    /// It was asked and does not answer.
    Away,
}

impl Health {
    const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Answers => "answers",
            Self::Away => "away",
        }
    }
}

/// How far back a pulse looks.
pub const PULSE_WINDOW_S: u32 = 5;

impl Pulse {
    /// The pulse as Redis keeps it.
    pub(crate) fn line(&self) -> String {
        let Self { gateway: _, payments, bad, sum_ms, postgres, stripe } = self;
        format!("{payments} {bad} {sum_ms} {} {}", postgres.word(), stripe.word())
    }

    /// Nothing to report: no payments, and Postgres answers.
    #[must_use]
    pub const fn calm(gateway: Uuid) -> Self {
        Self { gateway, payments: 0, bad: 0, sum_ms: 0, postgres: Health::Answers, stripe: Health::Unknown }
    }
}

/// Why nobody is admitted and no clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standstill {
    /// The organizer paused the sale.
    Organizer,
    /// A store is away for longer than a bound.
    Incident(Incident),
}

/// What is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Payments cannot be taken.
    Stripe,
    /// Nothing can be written down.
    Postgres,
}

impl Standstill {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Organizer, Self::Incident(Incident::Stripe), Self::Incident(Incident::Postgres)];

    /// Its word, in Redis and in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Organizer => "organizer",
            Self::Incident(Incident::Stripe) => "stripe",
            Self::Incident(Incident::Postgres) => "postgres",
        }
    }

    /// The reason of that word; none for `none`.
    pub(crate) fn of_word(word: &str) -> Result<Option<Self>, ()> {
        match word {
            "none" => Ok(None),
            word => Self::ALL.into_iter().find(|reason| reason.word() == word).map(Some).ok_or(()),
        }
    }
}
