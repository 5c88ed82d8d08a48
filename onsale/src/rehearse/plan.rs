//! What each fan has in mind before the rehearsal begins: a pure function of the crowd, the sale, the seed and the fan's number.
//!
//! Every fan has a stream of randomness of its own, drawn from in one order whatever comes out, so a plan never depends on
//! another fan, on the machine or on the time. What a fan has in mind for a step that it never reaches is drawn all the same:
//! the counts of a plan are those of the whole crowd. What comes of it depends on who is served first, and is measured.

use sandbox::Random;
use serde::Serialize;
use serde_json::{Value, json};

use super::crowd::Crowd;

/// What is known of a tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TierOnSale {
    pub(super) id: String,
    pub(super) units: u32,
    pub(super) seated: bool,
}

/// What plans are drawn from.
#[derive(Debug, Clone)]
pub(super) struct Drawing {
    pub(super) crowd: Crowd,
    pub(super) tiers: Vec<TierOnSale>,
    pub(super) per_buyer_limit: u32,
    pub(super) seed: u64,
}

/// What one fan has in mind. Times are seconds of the sale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// From the opening; before it when negative.
    pub(super) arrives_s: f64,
    pub(super) device: Device,
    pub(super) aim: Aim,
    pub(super) patience_s: f64,
    pub(super) quantity: u32,
    /// Tiers by their place in the sale, the favourite first.
    pub(super) tiers: Vec<usize>,
    pub(super) choosing_s: f64,
    pub(super) form_s: f64,
    pub(super) paying_s: f64,
    pub(super) card: Card,
    /// Up to a whole sale second, so that those who do a thing together do not do it in one instant.
    pub(super) jitter_s: f64,
}

/// What a fan watches with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Device {
    Socket,
    Poll,
    Mobile { silent_after_s: f64, silent_for_s: f64 },
}

/// How far a fan means to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Looks,
    Vanishes,
    LeavesChoosing,
    LeavesForm(Leaving),
    LeavesPaying,
    Buys,
}

/// What a fan does with what it holds when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    GivesBack,
    LetsExpire,
}

/// What paying is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Card {
    Approves,
    /// Declined; then another one, or none.
    DeclinedOnce,
    DeclinedForGood,
    /// The bank asks.
    Asks {
        answers_s: f64,
    },
    AsksInVain {
        answers_s: f64,
    },
}

/// Mixed with the seed, so that fan 0 of seed 1 is not fan 1 of seed 0.
const FAN_STEP: u64 = 0xD1B5_4A32_D192_ED03;

impl Drawing {
    /// What this fan has in mind.
    pub(super) fn plan(&self, fan: u32) -> Plan {
        let mut seeds = Random::new(self.seed);
        let random = &mut Random::new(seeds.draw() ^ u64::from(fan).wrapping_add(1).wrapping_mul(FAN_STEP));
        Plan {
            arrives_s: self.arrives(random),
            device: self.device(random),
            aim: self.aim(random),
            patience_s: log_normal(random, self.crowd.patience.waits_s, self.crowd.patience.sigma),
            quantity: self.quantity(random),
            tiers: self.favourites(random),
            choosing_s: log_normal(random, self.crowd.thinking.choosing_s, self.crowd.thinking.sigma),
            form_s: log_normal(random, self.crowd.thinking.form_s, self.crowd.thinking.sigma),
            paying_s: log_normal(random, self.crowd.thinking.paying_s, self.crowd.thinking.sigma),
            card: self.card(random),
            jitter_s: random.fraction(),
        }
    }

    fn arrives(&self, random: &mut Random) -> f64 {
        let (which, when) = (random.fraction(), random.fraction());
        let arrivals = &self.crowd.arrivals;
        if which < arrivals.before_share {
            -when * arrivals.before_s
        } else if which < arrivals.before_share + arrivals.second_wave_share {
            arrivals.second_wave_at_s + when * arrivals.second_wave_s
        } else {
            // The exponential distribution: most come with the opening.
            -(1.0 - when).ln() * arrivals.after_s
        }
    }

    fn device(&self, random: &mut Random) -> Device {
        let which = random.fraction();
        let (after, lasts) = (random.fraction(), random.fraction());
        let devices = &self.crowd.devices;
        if which < devices.poll_share {
            Device::Poll
        } else if which < devices.poll_share + devices.mobile_share {
            // Half to one and a half of what is said.
            let around = |middle: f64, part: f64| middle * (0.5 + part);
            Device::Mobile {
                silent_after_s: around(devices.silent_after_s, after),
                silent_for_s: around(devices.silent_for_s, lasts),
            }
        } else {
            Device::Socket
        }
    }

    fn aim(&self, random: &mut Random) -> Aim {
        let (stays, goes, gives_back) = (random.fraction(), random.fraction(), random.fraction());
        let (patience, abandons) = (&self.crowd.patience, &self.crowd.abandons);
        if stays < patience.looks_only_share {
            return Aim::Looks;
        }
        if stays < patience.looks_only_share + patience.vanishes_share {
            return Aim::Vanishes;
        }
        let form = abandons.choosing_share + abandons.form_share;
        let leaving = if gives_back < abandons.gives_back_share { Leaving::GivesBack } else { Leaving::LetsExpire };
        match goes {
            goes if goes < abandons.choosing_share => Aim::LeavesChoosing,
            goes if goes < form => Aim::LeavesForm(leaving),
            goes if goes < form + abandons.paying_share => Aim::LeavesPaying,
            _ => Aim::Buys,
        }
    }

