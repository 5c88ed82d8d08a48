//! The workers of one process: their pools, their sweeps, and how they end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use admission::{Holds, Loader, Store, StripeBudget};
use domain::ready::ReadyLine;
use domain::ticket::TicketSigner;
use domain::token::Signer;
use domain::trace::Sampling;
use ledger::Ledger;
use ledger::outbox::Queue;
use payments::Stripe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::beacon::{Beacon, BeaconUrl};
use crate::bells::Bells;
use crate::context::Context;
use crate::inbox::{self, Inbox};
use crate::jobs::payment_news;
use crate::mail::{MailConfig, Mailer};
use crate::outbox::Outbox;
use crate::points::Points;
use crate::ready::{self, Phase};
use crate::reconcilers::old_authorisations::OldAuthorisations;
use crate::reconcilers::stock::Stock;
use crate::reconcilers::stripe_balance::StripeBalance;
use crate::reconcilers::undelivered_events::UndeliveredEvents;
use crate::reconcilers::unfinished_payments::UnfinishedPayments;
use crate::reconcilers::{self, ReconcilePace, Reconciler};
use crate::runner::{Pool, PoolSize, Source};
use crate::sweeps::audit_books::AuditBooks;
use crate::sweeps::expire_holds::ExpireHolds;
use crate::sweeps::expire_orders::ExpireOrders;
use crate::sweeps::find_payments::FindPayments;
use crate::sweeps::hold_draws::HoldDraws;
use crate::sweeps::live_sales::ReadLiveSales;
use crate::sweeps::load_redis::LoadRedis;
use crate::sweeps::measure_payments::MeasurePayments;
use crate::sweeps::prune::Prune;
use crate::sweeps::publish_gauges::PublishGauges;
use crate::sweeps::queue_starts::FindQueueStarts;
use crate::sweeps::roll_up_balances::RollUpBalances;
use crate::sweeps::seal_books::SealBooks;
use crate::sweeps::serve_waitlists::ServeWaitlists;
use crate::sweeps::wind_up_sales::WindUpSales;
use crate::sweeps::{self, Sweep};

/// What Stripe takes in live mode unless it was raised.
const STRIPE_WRITES_PER_S: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");

/// How much at once, and how patient.
#[derive(Debug, Clone)]
pub struct WorkersConfig {
    /// Stripe events applied at once. They share a few calls of the database, so more of them fill its batches.
    pub inbox: PoolSize,
    /// Calls to Stripe at once. Each mostly waits, for its turn and for Stripe: at 100 writes a second that take 1 s each, 100 are
    /// under way.
    pub stripe: PoolSize,
    /// Returns to Redis at once.
    pub stock: PoolSize,
    /// Mails at once, and connections to the mail server.
    pub mail: PoolSize,
    /// How many writes a second Stripe takes from the account, whoever makes them.
    pub stripe_writes_per_s: NonZeroU32,
    /// How often a pool looks by itself: for delays that have passed, and for bells that were missed.
    pub poll_every: Duration,
    /// Which of the traces that begin here are recorded.
    pub sampling: Sampling,
    /// How often the reconcilers look.
    pub reconcile: ReconcilePace,
    /// How long ending may take.
    pub drain_max: Duration,
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            inbox: PoolSize(500),
            stripe: PoolSize(128),
            stock: PoolSize(4),
            mail: PoolSize(8),
            stripe_writes_per_s: STRIPE_WRITES_PER_S,
            poll_every: Duration::from_secs(1),
            sampling: Sampling::default(),
            reconcile: ReconcilePace::Usual,
            drain_max: Duration::from_secs(20),
        }
    }
}

/// What the workers work with.
pub struct WorkersParts {
    /// Postgres, in the role of the workers.
    pub ledger: Ledger,
    /// Redis.
    pub store: Store,
    /// Stripe.
    pub stripe: Arc<Stripe>,
    /// Signs tickets.
    pub ticket_signer: Arc<TicketSigner>,
    /// Signs the links in letters.
    pub signer: Arc<Signer>,
    /// The mail server; without one, mail waits in the outbox.
    pub mail: Option<MailConfig>,
    /// The beacon that draws wait for; without one, they are self-attested.
    pub beacon: Option<BeaconUrl>,
    /// How the outside sees the gateway, for the links in letters.
    pub public_url: String,
}

/// Running workers.
pub struct Workers {
    context: Arc<Context>,
    tracker: TaskTracker,
    stop: CancellationToken,
    drain_max: Duration,
}

/// How the workers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything that had begun came to its end.
    Clean,
    /// Some work took too long; its lease runs out and another worker does it.
    Overdue,
}

impl Workers {
    /// Starts all pools and sweeps. Nothing needs to be there yet: what is away is waited for.
    #[must_use]
    pub fn start(config: WorkersConfig, parts: WorkersParts, stop: CancellationToken) -> Workers {
        Self::start_watched(config, parts, Points::default(), stop)
    }

