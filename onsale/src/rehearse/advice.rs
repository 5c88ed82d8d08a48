//! What a rehearsal says about rate and cap, with the arithmetic, and what is used up first.
//!
//! A rate is good when those whom it lets in can all pay: so it is the paid orders a second that the processor carries, or
//! Stripe takes, times the turns that one paid order takes. Who is inside at that rate, by Little's law (rate times the time
//! inside), is the cap. The crowd's own part of the processor is left out: in production it is not on these cores.

use serde_json::{Value, json};

use super::fan::AT_ONCE_MAX;
use super::report::Rehearsal;
use super::sale::whole;
use super::samples::{Sample, shares};
use super::tally::{Count, Gauge, quantile, rounded};

/// How busy processors may be on average, so that a bad second does not queue up.
const BUSY_MAX: f64 = 0.7;
/// Writes at Stripe that a paid order takes: confirm, capture.
const WRITES_OF_ORDER: f64 = 2.0;
/// From here on something is used up.
const FULL: f64 = 0.9;

/// What the selling cost, from the opening to the last unit.
pub(super) struct Selling<'a> {
    rehearsal: &'a Rehearsal,
    from: &'a Sample,
    to: &'a Sample,
}

impl<'a> Selling<'a> {
    /// The part of the samples in which units were sold; none when there are not two of them.
    pub(super) fn of(rehearsal: &'a Rehearsal) -> Option<Self> {
        let samples = &rehearsal.samples;
        let from = samples.iter().rfind(|sample| sample.sale_s <= 0.0).or(samples.first())?;
        let last = samples.last()?;
        let to = samples.iter().find(|sample| sample.at > from.at && sample.sold == last.sold).unwrap_or(last);
        (to.at > from.at && last.sold > 0).then_some(Self { rehearsal, from, to })
    }

    /// Seconds of this machine.
    fn lasted_s(&self) -> f64 {
        (self.to.at - self.from.at).as_secs_f64()
    }

    fn counted(&self, count: Count) -> f64 {
        let index = Count::DRAWN.iter().position(|(drawn, _)| *drawn == count);
        index.map_or(0.0, |index| self.to.counts[index].saturating_sub(self.from.counts[index]) as f64)
    }

    /// Who used how much of all cores.
    pub(super) fn processor(&self) -> Value {
        let shares = shares(self.from, self.to, self.rehearsal.cores);
        json!(
            shares.into_iter().map(|(who, share)| (who, rounded(share))).collect::<std::collections::BTreeMap<_, _>>()
        )
    }

    /// How much of each bound was used, the fullest first.
    pub(super) fn bounds(&self) -> Vec<(f64, String)> {
        let Rehearsal { sale, tally, cores, speed, .. } = self.rehearsal;
        let per_s = |count| self.counted(count) / self.lasted_s();
        let rate = f64::from(sale.admission.rate_per_s) * speed;
        let writes = self.rehearsal.drawing.crowd.payments.writes_per_s * speed;
        let shares = shares(self.from, self.to, *cores);
        let (busy, others) = (1.0 - shares["idle"], shares["others"] * 100.0);
        let peak = |gauge| tally.peak(gauge) as f64;
        let mut bounds = vec![
            (
                per_s(Count::Turns) / rate,
                format!("admission rate: {:.1} of {rate:.1} turns a second here", per_s(Count::Turns)),
            ),
            (
                peak(Gauge::Inside) / f64::from(sale.admission.max_shoppers),
                format!("shoppers inside: {} of {} at the peak", peak(Gauge::Inside), sale.admission.max_shoppers),
            ),
            (
                busy,
                format!(
                    "processor of this machine: {:.0} % of {cores} cores, {others:.0} % by what else runs on it",
                    busy * 100.0
                ),
            ),
            (
                WRITES_OF_ORDER * per_s(Count::Payments) / writes,
                format!(
                    "Stripe's writes: {:.1} of {writes:.0} a second here",
                    WRITES_OF_ORDER * per_s(Count::Payments)
                ),
            ),
            (
                peak(Gauge::UnderWay) / AT_ONCE_MAX as f64,
                format!("connections of the fans: {} of {AT_ONCE_MAX} at the peak", peak(Gauge::UnderWay)),
            ),
            (
                peak(Gauge::Sockets) / (self.rehearsal.sockets_max as f64).max(1.0),
                format!(
                    "open files of this process: {} of {} sockets at the peak",
                    peak(Gauge::Sockets),
                    self.rehearsal.sockets_max
                ),
            ),
        ];
        bounds.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        bounds
    }

    /// What held the sale back, in words.
    pub(super) fn limited_by(&self) -> String {
        match self.bounds().into_iter().find(|(used, _)| *used >= FULL) {
            Some((_, bound)) => bound,
            None => "nothing was used up: fans thinking and paying took the time".to_owned(),
        }
    }

    /// Rate and cap, and how they come about.
    pub(super) fn suggestion(&self) -> Option<Value> {
        let Rehearsal { sale, tally, cores, speed, drawing, .. } = self.rehearsal;
        let (orders, turns) = (self.counted(Count::PaidOrders), self.counted(Count::Turns));
        if orders < 1.0 {
            return None;
        }
        let shares = shares(self.from, self.to, *cores);
        let ours: f64 = ["gateway", "workers", "postgres", "redis"].iter().map(|who| shares[who]).sum();
        let cost_s = ours * *cores as f64 * self.lasted_s() / orders;
        let carried = BUSY_MAX * *cores as f64 / cost_s;
        let writes = drawing.crowd.payments.writes_per_s;
        let taken = BUSY_MAX * writes / WRITES_OF_ORDER;
        let (turns_of_order, paid) = (turns / orders, carried.min(taken));
        let rate = (paid * turns_of_order).floor().max(1.0);
        let mut inside: Vec<_> = tally.inside_s().iter().map(|seconds| seconds * speed).collect();
        let mean_s = inside.iter().sum::<f64>() / (inside.len() as f64).max(1.0);
        let cap = (rate * mean_s / 10.0).ceil() * 10.0;
        let arithmetic = [
            format!(
                "a paid order took {:.1} ms of the processor of gateway, workers, Postgres and Redis, the waiting room \
                 included: {:.1} s in {:.1} s for {orders} orders",
                cost_s * 1_000.0,
                cost_s * orders,
                self.lasted_s()
            ),
            format!(
                "{cores} such cores, {:.0} % busy, carry {BUSY_MAX} × {cores} / {cost_s:.4} s = {carried:.1} paid orders a second",
                BUSY_MAX * 100.0
            ),
            format!(
                "Stripe takes {writes} writes a second, {WRITES_OF_ORDER} an order: {BUSY_MAX} × {writes} / {WRITES_OF_ORDER} = {taken:.1} paid orders a second"
            ),
            format!("a paid order took {turns_of_order:.2} turns: {turns} turns for {orders} orders"),
            format!(
                "rate_per_s = {paid:.1} × {turns_of_order:.2} = {rate:.0} (configured: {})",
                sale.admission.rate_per_s
            ),
            format!(
                "a shopper was inside for {mean_s:.0} s of the sale (99 of 100 at most {:.0} s): max_shoppers = {rate:.0} × \
                 {mean_s:.0} = {cap:.0} (configured: {})",
                quantile(&mut inside, 0.99),
                sale.admission.max_shoppers
            ),
        ];
        Some(json!({ "rate_per_s": whole(rate), "max_shoppers": whole(cap), "arithmetic": arithmetic }))
    }
}
