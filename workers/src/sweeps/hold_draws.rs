//! Holds the draws: turns the registrations of a prequeue into numbers, once its phase opens.
//!
//! | the draw in Postgres | the cohort in Redis | step | afterwards |
//! |---|---|---|---|
//! | collecting, before its opening | no | – | – |
//! | collecting, its opening has come | no | [`draw_freeze`] | frozen: count and block of numbers |
//! | frozen | perhaps | `cohort`, told at every round | the cohort is in line, and walk-ups come behind it |
//! | frozen, no root | perhaps | the Merkle root, off the async threads; a round is chosen; [`draw_commit_root`] | root and round recorded |
//! | frozen, with root and round | yes | the beacon is asked; [`draw_finish`] | drawn: seed revealed |
//! | frozen, with root, no round | yes | [`draw_finish`], self-attested | drawn: seed revealed |
//! | drawn | yes, or told by [`super::load_redis`] to a Redis that lost it | – | – |
//!
//! Every step answers what stands when it has been taken already, and a round of this sweep takes all steps from the first
//! one: any number of workers may hold the same draw at once, and one that dies between any two steps has lost nothing.
//! The cohort is in line before anybody can know the order, and before the beacon is asked for a round, so that nobody joins
//! before it and a beacon that is away holds up turns, not joins.
//!
//! The beacon: the first round that comes a whole period after both the freeze and now, and that the beacon has not said
//! anything of. It is waited for until [`BEACON_WAIT_MAX_S`] after it was due; then, or when no round could be chosen for
//! that long after the freeze, or when no beacon is configured, the draw is self-attested and says why.
//!
//! Bounds: [`SALES_AT_ONCE_MAX`] sales at once, the draws of one sale one after the other; the leaves of one draw in
//! memory, 32 bytes each. What it does not do: compute the order, which is a function of what is published.

use std::sync::Arc;
use std::time::Duration;

use admission::AdmissionError;
use domain::SaleId;
use domain::fairness::merkle_root;
use domain::sale::PhaseNo;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use ledger::draws::{
    Attestation, CommitRoot, Draw, DrawState, DueDraw, Freeze, draw_commit_root, draw_finish, draw_freeze, draw_leaves,
    draws_due, draws_of,
};
use ledger::{Ledger, LedgerError};

use self::round::Choice;
use super::live_sales::LiveSales;
use super::{Sweep, SweepError};
use crate::beacon::BeaconError;
use crate::context::Context;
use crate::metrics;

mod round;

/// How long a beacon is waited for: longer than its own stumbles, and as long as a line stands still patiently.
const BEACON_WAIT_MAX_S: u64 = 60;
const BEACON_WAIT_MAX: Duration = Duration::from_secs(BEACON_WAIT_MAX_S);

/// Sales whose draws are held at once: half of the connections there are.
const SALES_AT_ONCE_MAX: usize = 8;

/// Holds draws.
pub(crate) struct HoldDraws {
    pub(crate) context: Arc<Context>,
    pub(crate) sales: LiveSales,
}

impl Sweep for HoldDraws {
    const NAME: &'static str = "hold_draws";
    // One look into a small index; the line stands still between the opening and the draw.
    const EVERY: Duration = Duration::from_millis(200);

    async fn round(&mut self) -> Result<(), SweepError> {
        let due = draws_due(&self.context.ledger).await?;
        let holding = stream::iter(of_each_sale(due)).map(|(sale, phases)| self.sale(sale, phases));
        let held: Vec<_> = holding.buffer_unordered(SALES_AT_ONCE_MAX).collect().await;
        held.into_iter().collect()
    }
}

/// The draws that are due, those of one sale together and in the order of its phases.
fn of_each_sale(due: Vec<DueDraw>) -> Vec<(SaleId, Vec<PhaseNo>)> {
    let mut sales: Vec<(SaleId, Vec<PhaseNo>)> = Vec::new();
    for DueDraw { sale, phase } in due {
        match sales.iter_mut().find(|(seen, _)| *seen == sale) {
            Some((_, phases)) => phases.push(phase),
            None => sales.push((sale, vec![phase])),
        }
    }
    sales.iter_mut().for_each(|(_, phases)| phases.sort_unstable());
    sales
}

impl HoldDraws {
    async fn sale(&self, sale: SaleId, phases: Vec<PhaseNo>) -> Result<(), SweepError> {
        for phase in phases {
            self.draw(sale, phase).await?;
        }
        Ok(())
    }

    /// Takes every step of one draw that can be taken now.
    async fn draw(&self, sale: SaleId, phase: PhaseNo) -> Result<(), SweepError> {
        let Freeze::Frozen(draw) = draw_freeze(&self.context.ledger, sale, phase).await? else { return Ok(()) };
        let told = tell_cohorts(&self.context, sale).await;
        let Some(draw) = self.rooted(sale, draw).await? else { return Ok(()) };
        match told {
            Ok(()) => {}
            // Nobody joins any more, so nobody can come before the cohort: the order is drawn for the record.
            Err(SweepError::Admission(AdmissionError::NotLoaded)) if !self.is_live(sale) => {}
            // It is being rebuilt, with or without the cohort: told again in the next round.
            Err(SweepError::Admission(AdmissionError::NotLoaded)) => return Ok(()),
            Err(error) => return Err(error),
        }
        match self.attestation(&draw).await? {
            Some(attestation) => self.finish(sale, draw, attestation).await,
            None => Ok(()),
        }
    }