    fn quantity(&self, random: &mut Random) -> u32 {
        let index = weighted(random.fraction(), &self.crowd.wishes.quantities);
        u32::try_from(index + 1).unwrap_or(u32::MAX).min(self.per_buyer_limit)
    }

    fn favourites(&self, random: &mut Random) -> Vec<usize> {
        let (which, flexible) = (random.fraction(), random.fraction());
        let favourite = weighted(which, &self.weights());
        let others = (0..self.tiers.len()).filter(|tier| *tier != favourite);
        let others = if flexible < self.crowd.wishes.flexible_share { others.collect() } else { Vec::new() };
        [vec![favourite], others].concat()
    }

    fn weights(&self) -> Vec<f64> {
        let wishes = &self.crowd.wishes.tiers;
        let of = |tier: &TierOnSale| match wishes.iter().find(|(id, _)| *id == tier.id) {
            Some((_, weight)) => *weight,
            // With weights for some, the others are nobody's favourite.
            None if wishes.is_empty() => f64::from(tier.units),
            None => 0.0,
        };
        self.tiers.iter().map(of).collect()
    }

    fn card(&self, random: &mut Random) -> Card {
        let (which, then) = (random.fraction(), random.fraction());
        let payments = &self.crowd.payments;
        let answers_s = log_normal(random, payments.three_ds_s, payments.sigma);
        if which < payments.declined_share {
            if then < payments.tries_again_share { Card::DeclinedOnce } else { Card::DeclinedForGood }
        } else if which < payments.declined_share + payments.three_ds_share {
            if then < payments.three_ds_failed_share {
                Card::AsksInVain { answers_s }
            } else {
                Card::Asks { answers_s }
            }
        } else {
            Card::Approves
        }
    }

    /// How many have what in mind: the same in every run of this seed, crowd and sale.
    pub(super) fn counts(&self, fans: u32) -> Value {
        let mut counts = Counts::default();
        for fan in 0..fans {
            counts.add(&self.plan(fan), self.tiers.len());
        }
        let favourites: Vec<_> = counts
            .favourites
            .iter()
            .zip(&self.tiers)
            .map(|(count, tier)| json!({ "tier": tier.id, "fans": count }))
            .collect();
        json!({
            "seed": self.seed,
            "fans": fans,
            "fingerprint": format!("{:016x}", counts.fingerprint),
            "come_before_the_opening": counts.before,
            "come_later_than_a_minute": counts.late,
            "by_socket": counts.devices[0],
            "by_poll": counts.devices[1],
            "by_mobile": counts.devices[2],
            "only_look": counts.aims[0],
            "join_and_vanish": counts.aims[1],
            "leave_while_choosing": counts.aims[2],
            "leave_the_form": counts.aims[3],
            "leave_before_paying": counts.aims[4],
            "mean_to_buy": counts.aims[5],
            "card_declined_once": counts.cards[0],
            "card_declined_for_good": counts.cards[1],
            "asked_by_the_bank": counts.cards[2],
            "asked_by_the_bank_in_vain": counts.cards[3],
            "units_wanted": counts.wanted,
            "units_wanted_by_who_can_pay": counts.payable,
            "favourites": favourites,
        })
    }
}

#[derive(Default)]
struct Counts {
    before: u32,
    late: u32,
    devices: [u32; 3],
    aims: [u32; 6],
    cards: [u32; 4],
    wanted: u64,
    payable: u64,
    favourites: Vec<u32>,
    fingerprint: u64,
}

impl Counts {
    fn add(&mut self, plan: &Plan, tiers: usize) {
        self.favourites.resize(tiers, 0);
        self.favourites[plan.tiers[0]] += 1;
        self.before += u32::from(plan.arrives_s < 0.0);
        self.late += u32::from(plan.arrives_s > 60.0);
        let device = match plan.device {
            Device::Socket => 0,
            Device::Poll => 1,
            Device::Mobile { .. } => 2,
        };
        self.devices[device] += 1;
        let aim = match plan.aim {
            Aim::Looks => 0,
            Aim::Vanishes => 1,
            Aim::LeavesChoosing => 2,
            Aim::LeavesForm(_) => 3,
            Aim::LeavesPaying => 4,
            Aim::Buys => 5,
        };
        self.aims[aim] += 1;
        let (card, pays) = match plan.card {
            Card::Approves => (None, true),
            Card::DeclinedOnce => (Some(0), true),
            Card::DeclinedForGood => (Some(1), false),
            Card::Asks { .. } => (Some(2), true),
            Card::AsksInVain { .. } => (Some(3), false),
        };
        if let Some(card) = card {
            self.cards[card] += 1;
        }
        if aim > 1 {
            self.wanted += u64::from(plan.quantity);
        }
        if plan.aim == Aim::Buys && pays {
            self.payable += u64::from(plan.quantity);
        }
        self.mix(plan);
    }

    /// One number for all that every fan has in mind, so that two plans with the same counts can still be told apart.
    fn mix(&mut self, plan: &Plan) {
        let parts = [plan.arrives_s, plan.patience_s, plan.choosing_s, plan.form_s, plan.paying_s, plan.jitter_s];
        for part in parts.into_iter().chain([f64::from(plan.quantity)]) {
            self.fingerprint = Random::new(self.fingerprint ^ part.to_bits()).draw();
        }
    }
}

fn log_normal(random: &mut Random, median: f64, sigma: f64) -> f64 {
    median * (sigma * random.normal()).exp()
}

/// Where a fraction of all weights falls; the first where they weigh nothing.
fn weighted(fraction: f64, weights: &[f64]) -> usize {
    let mut left = fraction * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        if left < *weight {
            return index;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests;
