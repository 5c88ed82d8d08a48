//! Joins of a live sale, in batches: a store is asked once for everybody who came within a moment.
//!
//! | what | store | at once | an answer is |
//! |---|---|---|---|
//! | [`numbers`] | Redis, one script | 256 | a number, or that the draw comes first |
//! | [`registrations`] | Postgres, one call a phase | 500 | an index, durable, or that the prequeue is closed |
//! | [`lookups`] | Postgres, one statement | 500 | the registrations that a holder has, one a phase at most |
//!
//! Each has a task of its own for as long as the sale is live and a queue of at most [`WAITING_MAX`] callers; who finds it
//! full is told that the gateway is overloaded. Within a gateway numbers are given in the order of arrival. A call that
//! fails fails its callers: nothing is tried again here, and trying again from outside is safe, because a holder has one
//! registration and one number however often it asks.

use std::sync::Arc;

use domain::sale::PhaseNo;
use domain::token::Holder;
use ledger::registrations::{Register, Registrations};

use crate::app::App;
use crate::batcher::{Asks, Batcher, batcher, fail};
use crate::floor::Floor;
use crate::problem::{Code, Problem};

mod lookups;
mod numbers;
mod registrations;

pub(crate) use numbers::{Arrival, Number, NumberAsk};

/// Callers waiting in one queue: a second of a hot sale. Longer, and waiting only hides that there are too few gateways.
const WAITING_MAX: usize = 4_096;

/// Registrations and look-ups in one call to Postgres: some milliseconds of it.
const POSTGRES_BATCH_MAX: usize = 500;

/// Where the joins of a sale ask.
pub(crate) struct Joins {
    numbers: Batcher<NumberAsk, Number>,
    registrations: Vec<Batcher<Holder, Register>>,
    lookups: Batcher<Holder, Registrations>,
}

/// The other end of [`Joins`]: what its tasks take.
pub(crate) struct Takers {
    numbers: Asks<NumberAsk, Number>,
    registrations: Vec<Asks<Holder, Register>>,
    lookups: Asks<Holder, Registrations>,
}

impl Joins {
    /// Queues for a sale of so many phases.
    pub(crate) fn new(phases: usize) -> (Self, Takers) {
        let (numbers, takes_numbers) = batcher(WAITING_MAX, admission::JOIN_BATCH_MAX);
        let (lookups, takes_lookups) = batcher(WAITING_MAX, POSTGRES_BATCH_MAX);
        let (registrations, takes_registrations) =
            (0..phases).map(|_| batcher(WAITING_MAX, POSTGRES_BATCH_MAX)).unzip();
        (
            Self { numbers, registrations, lookups },
            Takers { numbers: takes_numbers, registrations: takes_registrations, lookups: takes_lookups },
        )
    }

    /// A number in the line: a new one, or the one that the holder has.
    ///
    /// # Errors
    /// A store is away, too many wait, or the draw that comes first takes too long.
    pub(crate) async fn number(&self, ask: NumberAsk) -> Result<Number, Problem> {
        self.numbers.ask(ask).await.map_err(|code| match code {
            Code::Overloaded => Problem::new(code).retry_after_s(1),
            code => code.into(),
        })
    }

    /// A registration in the prequeue of a phase: a new one, or the one that the holder has.
    ///
    /// # Errors
    /// Postgres is away, or too many wait.
    pub(crate) async fn register(&self, phase: PhaseNo, holder: Holder) -> Result<Register, Problem> {
        match self.registrations.get(usize::from(phase.0)) {
            Some(registrations) => Ok(registrations.ask(holder).await?),
            None => Ok(Register::Closed),
        }
    }

    /// The registrations that a holder has.
    ///
    /// # Errors
    /// Postgres is away, or too many wait.
    pub(crate) async fn registrations_of(&self, holder: Holder) -> Result<Registrations, Problem> {
        Ok(self.lookups.ask(holder).await?)
    }
}

/// Starts the tasks of a sale's joins; they end with its floor.
pub(crate) fn start(app: &Arc<App>, floor: &Arc<Floor>, takers: Takers) {
    let Takers { numbers, registrations, lookups } = takers;
    app.tasks.spawn(numbers::run(Arc::clone(app), Arc::clone(floor), numbers));
    app.tasks.spawn(lookups::run(Arc::clone(app), Arc::clone(floor), lookups));
    for (phase, asks) in (0..=u8::MAX).map(PhaseNo).zip(registrations) {
        app.tasks.spawn(registrations::run(Arc::clone(app), Arc::clone(floor), phase, asks));
    }
}
