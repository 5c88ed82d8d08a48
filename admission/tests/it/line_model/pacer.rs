//! What the pulses of all gateways come to, reckoned from a plain list of them.

use std::collections::BTreeMap;

use admission::{Health, Incident, Pulse, Standstill};
use uuid::Uuid;

pub(super) const ONE: i64 = 1_000_000;
const FLOOR: i64 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stripe {
    Well,
    Open { until: i64 },
    HalfOpen,
}

/// The factor, and the incidents.
#[derive(Debug)]
pub(super) struct Pacer {
    pub(super) factor: i64,
    pulses: BTreeMap<Uuid, (i64, Pulse)>,
    cut: Option<i64>,
    postgres_silent: Option<i64>,
    postgres_back: Option<i64>,
    postgres_away: bool,
    stripe: Stripe,
    stripe_wait: Option<i64>,
    all_bad: Option<(i64, i64)>,
    payments: u32,
    bad: u32,
}

impl Pacer {
    pub(super) fn new() -> Self {
        Self {
            factor: ONE,
            pulses: BTreeMap::new(),
            cut: None,
            postgres_silent: None,
            postgres_back: None,
            postgres_away: false,
            stripe: Stripe::Well,
            stripe_wait: None,
            all_bad: None,
            payments: 0,
            bad: 0,
        }
    }

    pub(super) fn incident(&self) -> Option<Standstill> {
        match self.stripe {
            _ if self.postgres_away => Some(Standstill::Incident(Incident::Postgres)),
            Stripe::Open { .. } => Some(Standstill::Incident(Incident::Stripe)),
            Stripe::Well | Stripe::HalfOpen => None,
        }
    }

    pub(super) fn hear(&mut self, now: i64, elapsed: i64, pulse: &Pulse) {
        self.pulses.insert(pulse.gateway, (now, *pulse));
        self.pulses.retain(|_, (at, _)| now - *at <= 3_000);
        self.payments = self.pulses.values().map(|(_, pulse)| pulse.payments).sum();
        self.bad = self.pulses.values().map(|(_, pulse)| pulse.bad).sum();
        self.watch_postgres(now);
        self.watch_stripe(now, elapsed);
    }

    fn says(&self, of: impl Fn(&Pulse) -> Health, health: Health) -> bool {
        self.pulses.values().any(|(_, pulse)| of(pulse) == health)
    }

    fn watch_postgres(&mut self, now: i64) {
        if self.says(|pulse| pulse.postgres, Health::Answers) {
            if self.postgres_away {
                let back = *self.postgres_back.get_or_insert(now);
                if now - back < 2_000 {
                    return;
                }
            }
            (self.postgres_away, self.postgres_silent, self.postgres_back) = (false, None, None);
        } else if self.says(|pulse| pulse.postgres, Health::Away) {
            self.postgres_back = None;
            let silent = *self.postgres_silent.get_or_insert(now);
            self.postgres_away |= now - silent >= 5_000;
        }
    }

    fn watch_stripe(&mut self, now: i64, elapsed: i64) {
        let good = self.payments > self.bad || self.says(|pulse| pulse.stripe, Health::Answers);
        let all_bad = self.bad > 0 && !good;
        match self.stripe {
            Stripe::Open { until } if now >= until => self.stripe = Stripe::HalfOpen,
            Stripe::HalfOpen if all_bad => {
                let wait = self.stripe_wait.expect("an incident had a wait");
                self.open_stripe(now, (2 * wait).min(120_000));
            }
            Stripe::HalfOpen if good => self.stripe = Stripe::Well,
            Stripe::Open { .. } | Stripe::HalfOpen => {}
            Stripe::Well if all_bad => {
                let (since, calls) = self.all_bad.unwrap_or((now, 0));
                let calls = calls + i64::from(self.bad) * elapsed * 1_000 / 5_000;
                self.all_bad = Some((since, calls));
                if now - since >= 10_000 && calls >= 5_000 {
                    self.open_stripe(now, self.stripe_wait.unwrap_or(15_000));
                }
            }
            Stripe::Well => self.all_bad = None,
        }
    }

    fn open_stripe(&mut self, now: i64, wait: i64) {
        self.stripe = Stripe::Open { until: now + wait };
        (self.stripe_wait, self.all_bad, self.factor) = (Some(wait), None, FLOOR);
    }

    pub(super) fn steer(&mut self, now: i64, elapsed: i64) {
        let bad = self.bad * 10 > self.payments;
        let may_cut = self.cut.is_none_or(|cut| now - cut >= 2_000);
        if bad && self.payments >= 5 && may_cut {
            (self.factor, self.cut) = ((self.factor / 2).max(FLOOR), Some(now));
        } else if !bad && self.stripe == Stripe::Well {
            self.factor = (self.factor + 50 * elapsed).min(ONE);
        }
        if self.factor == ONE {
            self.stripe_wait = None;
        }
    }
}
