//! What a socket costs: memory while it idles, time to tell everybody, and how soon a free slot reaches the next in line.
//!
//! `cargo bench -p gateway --bench sockets`; `ONSALE_BENCH_SOCKETS` says how many (10,000 when nothing is said; 100,000 need
//! a limit of a bit more than 200,000 open files, `ulimit -n`). The comparison is a bare tokio-tungstenite loop in the same
//! server process and the same run, which sends text of the same length to as many sockets.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/client.rs"]
mod client;
#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/meters.rs"]
mod meters;
#[path = "support/server.rs"]
mod server;
#[path = "support/turns.rs"]
mod turns;
#[expect(dead_code, reason = "the world of the integration tests; a bench needs a part of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::time::{Duration, Instant};

use client::Client;
use crowd::{Crowd, Told};
use http::Method;
use sandbox::figures::{Figure, Table, Target, median};
use serde_json::json;
use server::{Server, authority};
use tokio_util::task::TaskTracker;

/// Sockets, when nothing is said.
const SOCKETS: usize = 10_000;
/// Event streams, and bare sockets, whose memory is measured beside them.
const BESIDE: usize = 1_000;
/// How often everybody is told: half of the times that the sale stops, half that it goes on.
const TELLINGS: usize = 8;
/// Connections that join at once.
const JOINERS: usize = 64;

/// How long the server rests before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// The targets.
const IDLE_MAX_KIB: f64 = 4.0;
const TELL_MAX_RATIO: f64 = 1.3;
const TURN_MAX_S: f64 = 1.0;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return server::serve("off").await;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "how many is the only thing that one may want to say to this program"
    )]
    let sockets = std::env::var("ONSALE_BENCH_SOCKETS").map_or(SOCKETS, |count| count.parse().expect("a number"));
    let table = Table::new(&format!("{sockets} sockets"));
    let mut bench = Bench::new(sockets).await;
    bench.measures(&table).await;
    bench.server.stop().await;
}

struct Bench {
    count: usize,
    server: Server,
    tasks: TaskTracker,
    sale: String,
    places: Vec<String>,
}

impl Bench {
    async fn new(count: usize) -> Self {
        let tasks = TaskTracker::new();
        let mut server = Server::start().await;
        let mut control = Client::connect(authority(&server.at.gateway), &tasks).await;
        let sale = control.publishes(&server.at.api_key, &slow_sale()).await;
        server.does(&format!("load {sale}")).await;
        let places = join_all(&server, &sale, count + BESIDE, &tasks).await;
        let bench = Self { count, server, tasks, sale, places };
        bench.decides("pause").await;
        bench
    }

    async fn decides(&self, decision: &str) {
        let path = format!("/v1/organizer/sales/{}/{decision}", self.sale);
        let mut organizer = Client::connect(authority(&self.server.at.gateway), &self.tasks).await;
        organizer.asks(Method::POST, &path, Some(&self.server.at.api_key), "").await;
    }

    async fn measures(&mut self, table: &Table) {
        let ours = self.gateway(table).await;
        let bare = self.bare(&ours).await;
        table.note("a frame", &format!("{} bytes", ours.text.len()));
        let span = Figure::new(format!("a position to all of {} sockets", self.count), ours.span_s * 1e3, "ms")
            .beside("a bare tokio-tungstenite loop", bare.span_s * 1e3);
        table.figure(&span.should_be(Target::RatioAtMost(TELL_MAX_RATIO)));
        let busy = Figure::new("the server's processor for a frame", ours.busy_s * 1e6, "us")
            .beside("for one of the bare loop", bare.busy_s * 1e6);
        table.figure(&busy.should_be(Target::RatioAtMost(TELL_MAX_RATIO)));
    }

    async fn gateway(&mut self, table: &Table) -> Telling {
        let url = format!("{}/v1/sales/{}/live", self.server.at.gateway.replace("http", "ws"), self.sale);
        let (crowd, [resident, slab, buffers]) = self.opens(&url).await;
        crowd.has_been_told().await;
        let bare = self.bare_memory().await;
        let idle = Figure::new("resident memory of an idle socket", resident, "KiB").beside("of a bare one", bare);
        table.figure(&idle.should_be(Target::AtMost(IDLE_MAX_KIB)));
        table.figure(&Figure::new("kernel memory beside it (slab, both ends)", slab, "KiB"));
        table.note("kernel buffers beside it (sockstat, both ends)", &format!("{buffers:.2} KiB"));
        self.streams(table).await;
        let telling = self.tells_through_gateway(&crowd).await;
        turns::measures(&mut self.server, &self.tasks, table).await;
        self.hangs_up(&crowd).await;
        telling
    }

    /// Opens the sockets, and says what each cost.
    async fn opens(&self, url: &str) -> (Crowd, [f64; 3]) {
        self.opens_for(url, &self.places[..self.count]).await
    }

    /// The server has memory to spare from those who joined, so the first half goes into that, and the second one is
    /// counted.
    async fn opens_for(&self, url: &str, places: &[String]) -> (Crowd, [f64; 3]) {
        let (first, second) = places.split_at(places.len() / 2);
        let mut crowd = Crowd::new();
        crowd.grow(url, first, &self.tasks).await;
        tokio::time::sleep(REST).await;
        let before = Memory::of(&self.server);
        crowd.grow(url, second, &self.tasks).await;
        tokio::time::sleep(REST).await;
        (crowd, Memory::of(&self.server).each_since(&before, second.len()))
    }

    /// What a bare socket costs, opened when there is nothing to spare any more.
    async fn bare_memory(&mut self) -> f64 {
        let (crowd, [resident, ..]) = self.opens_for(&self.bare_url(), &self.places[self.count..]).await;
        self.server.does("hang-up").await;
        crowd.hang_up();
        resident
    }

