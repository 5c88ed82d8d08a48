//! Connections that nobody honest opens, many at once: what they cost in memory, and whether anybody else notices.
//!
//! Heads that come byte by byte, sockets that say nothing, frames of 10 MB, and pings without end. Each kind is ended by the
//! gateway within its bound; meanwhile the memory that each takes is bounded, and people join and get in as ever.

use std::io;
use std::time::Duration;

use http::StatusCode;
use sandbox::actors::{ActorError, Answer, Visitor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::scale::sockets;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World};

/// The longest that the gateway lets any of them live, a head above all, by the time that a busy machine needs.
const GONE_WITHIN: Duration = Duration::from_secs(90);
const BETWEEN_BYTES: Duration = Duration::from_millis(500);
const FRAME_BYTES: usize = 10_000_000;
/// The most that a frame of 10 MB may be sent of before the gateway hangs up: what the systems' buffers take on both sides,
/// which grow to some megabytes, and what it lingers for.
const SENT_MAX_BYTES: usize = 9_000_000;
/// What one of them may cost: the buffers of a connection and of a task, in a build without optimisation.
const EACH_MAX_BYTES: u64 = 64 * 1024;
/// What the process may grow by in the meantime for its own reasons: honest traffic, pools, arenas.
const GROWTH_MAX_BYTES: u64 = 32 * 1024 * 1024;
const HONEST: usize = 40;
const TURN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Opcodes of frames that end a message, masked as a client's are.
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;

/// What a connection does.
#[derive(Debug, Clone, Copy)]
enum Attack {
    /// Sends the head of a handshake, a byte at a time.
    SlowHead,
    /// Opens a socket and never says which place it is.
    Silence,
    /// Opens a socket and sends one frame of 10 MB.
    LongFrame,
    /// Opens a socket and pings as fast as it is read.
    Pings,
}

const ATTACKS: [Attack; 4] = [Attack::SlowHead, Attack::Silence, Attack::LongFrame, Attack::Pings];

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_slow_silent_long_and_frequent_connections_costs_little_and_delays_nobody_for_long() {
    let (attackers, _files) = sockets(200, 4_000).await;
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let sale = world.sells(10_000).await;
    let calm = honest_turns(&world, &sale).await;
    let before = world.gateway.memory_bytes();

    let mut attacking = JoinSet::new();
    for number in 0..attackers {
        let (authority, sale) = (world.edge.base().trim_start_matches("http://").to_owned(), sale.clone());
        let attack = ATTACKS[number % ATTACKS.len()];
        attacking.spawn(async move { (attack, ends(attack, &authority, &sale).await) });
    }
    let (mut most, began) = (before, Instant::now());
    let meanwhile = honest_turns(&world, &sale).await;
    while !attacking.is_empty() {
        most = most.max(world.gateway.memory_bytes());
        assert!(began.elapsed() < GONE_WITHIN, "{} still there", attacking.len());
        while let Some(ended) = attacking.try_join_next() {
            let (attack, sent) = ended.unwrap();
            assert!(sent < SENT_MAX_BYTES, "{attack:?}: {sent} bytes were taken in");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let each = (most - before) / attackers as u64;
    eprintln!(
        "{attackers} hostile connections, all ended after {:?}: the gateway grew by {} KiB, {each} bytes each; \
         an honest turn takes {:?} (p50) {:?} (last), before it {:?} and {:?}",
        began.elapsed(),
        (most - before) / 1024,
        meanwhile[HONEST / 2],
        meanwhile[HONEST - 1],
        calm[HONEST / 2],
        calm[HONEST - 1]
    );
    assert!(most - before < GROWTH_MAX_BYTES + EACH_MAX_BYTES * attackers as u64, "{most} bytes after {before}");
    honest_turns(&world, &sale).await;
    world.holds_every_invariant();
}

/// How long each of some people took from joining to their turn, sorted.
async fn honest_turns(world: &World, sale: &str) -> Vec<Duration> {
    let mut turns = Vec::with_capacity(HONEST);
    for _ in 0..HONEST {
        let (began, mut visitor) = (Instant::now(), Visitor::new(&world.edge, sale));
        insists(async || visitor.joins().await).await;
        visitor.waits_for_turn(TURN_WITHIN).await.unwrap();
        turns.push(began.elapsed());
        insists(async || visitor.leaves().await).await;
    }
    turns.sort_unstable();
    turns
}

/// Asks again while the answer is that a store is too slow: a machine on which everything waits is no fault of the gateway.
async fn insists(mut ask: impl AsyncFnMut() -> Result<Answer, ActorError>) {
    let began = Instant::now();
    loop {
        let answer = ask().await.unwrap();
        if answer.status.is_success() {
            return;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert!(began.elapsed() < TURN_WITHIN, "{answer:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Goes on until the gateway hangs up; how many bytes it was sent after the handshake.
async fn ends(attack: Attack, authority: &str, sale: &str) -> usize {
    let mut connection = TcpStream::connect(authority).await.unwrap();
    let head = format!(
        "GET /v1/sales/{sale}/live HTTP/1.1\r\nhost: {authority}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: v1.onsale\r\n\r\n"
    );
    if matches!(attack, Attack::SlowHead) {
        let bytes = head.bytes().take(head.len() - 1);
        return goes_on(connection, bytes.map(|byte| vec![byte]), BETWEEN_BYTES).await;
    }
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    connection.read_exact(&mut status).await.unwrap();
    assert_eq!(&status[9..], b"101", "{attack:?}");
    match attack {
        Attack::SlowHead | Attack::Silence => goes_on(connection, std::iter::empty(), Duration::ZERO).await,
        Attack::LongFrame => goes_on(connection, long_frame(), Duration::ZERO).await,
        Attack::Pings => {
            let ping = [PING, 0x80, 0, 0, 0, 0];
            goes_on(connection, std::iter::repeat_with(move || ping.to_vec()), Duration::from_millis(1)).await
        }
    }
}

/// One text of 10 MB: its length in eight bytes, a mask, and the text in parts.
fn long_frame() -> impl Iterator<Item = Vec<u8>> {
    const PART_BYTES: usize = 50_000;
    let mut head = vec![TEXT, 0x80 | 127];
    head.extend((FRAME_BYTES as u64).to_be_bytes());
    head.extend([0; 4]);
    std::iter::once(head).chain(std::iter::repeat_n(vec![b'x'; PART_BYTES], FRAME_BYTES / PART_BYTES))
}

/// Sends these parts while the gateway takes them, and reads what it says, until it hangs up.
async fn goes_on(connection: TcpStream, parts: impl Iterator<Item = Vec<u8>>, rest: Duration) -> usize {
    let (mut reading, mut writing) = connection.into_split();
    let mut sent = 0;
    let sends = async {
        for part in parts {
            if writing.write_all(&part).await.is_err() {
                return;
            }
            sent += part.len();
            tokio::time::sleep(rest).await;
        }
        // What is said is said; now it is the gateway's turn to hang up.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sends => {}
        _ = reads_to_the_end(&mut reading) => {}
    }
    sent
}

async fn reads_to_the_end(reading: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<u64> {
    tokio::io::copy(reading, &mut tokio::io::sink()).await
}
