//! Holds of a live sale, taken in batches: Redis is asked once for everybody who came within a moment.
//!
//! A buyer who comes alone waits for nobody. In a rush most of what a hold costs Redis and the gateway is the call around it,
//! and a batch shares that; each request in it is carried out in its turn and has an answer of its own. One task for as long
//! as the sale is live, one call at a time, a queue of at most [`WAITING_MAX`]. A call that fails fails its callers and nobody else,
//! save one that used up its time: that fails those, too, who came meanwhile, so a Redis that is stuck costs nobody more than one
//! call's bound. Whoever sends the same request again hears what came of it.

use std::sync::Arc;

use admission::{AdmissionError, TAKE_BATCH_MAX, Take, TakeHold};

use crate::app::App;
use crate::batcher::{Asks, Batcher, Waiting, batcher, fail};
use crate::floor::Floor;
use crate::problem::Problem;

/// Callers waiting: as many as a gateway answers at once.
const WAITING_MAX: usize = 4_096;

/// Where the buyers of a sale ask for units.
pub(crate) struct Takes(Batcher<TakeHold, Take>);

/// What they ask for, for the task that takes it to Redis.
pub(crate) struct Wishes(Asks<TakeHold, Take>);

impl Takes {
    /// A queue for a sale.
    pub(crate) fn new() -> (Self, Wishes) {
        let (takes, wishes) = batcher(WAITING_MAX, TAKE_BATCH_MAX);
        (Self(takes), Wishes(wishes))
    }

    /// Takes units of each tier as it is wished, all or none.
    ///
    /// # Errors
    /// Redis is away, or too many wait.
    pub(crate) fn take(&self, wish: TakeHold) -> impl Future<Output = Result<Take, Problem>> + use<> {
        let asked = self.0.ask(wish);
        async move { Ok(asked.await?) }
    }
}

/// Takes for whoever asks, until the sale is over.
pub(crate) async fn run(app: Arc<App>, floor: Arc<Floor>, mut wishes: Wishes) {
    loop {
        let batch = tokio::select! {
            () = floor.ended() => return,
            batch = wishes.0.gather() => batch,
        };
        let Some(batch) = batch else { return };
        let (asked, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(Waiting::parted).unzip();
        let outcome = app.holds.take_many(floor.sale().id(), &asked).await;
        wishes.answer(callers, outcome);
    }
}

/// What a batch came to: for each of it, in order.
type Outcome = Result<Vec<Result<Take, AdmissionError>>, AdmissionError>;

impl Wishes {
    /// Tells the callers of a batch what it came to.
    fn answer(&mut self, callers: Vec<Waiting<(), Take>>, outcome: Outcome) {
        match outcome {
            Ok(takes) => callers.into_iter().zip(takes).for_each(|(caller, take)| {
                caller.answer(take.map_err(|error| Problem::from(error).code()));
            }),
            Err(error) => {
                let is_timeout = error.is_timeout();
                let code = Problem::from(error).code();
                fail(callers, code);
                if is_timeout {
                    // Who came meanwhile would wait as long again for the same.
                    fail(self.0.gathered(), code);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
