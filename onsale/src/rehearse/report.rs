//! The report: one JSON document, and a page made of nothing but it.
//!
//! `counts` is the same for the same seed, as `same_seed` says in words; all else is measured. Times are seconds of the sale from its opening, unless a
//! field says otherwise; rates are per second of this machine where the field says `here`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use domain::sale::SaleConfig;
use ledger::audit::AuditReport;
use serde_json::{Value, json};

use super::RehearsalError;
use super::advice::Selling;
use super::page;
use super::plan::Drawing;
use super::samples::{Sample, timeline};
use super::tally::{Count, Foretold, Gauge, Tally, quantile, rounded};
use crate::command::Failure;

/// Why a rehearsal was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    SoldOut,
    EveryFanDone,
    TimeUp,
    Interrupted,
}

impl Ended {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::SoldOut => "sold_out",
            Self::EveryFanDone => "every_fan_done",
            Self::TimeUp => "time_up",
            Self::Interrupted => "interrupted",
        }
    }

    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::SoldOut => "every unit is paid for",
            Self::EveryFanDone => "every fan is done",
            Self::TimeUp => "the time is up",
            Self::Interrupted => "asked to end",
        }
    }

    const fn is_complete(self) -> bool {
        matches!(self, Self::SoldOut | Self::EveryFanDone)
    }
}

/// All there is to tell.
pub(super) struct Rehearsal {
    pub(super) sale: SaleConfig,
    /// The same as it is rehearsed at speed 1.
    pub(super) in_real_time: SaleConfig,
    pub(super) changes: Vec<String>,
    pub(super) drawn: bool,
    pub(super) plan: Value,
    pub(super) drawing: Drawing,
    pub(super) fans: u32,
    pub(super) speed: f64,
    pub(super) speed_why: String,
    pub(super) cores: usize,
    pub(super) files: u64,
    pub(super) sockets_max: usize,
    pub(super) ended: Ended,
    pub(super) ended_after_s: f64,
    pub(super) units: u32,
    pub(super) sold: i64,
    pub(super) audit: AuditReport,
    pub(super) samples: Vec<Sample>,
    pub(super) tally: Arc<Tally>,
}

/// Bars of the histogram of waits.
const BARS: usize = 20;
/// Points of the forecast.
const POINTS: u32 = 10;
/// The last units wait for holds that run out, so that the end says little of most of the sale.
const SOLD_SHARES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];
/// A wait foretold to be shorter than this is no test of a forecast, in seconds of this machine.
const FORETOLD_MIN_S: f64 = 2.0;

/// Writes both into a directory, made if need be.
pub(super) fn write(rehearsal: &Rehearsal, out: &Path) -> Result<(), Failure> {
    let report = rehearsal.report();
    fs::create_dir_all(out)?;
    fs::write(out.join("report.json"), format!("{report:#}\n"))?;
    fs::write(out.join("report.html"), page::of(&report))?;
    println!("{}", report["verdict"]["in_words"].as_str().unwrap_or_default());
    println!("report    {}\n          {}", out.join("report.html").display(), out.join("report.json").display());
    Ok(())
}

