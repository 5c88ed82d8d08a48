//! What may be written to Stripe: one budget for all processes of an installation.
//!
//! Stripe takes so many writes a second from an account, whoever makes them, and answers the rest 429. So every write asks
//! here first, and is granted now, or waits for a bounded time in line with others of its class, or is refused with how long
//! to stay away. What is granted is a write that Stripe has not seen yet; nobody gives it back.
//!
//! **State.** Two buckets in Redis (`lua/include/budget.lua`), filled by the clock of Redis at `limit × factor`: the common
//! one, and the *floor*, which only captures draw from. Half of what comes in goes to the floor until it is full (a fifth of
//! the burst), everything else to the common one. The burst, both together, is a fifth of a second's writes, at least 4; so
//! in every window writes ≤ limit × window + burst, for any number of processes.
//!
//! **Order.** A class is granted while the common bucket is above what is kept for those before it:
//!
//! | class | who | keeps back |
//! |---|---|---|
//! | [`WriteClass::UrgentCapture`] | a capture whose authorisation lapses soon | nothing |
//! | [`WriteClass::Create`] | a buyer who pressed Pay and waits | a fifth of the bucket but one |
//! | [`WriteClass::Capture`] | an authorised payment; its buyer waits for tickets | two, or the floor |
//! | [`WriteClass::Cancel`] | an authorisation to let go | three |
//! | [`WriteClass::Refund`] | money to send back | four |
//! | [`WriteClass::Sweep`] | whatever sweeps may write; nothing does yet | all: only a full bucket |
//!
//! While a class takes what comes in, the level stays below what the next one needs; when it stops, the level rises to it.
//! So the order needs no queue in Redis, nothing that is booked and never used, and no one who leads; whoever dies takes
//! nothing along. A class that is late by some milliseconds at its turn may lose it to the next class, and only that one.
//! Without the floor, creates would starve captures for as long as a rush lasts, and buyers who paid would see no ticket. Half
//! is what a steady sale needs, one capture for each create; what captures do not ask for flows over to the others.
//!
//! **Waiting.** Of each class and process only the first in line asks Redis, and the others wait for it: so nobody is
//! overtaken within a process, and a thousand who wait cost Redis two questions for each write. A line is as slow as the way
//! to Redis and back, but loses nothing by it: what it did not come to ask for stays in the bucket. At most [`WAITING_MAX`]
//! wait in a line; more are refused at once.
//!
//! **429.** Whoever hears one says so ([`StripeBudget::slow_down`]): nobody writes for as long as Stripe says, or
//! [`PAUSE`], nothing that was saved is left, and the factor is halved, at most once in 2 s, and at least 0.05; it rises by 0.05
//! a second. As with the pacer, additive increase and multiplicative decrease end at what Stripe really takes, whatever the
//! configuration says.
//!
//! **Redis away**, or later than [`ASK_MAX`]. Each process spends a share of its own: half of the limit divided by the
//! processes that looked at the budget within a minute before ([`StripeBudget::look`], which every process does every few
//! seconds), or by [`PROCESSES_ASSUMED`] when it never could. Half, because some may have started since; there is no
//! order then but the lines. Redis is asked again after [`AWAY_FOR`]. A reply that was lost spent a write for nothing,
//! never one too many.
//!
//! What it does not do: it does not count reads, which have a limit of their own, nor calls at once; it knows nothing of what
//! is written. Two callers on one payment intent are kept apart in Postgres.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::types::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use crate::keys::SaleKeys;
use crate::scripts::{self, Script};
use crate::{AdmissionError, Store, metrics};

mod alone;

use alone::Alone;

/// The most who wait in one process for writes of one class.
pub const WAITING_MAX: usize = 2_000;

/// How many processes there are, for one that never heard of the others.
const PROCESSES_ASSUMED: u32 = 8;

/// How long a question may take. A payment needs nothing else of Redis, so it does not wait for one that fails over.
const ASK_MAX: Duration = Duration::from_millis(200);

/// For how long Redis is not asked again after it did not answer.
const AWAY_FOR: Duration = Duration::from_secs(1);

/// For how long nobody writes after a 429 that does not say.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause that is believed.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What whoever did not come to the head of the line is told to wait.
const LINE_WAIT: Duration = Duration::from_secs(1);

/// What a write is for, in the order in which classes are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteClass {
    /// A capture that must not wait: its authorisation lapses soon.
    UrgentCapture,
    /// A payment to start: its buyer waits.
    Create,
    /// A capture.
    Capture,
    /// An authorisation to let go.
    Cancel,
    /// Money to send back.
    Refund,
    /// Anything that can wait for ever.
    Sweep,
}

impl WriteClass {
    /// Every class, in order.
    pub const ALL: [Self; 6] =
        [Self::UrgentCapture, Self::Create, Self::Capture, Self::Cancel, Self::Refund, Self::Sweep];

    /// Its word, in Redis and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::UrgentCapture => "urgent_capture",
            Self::Create => "create",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
            Self::Sweep => "sweep",
        }
    }
}

/// Whether a write may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// Now.
    Granted,
    /// Not within the caller's time.
    Refused {
        /// When asking again makes sense.
        wait: Duration,
    },
}

/// The budget as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSeen {
    /// Writes that could be made at once.
    pub remaining: u32,
    /// Writes a second that are spent at most: less than the limit after a 429.
    pub writes_per_s: u32,
    /// Processes that may spend it.
    pub processes: u32,
}

/// The writes of one account, as one process asks for them.
pub struct StripeBudget {
    store: Store,
    keys: SaleKeys,
    limit: NonZeroU32,
    process: Uuid,
    lines: [Line; WriteClass::ALL.len()],
    alone: Alone,
}