    /// The same, under the eyes of a test.
    #[must_use]
    pub fn start_watched(
        config: WorkersConfig,
        parts: WorkersParts,
        points: Points,
        stop: CancellationToken,
    ) -> Workers {
        crate::metrics::begin();
        let context = context(&config, parts, points);
        let workers = Workers { context, tracker: TaskTracker::new(), stop, drain_max: config.drain_max };
        let bells = Bells::default();
        workers.start_pools(&config, &bells);
        workers.start_sweeps();
        workers.start_reconcilers(config.reconcile);
        workers.tracker.spawn(bells.listen(workers.context.ledger.clone(), workers.stop.clone()));
        workers.tracker.close();
        workers
    }

    /// A line for each thing the workers need.
    pub async fn ready(&self) -> Vec<ReadyLine> {
        let phase = if self.stop.is_cancelled() { Phase::Draining } else { Phase::Working };
        ready::lines(&self.context, phase).await
    }

    /// Waits until the workers were told to stop and everything that had begun came to its end, for a bounded time.
    pub async fn join(&self) -> Drained {
        self.stop.cancelled().await;
        match tokio::time::timeout(self.drain_max, self.tracker.wait()).await {
            Ok(()) => Drained::Clean,
            Err(_) => {
                tracing::warn!(tasks = self.tracker.len(), "work was left behind; its leases run out");
                Drained::Overdue
            }
        }
    }

    fn start_pools(&self, config: &WorkersConfig, bells: &Bells) {
        let context = || Arc::clone(&self.context);
        let (find_starts, starts) = FindQueueStarts::new(context());
        self.sweep(find_starts);
        let outbox = |queue| Outbox { context: context(), queue, starts: starts.clone() };
        self.pool(Inbox { context: context(), starts: starts.clone() }, config.inbox, config, bells.inbox());
        self.pool(outbox(Queue::Stripe), config.stripe, config, bells.outbox(Queue::Stripe));
        self.pool(outbox(Queue::Stock), config.stock, config, bells.outbox(Queue::Stock));
        // Without a mail server nothing is claimed, so that no attempt is spent: the gauges tell what waits.
        if self.context.mailer.is_some() {
            self.pool(outbox(Queue::Mail), config.mail, config, bells.outbox(Queue::Mail));
        } else {
            tracing::warn!("no mail server is configured: mail waits in the outbox");
        }
    }

    fn pool<S: Source>(&self, source: S, size: PoolSize, config: &WorkersConfig, wake: Arc<tokio::sync::Notify>) {
        let pool = Pool { source, size, poll_every: config.poll_every, sampling: config.sampling, wake };
        self.tracker.spawn(pool.run(self.tracker.clone(), self.stop.clone()));
    }

    fn start_sweeps(&self) {
        let context = || Arc::clone(&self.context);
        let (read_live_sales, sales) = ReadLiveSales::new(context());
        self.sweep(read_live_sales);
        self.sweep(ExpireHolds { context: context(), sales: sales.clone() });
        self.sweep(ExpireOrders(context()));
        self.sweep(LoadRedis::new(context(), sales.clone()));
        self.sweep(FindPayments(context()));
        self.sweep(HoldDraws { context: context(), sales: sales.clone() });
        self.sweep(MeasurePayments { context: context(), sales: sales.clone() });
        self.sweep(RollUpBalances(context()));
        self.sweep(PublishGauges::new(context(), sales));
        self.sweep(SealBooks(context()));
        self.sweep(ServeWaitlists(context()));
        self.sweep(WindUpSales(context()));
        self.sweep(Prune(context()));
        self.sweep(AuditBooks::new(context()));
    }

    fn start_reconcilers(&self, pace: ReconcilePace) {
        let context = || Arc::clone(&self.context);
        self.reconciler(UndeliveredEvents(context()), pace);
        self.reconciler(UnfinishedPayments(context()), pace);
        self.reconciler(OldAuthorisations(context()), pace);
        self.reconciler(Stock(context()), pace);
        self.reconciler(StripeBalance(context()), pace);
    }

    fn reconciler<R: Reconciler>(&self, reconciler: R, pace: ReconcilePace) {
        let context = Arc::clone(&self.context);
        self.tracker.spawn(reconcilers::repeat(context, reconciler, pace, self.stop.clone()));
    }

    fn sweep<S: Sweep>(&self, sweep: S) {
        self.tracker.spawn(sweeps::repeat(sweep, self.context.points.clone(), self.stop.clone()));
    }
}

pub(crate) fn context(config: &WorkersConfig, parts: WorkersParts, points: Points) -> Arc<Context> {
    let WorkersParts { ledger, store, stripe, ticket_signer, signer, mail, beacon, public_url } = parts;
    Arc::new(Context {
        queue: admission::Queue::new(store.clone()),
        holds: Holds::new(store.clone()),
        loader: Loader::new(store.clone()),
        mailer: mail.map(|mail| Mailer::new(mail, config.mail.0)),
        beacon: beacon.map(Beacon::new),
        public_url: public_url.trim_end_matches('/').to_owned(),
        payment_news: payment_news::line(),
        done_events: inbox::done_events(),
        stripe_budget: StripeBudget::new(store.clone(), &stripe.environment(), config.stripe_writes_per_s),
        points,
        ledger,
        store,
        stripe,
        ticket_signer,
        signer,
    })
}