    fn is_live(&self, sale: SaleId) -> bool {
        self.sales.borrow().iter().any(|live| live.id == sale)
    }

    /// The draw with its root recorded; none while no round can be chosen.
    async fn rooted(&self, sale: SaleId, draw: Draw) -> Result<Option<Draw>, SweepError> {
        if draw.root.is_some() {
            return Ok(Some(draw));
        }
        // Asked before the work too: while the beacon is away, a million leaves are not hashed five times a second.
        if self.choice(&draw).await?.is_none() {
            return Ok(None);
        }
        let root = root_of(&self.context.ledger, sale, &draw).await?;
        let Some(round) = self.choice(&draw).await? else { return Ok(None) };
        match draw_commit_root(&self.context.ledger, sale, draw.phase, root, round.beacon()).await? {
            CommitRoot::Committed(draw) => {
                let (phase, count) = (draw.phase, draw.count);
                let round = draw.beacon.as_ref().map(|beacon| beacon.round);
                tracing::info!(%sale, %phase, count, round, "registrations are frozen");
                Ok(Some(draw))
            }
            // It took us longer than a period: the next round of this sweep chooses a later one.
            CommitRoot::RoundPassed => Ok(None),
        }
    }

    /// What the draw is going to wait for; none while the beacon may still answer.
    async fn choice(&self, draw: &Draw) -> Result<Option<Choice>, SweepError> {
        let frozen_at = draw.frozen_at.unwrap_or(draw.opens_at);
        let now = self.context.ledger.now().await?;
        let choice = round::choose(self.context.beacon.as_ref(), frozen_at, now).await;
        Ok(Some(choice).filter(|choice| *choice != Choice::NotNow || is_over(frozen_at, now)))
    }

    /// What the draw is to be finished with; none while its round may still come.
    async fn attestation(&self, draw: &Draw) -> Result<Option<Attestation>, SweepError> {
        let Some(recorded) = &draw.beacon else {
            return Ok(Some(Attestation::SelfAttested { reason: self.why_no_round() }));
        };
        let now = self.context.ledger.now().await?;
        if now < recorded.round_at {
            return Ok(None);
        }
        let asked = match self.context.beacon.as_ref().filter(|beacon| beacon.url().as_str() == recorded.url) {
            Some(beacon) => beacon.value(recorded.round).await,
            // Another worker's: where that one is gone too, the wait ends by itself.
            None => Err(BeaconError::Unconfigured),
        };
        match asked {
            Ok(value) => Ok(Some(Attestation::Beacon { randomness: value.randomness, signature: value.signature })),
            Err(_) if !is_over(recorded.round_at, now) => Ok(None),
            Err(error) => Ok(Some(Attestation::SelfAttested {
                reason: format!("the round did not come within {BEACON_WAIT_MAX_S} s of its time: {error}"),
            })),
        }
    }

    fn why_no_round(&self) -> String {
        match self.context.beacon {
            Some(_) => format!("the beacon did not answer within {BEACON_WAIT_MAX_S} s of the freeze"),
            None => "no beacon is configured".to_owned(),
        }
    }

    async fn finish(&self, sale: SaleId, draw: Draw, attestation: Attestation) -> Result<(), SweepError> {
        let drawn = draw_finish(&self.context.ledger, sale, draw.phase, &attestation).await?;
        let (phase, count) = (drawn.phase, drawn.count);
        match drawn.self_attested {
            None => tracing::info!(%sale, %phase, count, "drawn with the beacon"),
            // Somebody who was promised a beacon gets the operator's word instead: worth a look.
            Some(reason) if self.context.beacon.is_some() => {
                tracing::error!(%sale, %phase, count, reason, "drawn without the beacon");
            }
            Some(reason) => tracing::info!(%sale, %phase, count, reason, "drawn"),
        }
        metrics::draw_held(&attestation);
        Ok(())
    }
}

/// Whether a beacon has been waited for long enough.
fn is_over(since: Timestamp, now: Timestamp) -> bool {
    since.checked_add(BEACON_WAIT_MAX).is_ok_and(|end| end <= now)
}

/// The Merkle root of a frozen draw: a million leaves are 2 million hashes, which is no work for an async thread.
async fn root_of(ledger: &Ledger, sale: SaleId, draw: &Draw) -> Result<[u8; 32], LedgerError> {
    let leaves = draw_leaves(ledger, sale, draw.phase).await?;
    if u32::try_from(leaves.len()) != Ok(draw.count) {
        return Err(LedgerError::Corrupt(format!("{} leaves of {} registrations", leaves.len(), draw.count)));
    }
    let root = tokio::task::spawn_blocking(move || merkle_root(&leaves)).await;
    Ok(root.expect("hashing does not panic"))
}

/// Tells Redis every cohort of a sale that Postgres has frozen. What Redis knows already changes nothing.
pub(super) async fn tell_cohorts(context: &Context, sale: SaleId) -> Result<(), SweepError> {
    let draws = draws_of(&context.ledger, sale).await?;
    for (ordinal, draw) in (1..).zip(draws).take_while(|(_, draw)| draw.state != DrawState::Collecting) {
        // Before the first one when nobody registered.
        let last = (draw.first_number + u64::from(draw.count)).saturating_sub(1);
        context.queue.cohort(sale, ordinal, draw.first_number, last).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
