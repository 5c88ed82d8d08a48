//! The two ways to be told of a position, as raw bytes: for what a well-behaved client does not do.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::world::{SOON, World};

/// The head of a handshake for a WebSocket.
pub(crate) const SOCKET: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: v1.onsale\r\n";
/// What a client says that wants events.
pub(crate) const EVENTS: &str = "accept: text/event-stream\r\n";

/// Longer than the gateway lets anything stay unread, by the time that a busy machine needs.
const UNREAD_MAX: Duration = Duration::from_secs(30);
/// What may wait for one client that does not read: the gateway's buffers and the first buffer of the system.
const WAITING_MAX_BYTES: u64 = 128 * 1024;
/// A ping comes after 25 s at most, and waits 10 s for its answer; the rest is for a busy machine.
const DEAF_MAX: Duration = Duration::from_secs(60);

/// A connection that has asked to watch a sale.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// Asks with these headers, over a connection that takes in only so many bytes before it is read.
    pub(crate) async fn watches(world: &World, sale: &str, headers: &str, takes_in_bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(takes_in_bytes).unwrap();
        let mut stream = socket.connect(world.gateway.addr()).await.unwrap();
        let host = world.gateway.addr();
        let head = format!("GET /v1/sales/{sale}/live HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// The status of the answer.
    pub(crate) async fn status(&mut self) -> StatusCode {
        let mut line = [0; 12];
        timeout(SOON, self.0.read_exact(&mut line)).await.expect("an answer comes").unwrap();
        StatusCode::from_bytes(&line[9..]).unwrap()
    }

    /// Reads what comes and answers no ping, as a proxy does whose client is gone; says whether the gateway hung up.
    pub(crate) async fn answers_nothing_and_is_dropped(mut self) -> bool {
        let mut read = [0; 1_024];
        let ends = async { while self.0.read(&mut read).await.is_ok_and(|bytes| bytes > 0) {} };
        timeout(DEAF_MAX, ends).await.is_ok()
    }

    /// Reads nothing more while there is news; says whether the gateway hung up, and checks what waits meanwhile.
    pub(crate) async fn stops_reading_and_is_dropped(&self, world: &World, sale: &str) -> bool {
        let (gateway, client) = (world.gateway.addr(), self.0.local_addr().unwrap());
        let deadline = Instant::now() + UNREAD_MAX;
        while let Some(waiting_bytes) = waiting_bytes(gateway, client) {
            assert!(waiting_bytes < WAITING_MAX_BYTES, "{waiting_bytes} bytes wait for a client that does not read");
            if Instant::now() > deadline {
                return false;
            }
            for decision in ["pause", "resume"] {
                world.organizer.asks(Method::POST, &format!("sales/{sale}/{decision}"), &Value::Null).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        true
    }
}

/// What the system keeps for a client of a server of this machine; none when there is no such connection any more.
fn waiting_bytes(server: SocketAddr, client: SocketAddr) -> Option<u64> {
    let place = |addr: SocketAddr| match addr {
        SocketAddr::V4(addr) => format!("{:08X}:{:04X}", u32::from_ne_bytes(addr.ip().octets()), addr.port()),
        SocketAddr::V6(_) => unreachable!("the tests are on IPv4"),
    };
    let (server, client) = (place(server), place(client));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let queue =
        row.into_iter().find(|row| row.get(1) == Some(&server.as_str()) && row.get(2) == Some(&client.as_str()));
    queue.map(|row| u64::from_str_radix(row[4].split(':').next().unwrap(), 16).unwrap())
}
