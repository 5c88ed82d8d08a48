//! What the ranges were worth.

use super::super::super::*;
use super::line::{Line, POINTS, Service};
use super::{Claim, TICK_S, count_s, seeds};

/// The bounds that the project set.
const HELD_MIN: f64 = 0.8;
const WIDTH_MAX: f64 = 0.5;
/// Ranges that are never shown hold nothing, and would not count.
const SHOWN_MIN: f64 = 0.9;

/// Of the looks at each of the points.
#[derive(Default)]
pub(super) struct Score([Looks; POINTS.len()]);

/// Looks at one point of the wait.
#[derive(Default)]
struct Looks {
    count: usize,
    held: usize,
    /// Over the true rest of the wait, of each range that was shown; in order.
    widths: Vec<f64>,
}

impl Score {
    /// Of a way to guess, over lines of a service.
    pub(super) fn of(service: Service, guess: impl Fn(&Line, &mut Estimator, u64) -> Option<Eta>) -> Self {
        let mut score = Self::default();
        (0..seeds()).for_each(|seed| score.add(&Line::new(service, seed), &guess));
        score.0.iter_mut().for_each(|looks| looks.widths.sort_by(f64::total_cmp));
        score
    }

    fn add(&mut self, line: &Line, guess: &impl Fn(&Line, &mut Estimator, u64) -> Option<Eta>) {
        let mut estimator = Estimator::new(u32::try_from(whole_s(line.rate_per_s.round())).unwrap());
        let mut looks = line.looks().into_iter().peekable();
        let (mut admitted, mut now) = (0, 0.0);
        while looks.peek().is_some() {
            admitted += line.let_in_at[admitted..].iter().take_while(|at| **at <= now + TICK_S / 2.0).count();
            estimator.sample(line.sample(now, admitted));
            while let Some((_, visitor, point)) = looks.next_if(|(at, ..)| *at < now + TICK_S) {
                let eta = guess(line, &mut estimator, visitor.saturating_sub(admitted) as u64);
                self.0[point].note(line.let_in_at[visitor] - now, eta);
            }
            now += TICK_S;
        }
    }

    /// Whether every bound holds, over all looks, and where claimed at each point.
    pub(super) fn is_good(&self, claim: Claim) -> bool {
        self.all().is_good() && (claim == Claim::Together || self.0.iter().all(Looks::is_good))
    }

    /// A line a point, and one for all.
    pub(super) fn rows(&self, name: &str) -> String {
        let at = POINTS.map(|point| format!("{:.0} %", 100.0 * point));
        let points = std::iter::zip(at, &self.0).map(|(at, looks)| looks.row(name, &at));
        points.chain([self.all().row(name, "all")]).collect()
    }

    fn all(&self) -> Looks {
        let mut all = Looks::default();
        for looks in &self.0 {
            all.count += looks.count;
            all.held += looks.held;
            all.widths.extend(&looks.widths);
        }
        all.widths.sort_by(f64::total_cmp);
        all
    }
}

impl Looks {
    fn note(&mut self, rest_s: f64, eta: Option<Eta>) {
        self.count += 1;
        let Some(eta) = eta else {
            return;
        };
        let [p10, p90] = [eta.p10, eta.p90].map(|seconds| f64::from(u32::try_from(seconds).unwrap()));
        self.held += usize::from((p10..=p90).contains(&rest_s));
        self.widths.push((p90 - p10) / rest_s);
    }

    fn is_good(&self) -> bool {
        self.held() >= HELD_MIN && self.width() <= WIDTH_MAX && self.shown() >= SHOWN_MIN
    }

    fn held(&self) -> f64 {
        self.share(self.held)
    }

    fn shown(&self) -> f64 {
        count_s(self.widths.len()) / count_s(self.count)
    }

    /// In the median.
    fn width(&self) -> f64 {
        self.widths[self.widths.len() / 2]
    }

    fn narrow(&self) -> f64 {
        self.share(self.widths.iter().filter(|width| **width <= WIDTH_MAX).count())
    }

    fn share(&self, of: usize) -> f64 {
        count_s(of) / count_s(self.widths.len())
    }

    fn row(&self, name: &str, at: &str) -> String {
        let [held, shown, narrow] = [self.held(), self.shown(), self.narrow()].map(|share| 100.0 * share);
        let (width, widest) = (self.width(), self.widths[self.widths.len() - 1]);
        format!("{name:20} {at:>6} {held:7.1} % {shown:7.1} % {width:8.2} {narrow:9.1} % {widest:8.2}\n")
    }
}
