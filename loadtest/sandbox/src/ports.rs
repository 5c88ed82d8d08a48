//! Free loopback ports, taken below the range that outgoing connections use.
//!
//! A port the system picks for a bind to 0 lies in its ephemeral range: while a stopped server leaves such a port free, an
//! outgoing connection may take it, or even connect to itself, and an outage test then fails for no reason of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use uuid::Uuid;

use crate::SandboxError;

/// Below the ephemeral ranges of Linux (from 32768) and macOS (from 49152), above what is usually served.
const PORTS: Range<u16> = 20_000..32_000;

/// A loopback port nobody listens on now. Nothing reserves it: whoever binds it must be ready to ask again.
///
/// # Errors
/// Every port of the range is taken.
pub fn free_port() -> Result<u16, SandboxError> {
    let count = PORTS.end - PORTS.start;
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let first = u16::try_from(random % u64::from(count)).expect("a remainder of a u16 is one");
    (0..count)
        .map(|step| PORTS.start + (first + step) % count)
        .find(|port| TcpListener::bind(loopback(*port)).is_ok())
        .ok_or(SandboxError::NoFreePort { first: PORTS.start, last: PORTS.end - 1 })
}

/// The loopback address of `port`.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
