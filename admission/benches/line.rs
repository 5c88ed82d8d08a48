//! What a line costs Redis: bytes a visitor, time a call, commands a second, at 10,000 and at 1,000,000 waiting; and what a
//! view costs when 50,000 are inside.
//!
//! A private Redis, one sale at a time, the scripts that production runs. Time of day is the sandbox clock, so a second of
//! ticks is a second whatever this machine does meanwhile. Joins stand beside `redis-benchmark`, which sends the very call that
//! the queue sends. Bounded: 2.1 million joins and some thousand ticks, about a minute.

#[path = "support/raw.rs"]
mod raw;
#[path = "support/redis_benchmark.rs"]
mod redis_benchmark;
#[path = "support/timing.rs"]
mod timing;

use std::time::{Duration, Instant};

use admission::keys::SaleKeys;
use admission::{
    JOIN_BATCH_MAX, JoinAsk, Loader, Pace, PaceState, Pulse, Queue, Snapshot, Store, StoreConfig, TierSnapshot, View,
};
use domain::token::{Allowance, Holder};
use domain::{PlaceNumber, SaleId, UnitNo};
use raw::Raw;
use sandbox::figures::{Figure, Table, Target};
use sandbox::{Persistence, Redis, RedisOptions};
use timing::Times;
use uuid::Uuid;

const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;
const GATEWAYS: u64 = 4;
const TICK_MS: i64 = 200;
/// Simulated time in which commands are counted.
const COUNTED_S: u32 = 20;
/// Who is inside at once.
const INSIDE: u64 = 50_000;
/// Of them, who moves between two views.
const MOVES: usize = 100;
/// Calls that are timed one by one.
const TIMED: usize = 200;
/// Joins one by one.
const ALONE: u64 = 40_000;

const BYTES_MAX: f64 = 32.0;
const BYTES_BESIDE_MAX: f64 = 1.0;
const COMMANDS_GROWTH_MAX: f64 = 1.1;
const VIEW_GROWTH_MAX: f64 = 2.0;

const PACE: Pace = Pace {
    rate_per_s: 50,
    burst: 50,
    max_shoppers: 2_000,
    session_s: 900,
    claim_window_s: 120,
    overbook: 0,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};

#[tokio::main]
async fn main() {
    let redis = Redis::start(RedisOptions { persistence: Persistence::None }).await.expect("Redis is installed");
    joins(&redis).await;
    let mut commands = Vec::new();
    for waiting in [FEW, MANY] {
        let line = Line::of(&redis, waiting).await;
        let table = Table::new(&format!("{waiting} waiting"));
        line.bytes(&table).await;
        line.times(&table).await;
        commands.push(line.commands_per_s().await);
    }
    let table = Table::new(&format!("what {GATEWAYS} gateways ask of Redis"));
    let figure = Figure::new(format!("commands of Redis, {MANY} waiting"), commands[1], "/s");
    let figure = figure.beside(format!("{FEW} waiting"), commands[0]);
    table.figure(&figure.must_be(Target::RatioAtMost(COMMANDS_GROWTH_MAX)));
    inside(&redis).await;
}

/// Joins a second through four clients at once, in whole batches and one by one; and the same call by `redis-benchmark`.
async fn joins(redis: &Redis) {
    let table = Table::new("joins in Redis");
    let mut rates = Vec::new();
    for (batch, visitors) in [(JOIN_BATCH_MAX as u64, 400_000), (1, ALONE)] {
        let line = Line::empty(redis).await;
        let begun = Instant::now();
        line.fill(1..=visitors, batch).await;
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
        rates.push(visitors as f64 / begun.elapsed().as_secs_f64());
    }
    let line = Line::empty(redis).await;
    let call = line.call_of_a_join().await;
    let theirs = redis_benchmark::calls_per_s(redis, &call, GATEWAYS, ALONE).await;
    let joined: u64 = line.raw.command(&["HGET", &line.key("totals"), "joined"]).await.as_u64().expect("they joined");
    assert!(joined > ALONE * 9 / 10, "{joined} joined by redis-benchmark");
    table.figure(
        &Figure::new("joins in Redis, one by one", rates[1], "/s").beside("redis-benchmark, the same call", theirs),
    );
    let figure = Figure::new(format!("joins in Redis, batches of {JOIN_BATCH_MAX}"), rates[0], "/s");
    table.figure(&figure.beside("one by one", rates[1]));
}