    fn bare_url(&self) -> String {
        format!("ws://{}/", self.server.at.bare_sockets)
    }

    async fn hangs_up(&self, crowd: &Crowd) {
        let (open, deadline) = (self.server.open_files(), Instant::now() + Duration::from_secs(10));
        crowd.hang_up();
        while self.server.open_files() + self.count * 9 / 10 > open && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sale stops and goes on: news to everybody at once, with another waiting time for each.
    async fn tells_through_gateway(&mut self, crowd: &Crowd) -> Telling {
        let (mut tellings, mut texts) = (Vec::new(), Vec::new());
        for round in 0..TELLINGS {
            let (decision, sign) = if round % 2 == 0 { ("resume", r#""open""#) } else { ("pause", r#""paused""#) };
            let (busy_s, frames) = (self.server.busy_s(), crowd.frames());
            crowd.listens_for(sign);
            self.decides(decision).await;
            let told = crowd.has_been_told().await;
            tellings.push(Telling::of(told, self.server.busy_s() - busy_s, crowd.frames() - frames));
            texts.push(crowd.last_text());
        }
        Telling::median(&mut tellings, texts.pop().unwrap())
    }

    async fn streams(&self, table: &Table) {
        let authority = authority(&self.server.at.gateway);
        let path = format!("/v1/sales/{}/live", self.sale);
        let (first, second) = self.places[self.count..].split_at(BESIDE / 2);
        let streams = crowd::open_streams(authority, &path, first).await;
        tokio::time::sleep(REST).await;
        let before = Memory::of(&self.server);
        let more = crowd::open_streams(authority, &path, second).await;
        tokio::time::sleep(REST).await;
        let [resident, ..] = Memory::of(&self.server).each_since(&before, second.len());
        table.note("resident memory of an idle event stream", &format!("{resident:.2} KiB"));
        drop((streams, more));
    }

    async fn bare(&mut self, ours: &Telling) -> Telling {
        let (crowd, _) = self.opens(&self.bare_url()).await;
        let mut tellings = Vec::new();
        for _ in 0..TELLINGS {
            let (busy_s, frames) = (self.server.busy_s(), crowd.frames());
            crowd.listens_for(r#""v":1"#);
            self.server.does(&format!("tell {}", ours.text)).await;
            let told = crowd.has_been_told().await;
            tellings.push(Telling::of(told, self.server.busy_s() - busy_s, crowd.frames() - frames));
        }
        self.server.does("hang-up").await;
        self.hangs_up(&crowd).await;
        Telling::median(&mut tellings, String::new())
    }
}

/// What telling everybody once took.
#[derive(Clone, Default)]
struct Telling {
    span_s: f64,
    /// Of the server, a frame.
    busy_s: f64,
    text: String,
}

impl Telling {
    #[expect(clippy::cast_precision_loss, reason = "some thousand frames")]
    fn of(told: Told, busy_s: f64, frames: usize) -> Self {
        Self { span_s: told.span.as_secs_f64(), busy_s: busy_s / frames as f64, text: String::new() }
    }

    fn median(tellings: &mut [Self], text: String) -> Self {
        let mut spans: Vec<_> = tellings.iter().map(|telling| telling.span_s).collect();
        let mut busy: Vec<_> = tellings.iter().map(|telling| telling.busy_s).collect();
        Self { span_s: median(&mut spans), busy_s: median(&mut busy), text }
    }
}

/// Memory of the server and of the kernel at one moment.
struct Memory {
    resident: f64,
    slab: f64,
    buffers: f64,
}

impl Memory {
    fn of(server: &Server) -> Self {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let slab = meminfo.lines().find_map(|line| line.strip_prefix("Slab:")).unwrap();
        let slab = slab.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0;
        let sockstat = std::fs::read_to_string("/proc/net/sockstat").unwrap();
        let pages = sockstat.lines().find(|line| line.starts_with("TCP:")).unwrap().split(' ').next_back().unwrap();
        let page_bytes = 4_096.0;
        Self { resident: server.resident_bytes(), slab, buffers: pages.parse::<f64>().unwrap() * page_bytes }
    }

    /// KiB of each kind for each of so many.
    #[expect(clippy::cast_precision_loss, reason = "some thousand sockets")]
    fn each_since(&self, before: &Self, count: usize) -> [f64; 3] {
        let grown = [self.resident - before.resident, self.slab - before.slab, self.buffers - before.buffers];
        grown.map(|bytes| bytes / 1024.0 / count as f64)
    }
}

/// It moves, so that everybody has a waiting time, which a pause takes away; and slowly, so that hardly anybody is called
/// while it is measured.
fn slow_sale() -> serde_json::Value {
    world::jazz_with(20_000, json!({ "admission": { "rate_per_s": 20, "burst": 20, "max_shoppers": 100_000 } }))
}

/// So many visitors, over some connections at once.
pub(crate) async fn join_all(server: &Server, sale: &str, count: usize, tasks: &TaskTracker) -> Vec<String> {
    let mut joiners = Vec::new();
    for joiner in 0..JOINERS {
        let mut client = Client::connect(authority(&server.at.gateway), tasks).await;
        let (sale, share) = (sale.to_owned(), count / JOINERS + usize::from(joiner < count % JOINERS));
        joiners.push(tasks.spawn(async move {
            let mut places = Vec::with_capacity(share);
            for _ in 0..share {
                places.push(client.joins(&sale).await);
            }
            places
        }));
    }
    let mut places = Vec::with_capacity(count);
    for joiner in joiners {
        places.extend(joiner.await.unwrap());
    }
    places
}
