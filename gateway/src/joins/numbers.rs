//! Numbers in the line: one script for a batch, in the order of arrival.
//!
//! A batch is settled before the next one begins. Two answers of the script are not answers yet: that the reserved numbers
//! are used up, then a block is reserved in Postgres and the rest of the batch asks again; and that a draw is not in Redis
//! yet, whose numbers come first, then the rest goes in front of those who ask next, until [`DRAW_WAIT_MAX`].
//!
//! While somebody waits for a draw, everybody is asked for every [`DRAW_LOOK`]: who has a place finds it by then, and who
//! needs a number stays in the order of arrival. At most [`WAITING_MAX`] wait for a draw; the others are refused.
//!
//! Which draws have opened is Postgres' to say, whose clock freezes them: it reserves no block behind a draw that this
//! gateway has not heard of, and Redis is told of that draw with the next call. So the numbers of a cohort are handed out
//! by the draw alone, whatever the clocks say.

use std::sync::Arc;
use std::time::Duration;

use admission::{JOIN_BATCH_MAX, Join, JoinAsk, Mark};
use domain::PlaceNumber;
use tokio::time::sleep;

use super::{WAITING_MAX, fail};
use crate::app::App;
use crate::batcher::{Asks, Waiting};
use crate::floor::Floor;
use crate::metrics;
use crate::problem::{Code, Problem};

/// Numbers reserved in Postgres at once: at 10,000 joins a second one short statement a second.
const NUMBER_BLOCK: u32 = 10_000;

/// Blocks reserved for one batch. Other gateways may use one up first, but not so many.
const BLOCKS_MAX: u32 = 3;

/// How long a caller waits for a draw: it is frozen within a fraction of a second, save for the largest.
const DRAW_WAIT_MAX: Duration = Duration::from_secs(3);

/// How often is looked whether the draw has come.
const DRAW_LOOK: Duration = Duration::from_millis(50);

/// A wish for a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberAsk {
    /// Whose, and what is proven.
    pub(crate) join: JoinAsk,
    /// How many draws have opened, as far as the caller knows.
    pub(crate) cohorts: u32,
}

/// A number in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// The number.
    pub(crate) number: PlaceNumber,
    /// The epoch in which it was given, or found.
    pub(crate) epoch: u32,
    /// Whether the holder had it before.
    pub(crate) arrival: Arrival,
}

/// Whether a place is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was given now.
    New,
    /// The visitor has it since before.
    Known,
}

type Callers = Vec<Waiting<NumberAsk, Number>>;

/// What came of asking Postgres for numbers.
enum Reserved {
    /// There are more.
    Block,
    /// One more draw is frozen than was known here, and its numbers come first.
    DrawFirst,
}

/// What is still open of a batch after one call.
#[derive(Default)]
struct Rest {
    callers: Callers,
    numbers_used_up: bool,
}

/// Gives numbers to whoever asks, until the sale is over.
pub(super) async fn run(app: Arc<App>, floor: Arc<Floor>, mut asks: Asks<NumberAsk, Number>) {
    let mut waiting = Callers::new();
    loop {
        let batch = tokio::select! {
            () = floor.ended() => return,
            batch = next(&mut asks, &mut waiting) => batch,
        };
        let Some(batch) = batch else { return };
        waiting = settle_all(&app, &floor, batch).await;
    }
}

/// Those who wait for a draw, and behind them who came since; none when nobody can ask any more.
async fn next(asks: &mut Asks<NumberAsk, Number>, waiting: &mut Callers) -> Option<Callers> {
    if waiting.is_empty() {
        return asks.gather().await;
    }
    sleep(DRAW_LOOK).await;
    let mut callers = std::mem::take(waiting);
    callers.extend(asks.gathered());
    Some(callers)
}

