//! The tick of a sale, and what Postgres is told of it.
//!
//! ```text
//! admit ─► Admission: grants, events, who came back ─► Postgres ─► confirm ─► turns begin, the rest is forgotten
//! ```
//!
//! Any number of gateways tick the same sale and none leads. What a tick delivers is delivered again by every tick until
//! somebody confirmed it, so a gateway may die between any two steps; a gateway that slept through its own tick confirms
//! nothing that is not exactly what it delivered.
//!
//! What a turn costs. The bucket is filled with `rate × factor` ([`crate::Pulse`] says what the factor is) up to `burst`,
//! and pays for turns in millionths. With p, the measured share of turns that nobody uses:
//!
//! | what happens           | costs                |
//! |------------------------|----------------------|
//! | a turn is granted      | 1 − p; only if the bucket has it |
//! | a bypass grants it     | 1 − p, into debt if need be: the line waits for it |
//! | it is used: first hold | p more, into debt if need be |
//! | it lapses, is left or ended unused | the 1 − p comes back |
//!
//! In the end a used turn has cost 1 and an unused one nothing, whatever p was: p only decides how early the bucket knows.
//! It is the mean of the turns resolved so far, then exponentially weighted over as many turns as are out, at least 64; 0
//! until 20 were resolved, at most 0.9. A shorter memory would swing, because a use is known sooner than a lapse (simulated
//! with 64 at 50 turns a second and 70 % no-shows: grants in fits and starts between 0 and 400 a second).
//!
//! What is owed and what comes back between two ticks waits for the refill of the next one: a cost that was taken from a
//! bucket not filled yet would be made up for by what then flows over.
//!
//! Every grant leaves the bucket at 0 or above, so over every window that ends with a grant the costs are at most
//! `rate × window + burst`; if turns are used after all that were expected to lapse, the debt stops grants until it is paid.
//! The cap on shoppers inside is hard in any case. Smoothed no-show compensation is also what smoketurner's
//! virtual-waiting-room does (release = target / (1 − no-show)), there without the settlement.
//!
//! Units: turns that nobody has used yet never exceed the units that are free and the overbooking; with nothing free nobody
//! is admitted. A shopper has had the first hold, and who holds nothing any more keeps nobody out: at the end of a sale the
//! last units would stand still until every idle session is over. Where no more units of a tier may be gone than so many
//! ([`Queue::within`]), those beyond it are not free for turns either.

use domain::token::Allowance;
use domain::{PlaceNumber, SaleId};
use fred::types::Value;
use jiff::Timestamp;

use super::event::{QueueEvent, Returned, Stop};
use super::{Queue, expect_word, text, timestamp};
use crate::AdmissionError;
use crate::keys::SaleKeys;
use crate::pacer::{Pulse, Standstill};
use crate::scripts::{self, Reply, Script};

/// Whether a tick admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceState {
    /// As fast as the pace allows.
    Admitting,
    /// Nobody; turns and sessions still end.
    Paused,
}

/// How visitors are let in: the sale's [`domain::sale::AdmissionConfig`], and what bounds it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Turns per second.
    pub rate_per_s: u32,
    /// Turns at once after a lull.
    pub burst: u32,
    /// The most shoppers inside, unused turns included.
    pub max_shoppers: u32,
    /// How long a session lasts from its first hold.
    pub session_s: u32,
    /// How long a turn waits to be used.
    pub claim_window_s: u32,
    /// How many turns may be out beyond the units that are free.
    pub overbook: u32,
    /// The most shoppers inside that the payment budget allows; the lower of the two caps counts.
    pub budget_shoppers: u32,
    /// How many draws have opened by now: nobody is admitted before the cohorts of all of them are in Redis.
    pub cohorts: u32,
    /// Whether anyone is admitted. Not before every draw that opened is drawn: until then nobody knows whose a number is.
    pub state: PaceState,
}

/// A turn that was granted but not confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whose turn.
    pub number: PlaceNumber,
    /// In which epoch.
    pub epoch: u32,
    /// When, by the clock of Redis.
    pub granted_at: Timestamp,
    /// How much time its holder was given: it multiplies the claim window.
    pub allowance: Allowance,
}

/// What a tick did and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The epoch that Redis is in.
    pub epoch: u32,
    /// Turns to write to Postgres and then confirm, oldest first; some may be of an earlier tick or another gateway's.
    pub unconfirmed: Vec<Grant>,
    /// What happened to turns and places and is not confirmed yet, oldest first.
    pub events: Vec<QueueEvent>,
    /// When the sale stopped and went on, as far as it is not confirmed yet, oldest first.
    pub stops: Vec<Stop>,
    /// Who came back and is not confirmed yet.
    pub returned: Option<Returned>,
    /// Turns that lapsed in this tick.
    pub lapsed: u32,
    /// Sessions whose time was over in this tick.
    pub ended: u32,
    /// The share of the configured rate at which the line moves, in thousandths.
    pub factor_milli: u32,
    /// Why nobody is admitted and no clock runs, if so.
    pub standstill: Option<Standstill>,
}

