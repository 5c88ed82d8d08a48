//! A TCP proxy that does wrong on request: refuses, cuts, stalls, delays, holds requests back, loses replies.
//!
//! It stands in front of a private Redis or Postgres and knows nothing of their protocols but that a reply begins with the
//! first bytes the server sends after the client sent some. A lost reply takes its connection with it, as a real one does:
//! the server has done its work, and the client cannot know. Bounds: connections as for any [`Listener`], one buffer of
//! [`BUFFER_BYTES`] per direction.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::SandboxError;
use crate::listen::Listener;

/// One buffer per direction and connection.
const BUFFER_BYTES: usize = 16 << 10;

/// Which replies are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LostReplies {
    /// None.
    #[default]
    None,
    /// So many, then none.
    Next(u32),
    /// The n-th, the 2n-th and so on, counted over all connections.
    EveryNth(u64),
}

/// A proxy in front of one server. Dropping it ends it.
#[derive(Debug)]
pub struct FaultProxy {
    target: SocketAddr,
    listener: Listener,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Faults {
    plan: Mutex<Plan>,
    delay_us: AtomicU64,
    lost: AtomicU64,
    held_back: AtomicU64,
    flow: watch::Sender<Flow>,
}

#[derive(Debug, Default)]
struct Plan {
    replies: LostReplies,
    /// Only requests that contain these bytes are counted.
    to: Vec<u8>,
    counted: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Open,
    Stalled,
    /// Requests that contain these bytes do not pass, nor what their connection sends behind them.
    HoldingBack(Vec<u8>),
}

impl FaultProxy {
    /// Starts a proxy in front of `target`; without faults it passes everything on.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(target: SocketAddr) -> Result<FaultProxy, SandboxError> {
        let faults = Arc::new(Faults {
            plan: Mutex::default(),
            delay_us: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            flow: watch::Sender::new(Flow::Open),
        });
        let of_connections = faults.clone();
        let listener = Listener::start(None, move |client| {
            let faults = of_connections.clone();
            async move {
                if let Err(error) = pass(&faults, client, target).await {
                    tracing::debug!(%error, "a proxied connection ended");
                }
            }
        })
        .await?;
        Ok(FaultProxy { target, listener, faults })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// `url` with the target's address replaced by the proxy's.
    #[must_use]
    pub fn through(&self, url: &str) -> String {
        url.replacen(&self.target.to_string(), &self.address().to_string(), 1)
    }

    /// Refuses connections and cuts the present ones, as a server that went away.
    pub async fn cut(&self) {
        self.listener.close().await;
    }

    /// Keeps connections and passes nothing on, as a network that swallows packets.
    pub fn stall(&self) {
        self.faults.flow.send_replace(Flow::Stalled);
    }

    /// Keeps requests that contain `to` on their way, and passes on everything else, so that a test can do something between
    /// two steps of one caller. It sees a request only where a read has all of `to`.
    pub fn hold_back(&self, to: &[u8]) {
        self.faults.flow.send_replace(Flow::HoldingBack(to.to_owned()));
    }

    /// Requests held back so far, those that went on since included.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.faults.held_back.load(Ordering::Acquire)
    }

    /// Ends [`FaultProxy::cut`], [`FaultProxy::stall`] and [`FaultProxy::hold_back`].
    ///
    /// # Errors
    /// When its port was taken meanwhile.
    pub async fn restore(&self) -> Result<(), SandboxError> {
        self.faults.flow.send_replace(Flow::Open);
        self.listener.reopen().await
    }

    /// Holds back everything the server sends for `by`.
    pub fn delay(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.faults.delay_us.store(micros, Ordering::Relaxed);
    }

    /// Loses replies to requests that contain `to` (empty: to any request, logins included). Counting starts anew.
    pub fn lose_replies(&self, replies: LostReplies, to: &[u8]) {
        *self.faults.plan() = Plan { replies, to: to.to_owned(), counted: 0 };
    }

    /// Replies lost so far, so that a test can show that its fault took place.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.faults.lost.load(Ordering::Relaxed)
    }
}

impl Faults {
    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us.load(Ordering::Relaxed))
    }

    async fn until_replies_pass(&self) {
        self.until(|flow| *flow != Flow::Stalled).await;
    }

    async fn until_passes(&self, request: &[u8]) {
        if self.flow.borrow().holds_back(request) {
            self.held_back.fetch_add(1, Ordering::Release);
        }
        self.until(|flow| *flow != Flow::Stalled && !flow.holds_back(request)).await;
    }

    async fn until(&self, passes: impl FnMut(&Flow) -> bool) {
        let mut flow = self.flow.subscribe();
        flow.wait_for(passes).await.expect("the sender lives as long as the proxy's connections");
    }
}

impl Flow {
    fn holds_back(&self, request: &[u8]) -> bool {
        matches!(self, Self::HoldingBack(to) if contains(request, to))
    }
}

fn contains(request: &[u8], part: &[u8]) -> bool {
    part.is_empty() || request.windows(part.len()).any(|bytes| bytes == part)
}

impl Plan {
    fn concerns(&self, request: &[u8]) -> bool {
        contains(request, &self.to)
    }

    /// Counts a reply and says whether it is lost.
    fn loses(&mut self) -> bool {
        self.counted += 1;
        match self.replies {
            LostReplies::None => false,
            LostReplies::Next(times) => self.counted <= u64::from(times),
            LostReplies::EveryNth(n) => n > 0 && self.counted.is_multiple_of(n),
        }
    }
}

/// Passes bytes both ways until one side ends or a reply is lost.
async fn pass(faults: &Faults, client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    let awaits_reply = AtomicBool::new(false);
    tokio::select! {
        done = pass_requests(faults, &awaits_reply, client_reads, server_writes) => done,
        done = pass_replies(faults, &awaits_reply, server_reads, client_writes) => done,
    }
}

async fn pass_requests(
    faults: &Faults,
    awaits_reply: &AtomicBool,
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        faults.until_passes(&buffer[..length]).await;
        // Set before the server can answer. A part of a request without the sought bytes does not unset it.
        if faults.plan().concerns(&buffer[..length]) {
            awaits_reply.store(true, Ordering::Release);
        }
        server.write_all(&buffer[..length]).await?;
    }
}

async fn pass_replies(
    faults: &Faults,
    awaits_reply: &AtomicBool,
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = server.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if awaits_reply.swap(false, Ordering::AcqRel) && faults.plan().loses() {
            faults.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        tokio::time::sleep(faults.delay()).await;
        faults.until_replies_pass().await;
        client.write_all(&buffer[..length]).await?;
    }
}
