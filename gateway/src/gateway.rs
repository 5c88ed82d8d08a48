//! A running gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::ready::ReadyLine;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::{App, GatewayParts, SOCKETS_MAX};
use crate::assets;
use crate::config::GatewayConfig;
use crate::directory::REFRESH;
use crate::metrics;
use crate::public_url::PublicUrlError;
use crate::server::{LAST_REQUESTS, Server};

/// How often the limits forget whom they have not seen.
const PRUNE: Duration = Duration::from_secs(30);

/// How often the budget of writes to Stripe is looked at.
const BUDGET_LOOK: Duration = Duration::from_secs(1);

/// How long the last frames of the last socket may take: each a client's time to take it, and to hear why.
const GOOD_BYE_MAX: Duration = Duration::from_secs(6);

/// What tasks may take to end after everybody was told to: they end at once, save for one last call to a store.
const END_MAX: Duration = Duration::from_secs(5);

/// A running gateway. It stops when its token is cancelled; [`Gateway::join`] waits for that.
pub struct Gateway {
    app: Arc<App>,
    addr: SocketAddr,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no public URL, and the address is none either.
    #[error(transparent)]
    PublicUrl(#[from] PublicUrlError),
}

impl Gateway {
    /// Starts a gateway. The stores may be away: it answers 503 until they are there.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        config: GatewayConfig,
        parts: GatewayParts,
        shutdown: CancellationToken,
    ) -> Result<Self, StartError> {
        assets::prepare();
        metrics::begin(SOCKETS_MAX);
        let listen = config.listen;
        let fault = |source| StartError::Listen { addr: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(fault)?;
        let addr = listener.local_addr().map_err(fault)?;
        let public_url = match &config.public_url {
            Some(url) => url.clone(),
            None => format!("http://{addr}").parse()?,
        };
        let app = Arc::new(App::new(config, parts, public_url, shutdown));
        app.tasks.spawn(refresh(Arc::clone(&app)));
        app.tasks.spawn(prune(Arc::clone(&app)));
        app.tasks.spawn(watch_budget(Arc::clone(&app)));
        app.tasks.spawn(part_after_notice(Arc::clone(&app)));
        // A visit itself: nobody may find that all visits are over before the listener is closed.
        app.visits.spawn(Arc::new(Server::new(Arc::clone(&app))).accept(listener));
        tracing::info!(%addr, "the gateway listens");
        Ok(Self { app, addr })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How what it needs is doing, a line each.
    pub async fn ready(&self) -> Vec<ReadyLine> {
        let app = &self.app;
        let (postgres, redis) = tokio::join!(app.ledger.ping(), app.store.ping());
        let pool = app.ledger.pool_status();
        let live = app.directory.live().sales().count();
        let connections = format!("{} connections, {} waiting", pool.size, pool.waiting);
        let accepting =
            if app.draining.is_cancelled() { Err("draining".to_owned()) } else { Ok(format!("{live} live sales")) };
        vec![
            ReadyLine::of("accepting", accepting),
            ReadyLine::of("postgres", postgres.map(|()| connections).map_err(|error| error.to_string())),
            ReadyLine::of("redis", redis.map(|()| String::new()).map_err(|error| error.to_string())),
        ]
    }

    /// Waits until the gateway was told to stop, and until it has: notice given, no new connections, requests under way
    /// finished, sockets told to reconnect elsewhere, every task ended, within the bounds of [`Drain`](crate::Drain).
    pub async fn join(&self) {
        let app = &self.app;
        app.parting.cancelled().await;
        app.visits.close();
        let drain = app.config.drain;
        let visits_max = (drain.sockets_spread + GOOD_BYE_MAX).max(LAST_REQUESTS + drain.requests_max);
        if timeout(visits_max, app.visits.wait()).await.is_err() {
            tracing::warn!(left = app.visits.len(), "the drain took too long; what is left is cut");
        }
        // Ticks go on while sockets are told where they stand: they are the last to go.
        app.over.cancel();
        app.tasks.close();
        if timeout(END_MAX, app.tasks.wait()).await.is_err() {
            tracing::warn!(left = app.tasks.len(), "some tasks did not end");
        }
    }
}

/// Keeps the directory fresh. While Postgres is away the last known sales stay.
async fn refresh(app: Arc<App>) {
    let mut interval = interval(REFRESH);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.over.cancelled() => return,
            _ = interval.tick() => {}
        }
        if let Err(error) = app.refresh_sales().await {
            metrics::store_failed("postgres");
            tracing::warn!(%error, "the directory is refreshed at its next turn");
        }
    }
}

/// Keeps up with what may be written to Stripe, and says that this gateway may write.
async fn watch_budget(app: Arc<App>) {
    let mut interval = interval(BUDGET_LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.over.cancelled() => return,
            _ = interval.tick() => {}
        }
        app.look_at_budget().await;
    }
}

/// Gives notice, and parts then. Sockets and streams wait for news; that the gateway stops is news to all of them.
async fn part_after_notice(app: Arc<App>) {
    app.draining.cancelled().await;
    sleep(app.config.drain.notice).await;
    app.parting.cancel();
    app.floors.part();
}

async fn prune(app: Arc<App>) {
    let mut interval = interval(PRUNE);
    loop {
        tokio::select! {
            () = app.over.cancelled() => return,
            _ = interval.tick() => app.limits.prune(),
        }
    }
}
