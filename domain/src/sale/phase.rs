//! The phases of a sale: windows in time order, each with its access rule and, before it opens, its prequeue.
//!
//! A sale that names no phases has one, `general`, made of its own times. All phases share one line: numbers grow over
//! all of them. Two phases are never open at once, but the prequeue of a later one may be open while an earlier one
//! sells; [`doors`] lists what a visitor may enter at a time, the best first.
//!
//! | time                                   | the phase gives                          |
//! |----------------------------------------|------------------------------------------|
//! | before `prequeue_opens_at`             | nothing                                  |
//! | `prequeue_opens_at` .. `opens_at`      | registrations, when it has a prequeue    |
//! | `opens_at` .. `closes_at`              | numbers, behind the drawn registrations  |
//! | from `closes_at`                       | nothing                                  |
//!
//! A phase may have an allocation: so many units of a tier are for it. What phases before it left of theirs goes on to it, so
//! what is kept of a phase is how many units of a tier may be gone while it is open ([`Phase::allowed`]). A tier without an
//! allocation in a phase is not bounded in it, whatever the phases before it had.
//!
//! A phase whose `opens_at` is not after publishing has no prequeue: it opens at once, and a seed committed then could
//! not have been committed before anybody came.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SaleConfig;
use crate::ids::{PhaseId, TierId};

/// The most phases of one sale: presales and general sale, with room to spare; its number is one byte in tokens.
pub const PHASES_MAX: usize = 8;

/// How long before the opening the prequeue opens, unless the organizer says otherwise.
const PREQUEUE_DEFAULT: SignedDuration = SignedDuration::from_mins(30);

/// The index of a phase in time order, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PhaseNo(pub u8);

impl std::fmt::Display for PhaseNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A phase as an organizer configures it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// Its name in URLs and labels.
    pub id: PhaseId,
    /// When visitors may register; 30 minutes before `opens_at` when left out, no prequeue when equal to it.
    #[serde(default)]
    pub prequeue_opens_at: Option<Timestamp>,
    /// When its admission begins.
    pub opens_at: Timestamp,
    /// When it ends; the next phase's opening, or the sale's end, when left out.
    #[serde(default)]
    pub closes_at: Option<Timestamp>,
    /// Who may join in it.
    #[serde(default)]
    pub access: PhaseAccess,
    /// How many units of a tier are for it, beside what earlier phases leave of theirs; no bound when a tier is not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allocation: BTreeMap<TierId, u32>,
}

/// Who may join in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseAccess {
    /// Everybody.
    #[default]
    Public,
    /// Who has an access code.
    Code,
}

/// A phase with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its index.
    pub no: PhaseNo,
    /// Its name.
    pub id: PhaseId,
    /// When visitors may register.
    pub prequeue_opens_at: Timestamp,
    /// When its admission begins.
    pub opens_at: Timestamp,
    /// When it ends; `None` only for the last.
    pub closes_at: Option<Timestamp>,
    /// Who may join in it.
    pub access: PhaseAccess,
    /// How many units of a tier may be held, ordered or sold while it is open; no bound when a tier is not named.
    pub allowed: BTreeMap<TierId, u32>,
}

/// A way into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door<'a> {
    /// The phase it belongs to.
    pub phase: &'a Phase,
    /// What it gives.
    pub kind: DoorKind,
}

/// What a door gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorKind {
    /// A number.
    Open,
    /// A registration, to be drawn when the phase opens.
    Prequeue,
}

impl Phase {
    /// Whether visitors may register for it before it opens, so that it has a draw.
    #[must_use]
    pub fn has_prequeue(&self, published_at: Timestamp) -> bool {
        self.prequeue_opens_at < self.opens_at && published_at < self.opens_at
    }

    /// Whether it admits.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.opens_at <= now && !self.is_over(now)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.closes_at.is_some_and(|closes_at| closes_at <= now)
    }

    /// What it gives at a time.
    #[must_use]
    pub fn door(&self, published_at: Timestamp, now: Timestamp) -> Option<DoorKind> {
        if self.is_open(now) {
            return Some(DoorKind::Open);
        }
        let registers = self.has_prequeue(published_at) && (self.prequeue_opens_at..self.opens_at).contains(&now);
        registers.then_some(DoorKind::Prequeue)
    }
}

/// What a visitor may enter, in the order to try: the open phase, then the open prequeues, the earliest first.
#[must_use]
pub fn doors(phases: &[Phase], published_at: Timestamp, now: Timestamp) -> Vec<Door<'_>> {
    let door = |phase| Phase::door(phase, published_at, now).map(|kind| Door { phase, kind });
    phases.iter().filter_map(door).collect()
}

/// How many draws should have been held by now: phases with a prequeue whose opening has come.
#[must_use]
pub fn opened_draws(phases: &[Phase], published_at: Timestamp, now: Timestamp) -> u32 {
    let is_due = |phase: &Phase| phase.has_prequeue(published_at) && phase.opens_at <= now;
    phases.iter().map(|phase| u32::from(is_due(phase))).sum()
}

impl SaleConfig {
    /// The phases in time order; never none.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        if self.phases.is_empty() {
            return vec![self.general()];
        }
        (0..=u8::MAX).zip(&self.phases).map(|(no, config)| self.phase(PhaseNo(no), config)).collect()
    }

    fn general(&self) -> Phase {
        Phase {
            no: PhaseNo(0),
            id: "general".parse().expect("the word is a name"),
            prequeue_opens_at: self.prequeue_opens_at.unwrap_or_else(|| default_prequeue(self.opens_at)),
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            access: PhaseAccess::Public,
            allowed: BTreeMap::new(),
        }
    }

    fn phase(&self, no: PhaseNo, config: &PhaseConfig) -> Phase {
        let next = self.phases.get(usize::from(no.0) + 1).map(|next| next.opens_at);
        let of_the_sale = self.prequeue_opens_at.filter(|_| no.0 == 0);
        Phase {
            no,
            id: config.id.clone(),
            prequeue_opens_at: config
                .prequeue_opens_at
                .or(of_the_sale)
                .unwrap_or_else(|| default_prequeue(config.opens_at)),
            opens_at: config.opens_at,
            closes_at: config.closes_at.or(next).or(self.closes_at),
            access: config.access,
            allowed: config.allocation.keys().map(|tier| (tier.clone(), self.allocated(no, tier))).collect(),
        }
    }

    /// What that phase and those before it were given of a tier.
    fn allocated(&self, no: PhaseNo, tier: &TierId) -> u32 {
        let given = self.phases.iter().take(usize::from(no.0) + 1).filter_map(|phase| phase.allocation.get(tier));
        given.fold(0, |sum: u32, units| sum.saturating_add(*units))
    }
}

fn default_prequeue(opens_at: Timestamp) -> Timestamp {
    opens_at.checked_sub(PREQUEUE_DEFAULT).unwrap_or(opens_at)
}

#[cfg(test)]
mod tests;
