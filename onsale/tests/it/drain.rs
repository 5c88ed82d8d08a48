//! A gateway that is asked to end while a thousand watch and others ask: it says so first, everybody is sent elsewhere at a
//! moment of their own, and nobody's request fails.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{Incoming, LiveSocket};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::line;
use crate::scale::sockets;
use crate::world::{NO_LIMITS, World};

/// So many devices each.
const DEVICES: usize = 10;
const OPENING_AT_ONCE: usize = 50;
/// How many ask all the time, each over a connection that is kept; each over a new one; and how many ask again late.
const STEADY: usize = 10;
const STRANGERS: usize = 10;
const LATE: usize = 10;
/// Between two requests of one of them.
const ASK_EVERY: Duration = Duration::from_millis(20);
const NOTICE: Duration = Duration::from_secs(3);
const NOTICE_S: (&str, &str) = ("ONSALE_DRAIN_NOTICE_S", "3");
/// What orchestrators wait for by default before they kill.
const GRACE: Duration = Duration::from_secs(30);
/// "At once", on a busy machine.
const SOON: Duration = Duration::from_secs(1);
/// Frames, answers and ends, every one of them.
const BOUND: Duration = Duration::from_secs(20);
/// The close code for a service that restarts (RFC 6455's registry).
const SERVICE_RESTART: u16 = 1012;

/// How a watcher was sent away.
struct Parted {
    at: Instant,
    /// When to be back, elsewhere.
    back_at: Instant,
    code: Option<u16>,
}

