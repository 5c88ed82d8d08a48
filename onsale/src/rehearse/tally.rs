//! What was seen: counts, gauges with their peaks, times by route, refusals, endings, waits.
//!
//! One for all fans. Counters are atomics; what is kept one by one (waits, foretold waits) is one number a fan. A time falls
//! into one of [`BUCKETS`] buckets that grow by a tenth, so a quantile of times is right to a tenth.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// From a tenth of a millisecond to some three minutes.
const BUCKETS: usize = 152;
const BUCKET_MIN_S: f64 = 0.000_1;
const BUCKET_GROWTH: f64 = 1.1;

/// What fans ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Look,
    Join,
    Place,
    Leave,
    Live,
    Hold,
    Reclaim,
    GiveBack,
    Order,
    Pay,
    Follow,
}

impl Step {
    pub(super) const ALL: [Self; 11] = [
        Self::Look,
        Self::Join,
        Self::Place,
        Self::Leave,
        Self::Live,
        Self::Hold,
        Self::Reclaim,
        Self::GiveBack,
        Self::Order,
        Self::Pay,
        Self::Follow,
    ];

    /// Whether only who has a turn takes it.
    pub(super) const fn is_shopping(self) -> bool {
        match self {
            Self::Hold | Self::Reclaim | Self::GiveBack | Self::Order | Self::Pay | Self::Follow => true,
            Self::Look | Self::Join | Self::Place | Self::Leave | Self::Live => false,
        }
    }

    /// The route that answers it.
    pub(super) const fn route(self) -> &'static str {
        match self {
            Self::Look => "GET /v1/sales/{sale}",
            Self::Join => "POST /v1/sales/{sale}/queue",
            Self::Place => "GET /v1/sales/{sale}/queue/place",
            Self::Leave => "DELETE /v1/sales/{sale}/queue/place",
            Self::Live => "GET /v1/sales/{sale}/live",
            Self::Hold => "POST /v1/sales/{sale}/holds",
            Self::Reclaim => "POST /v1/sales/{sale}/holds/{hold}/reclaim",
            Self::GiveBack => "DELETE /v1/sales/{sale}/holds/{hold}",
            Self::Order => "POST /v1/sales/{sale}/orders",
            Self::Pay => "POST /v1/sales/{sale}/orders/{order}/pay",
            Self::Follow => "GET /v1/sales/{sale}/orders/{order}",
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Arrived,
    Joined,
    Turns,
    Holds,
    Orders,
    Payments,
    PaidOrders,
    PaidUnits,
    Requests,
    Refused,
    Failed,
    Frames,
    AheadRose,
    PolledInstead,
}

impl Count {
    /// Those that the report draws over time, and what it calls them.
    pub(super) const DRAWN: [(Self, &'static str); 11] = [
        (Self::Arrived, "arrived"),
        (Self::Joined, "joined"),
        (Self::Turns, "turns"),
        (Self::Holds, "holds"),
        (Self::Orders, "orders"),
        (Self::Payments, "payments"),
        (Self::PaidOrders, "paid_orders"),
        (Self::PaidUnits, "paid_units"),
        (Self::Requests, "requests"),
        (Self::Refused, "refused"),
        (Self::Failed, "failed"),
    ];
}

/// What goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gauge {
    Sockets,
    Inside,
    UnderWay,
}

impl Gauge {
    pub(super) const DRAWN: [(Self, &'static str); 3] =
        [(Self::Sockets, "sockets"), (Self::Inside, "shoppers_inside"), (Self::UnderWay, "requests_under_way")];
}

/// A wait that was foretold once, and what it was; seconds of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foretold {
    pub(super) p50_s: f64,
    pub(super) p90_s: f64,
    pub(super) was_s: f64,
}

/// All of it.
pub(super) struct Tally {
    counts: [AtomicU64; 14],
    gauges: [(AtomicI64, AtomicI64); 3],
    times: [Times; 11],
    refusals: Mutex<BTreeMap<(Step, String), u64>>,
    endings: Mutex<BTreeMap<&'static str, u64>>,
    waits_s: Mutex<Vec<f64>>,
    inside_s: Mutex<Vec<f64>>,
    foretold: Mutex<Vec<Foretold>>,
    faults: Mutex<BTreeMap<String, Value>>,
    bounds: Vec<f64>,
}

/// How long answers to one kind of request took.
pub(super) struct Times {
    buckets: [AtomicU64; BUCKETS + 1],
}

impl Tally {
    pub(super) fn new() -> Self {
        let bounds = std::iter::successors(Some(BUCKET_MIN_S), |bound| Some(bound * BUCKET_GROWTH));
        Self {
            counts: Default::default(),
            gauges: Default::default(),
            times: std::array::from_fn(|_| Times { buckets: std::array::from_fn(|_| AtomicU64::new(0)) }),
            refusals: Mutex::default(),
            endings: Mutex::default(),
            waits_s: Mutex::default(),
            inside_s: Mutex::default(),
            foretold: Mutex::default(),
            faults: Mutex::default(),
            bounds: bounds.take(BUCKETS).collect(),
        }
    }