/// Views when nobody is inside and when many are.
async fn inside(redis: &Redis) {
    let table = Table::new(&format!("{INSIDE} inside"));
    let line = Line::of(redis, INSIDE).await;
    let none = line.views(&table, "view, nobody inside yet", line.view().await, 0).await;
    line.lets_everybody_in().await;
    line.views(&table, "view of everybody inside", None, 0).await;
    let following = line.views(&table, "view that follows", line.view().await, 0).await;
    line.views(&table, "view that follows 100 moves", line.view().await, MOVES).await;
    let figure = Figure::new(format!("Redis for a view that follows, {INSIDE} inside"), following, "us");
    table.figure(&figure.beside("nobody inside", none).must_be(Target::RatioAtMost(VIEW_GROWTH_MAX)));
}

/// A sale with a line.
struct Line {
    sale: SaleId,
    queue: Queue,
    raw: Raw,
    waiting: u64,
    memory_before: u64,
}

impl Line {
    async fn empty(redis: &Redis) -> Self {
        redis.flush().await.expect("Redis answers");
        let store = Store::connect(&redis.url(), StoreConfig::default()).await.expect("an address");
        let raw = Raw::connect(redis).await;
        let sale = SaleId::from_uuid(Uuid::now_v7());
        let memory_before = used_memory(&raw).await;
        let loader = Loader::new(store.clone());
        let tier = TierSnapshot {
            tier: "ga".parse().expect("a tier"),
            capacity: 50_000,
            withheld: 0,
            free: (0..50_000).map(UnitNo).collect(),
            rows: Vec::new(),
        };
        let (grants, left) = (Vec::new(), Vec::new());
        let snapshot = Snapshot {
            sale,
            epoch: 1,
            reserved_number: 0,
            grants,
            left,
            cohorts: 0,
            tiers: vec![tier],
            reclaim_window_s: 0,
            receipts_from: 1,
        };
        loader.load(&snapshot).await.expect("it loads");
        let queue = Queue::new(store);
        queue.raise_reserved(sale, 10 * MANY).await.expect("Redis answers");
        Self { sale, queue, raw, waiting: 0, memory_before }
    }

    async fn of(redis: &Redis, waiting: u64) -> Self {
        let line = Self::empty(redis).await;
        line.fill(1..=waiting, JOIN_BATCH_MAX as u64).await;
        Self { waiting, ..line }
    }

    /// Visitors join through four clients at once.
    async fn fill(&self, visitors: std::ops::RangeInclusive<u64>, batch: u64) {
        let (first, last) = visitors.into_inner();
        let share = (last - first + 1).div_ceil(GATEWAYS);
        let clients = (0..GATEWAYS).map(|client| {
            let (queue, sale) = (self.queue.clone(), self.sale);
            async move {
                let (mut next, end) = (first + client * share, (first + (client + 1) * share).min(last + 1));
                while next < end {
                    let to = (next + batch).min(end);
                    let asks: Vec<_> = (next..to).map(ask).collect();
                    queue.join_many(sale, &asks, 0).await.expect("Redis answers");
                    next = to;
                }
            }
        });
        let mut clients: tokio::task::JoinSet<()> = clients.collect();
        while let Some(client) = clients.join_next().await {
            client.expect("a client ends well");
        }
    }

    fn key(&self, name: &str) -> String {
        format!("onsale:{{{}}}:{name}", self.sale)
    }