/// Those of this process who want a write of one class; the lock, which is fair, is with the first of them.
#[derive(Default)]
struct Line {
    head: Mutex<()>,
    waiting: AtomicUsize,
}

/// What Redis says, or the local share.
enum Asked {
    Granted(&'static str),
    Wait(Duration),
}

impl StripeBudget {
    /// The budget of an environment of Stripe (where its API is, live or test), of which all processes of an installation
    /// must say the same, and the same limit.
    #[must_use]
    pub fn new(store: Store, environment: &str, writes_per_s: NonZeroU32) -> Self {
        let name = Sha256::digest(environment.as_bytes());
        let account = name[..8].try_into().expect("a hash is longer");
        Self {
            store,
            keys: SaleKeys::of_stripe(account),
            limit: writes_per_s,
            process: Uuid::now_v7(),
            lines: WriteClass::ALL.map(|_| Line::default()),
            alone: Alone::new(writes_per_s, PROCESSES_ASSUMED),
        }
    }

    /// The key that a sandbox sets to move the clock of this budget, as [`SaleKeys::clock_offset`] does for a sale.
    #[must_use]
    pub fn clock_offset(&self) -> String {
        self.keys.clock_offset()
    }

    /// Takes one write, waiting for it up to `within`.
    pub async fn take(&self, class: WriteClass, within: Duration) -> Spend {
        let line = &self.lines[class as usize];
        let spend = if line.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            let _waits = Waits(line);
            self.wait_for(class, Instant::now() + within).await
        } else {
            line.waiting.fetch_sub(1, Ordering::Relaxed);
            Err(LINE_WAIT)
        };
        metrics::budget_asked(class.word(), spend.unwrap_or("refused"));
        match spend {
            Ok(_) => Spend::Granted,
            Err(wait) => Spend::Refused { wait },
        }
    }

    /// Takes one write if it is there, without waiting.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn take_now(&self, class: WriteClass) -> Result<Spend, AdmissionError> {
        Ok(match self.ask_redis(class).await? {
            Asked::Granted(_) => Spend::Granted,
            Asked::Wait(wait) => Spend::Refused { wait },
        })
    }

    /// Stripe answered 429: everybody waits, and writes less for a while.
    pub async fn slow_down(&self, retry_after: Option<Duration>) {
        let pause = retry_after.unwrap_or(PAUSE).clamp(PAUSE, PAUSE_MAX);
        metrics::budget_slowed();
        self.alone.pause(pause);
        let told = timeout(ASK_MAX, self.run(&scripts::STRIPE_BUDGET_SLOW, pause.as_millis().to_string())).await;
        match told {
            Ok(Ok(_)) => tracing::warn!(?pause, "Stripe answered 429: all writes are slowed down"),
            Ok(Err(_)) | Err(_) => tracing::warn!("Stripe answered 429, and only this process knows"),
        }
    }

    /// Says that this process is here, and looks. To be called every few seconds.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn look(&self) -> Result<BudgetSeen, AdmissionError> {
        let mut reply = self.run(&scripts::STRIPE_BUDGET_LOOK, self.process.to_string()).await?;
        let (remaining, factor, processes) = (reply.parsed()?, reply.parsed::<u32>()?, reply.parsed()?);
        self.alone.share_with(processes);
        metrics::budget_seen(remaining, factor);
        let writes_per_s = u64::from(self.limit.get()) * u64::from(factor) / 1_000_000;
        let writes_per_s = u32::try_from(writes_per_s).expect("at most the limit").max(1);
        Ok(BudgetSeen { remaining, writes_per_s, processes })
    }

    async fn wait_for(&self, class: WriteClass, deadline: Instant) -> Result<&'static str, Duration> {
        let first = self.lines[class as usize].head.lock();
        let _first = timeout_at(deadline, first).await.map_err(|_| LINE_WAIT)?;
        loop {
            let wait = match self.ask(class).await {
                Asked::Granted(by) => return Ok(by),
                Asked::Wait(wait) => wait,
            };
            if Instant::now() + wait > deadline {
                return Err(wait);
            }
            sleep(wait).await;
        }
    }

    async fn ask(&self, class: WriteClass) -> Asked {
        if self.alone.is_on() {
            return self.alone.ask();
        }
        let away = match timeout(ASK_MAX, self.ask_redis(class)).await {
            Ok(Ok(asked)) => return asked,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {ASK_MAX:?}"),
        };
        tracing::warn!(away, "writes to Stripe are counted by this process alone");
        self.alone.begin(AWAY_FOR);
        self.alone.ask()
    }

    async fn ask_redis(&self, class: WriteClass) -> Result<Asked, AdmissionError> {
        self.ask_by(&scripts::STRIPE_BUDGET_TAKE, class).await
    }

    async fn ask_by(&self, script: &Script, class: WriteClass) -> Result<Asked, AdmissionError> {
        let mut reply = self.run(script, class.word().to_owned()).await?;
        match reply.word() {
            "granted" => Ok(Asked::Granted("granted")),
            "wait" => Ok(Asked::Wait(Duration::from_millis(reply.parsed()?))),
            _ => reply.unexpected(),
        }
    }

    async fn run(&self, script: &Script, argument: String) -> Result<scripts::Reply, AdmissionError> {
        let arguments: Vec<Value> = vec![self.limit.get().to_string().into(), argument.into()];
        self.store.run(script, &self.keys, arguments).await
    }
}

/// Somebody in a line; who is gone, for whatever reason, is no more in it.
struct Waits<'a>(&'a Line);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
