//! A listening port that can be closed and opened again, for the fakes and the proxy.
//!
//! Closing refuses new connections and cuts those there are; opening binds the same port again. Every connection is a
//! tracked task, at most [`CONNECTIONS_MAX`] at once (more wait in the backlog); dropping the listener ends them all.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::SandboxError;
use crate::ports;

/// Below the usual limit of open files for a process that also holds the other end of each.
const CONNECTIONS_MAX: usize = 4_000;
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Binds tried on ports that somebody else took between our look and the bind.
const BINDS_MAX: u32 = 20;

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(TcpStream) -> Connection + Send + Sync>;

/// A port and what answers on it.
pub(crate) struct Listener {
    address: SocketAddr,
    handler: Handler,
    open: Mutex<Option<Open>>,
    stop: CancellationToken,
}

/// The tasks of one stretch of being open.
struct Open {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Listens on `bind`, or on a free loopback port, and gives every connection to `handler`.
    pub(crate) async fn start<F, C>(bind: Option<SocketAddr>, handler: F) -> Result<Listener, SandboxError>
    where
        F: Fn(TcpStream) -> C + Send + Sync + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |stream| Box::pin(handler(stream)));
        let socket = bind_somewhere(bind).await?;
        let address = socket.local_addr().map_err(SandboxError::io("read a listening address"))?;
        let stop = CancellationToken::new();
        let open = Open::start(socket, handler.clone(), stop.child_token());
        Ok(Listener { address, handler, open: Mutex::new(Some(open)), stop })
    }

    /// Where it listens, or listened before it was closed.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from now on and cuts the present ones; returns when both is done.
    pub(crate) async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.end().await;
        }
    }

    /// Listens again on the same port; nothing to do when it does.
    pub(crate) async fn reopen(&self) -> Result<(), SandboxError> {
        let mut open = self.open.lock().await;
        if open.is_none() {
            let socket = bind(self.address).await?;
            *open = Some(Open::start(socket, self.handler.clone(), self.stop.child_token()));
        }
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Open {
    fn start(socket: TcpListener, handler: Handler, stop: CancellationToken) -> Open {
        let tasks = TaskTracker::new();
        tasks.spawn(accept(socket, handler, stop.clone(), tasks.clone()));
        Open { stop, tasks }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(socket: TcpListener, handler: Handler, stop: CancellationToken, tasks: TaskTracker) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accepting = async {
        loop {
            let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
            let Ok((stream, _)) = socket.accept().await else {
                // The client has already gone, or files have run out; both pass, the second not at once.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (connection, stop) = (handler(stream), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(connection).await;
                drop(slot);
            });
        }
    };
    stop.run_until_cancelled(accepting).await.unwrap_or(());
    // Dropping it does not end listening at once: a process just being started has a copy of every open file. An error says
    // that nothing listens any more.
    let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
}

async fn bind_somewhere(address: Option<SocketAddr>) -> Result<TcpListener, SandboxError> {
    if let Some(address) = address {
        return bind(address).await;
    }
    for _ in 1..BINDS_MAX {
        match bind(ports::loopback(ports::free_port()?)).await {
            Err(SandboxError::Io { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    bind(ports::loopback(ports::free_port()?)).await
}

async fn bind(address: SocketAddr) -> Result<TcpListener, SandboxError> {
    TcpListener::bind(address).await.map_err(SandboxError::io(format!("listen on {address}")))
}