impl Queue {
    /// One tick: ends what is over and grants turns. To be called about five times a second for each open sale, by
    /// whoever likes; the answer says what to write to Postgres and then [`Queue::confirm`].
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn admit(&self, sale: SaleId, pace: &Pace, pulse: &Pulse) -> Result<Admission, AdmissionError> {
        self.admit_by(&scripts::QUEUE_ADMIT, sale, pace, pulse).await
    }

    async fn admit_by(
        &self,
        script: &Script,
        sale: SaleId,
        pace: &Pace,
        pulse: &Pulse,
    ) -> Result<Admission, AdmissionError> {
        let reply = self.store.run(script, &SaleKeys::new(sale), self.tick_arguments(pace, pulse)).await?;
        expect_word(&reply, "ticked")?;
        Admission::parse(reply)
    }

    /// Tells Redis what of a tick Postgres has now: starts the claim windows of its grants and forgets its events. Answers
    /// how many turns this call began; what is confirmed already, and what is of an earlier epoch, is passed over.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale; then the next tick delivers everything again.
    pub async fn confirm(&self, sale: SaleId, admission: &Admission, pace: &Pace) -> Result<u64, AdmissionError> {
        if admission.is_confirmed() {
            return Ok(0);
        }
        let arguments = confirm_arguments(admission, pace);
        let mut reply = self.store.run(&scripts::QUEUE_CONFIRM, &SaleKeys::new(sale), arguments).await?;
        match reply.word() {
            "confirmed" => reply.parsed(),
            "stale_epoch" => Ok(0),
            _ => reply.unexpected(),
        }
    }

    fn tick_arguments(&self, pace: &Pace, pulse: &Pulse) -> Vec<Value> {
        let state = match pace.state {
            PaceState::Admitting => "admitting",
            PaceState::Paused => "paused",
        };
        let cap = pace.max_shoppers.min(pace.budget_shoppers);
        let allowed: Vec<_> = self.allowed.iter().map(|(tier, units)| format!("{tier}={units}")).collect();
        let mut arguments = [pace.rate_per_s, pace.burst, cap, pace.overbook, pace.cohorts].map(text).to_vec();
        arguments.extend([state.into(), text(pulse.gateway), text(pulse.line()), text(self.mark)]);
        arguments.push(text(allowed.join(";")));
        arguments
    }
}

fn confirm_arguments(admission: &Admission, pace: &Pace) -> Vec<Value> {
    let window_ms = u64::from(pace.claim_window_s) * 1_000;
    let returned_ms = admission.returned.map_or(0, |returned| returned.at.as_millisecond());
    let mut arguments =
        vec![text(admission.epoch), text(window_ms), text(Allowance::MoreTime.factor()), text(returned_ms)];
    arguments.push(text(admission.unconfirmed.len()));
    for grant in &admission.unconfirmed {
        arguments.extend([text(grant.number), text(grant.granted_at.as_millisecond())]);
    }
    arguments.extend(admission.events.iter().map(text));
    arguments.extend(admission.stops.iter().map(text));
    arguments
}

impl Admission {
    fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_empty() && self.events.is_empty() && self.stops.is_empty() && self.returned.is_none()
    }

    fn parse(mut reply: Reply) -> Result<Self, AdmissionError> {
        let epoch = reply.parsed()?;
        let (ended, lapsed) = (reply.parsed()?, reply.parsed()?);
        let unconfirmed = grants(&mut reply, epoch)?;
        let (events, stops) = events(&mut reply)?;
        Ok(Self {
            epoch,
            ended,
            lapsed,
            unconfirmed,
            events,
            stops,
            returned: returned(&mut reply)?,
            factor_milli: reply.parsed::<u32>()? / 1_000,
            standstill: Standstill::of_word(&reply.text()?).map_err(|()| reply.odd("an odd reason"))?,
        })
    }
}

fn grants(reply: &mut Reply, epoch: u32) -> Result<Vec<Grant>, AdmissionError> {
    let granted = reply.integers()?;
    let grant = |turn: &[u64]| {
        let allowance = if turn[2] == 0 { Allowance::Usual } else { Allowance::MoreTime };
        Ok(Grant { number: PlaceNumber(turn[0]), epoch, granted_at: timestamp(reply, turn[1])?, allowance })
    };
    let mut grants = granted.chunks_exact(3).map(grant).collect::<Result<Vec<_>, AdmissionError>>()?;
    grants.sort_unstable_by_key(|grant| (grant.granted_at, grant.number));
    Ok(grants)
}

fn events(reply: &mut Reply) -> Result<(Vec<QueueEvent>, Vec<Stop>), AdmissionError> {
    let (mut events, mut stops) = (Vec::new(), Vec::new());
    for text in reply.texts()? {
        match text.parse() {
            Ok(stop) => stops.push(stop),
            Err(()) => events.push(text.parse().map_err(|()| reply.odd("an odd event"))?),
        }
    }
    Ok((events, stops))
}

fn returned(reply: &mut Reply) -> Result<Option<Returned>, AdmissionError> {
    match reply.integers()?[..] {
        [] => Ok(None),
        [at, count, lowest] => Ok(Some(Returned { count, lowest: PlaceNumber(lowest), at: timestamp(reply, at)? })),
        _ => Err(reply.odd("an odd return")),
    }
}

#[cfg(test)]
mod tests;