/// Answers whom it can; the others wait for a draw. Once somebody does, only those who prove a number are asked for: a draw
/// that comes in between must not put anybody past those who wait.
async fn settle_all(app: &App, floor: &Floor, callers: Callers) -> Callers {
    let mut waiting = Callers::new();
    let mut callers = callers.into_iter().peekable();
    while callers.peek().is_some() {
        let batch: Callers = callers.by_ref().take(JOIN_BATCH_MAX).collect();
        let proves = |caller: &Waiting<NumberAsk, Number>| caller.ask.join.proven.is_some();
        let (asked, held) =
            if waiting.is_empty() { (batch, Callers::new()) } else { batch.into_iter().partition(proves) };
        waiting.extend(settle(app, floor, asked).await);
        waiting.extend(held);
    }
    without_the_late(waiting)
}

/// Answers a batch; those who have no answer yet wait for a draw.
async fn settle(app: &App, floor: &Floor, mut callers: Callers) -> Callers {
    let mut blocks = 0;
    let mut cohorts = callers.iter().map(|waiting| waiting.ask.cohorts).max().unwrap_or_default();
    while !callers.is_empty() {
        let Ok(rest) = join(app, floor, callers, cohorts).await else { break };
        callers = rest.callers;
        if !rest.numbers_used_up {
            return callers;
        } else if blocks == BLOCKS_MAX {
            fail(callers, Code::Overloaded);
            break;
        }
        match reserve(app, floor, cohorts).await {
            Ok(Reserved::Block) => blocks += 1,
            Ok(Reserved::DrawFirst) => cohorts += 1,
            Err(problem) => {
                fail(callers, problem);
                break;
            }
        }
    }
    Callers::new()
}

/// Asks once for everybody; says who has no answer yet. After a failure nobody waits any more.
async fn join(app: &App, floor: &Floor, callers: Callers, cohorts: u32) -> Result<Rest, ()> {
    let asks: Vec<JoinAsk> = callers.iter().map(|waiting| waiting.ask.join).collect();
    metrics::joins_gathered("numbers", asks.len());
    match app.queue.after(floor.mark()).join_many(floor.sale().id(), &asks, cohorts).await {
        Ok(joins) => {
            joins.iter().filter_map(mark_of).for_each(|mark| floor.note(mark));
            Ok(answered(callers, joins))
        }
        Err(error) => {
            fail(callers, error);
            Err(())
        }
    }
}

fn mark_of(join: &Join) -> Option<Mark> {
    match join {
        Join::New { number, epoch } => Some(Mark::of_number(*epoch, *number)),
        Join::Existing { .. } | Join::ReserveNumbers | Join::Drawing => None,
    }
}

fn answered(callers: Callers, joins: Vec<Join>) -> Rest {
    let mut rest = Rest::default();
    for (waiting, join) in callers.into_iter().zip(joins) {
        let (number, epoch, arrival) = match join {
            Join::New { number, epoch } => (number, epoch, Arrival::New),
            Join::Existing { number, epoch } => (number, epoch, Arrival::Known),
            Join::ReserveNumbers | Join::Drawing => {
                rest.numbers_used_up |= join == Join::ReserveNumbers;
                rest.callers.push(waiting);
                continue;
            }
        };
        waiting.answer(Ok(Number { number, epoch, arrival }));
    }
    rest
}

/// Tells those who waited too long for the draw, or are too many, and keeps the others who still wait.
fn without_the_late(callers: Callers) -> Callers {
    let (late, mut rest): (Callers, Callers) =
        callers.into_iter().filter(Waiting::is_wanted).partition(|waiting| waiting.since.elapsed() >= DRAW_WAIT_MAX);
    let too_many = rest.split_off(rest.len().min(WAITING_MAX));
    late.into_iter().chain(too_many).for_each(|waiting| waiting.answer(Err(Code::Overloaded)));
    rest
}

/// Reserves a block behind the draws that Redis has: at least as many as it was just told have opened, or it had said that
/// one comes first.
async fn reserve(app: &App, floor: &Floor, cohorts: u32) -> Result<Reserved, Problem> {
    let sale = floor.sale().id();
    let Some(high_water) = ledger::queue::numbers_reserve_behind(&app.ledger, sale, cohorts, NUMBER_BLOCK).await?
    else {
        return Ok(Reserved::DrawFirst);
    };
    app.queue.raise_reserved(sale, high_water).await?;
    Ok(Reserved::Block)
}