    /// The words that the queue sends for one join, as Redis noted them, with anybody for the holder.
    async fn call_of_a_join(&self) -> Vec<String> {
        self.raw.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).await;
        self.queue.join_many(self.sale, &[ask(0)], 0).await.expect("Redis answers");
        self.raw.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).await;
        let calls = self.raw.command(&["SLOWLOG", "GET", "-1"]).await.into_array();
        let words = calls.into_iter().map(|call| call.into_array()[3].clone().into_array());
        let mut call = words
            .into_iter()
            .find(|words| words[0].as_str().is_some_and(|word| word.eq_ignore_ascii_case("evalsha")))
            .expect("the queue ran its script");
        // Of the four of an ask, the holder's field is the second.
        let holder = call.len() - 3;
        call[holder] = redis_benchmark::ANYBODY.into();
        call.into_iter().map(|word| word.into_string().expect("text")).collect()
    }

    async fn bytes(&self, table: &Table) {
        let grown = used_memory(&self.raw).await - self.memory_before;
        // Nobody ticked while they joined: the first tick passes over the gap, and ages nobody.
        self.tick(1).await;
        self.pass_ms(2_500).await;
        self.tick(1).await;
        let all = used_memory(&self.raw).await - self.memory_before;
        let beside = self.beside_visitors().await;
        let each = |bytes: u64| per(bytes, self.waiting);
        let (while_joining, later) = (each(grown), each(all));
        table.note("bytes a visitor while joining, and a slot later", &format!("{while_joining:.2} {later:.2}"));
        table.note("bytes a number beside `visitors`", &format!("{:.3}", each(beside)));
        if self.waiting == MANY {
            let all = Figure::new("Redis' memory for a visitor, all in", while_joining.max(later), "B");
            table.figure(&all.must_be(Target::AtMost(BYTES_MAX)));
            let beside = Figure::new("the same beside the dedupe of joins", each(beside), "B");
            table.figure(&beside.must_be(Target::AtMost(BYTES_BESIDE_MAX)));
        }
    }

    /// What the keys of the sale that grow with the line take, save for the dedupe of joins.
    async fn beside_visitors(&self) -> u64 {
        let mut bytes = 0;
        for key in ["line", "age:0", "age:1", "age:2", "kept", "left", "patient", "granted", "pace", "totals", "pulses"]
        {
            bytes += self.raw.command(&["MEMORY", "USAGE", &self.key(key)]).await.as_u64().unwrap_or(0);
        }
        bytes
    }

    async fn times(&self, table: &Table) {
        let everyone: Vec<_> = (1..=self.waiting).map(PlaceNumber).collect();
        let some: Vec<_> = (1..=self.waiting).step_by(100).map(PlaceNumber).collect();
        for (what, numbers) in [("heard, 1 in 100", &some), ("heard, everyone", &everyone)] {
            let heard = || async { self.queue.heard(self.sale, numbers).await.expect("Redis answers") };
            table.note(what, &timed(TIMED / 4, heard).await);
        }
        let tick = || async { self.tick(1).await };
        table.note("tick", &timed(TIMED, tick).await);
        let slot = || async {
            self.pass_ms(2_500).await;
            self.tick(1).await;
        };
        table.note("tick, new slot", &timed(TIMED / 10, slot).await);
        let view = || async { drop(self.queue.view(self.sale).await.expect("Redis answers")) };
        table.note("view", &timed(TIMED, view).await);
    }

    async fn view(&self) -> Option<View> {
        Some(self.queue.view(self.sale).await.expect("Redis answers"))
    }

    /// A turn for everybody.
    async fn lets_everybody_in(&self) {
        let pace =
            Pace { rate_per_s: 1_000_000, burst: 1_000_000, max_shoppers: 1_000_000, overbook: 1_000_000, ..PACE };
        let mut inside = 0;
        while inside < self.waiting {
            // Much less than a tick: nobody is heard of meanwhile, and who is silent for 15 s is passed over.
            self.pass_ms(TICK_MS / 10).await;
            let admission = self.queue.admit(self.sale, &pace, &Pulse::calm(Uuid::nil())).await.expect("Redis answers");
            inside += self.queue.confirm(self.sale, &admission, &pace).await.expect("Redis answers");
        }
    }

    /// Views, each of which follows the one before if the first follows one: prints what they cost the gateway, and Redis,
    /// and answers the latter in microseconds. Between any two of them some end their turns.
    async fn views(&self, table: &Table, what: &str, mut last: Option<View>, moves: usize) -> f64 {
        let mut numbers = (1..=self.waiting).map(PlaceNumber);
        let (mut redis_us, calls) = (0.0, 20);
        let times = Times::of(calls, async || {
            for number in numbers.by_ref().take(moves) {
                self.queue.end_session(self.sale, number).await.expect("Redis answers");
            }
            self.raw.command(&["CONFIG", "RESETSTAT"]).await;
            let begun = Instant::now();
            let view = self.queue.view_after(self.sale, last.as_ref()).await.expect("Redis answers");
            let took = begun.elapsed();
            redis_us += evalsha_us(&self.raw).await;
            last = last.is_some().then_some(view);
            took
        });
        let times = times.await;
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
        let redis_us = redis_us / calls as f64;
        table.note(what, &format!("{:.3} ms median, of which Redis {redis_us:.0} us", ms(times.within(50))));
        redis_us
    }

    /// What four gateways cost Redis in a second, each ticking five times: commands inside scripts count.
    async fn commands_per_s(&self) -> f64 {
        let numbers: Vec<Vec<_>> =
            (0..GATEWAYS).map(|gateway| (1 + gateway..=self.waiting).step_by(4).map(PlaceNumber).collect()).collect();
        let before = stat(&self.raw, "stats", "total_commands_processed").await;
        let rounds = i64::from(COUNTED_S) * 1_000 / TICK_MS;
        for round in 0..rounds {
            self.pass_ms(TICK_MS).await;
            for gateway in 0..GATEWAYS {
                if round % 15 == 0 {
                    let numbers = &numbers[usize::try_from(gateway).expect("four")];
                    self.queue.heard(self.sale, numbers).await.expect("Redis answers");
                }
                self.tick(gateway).await;
                self.queue.view(self.sale).await.expect("Redis answers");
            }
        }
        per(stat(&self.raw, "stats", "total_commands_processed").await - before, u64::from(COUNTED_S))
    }

    /// A gateway's tick, confirmed.
    async fn tick(&self, gateway: u64) {
        let pulse = Pulse::calm(Uuid::from_u128(u128::from(gateway)));
        let admission = self.queue.admit(self.sale, &PACE, &pulse).await.expect("Redis answers");
        self.queue.confirm(self.sale, &admission, &PACE).await.expect("Redis answers");
    }

    async fn pass_ms(&self, ms: i64) {
        let key = SaleKeys::new(self.sale).clock_offset();
        self.raw.command(&["INCRBY", &key, &ms.to_string()]).await;
    }
}

fn ask(visitor: u64) -> JoinAsk {
    JoinAsk { holder: Holder::of_secret(&visitor.to_be_bytes()), proven: None, allowance: Allowance::Usual }
}

async fn used_memory(raw: &Raw) -> u64 {
    stat(raw, "memory", "used_memory").await
}

/// What the scripts of the statistics took.
async fn evalsha_us(raw: &Raw) -> f64 {
    let stat = raw.info("commandstats", "cmdstat_evalsha").await.expect("a script ran");
    let usec = stat.split(',').find_map(|part| part.strip_prefix("usec="));
    usec.and_then(|usec| usec.parse().ok()).expect("INFO has it")
}

async fn stat(raw: &Raw, section: &str, name: &str) -> u64 {
    raw.info(section, name).await.and_then(|value| value.parse().ok()).expect("INFO has it")
}

/// The median and the slowest of calls, as the caller waits for them.
async fn timed<F: Future<Output = ()>>(calls: usize, call: impl Fn() -> F) -> String {
    let times = Times::of(calls, async || {
        let begun = Instant::now();
        call().await;
        begun.elapsed()
    });
    let times = times.await;
    format!("{:.3} ms median, {:.3} ms p95", ms(times.within(50)), ms(times.within(95)))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
fn per(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}
