//! Lines that are let in by servers of several kinds, each the same again for its seed.

use super::super::super::*;
use super::{TICK_S, count_s};

/// Waits of less are left out: a range of whole seconds is wider than half of a rest of two.
const SHORT_WAIT_S: f64 = 20.0;
/// Visitors that look, of each line.
const WATCHERS: usize = 60;
/// When they look, as shares of their wait.
pub(super) const POINTS: [f64; 3] = [0.25, 0.5, 0.75];

/// How people are let in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service {
    /// As the pacer does with nothing in its way.
    Steady,
    /// Independently of each other.
    Random,
    /// At another rate for the second half of the line.
    Step(f64),
    /// In turns, nobody at all.
    StopGo { go_s: f64, stop_s: f64 },
    /// When somebody inside is done: at first all at once, then in waves.
    Payments { inside: usize, mean_s: f64, spread: f64 },
}

/// Which half of the line is let in.
#[derive(Clone, Copy)]
enum Half {
    First,
    Second,
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap()) / (f64::from(u32::MAX) + 1.0)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// A line with the moment at which each of it is let in.
pub(super) struct Line {
    pub(super) rate_per_s: f64,
    pub(super) let_in_at: Vec<f64>,
    inside_max: usize,
}

/// Lets people in, tick by tick.
struct Server {
    service: Service,
    rate_per_s: f64,
    phase: f64,
    random: Random,
    bucket: f64,
    next_at: f64,
    ends_at: Vec<f64>,
}

impl Line {
    /// A line of 5 to 40 minutes, at 2 to 40 a second.
    pub(super) fn new(service: Service, seed: u64) -> Self {
        let mut random = Random(seed);
        let rate_per_s = random.between(2_f64.ln(), 40_f64.ln()).exp();
        let seconds = random.between(5.0, 40.0) * 60.0;
        let (people, inside_max) = match service {
            Service::Payments { inside, mean_s, .. } => (count(count_s(inside) / mean_s * seconds), inside),
            _ => (count(rate_per_s * seconds), usize::MAX),
        };
        let phase = random.unit();
        let mut server = Server { service, rate_per_s, phase, next_at: 0.0, bucket: 0.0, ends_at: Vec::new(), random };
        let mut let_in_at = Vec::with_capacity(people);
        let mut now = 0.0;
        while let_in_at.len() < people {
            now += TICK_S;
            let half = if 2 * let_in_at.len() < people { Half::First } else { Half::Second };
            for _ in 0..server.lets_in(now, half).min(people - let_in_at.len()) {
                let_in_at.push(now);
            }
        }
        Self { rate_per_s, let_in_at, inside_max }
    }

    /// Who looks when, and at which of the three points, in the order of time.
    pub(super) fn looks(&self) -> Vec<(f64, usize, usize)> {
        let people = self.let_in_at.len();
        let watchers = (0..people).step_by((people / WATCHERS).max(1));
        let patient = watchers.filter(|visitor| self.let_in_at[*visitor] >= SHORT_WAIT_S);
        let points = |visitor: usize| POINTS.map(|share| self.let_in_at[visitor] * share);
        let mut looks: Vec<_> = patient
            .flat_map(|visitor| points(visitor).into_iter().enumerate().map(move |(point, at)| (at, visitor, point)))
            .collect();
        looks.sort_by(|one, other| one.0.total_cmp(&other.0));
        looks
    }

    pub(super) fn sample(&self, now: f64, admitted: usize) -> Sample {
        Sample {
            now: Timestamp::from_millisecond(i64::try_from(count(now * 1_000.0)).unwrap()).unwrap(),
            admitted_total: admitted as u64,
            waiting: (self.let_in_at.len() - admitted) as u64,
            room: self.inside_max.saturating_sub(admitted) as u64,
            motion: Motion::Moving,
        }
    }
}

impl Server {
    fn lets_in(&mut self, now: f64, half: Half) -> usize {
        match self.service {
            Service::Steady => self.fill(self.rate_per_s),
            Service::Step(factor) => match half {
                Half::First => self.fill(self.rate_per_s),
                Half::Second => self.fill(self.rate_per_s * factor),
            },
            Service::StopGo { go_s, stop_s } => {
                let goes = (now / (go_s + stop_s) + self.phase).fract() < go_s / (go_s + stop_s);
                self.fill(if goes { self.rate_per_s } else { 0.0 })
            }
            Service::Random => {
                let mut came = 0;
                while self.next_at <= now {
                    self.next_at += self.random.exponential() / self.rate_per_s;
                    came += 1;
                }
                came
            }
            Service::Payments { inside, mean_s, spread } => {
                self.ends_at.retain(|end| *end > now);
                let came = self.fill(self.rate_per_s).min(inside - self.ends_at.len());
                for _ in 0..came {
                    let pace = (spread * self.random.normal() - spread * spread / 2.0).exp();
                    self.ends_at.push(now + mean_s * pace);
                }
                came
            }
        }
    }

    fn fill(&mut self, rate_per_s: f64) -> usize {
        self.bucket += rate_per_s * TICK_S;
        let whole = self.bucket.floor();
        self.bucket -= whole;
        count(whole)
    }
}

fn count(number: f64) -> usize {
    usize::try_from(whole_s(number.round())).unwrap()
}
