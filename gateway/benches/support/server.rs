//! The server under measurement, in a process of its own: the bench runs itself again with `serve` as its argument.
//!
//! Client and server share nothing but loopback, so memory and processor time of the server are the server's alone. The
//! server process has the whole world of the integration tests in it, and beside the gateway what it is compared with:
//! a bare WebSocket loop and a bare HTTP handler. It takes orders line by line and answers each with a line.

use std::io::Write as _;
use std::process::Stdio;

use sandbox::processor;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::bare::{BareHttp, BareSockets};
use crate::meters;
use crate::world::{Setup, World};

/// Where everything is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) gateway: String,
    pub(crate) api_key: String,
    pub(crate) redis: String,
    pub(crate) bare_sockets: String,
    pub(crate) bare_http: String,
}

/// The other process, seen from the client's.
pub(crate) struct Server {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(crate) at: Addresses,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let at = answers.next_line().await.unwrap().expect("the server says where it is");
        Self { child, orders, answers, at: serde_json::from_str(&at).unwrap() }
    }

    /// Gives an order and waits until it is done.
    pub(crate) async fn does(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        self.answers.next_line().await.unwrap().expect("the server answers");
    }

    /// Memory that the server really has, in bytes.
    pub(crate) fn resident_bytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    /// Processor time that the server has used, in seconds.
    pub(crate) fn busy_s(&self) -> f64 {
        processor::of(self.id()).as_secs_f64()
    }

    /// How many files and connections the server has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) async fn stop(mut self) {
        self.does("stop").await;
        drop(self.orders);
        self.child.wait().await.unwrap();
    }
}

/// Host and port of a base URL.
pub(crate) fn authority(base: &str) -> &str {
    base.trim_start_matches("http://")
}

/// The server process itself, with these `ONSALE_RATE_LIMITS`.
pub(crate) async fn serve(limits: &'static str) {
    let world = World::with(Setup { limits, ..Setup::default() }).await;
    let (sockets, http) = (BareSockets::start().await, BareHttp::start().await);
    let at = Addresses {
        gateway: world.edge.base().to_owned(),
        api_key: world.api_key.clone(),
        redis: sandbox::shared().await.unwrap().redis.address().to_string(),
        bare_sockets: sockets.addr().to_string(),
        bare_http: http.addr().to_string(),
    };
    says(&serde_json::to_string(&at).unwrap());
    let (mut orders, meters) = (orders(), TaskTracker::new());
    while let Some(order) = orders.recv().await {
        match order.split_once(' ').unwrap_or((&order, "")) {
            ("load", sale) => world.load(sale).await,
            ("meter", _) => drop(meters.spawn(meters::run())),
            ("tell", text) => sockets.tell(text).await,
            ("answer", said) => {
                let (headers, text): (Vec<_>, String) = serde_json::from_str(said).unwrap();
                http.answers(&headers, &text);
            }
            ("hang-up", _) => sockets.hang_up().await,
            ("stop", _) => break,
            (other, _) => panic!("no such order: {other}"),
        }
        says("done");
    }
    world.stop().await;
    says("stopped");
}

/// Orders as they come; nobody awaits a line of standard input, so a thread reads them.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (sender, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    orders
}

fn says(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