impl Rehearsal {
    /// What the command ends with.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if !self.audit.holds() {
            return Err(Failure::Breach);
        }
        if self.ended.is_complete() { Ok(()) } else { Err(RehearsalError::Early(self.ended.in_words()).into()) }
    }

    fn sold_out(&self) -> bool {
        self.sold >= i64::from(self.units)
    }

    fn report(&self) -> Value {
        let selling = Selling::of(self);
        let bounds: Vec<_> = selling.iter().flat_map(Selling::bounds).collect();
        json!({
            "onsale": env!("CARGO_PKG_VERSION"),
            "sale": {
                "name": self.sale.name,
                "units": self.units,
                "tiers": self.drawing.tiers,
                "prequeue": self.drawn,
                "admission": self.sale.admission,
                "hold": self.sale.hold,
                "per_buyer_limit": self.sale.per_buyer_limit,
            },
            "verdict": self.told(selling.as_ref()),
            "counts": { "plan": self.plan, "outcome": self.outcome(), "same_seed": self.same_seed() },
            "measured": self.measured(),
            "processor": selling.as_ref().map(Selling::processor),
            "bounds": bounds.iter().map(|(used, what)| json!({ "used": rounded(*used), "what": what })).collect::<Vec<_>>(),
            "suggestion": selling.as_ref().and_then(Selling::suggestion),
            "forecast": self.forecast(),
            "faults": self.tally.faults(),
            "invariants": self.invariants(),
            "rehearsed": {
                "speed": self.speed,
                "speed_why": self.speed_why,
                "changes": self.changes,
                "unscaled": "Not scaled by the speed: when silence counts (15 s), the draw (some 4 s), ticks, pauses, and how fast this machine is.",
                "cores": self.cores,
                "open_files_max": self.files,
                "sockets_max": self.sockets_max,
                "crowd": self.drawing.crowd,
                "in_real_time": self.in_real_time,
            },
            "timeline": timeline(&self.samples, self.cores),
        })
    }

    fn told(&self, selling: Option<&Selling<'_>>) -> Value {
        let limited_by = selling.map_or_else(|| "nothing was sold".to_owned(), Selling::limited_by);
        let after = self.sold_out().then(|| rounded(self.ended_after_s));
        let in_words = match after {
            Some(after) => format!(
                "Sold out {} after the opening: {} of {} units. Held back by: {limited_by}.",
                span(after),
                self.sold,
                self.units
            ),
            None => format!(
                "Not sold out: {} of {} units when {} ({} after the opening). Held back by: {limited_by}.",
                self.sold,
                self.units,
                self.ended.in_words(),
                span(self.ended_after_s)
            ),
        };
        json!({
            "in_words": in_words,
            "sold_out": self.sold_out(),
            "sold_out_after_s": after,
            "ended": self.ended.word(),
            "complete": self.ended.is_complete(),
            "invariants_hold": self.audit.holds(),
            "limited_by": limited_by,
        })
    }

    fn outcome(&self) -> Value {
        json!({
            "units_on_sale": self.units,
            "units_sold": self.sold,
            "units_left": i64::from(self.units) - self.sold,
            "units_oversold": (self.sold - i64::from(self.units)).max(0),
            "fans": self.fans,
            "fans_who_only_look": self.plan["only_look"],
            "fans_who_vanish": self.plan["join_and_vanish"],
        })
    }

    fn same_seed(&self) -> &'static str {
        if !self.ended.is_complete() {
            "The plan is the same in every rehearsal of this seed. This one did not come to its end: what was sold is not."
        } else if self.sold_out() {
            "All of these are the same in every rehearsal of this seed, crowd and sale that sells out."
        } else {
            "The plan is the same in every rehearsal of this seed. The sale did not sell out: what was sold depends also on \
             patience and time, which are measured."
        }
    }

    fn measured(&self) -> Value {
        let tally = &self.tally;
        let endings = tally.endings();
        let ended: u64 = endings.values().sum();
        json!({
            "endings": endings,
            "cut_off": u64::from(self.fans).saturating_sub(ended),
            "waiting": self.waiting(),
            "foretold": self.foretold(),
            "ahead_rose": tally.count(Count::AheadRose),
            "turns": tally.count(Count::Turns),
            "holds": tally.count(Count::Holds),
            "orders": tally.count(Count::Orders),
            "paid_orders": tally.count(Count::PaidOrders),
            "requests": tally.count(Count::Requests),
            "refused": tally.count(Count::Refused),
            "failed": tally.count(Count::Failed),
            "positions_heard": tally.count(Count::Frames),
            "sockets_peak": tally.peak(Gauge::Sockets),
            "polled_for_want_of_files": tally.count(Count::PolledInstead),
            "shoppers_peak": tally.peak(Gauge::Inside),
            "requests_per_s_peak_here": self.peak_requests_per_s(),
            "refusals": tally.refusals(),
            "routes": tally.routes(),
        })
    }

    fn peak_requests_per_s(&self) -> f64 {
        let index = Count::DRAWN.iter().position(|(count, _)| *count == Count::Requests).expect("requests are drawn");
        let rates = self.samples.windows(2).map(|pair| {
            let asked = pair[1].counts[index].saturating_sub(pair[0].counts[index]);
            asked as f64 / (pair[1].at - pair[0].at).as_secs_f64().max(0.001)
        });
        rounded(rates.fold(0.0, f64::max))
    }

    /// From joining, or the opening if that was later, to the turn.
    fn waiting(&self) -> Value {
        let mut waits: Vec<_> = self.tally.waits_s().iter().map(|wait| wait * self.speed).collect();
        let at = |waits: &mut Vec<f64>, share| rounded(quantile(waits, share));
        let (p50, p90, p99) = (at(&mut waits, 0.5), at(&mut waits, 0.9), at(&mut waits, 0.99));
        let longest = waits.last().copied().unwrap_or_default();
        let width = (longest / BARS as f64).max(1.0);
        let bars: Vec<_> = (0..BARS)
            .map(|bar| {
                let (from, to) = (bar as f64 * width, (bar + 1) as f64 * width);
                let last = bar + 1 == BARS;
                let fans = waits.iter().filter(|wait| **wait >= from && (**wait < to || last)).count();
                json!({ "from_s": rounded(from), "to_s": rounded(to), "fans": fans })
            })
            .collect();
        json!({ "turns": waits.len(), "p50_s": p50, "p90_s": p90, "p99_s": p99, "longest_s": rounded(longest), "histogram": bars })
    }

    /// How true the first waiting time was that a fan was shown.
    fn foretold(&self) -> Value {
        let long = |foretold: &Foretold| foretold.p50_s >= FORETOLD_MIN_S;
        let foretold: Vec<_> = self.tally.foretold().into_iter().filter(long).collect();
        let all = (foretold.len() as f64).max(1.0);
        let kept = foretold.iter().filter(|foretold| foretold.was_s <= foretold.p90_s + 1.0).count();
        let mut off: Vec<_> =
            foretold.iter().map(|foretold| (foretold.was_s - foretold.p50_s).abs() / foretold.was_s.max(1.0)).collect();
        json!({
            "fans": foretold.len(),
            "within_p90_share": (!foretold.is_empty()).then(|| rounded(kept as f64 / all)),
            "off_by_median_share": (!foretold.is_empty()).then(|| rounded(quantile(&mut off, 0.5))),
        })
    }

    /// What another load test of the same sale can be compared with.
    fn forecast(&self) -> Value {
        let end = self.ended_after_s.max(0.0);
        let sold_at = |time: f64| {
            let seen = self.samples.iter().rfind(|sample| sample.sale_s <= time);
            seen.map_or(0, |sample| sample.sold)
        };
        let mut points: Vec<_> = (1..POINTS)
            .map(|point| end * f64::from(point) / f64::from(POINTS))
            .map(|time| json!({ "after_s": rounded(time), "units": sold_at(time) }))
            .collect();
        points.push(json!({ "after_s": rounded(end), "units": self.sold }));
        let shares = SOLD_SHARES.map(|share| {
            let enough = |sample: &&Sample| sample.sold as f64 >= share * f64::from(self.units);
            let after = self.samples.iter().find(enough).map(|sample| rounded(sample.sale_s));
            json!({ "share": share, "after_s": after })
        });
        let bought = self.tally.count(Count::PaidOrders) as f64;
        json!({
            "paid_units_at": points,
            "share_sold_after": shares,
            "sold_out_after_s": self.sold_out().then(|| rounded(end)),
            "fans_served_per_s": rounded(bought / end.max(1.0)),
        })
    }

    fn invariants(&self) -> Value {
        let lines = self.audit.lines.iter().map(|line| {
            let figures: serde_json::Map<_, _> =
                line.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json!({ "invariant": line.invariant, "title": line.title, "figures": figures, "breaches": line.breaches })
        });
        json!({ "hold": self.audit.holds(), "lines": lines.collect::<Vec<_>>() })
    }
}

/// A time as people say it.
pub(super) fn span(seconds: f64) -> String {
    let whole = super::sale::whole(seconds.max(0.0).round());
    match (whole / 60, whole % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
