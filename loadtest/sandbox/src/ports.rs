//! Free loopback ports, taken below the range that outgoing connections use.
//!
//! A port the system picks for a bind to 0 lies in its ephemeral range: while a stopped server leaves such a port free, an
//! outgoing connection may take it, or even connect to itself, and an outage test then fails for no reason of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use uuid::Uuid;

use crate::SandboxError;

/// Below the ephemeral ranges of Linux (from 32768) and macOS (from 49152), above what is usually served.
const PORTS: Range<u16> = 20_000..32_000;

/// Where this process goes on looking; it begins anywhere, so that two processes seldom look at the same ports.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    AtomicU16::new(u16::try_from(random % u64::from(u16::MAX)).expect("a remainder of a u16 is one"))
});

/// A loopback port nobody listens on now, and another one each time: who asks binds it a while later, perhaps in a process
/// of its own. Nothing reserves it against other processes: whoever binds it must be ready to ask again.
///
/// # Errors
/// Every port of the range is taken.
pub fn free_port() -> Result<u16, SandboxError> {
    let count = PORTS.end - PORTS.start;
    (0..count)
        .map(|_| PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % count)
        .find(|port| TcpListener::bind(loopback(*port)).is_ok())
        .ok_or(SandboxError::NoFreePort { first: PORTS.start, last: PORTS.end - 1 })
}

/// The loopback address of `port`.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