/// How it was for somebody who asked until nobody listened any more.
struct Asked {
    answers: usize,
    told_to_close: usize,
    refused_at: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_asked_to_end_sends_a_thousand_elsewhere_and_fails_nobody() {
    let (people, _files) = sockets(1_000, 10_000).await;
    let mut world = World::start_and_set(&[NO_LIMITS, NOTICE_S]).await;
    let sale = world.lets_one_in(people).await;
    let watchers = open(&world, &sale, people).await;
    let address = world.edge.base().trim_start_matches("http://").to_owned();
    let (ending, ends) = watch::channel(false);
    let (late, is_late) = watch::channel(false);
    let mut asking = JoinSet::new();
    for _ in 0..STEADY {
        asking.spawn(asks_on(Client::new(&address, &sale), Keeps::Connection, ends.clone()));
    }
    for _ in 0..STRANGERS {
        asking.spawn(asks_on(Client::new(&address, &sale), Keeps::Nothing, ends.clone()));
    }
    let mut waiting = JoinSet::new();
    let begun = Arc::new(Barrier::new(LATE + 1));
    for _ in 0..LATE {
        waiting.spawn(asks_again_late(Client::new(&address, &sale), Arc::clone(&begun), is_late.clone()));
    }
    timeout(BOUND, begun.wait()).await.expect("all of them asked once");

    let asked = Instant::now();
    ending.send_replace(true);
    world.gateway.is_asked_to_end();
    let unready = says_that_it_is_not_ready(&world).await - asked;
    // In the middle of the notice: connections that said nothing since long before it are answered too.
    tokio::time::sleep_until(asked + NOTICE / 2).await;
    late.send_replace(true);
    waiting.join_all().await;
    let closed = everybody_was_answered_until_nobody_listened(asking).await - asked;
    assert!(closed >= NOTICE && closed < NOTICE + BOUND, "the listener closed after {closed:?}");
    let parted = timeout(BOUND, watchers.join_all()).await.unwrap();
    let status = world.gateway.ends().await;
    let took = asked.elapsed();
    assert!(status.success() && took < GRACE, "{status} after {took:?}");
    let (sent, back) = they_are_spread(&parted, asked);
    eprintln!(
        "{people} sockets: not ready after {unready:?}, listener closed after {closed:?}, {sent} % sent away in the fullest \
         second, {back} % told to be back in the fullest second, exit 0 after {took:?}"
    );
    world.holds_every_invariant();
}

async fn says_that_it_is_not_ready(world: &World) -> Instant {
    let asked = Instant::now();
    loop {
        let ready = world.gateway.admin.ask(Method::GET, "/readyz", &[], &Value::Null).await.unwrap();
        if ready.status == StatusCode::SERVICE_UNAVAILABLE {
            return Instant::now();
        }
        assert!(asked.elapsed() < SOON, "still ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// So many sockets that were told where they stand, and what becomes of them.
async fn open(world: &World, sale: &str, count: usize) -> JoinSet<Parted> {
    let visitors = line::crowd(&world.edge, sale, count.div_ceil(DEVICES)).await;
    let mut watchers = JoinSet::new();
    let devices: Vec<_> = (0..count).map(|index| visitors[index / DEVICES].clone()).collect();
    for some in devices.chunks(OPENING_AT_ONCE) {
        let opening = some.iter().cloned().map(|visitor| async move {
            let mut socket = visitor.watches_within(BOUND).await.unwrap();
            socket.waits_for("position", BOUND).await.unwrap();
            socket
        });
        for socket in opening.collect::<JoinSet<_>>().join_all().await {
            watchers.spawn(is_sent_away(socket));
        }
    }
    watchers
}

async fn is_sent_away(mut socket: LiveSocket) -> Parted {
    let mut told = None;
    loop {
        match socket.next().await.unwrap() {
            Incoming::Frame(frame) if frame["type"] == "reconnect" => {
                let at = Instant::now();
                told = Some((at, at + Duration::from_millis(frame["data"]["after_ms"].as_u64().unwrap())));
            }
            Incoming::Frame(_) => {}
            Incoming::Closed(why) => {
                let (at, back_at) = told.expect("a word before the end");
                return Parted { at, back_at, code: why.map(|frame| u16::from(frame.code)) };
            }
        }
    }
}

/// Everybody is told to go, none during the notice, and not at once; the fullest second of going and of coming back, in
/// percent.
fn they_are_spread(parted: &[Parted], asked: Instant) -> (usize, usize) {
    assert!(parted.iter().all(|one| one.code == Some(SERVICE_RESTART)));
    assert!(parted.iter().all(|one| one.at >= asked + NOTICE), "sent away while others were still sent here");
    let fullest = |mut moments: Vec<Instant>| {
        moments.sort_unstable();
        let within = |from: &Instant| moments.iter().filter(|at| **at >= *from && **at < *from + SOON).count();
        moments.iter().map(within).max().unwrap_or_default() * 100 / moments.len()
    };
    let sent = fullest(parted.iter().map(|one| one.at).collect());
    let back = fullest(parted.iter().map(|one| one.back_at).collect());
    // A fifth of the spread each; a machine that stands still for a second doubles that. Those who come back are spread once more.
    assert!(sent <= 50 && back <= 40, "{sent} % sent away and {back} % back within a second");
    (sent, back)
}

/// Waits for all who ask; when the first of them was refused a connection.
async fn everybody_was_answered_until_nobody_listened(asking: JoinSet<Asked>) -> Instant {
    let asked = timeout(BOUND, asking.join_all()).await.expect("the listener closes");
    let sum = |count: fn(&Asked) -> usize| asked.iter().map(count).sum::<usize>();
    let (answers, told) = (sum(|one| one.answers), sum(|one| one.told_to_close));
    eprintln!("{answers} answers, {told} of them with the word to close");
    // Whoever asks during the notice is told so each time; it is as long as many answers.
    assert!(told > 2 * (STEADY + STRANGERS), "{told} of {answers}");
    asked.iter().map(|one| one.refused_at).min().unwrap()
}

/// What somebody does between two requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Connection,
    Nothing,
}

/// Asks and is answered, until nobody listens any more. Only that is an end, and only once the gateway was asked to.
async fn asks_on(client: Client, keeps: Keeps, ends: watch::Receiver<bool>) -> Asked {
    let (mut answers, mut told_to_close, mut connection) = (0, 0, None);
    loop {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match client.connects().await {
                Ok(open) => open,
                Err(error) => {
                    assert!(error.kind() == io::ErrorKind::ConnectionRefused && *ends.borrow(), "{error}");
                    return Asked { answers, told_to_close, refused_at: Instant::now() };
                }
            },
        };
        let closes = client.asks(&mut open).await.unwrap_or_else(|error| panic!("no answer: {error}"));
        answers += 1;
        told_to_close += usize::from(closes);
        if keeps == Keeps::Connection && !closes {
            connection = Some(open);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Asks once, and over the same connection again when it is late.
async fn asks_again_late(client: Client, begun: Arc<Barrier>, mut is_late: watch::Receiver<bool>) {
    let mut connection = client.connects().await.unwrap();
    assert!(!client.asks(&mut connection).await.unwrap(), "told to close before the notice");
    begun.wait().await;
    is_late.wait_for(|late| *late).await.unwrap();
    assert!(client.asks(&mut connection).await.unwrap(), "told nothing in the notice");
}

/// Somebody who reads a sale over bare HTTP/1.1, so that nothing is repeated behind our back.
struct Client {
    address: String,
    request: String,
}

impl Client {
    fn new(address: &str, sale: &str) -> Self {
        let request = format!("GET /v1/sales/{sale} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        Self { address: address.to_owned(), request }
    }

    async fn connects(&self) -> io::Result<BufReader<TcpStream>> {
        TcpStream::connect(&self.address).await.map(BufReader::new)
    }

    /// Whether the answer says that it is the last over this connection.
    async fn asks(&self, connection: &mut BufReader<TcpStream>) -> io::Result<bool> {
        connection.write_all(self.request.as_bytes()).await?;
        let (mut closes, mut length, mut line) = (false, 0, String::new());
        connection.read_line(&mut line).await?;
        assert!(line.starts_with("HTTP/1.1 200 "), "{line:?}");
        loop {
            line.clear();
            connection.read_line(&mut line).await?;
            match line.trim_end().split_once(": ") {
                Some(("connection", value)) => closes = value == "close",
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        connection.read_exact(&mut vec![0; length]).await?;
        Ok(closes)
    }
}
