//! The estimator against simulated lines, seed by seed.
//!
//! A line waits from the beginning; a server of some kind lets it in, tick by tick. Each visitor looks three times: at
//! 25, 50 and 75 % of the own wait. *Held* is the share of ranges shown that held the true rest of the wait; *width* is the
//! median over looks of the range's width over that true rest. Waits of less than [`SHORT_WAIT_S`] are left out: a range of
//! whole seconds is wider than half of a rest of two.
//!
//! The negative control is the same range around the configured rate: with it the same bounds do not hold where the rate
//! changes.

use super::super::*;

const TICK_S: f64 = 0.2;
const SHORT_WAIT_S: f64 = 20.0;
const SEEDS: u64 = 8;
/// Visitors that look, of each line.
const WATCHERS: usize = 100;

/// The bounds that the project set.
const HELD_MIN: f64 = 0.8;
const WIDTH_MAX: f64 = 0.5;

/// How people are let in.
#[derive(Debug, Clone, Copy)]
enum Service {
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
struct Line {
    rate_per_s: f64,
    let_in_at: Vec<f64>,
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
    fn new(service: Service, seed: u64) -> Self {
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
    fn looks(&self) -> Vec<(f64, usize, usize)> {
        let people = self.let_in_at.len();
        let watchers = (0..people).step_by((people / WATCHERS).max(1));
        let patient = watchers.filter(|visitor| self.let_in_at[*visitor] >= SHORT_WAIT_S);
        let points = |visitor: usize| [0.25, 0.5, 0.75].map(|share| self.let_in_at[visitor] * share);
        let mut looks: Vec<_> = patient
            .flat_map(|visitor| points(visitor).into_iter().enumerate().map(move |(point, at)| (at, visitor, point)))
            .collect();
        looks.sort_by(|one, other| one.0.total_cmp(&other.0));
        looks
    }

    fn sample(&self, now: f64, admitted: usize) -> Sample {
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

fn count_s(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// What the ranges were worth.
#[derive(Default)]
struct Score {
    looks: [usize; 3],
    shown: [usize; 3],
    held: [usize; 3],
    widths: Vec<f64>,
}

impl Score {
    fn of(service: Service, guess: impl Fn(&Line, &Estimator, u64) -> Option<Eta>) -> Self {
        let mut score = Self::default();
        (0..SEEDS).for_each(|seed| score.add(&Line::new(service, seed), &guess));
        score.widths.sort_by(f64::total_cmp);
        score
    }

    fn add(&mut self, line: &Line, guess: &impl Fn(&Line, &Estimator, u64) -> Option<Eta>) {
        let mut estimator = Estimator::new(u32::try_from(whole_s(line.rate_per_s.round())).unwrap());
        let mut looks = line.looks().into_iter().peekable();
        let (mut admitted, mut now) = (0, 0.0);
        while looks.peek().is_some() {
            admitted += line.let_in_at[admitted..].iter().take_while(|at| **at <= now + TICK_S / 2.0).count();
            estimator.sample(line.sample(now, admitted));
            while let Some((_, visitor, point)) = looks.next_if(|(at, ..)| *at < now + TICK_S) {
                let eta = guess(line, &estimator, visitor.saturating_sub(admitted) as u64);
                self.note(point, line.let_in_at[visitor] - now, eta);
            }
            now += TICK_S;
        }
    }

    fn note(&mut self, point: usize, rest_s: f64, eta: Option<Eta>) {
        self.looks[point] += 1;
        let Some(eta) = eta else {
            return;
        };
        let [p10, p90] = [eta.p10, eta.p90].map(|seconds| f64::from(u32::try_from(seconds).unwrap()));
        self.shown[point] += 1;
        self.held[point] += usize::from((p10..=p90).contains(&rest_s));
        self.widths.push((p90 - p10) / rest_s);
    }

    fn share(of: [usize; 3], all: [usize; 3]) -> f64 {
        count_s(of.iter().sum()) / count_s(all.iter().sum())
    }

    fn held(&self) -> f64 {
        Self::share(self.held, self.shown)
    }

    fn width(&self) -> f64 {
        self.widths[self.widths.len() / 2]
    }

    fn row(&self) -> String {
        let [a, b, c] = [0, 1, 2].map(|point| 100.0 * count_s(self.held[point]) / count_s(self.shown[point]));
        let (held, shown) = (100.0 * self.held(), 100.0 * Self::share(self.shown, self.looks));
        format!("held {held:5.1} % ({a:3.0} {b:3.0} {c:3.0})  shown {shown:5.1} %  width {:.2}", self.width())
    }
}

const SERVICES: [(&str, Service); 7] = [
    ("steady", Service::Steady),
    ("random", Service::Random),
    ("step to 0.6", Service::Step(0.6)),
    ("step to 1.5", Service::Step(1.5)),
    ("10 s go, 10 s stop", Service::StopGo { go_s: 10.0, stop_s: 10.0 }),
    ("payments, alike", Service::Payments { inside: 200, mean_s: 90.0, spread: 0.3 }),
    ("payments, unlike", Service::Payments { inside: 200, mean_s: 90.0, spread: 0.6 }),
];

#[test]
fn the_range_holds_the_truth_and_is_of_use() {
    let mut table = format!("\n{:20} held (at 25, 50, 75 % of the wait), shown, median width / rest\n", "service");
    let mut good = true;
    for (name, service) in SERVICES {
        let score = Score::of(service, |_, estimator, ahead| estimator.forecast().eta(ahead));
        good &= score.held() >= HELD_MIN && score.width() <= WIDTH_MAX && Score::share(score.shown, score.looks) > 0.9;
        table += &format!("{name:20} {}\n", score.row());
    }
    assert!(good, "{table}");
    eprintln!("{table}");
}

#[test]
fn a_rate_that_is_assumed_does_not_hold_where_service_changes() {
    for (name, service) in SERVICES {
        let score = Score::of(service, |line, _, ahead| range(&Outlook::of_rate(line.rate_per_s), ahead));
        let changes = !matches!(service, Service::Steady | Service::Random);
        assert_eq!(score.held() < HELD_MIN, changes, "{name:20} {}", score.row());
    }
}