    pub(super) fn add(&self, count: Count, by: u64) {
        self.counts[count as usize].fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// Raises a gauge until what is given is dropped.
    pub(super) fn raise(self: &Arc<Self>, gauge: Gauge) -> Raised {
        let (now, peak) = &self.gauges[gauge as usize];
        peak.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Raised { tally: Arc::clone(self), gauge }
    }

    pub(super) fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize].0.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize].1.load(Ordering::Relaxed)
    }

    /// An answer came, with that status; 0 for none.
    pub(super) fn answered(&self, step: Step, status: u16, took: Duration) {
        let took_s = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < took_s);
        self.times[step as usize].buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.add(Count::Requests, 1);
        match status {
            0 | 500.. => self.add(Count::Failed, 1),
            400..=499 => self.add(Count::Refused, 1),
            _ => {}
        }
    }

    pub(super) fn refused(&self, step: Step, code: &str) {
        *unpoisoned(&self.refusals).entry((step, code.to_owned())).or_default() += 1;
    }

    pub(super) fn ended(&self, how: &'static str) {
        *unpoisoned(&self.endings).entry(how).or_default() += 1;
    }

    pub(super) fn waited(&self, seconds: f64, foretold: Option<Foretold>) {
        unpoisoned(&self.waits_s).push(seconds);
        unpoisoned(&self.foretold).extend(foretold);
    }

    pub(super) fn was_inside(&self, seconds: f64) {
        unpoisoned(&self.inside_s).push(seconds);
    }

    /// Keeps what is known of a fault so far.
    pub(super) fn note_fault(&self, told: &Value) {
        unpoisoned(&self.faults).insert(format!("{} {}", told["at_s"], told["kind"]), told.clone());
    }

    pub(super) fn faults(&self) -> Vec<Value> {
        unpoisoned(&self.faults).values().cloned().collect()
    }

    pub(super) fn endings(&self) -> BTreeMap<&'static str, u64> {
        unpoisoned(&self.endings).clone()
    }

    pub(super) fn waits_s(&self) -> Vec<f64> {
        unpoisoned(&self.waits_s).clone()
    }

    pub(super) fn inside_s(&self) -> Vec<f64> {
        unpoisoned(&self.inside_s).clone()
    }

    pub(super) fn foretold(&self) -> Vec<Foretold> {
        unpoisoned(&self.foretold).clone()
    }

    /// Refusals by route and code.
    pub(super) fn refusals(&self) -> Vec<Value> {
        let refusals = unpoisoned(&self.refusals);
        let told =
            refusals.iter().map(|((step, code), count)| json!({ "route": step.route(), "code": code, "count": count }));
        told.collect()
    }

    /// Requests and their times by route, of those routes that were asked.
    pub(super) fn routes(&self) -> Vec<Value> {
        let told = Step::ALL.into_iter().filter_map(|step| {
            let counts: Vec<u64> =
                self.times[step as usize].buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
            let all: u64 = counts.iter().sum();
            let at = |share: f64| rounded(self.quantile(&counts, share) * 1_000.0);
            (all > 0).then(|| {
                json!({ "route": step.route(), "requests": all, "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99) })
            })
        });
        told.collect()
    }

    fn quantile(&self, counts: &[u64], share: f64) -> f64 {
        let all: u64 = counts.iter().sum();
        let mut left = all as f64 * share;
        for (count, bound) in counts.iter().zip(&self.bounds) {
            left -= *count as f64;
            if left <= 0.0 {
                return *bound;
            }
        }
        self.bounds.last().copied().unwrap_or_default()
    }
}

/// A gauge that is one higher as long as this lives.
pub(super) struct Raised {
    tally: Arc<Tally>,
    gauge: Gauge,
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.tally.gauges[self.gauge as usize].0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A figure as people read it: three decimals at most.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// The smallest of which so large a share is not larger; 0 of none.
pub(super) fn quantile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let below = share * figures.len() as f64;
    let index = figures.iter().enumerate().position(|(index, _)| (index + 1) as f64 >= below);
    index.and_then(|index| figures.get(index)).copied().unwrap_or_default()
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
