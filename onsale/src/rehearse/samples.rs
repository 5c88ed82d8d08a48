//! What was seen each second: the tally, the units sold as Postgres has them, and who used the processor.
//!
//! Gateway, workers, fakes and fans run on threads of their own, told by name; Postgres and Redis are processes. Whatever
//! else runs on the machine is the rest, and is told too: a rehearsal beside other work measures that work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sandbox::{SandboxError, processor};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::clock::SaleClock;
use super::tally::{Count, Gauge, Tally, rounded};
use crate::servers::Servers;

/// Whose time is told; the first four are names of threads.
pub(super) const WHO: [&str; 7] = ["gateway", "workers", "fakes", "fans", "postgres", "redis", "idle"];
/// Between two samples at most.
const EVERY: Duration = Duration::from_secs(1);
/// A short sale has some dozens of samples all the same.
const EVERY_MIN: Duration = Duration::from_millis(200);

/// One look at everything; counts since the beginning.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) sale_s: f64,
    pub(super) sold: i64,
    pub(super) counts: Vec<u64>,
    pub(super) gauges: Vec<i64>,
    /// Seconds of the processor, by [`WHO`].
    pub(super) used_s: Vec<f64>,
}

/// Who is looked at.
pub(super) struct Looked {
    pub(super) servers: Arc<Servers>,
    pub(super) tally: Arc<Tally>,
    pub(super) clock: SaleClock,
    postgres: u32,
    redis: u32,
}

impl Looked {
    pub(super) async fn at(servers: &Arc<Servers>, tally: &Arc<Tally>, clock: SaleClock) -> Result<Self, SandboxError> {
        let parent = r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::bigint";
        let postgres = servers.database.number(parent).await?;
        let info = servers.redis.command(&["INFO", "server"]).await?;
        let redis = info.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok());
        Ok(Self {
            servers: Arc::clone(servers),
            tally: Arc::clone(tally),
            clock,
            postgres: u32::try_from(postgres).unwrap_or_default(),
            redis: redis.unwrap_or_default(),
        })
    }

    /// Looks until it is told to stop, and once more then.
    pub(super) async fn until(self, stop: CancellationToken) -> Vec<Sample> {
        let mut ticks = interval(EVERY.div_f64(self.clock.speed).clamp(EVERY_MIN, EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut samples, mut sold) = (Vec::new(), 0);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            samples.push(self.look(&mut sold).await);
        }
        samples.push(self.look(&mut sold).await);
        samples
    }

    /// While Postgres is away, as many are sold as were before.
    async fn look(&self, sold: &mut i64) -> Sample {
        if let Ok(now) = units_sold(&self.servers).await {
            *sold = now;
        }
        let at = Instant::now();
        Sample {
            at,
            sale_s: self.clock.sale_s(at),
            sold: *sold,
            counts: Count::DRAWN.iter().map(|(count, _)| self.tally.count(*count)).collect(),
            gauges: Gauge::DRAWN.iter().map(|(gauge, _)| self.tally.gauge(*gauge)).collect(),
            used_s: self.used().iter().map(Duration::as_secs_f64).collect(),
        }
    }

    fn used(&self) -> [Duration; WHO.len()] {
        let threads = processor::of_threads(std::process::id());
        let of = |name: &str| threads.get(name).copied().unwrap_or_default();
        let [gateway, workers, fakes, fans, ..] = WHO;
        [
            of(gateway),
            of(workers),
            of(fakes),
            of(fans),
            processor::of_family(self.postgres),
            processor::of(self.redis),
            processor::idle(),
        ]
    }
}

/// Units that are paid for.
pub(super) async fn units_sold(servers: &Servers) -> Result<i64, SandboxError> {
    servers.database.number("SELECT count(*) FROM units WHERE state = 'sold'").await
}

/// Shares of all cores between two samples, by [`WHO`], and what others used.
pub(super) fn shares(from: &Sample, to: &Sample, cores: usize) -> BTreeMap<&'static str, f64> {
    let all_s = (to.at - from.at).as_secs_f64() * cores as f64;
    let share = |index: usize| ((to.used_s[index] - from.used_s[index]) / all_s).clamp(0.0, 1.0);
    let mut shares: BTreeMap<_, _> = WHO.iter().enumerate().map(|(index, who)| (*who, share(index))).collect();
    let others = (1.0 - shares.values().sum::<f64>()).max(0.0);
    shares.insert("others", others);
    shares
}

/// The samples as the report has them: one list for each figure, counts since the beginning, shares since the sample before.
pub(super) fn timeline(samples: &[Sample], cores: usize) -> Value {
    let mut lists = Map::new();
    let list = |of: &dyn Fn(&Sample) -> Value| Value::Array(samples.iter().map(of).collect());
    lists.insert("sale_s".to_owned(), list(&|sample| rounded(sample.sale_s).into()));
    lists.insert("units_sold".to_owned(), list(&|sample| sample.sold.into()));
    for (index, (_, name)) in Count::DRAWN.iter().enumerate() {
        lists.insert((*name).to_owned(), list(&|sample| sample.counts[index].into()));
    }
    for (index, (_, name)) in Gauge::DRAWN.iter().enumerate() {
        lists.insert((*name).to_owned(), list(&|sample| sample.gauges[index].into()));
    }
    let pairs: Vec<_> = samples.windows(2).map(|pair| shares(&pair[0], &pair[1], cores)).collect();
    let of = |who: &str| -> Vec<Value> {
        let first = (!samples.is_empty()).then(|| json!(0.0));
        first.into_iter().chain(pairs.iter().map(|shares| rounded(shares[who]).into())).collect()
    };
    let processor: Map<_, _> = WHO.iter().chain(&["others"]).map(|who| ((*who).to_owned(), of(who).into())).collect();
    lists.insert("processor".to_owned(), processor.into());
    Value::Object(lists)
}
