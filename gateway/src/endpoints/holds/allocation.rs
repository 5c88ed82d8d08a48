//! A phase that has sold what it may: others may follow that have more.

use jiff::Timestamp;

use domain::TierId;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// The longest wait that a client is told to sit out; the page of a sale that opens tomorrow is better left and come back to.
const WAIT_MAX_S: u32 = 3_600;

/// What whoever comes too late for this phase is told: when more of the tier may be had, where that is known.
pub(super) fn sold_out(app: &App, sale: &Sale, tier: &TierId) -> Problem {
    let now = app.time_of(sale);
    let problem = Problem::new(Code::AllocationSoldOut);
    let Some(next) = sale.more_may_go_at(tier, now) else {
        return problem.detail(format!("No more of {tier} is sold in this phase."));
    };
    let problem =
        problem.detail(format!("No more of {tier} is sold in this phase. The next that sells some opens at {next}."));
    match seconds_until(next, now) {
        Some(seconds) => problem.retry_after_s(seconds),
        None => problem,
    }
}

fn seconds_until(next: Timestamp, now: Timestamp) -> Option<u32> {
    let seconds = next.duration_since(now).as_secs();
    u32::try_from(seconds).ok().map(|seconds| seconds + 1).filter(|seconds| *seconds <= WAIT_MAX_S)
}
