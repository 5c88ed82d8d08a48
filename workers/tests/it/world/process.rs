//! Workers that end as a killed process does.
//!
//! They have a runtime and connections of their own. When that runtime is shut down every task of theirs is gone at its next
//! wait, and the servers see the connections close: what was under way there is rolled back or finished, as it is when a process
//! is killed. Leases stay.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admission::{Store, StoreConfig};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::SecretString;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use workers::points::{Point, Points, Step, Watch};
use workers::{Drained, MailConfig, Workers, WorkersParts};

use super::{Running, Sale, World, pools, till};
use crate::eventually::eventually;

/// A lease of before is over by then.
const LEASES_MAX: Duration = Duration::from_secs(61);
/// What the connections of these processes call themselves.
const MORTAL: &str = "mortal";
/// A point that is passed at all is passed by then.
const PASSED_WITHIN: Duration = Duration::from_secs(30);

/// A process of workers.
pub(crate) struct Process {
    runtime: Option<Runtime>,
    running: Option<Running>,
}

/// Sees what is passed, and ends the process at one point.
#[derive(Default)]
pub(crate) struct Seen {
    fatal: Option<(&'static str, Point)>,
    passed: Mutex<HashSet<(&'static str, Point)>>,
    dead: Notify,
}

/// Whether events reach us while workers die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Postman {
    GoesRound,
    StaysAtHome,
}

impl Seen {
    /// What was passed.
    pub(crate) fn works(&self) -> BTreeSet<&'static str> {
        self.passed.lock().expect("no panic under this lock").iter().map(|(work, _)| *work).collect()
    }

    /// Whether that was passed.
    pub(crate) fn has(&self, work: &'static str, point: Point) -> bool {
        self.passed.lock().expect("no panic under this lock").contains(&(work, point))
    }
}

impl Watch for Seen {
    fn passes(&self, work: &'static str, point: Point) -> Step {
        let mut passed = self.passed.lock().expect("no panic under this lock");
        passed.insert((work, point));
        // Once one has stopped, nothing goes on.
        if !self.fatal.is_some_and(|fatal| passed.contains(&fatal)) {
            return Step::On;
        }
        self.dead.notify_one();
        Step::Stop
    }
}

impl Process {
    /// It is there no more.
    fn die(mut self) {
        drop(self.running.take());
        self.runtime.take().expect("it runs").shutdown_background();
    }

    /// It ends by itself.
    pub(crate) async fn stop(mut self) -> Drained {
        let drained = self.running.take().expect("it runs").stop().await;
        self.runtime.take().expect("it runs").shutdown_background();
        drained
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    /// Starts a process of workers that somebody watches.
    pub(crate) async fn starts_process(&self, seen: &Arc<Seen>) -> Process {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let (database, redis) = (self.database.url.clone(), self.redis.url());
        let (stripe, mail) = (till(&self.stripe), SecretString::from(self.mail.url()));
        let (ticket_signer, signer) = (Arc::clone(&self.ticket_signer), Arc::clone(&self.signer));
        let beacon = self.beacon.url().parse().expect("a URL");
        let points = Points::watched(Arc::clone(seen) as Arc<dyn Watch>);
        let starting = runtime.spawn(async move {
            let pool = PoolConfig { connections_max: 8, application: MORTAL.to_owned(), ..PoolConfig::default() };
            let parts = WorkersParts {
                ledger: Ledger::connect(&database, Role::Workers, pool).expect("a URL"),
                store: Store::connect(&redis, StoreConfig::default()).await.expect("an address"),
                stripe: Arc::new(stripe),
                ticket_signer,
                signer,
                mail: Some(MailConfig::parse(&mail, "Tickets <tickets@example.com>").expect("a good configuration")),
                beacon: Some(beacon),
                public_url: "https://tickets.example/".to_owned(),
            };
            let stop = CancellationToken::new();
            Running { workers: Workers::start_watched(pools(), parts, points, stop.clone()), stop }
        });
        let running = starting.await.expect("it starts");
        Process { runtime: Some(runtime), running: Some(running) }
    }

    /// Workers who do all there is to do.
    pub(crate) async fn works_off(&self, sale: &Sale) {
        let process = self.starts_process(&Arc::default()).await;
        eventually("Redis has the sale", async || self.epoch(sale).await.is_some()).await;
        self.until_idle().await;
        process.stop().await;
    }

    /// Workers die at that point, and others do what is left once the leases of the dead are over.
    pub(crate) async fn dies_at(&self, sale: &Sale, work: &'static str, point: Point) {
        self.kills_at(work, point, Postman::GoesRound).await;
        self.works_off(sale).await;
    }

    /// Workers die at that point, and nobody does what is left, though the leases of the dead are over.
    pub(crate) async fn kills_at(&self, work: &'static str, point: Point, postman: Postman) {
        let seen = Arc::new(Seen { fatal: Some((work, point)), ..Seen::default() });
        let process = self.starts_process(&seen).await;
        tokio::select! {
            () = seen.dead.notified() => {}
            () = self.goes_round(postman) => unreachable!("it goes round for ever"),
            () = tokio::time::sleep(PASSED_WITHIN) => panic!("{work} never passed {point:?}; passed: {:?}", seen.works()),
        }
        process.die();
        // A lease that was on its way is there by then, and not only after the clock has moved.
        let left = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{MORTAL}'"
        );
        eventually("Postgres has noticed", async || self.count(&left).await == 0).await;
        self.advances(LEASES_MAX).await;
    }

    async fn goes_round(&self, postman: Postman) {
        match postman {
            Postman::GoesRound => loop {
                self.posts_events().await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            },
            Postman::StaysAtHome => std::future::pending().await,
        }
    }
}
