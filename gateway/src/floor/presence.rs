//! Who of a sale is here: sockets that are open, and polls since the last tick.
//!
//! | who            | kept as                                | told to Redis |
//! |----------------|----------------------------------------|---------------|
//! | a number       | a number heard since the last tick     | with the next tick |
//! | a registration | when it polled last, by phase          | at its draw, as its number; nothing before |
//! | an open socket | its spot, with how many of them        | every few seconds, and at the draw at once |
//! | more time      | its spot, for as long as the sale lives | once in each epoch |
//!
//! So everybody who was here when a draw was held is live in the line a tick later, however large the cohort. Bounds: an
//! entry for each visitor of this gateway; polls of registrations are forgotten after [`POLL_COUNTS_FOR`].

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use domain::PlaceNumber;
use domain::sale::PhaseNo;
use domain::token::{Allowance, PlaceToken, Spot};

use crate::draws::SaleDraws;

/// Connections of one place at once: every tab of a person has one, and those that a phone left behind go within a minute.
const CONNECTIONS_MAX: u32 = 16;

/// How long a poll says that somebody is here: as long as the line remembers a number.
const POLL_COUNTS_FOR: Duration = Duration::from_secs(15);

/// Who is here.
#[derive(Default)]
pub(super) struct Presence {
    heard: HashSet<PlaceNumber>,
    registered: HashMap<PhaseNo, HashMap<u32, Instant>>,
    connected: HashMap<Spot, u32>,
    unhurried: HashMap<Spot, Told>,
}

/// A place has as many connections as one person may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// In which epoch Redis was told that a place has more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Never,
    In(u32),
}

impl Presence {
    /// Notes a sign of life.
    pub(super) fn hear(&mut self, place: &PlaceToken, draws: &SaleDraws, now: Instant) {
        if place.allowance == Allowance::MoreTime {
            self.unhurried.entry(place.spot).or_insert(Told::Never);
        }
        if let Some(number) = draws.number_of(place.spot) {
            self.heard.insert(number);
        } else if let Spot::Registration { phase, index } = place.spot {
            self.registered.entry(phase).or_default().insert(index, now);
        }
    }

    /// Notes a socket, unless the place has too many.
    pub(super) fn connect(&mut self, place: &PlaceToken, draws: &SaleDraws, now: Instant) -> Result<(), TooMany> {
        self.hear(place, draws, now);
        let sockets = self.connected.entry(place.spot).or_default();
        if *sockets == CONNECTIONS_MAX {
            return Err(TooMany);
        }
        *sockets += 1;
        Ok(())
    }

    /// Notes that a socket closed.
    pub(super) fn disconnect(&mut self, spot: Spot) {
        if let Some(sockets) = self.connected.get_mut(&spot) {
            *sockets -= 1;
            if *sockets == 0 {
                self.connected.remove(&spot);
            }
        }
    }

    /// Forgets what polls of a registration said: it was given up.
    pub(super) fn forget(&mut self, spot: Spot) {
        if let Spot::Registration { phase, index } = spot
            && let Some(polls) = self.registered.get_mut(&phase)
        {
            polls.remove(&index);
        }
        self.unhurried.remove(&spot);
    }

    /// Counts open sockets as a sign of life, and forgets polls that are too old to count.
    pub(super) fn count_connected(&mut self, draws: &SaleDraws, now: Instant) {
        self.heard.extend(self.connected.keys().filter_map(|spot| draws.number_of(*spot)));
        for polls in self.registered.values_mut() {
            polls.retain(|_, at| now.saturating_duration_since(*at) < POLL_COUNTS_FOR);
        }
    }

    /// Counts everybody of the cohorts that are drawn: they have numbers now.
    pub(super) fn seat(&mut self, draws: &SaleDraws, now: Instant) {
        self.count_connected(draws, now);
        let heard = &mut self.heard;
        self.registered.retain(|phase, polls| {
            let drawn = draws.order(*phase).is_some();
            if drawn {
                heard.extend(polls.keys().filter_map(|index| draws.number(*phase, *index)));
            }
            !drawn
        });
    }

    /// Who was heard since the last time.
    pub(super) fn take_heard(&mut self) -> Vec<PlaceNumber> {
        std::mem::take(&mut self.heard).into_iter().collect()
    }

    /// Those could not be told: next time.
    pub(super) fn give_back(&mut self, heard: Vec<PlaceNumber>) {
        self.heard.extend(heard);
    }

    /// The numbers with more time that Redis was not told of in this epoch.
    pub(super) fn unhurried(&self, draws: &SaleDraws, epoch: u32) -> Vec<PlaceNumber> {
        let untold = self.unhurried.iter().filter(|(_, told)| **told != Told::In(epoch));
        untold.filter_map(|(spot, _)| draws.number_of(*spot)).collect()
    }

    /// Redis was told of them.
    pub(super) fn told_unhurried(&mut self, draws: &SaleDraws, epoch: u32, numbers: &[PlaceNumber]) {
        let numbers: HashSet<_> = numbers.iter().copied().collect();
        for (spot, told) in &mut self.unhurried {
            if draws.number_of(*spot).is_some_and(|number| numbers.contains(&number)) {
                *told = Told::In(epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
