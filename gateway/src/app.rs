//! What the endpoints, the ticks and the sockets of one gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use admission::{Holds, Loader, Queue, Store, StripeBudget};
use domain::clock::Clock;
use domain::sale::SaleState;
use domain::ticket::TicketSigner;
use domain::token::Signer;
use ledger::Ledger;
use payments::Stripe;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::artefacts::Artefacts;
use crate::availability;
use crate::config::GatewayConfig;
use crate::directory::Directory;
use crate::draws::{self, Draws};
use crate::endpoints::fairness::FairnessFiles;
use crate::endpoints::organizer::reports::export::ExportRoom;
use crate::floor::{Floor, Floors, Seen, tick};
use crate::identity::Cookies;
use crate::joins::{self, Joins};
use crate::limits::{Client, Left, Limit, Limits};
use crate::problem::{Code, Problem};
use crate::public_url::PublicUrl;
use crate::pulse::PaymentPulse;
use crate::sale::Sale;
use crate::takes::{self, Takes};
use crate::trace;

/// Room for sockets: how many visitors watch through one gateway. At 4 KiB each 400 MiB; an event stream takes the room of
/// several.
pub const SOCKETS_MAX: u32 = 100_000;

/// How long a shopper is inside until the order is paid, at a guess that is rather short: who takes longer writes less.
pub const SHOPPER_S: u32 = 30;

/// Writes to Stripe that one shopper makes: a payment, and its capture.
pub const WRITES_PER_SHOPPER: u32 = 2;

/// What a gateway works with; made by whoever starts it.
pub struct GatewayParts {
    /// Postgres, as [`ledger::Role::Gateway`].
    pub ledger: Ledger,
    /// Redis.
    pub store: Store,
    /// Stripe.
    pub stripe: Arc<Stripe>,
    /// Signs and verifies tokens.
    pub signer: Arc<Signer>,
    /// Signs tickets.
    pub ticket_signer: Arc<TicketSigner>,
    /// The process clock: it decides how old a webhook's signature is, and tells the time while Redis is away.
    pub clock: Clock,
}

/// A gateway's state.
pub(crate) struct App {
    /// What it was told.
    pub(crate) config: GatewayConfig,
    /// Postgres.
    pub(crate) ledger: Ledger,
    /// Redis.
    pub(crate) store: Store,
    /// Numbers and turns.
    pub(crate) queue: Queue,
    /// Units for a while.
    pub(crate) holds: Holds,
    /// Stops and starts the clocks of a sale.
    pub(crate) loader: Loader,
    /// Stripe.
    pub(crate) stripe: Arc<Stripe>,
    /// What may be written to it.
    pub(crate) stripe_budget: StripeBudget,
    /// Tokens.
    pub(crate) signer: Arc<Signer>,
    /// QR codes.
    pub(crate) ticket_signer: Arc<TicketSigner>,
    /// The process clock.
    pub(crate) clock: Clock,
    /// The cookies of the pages.
    pub(crate) cookies: Cookies,
    /// The sales.
    pub(crate) directory: Directory,
    /// The live ones, tick by tick.
    pub(crate) floors: Floors,
    /// Their draws, and those of others that somebody asked for.
    pub(crate) draws: Draws,
    /// How paying is going.
    pub(crate) pulse: PaymentPulse,
    /// How many sales share what may be written to Stripe.
    open_sales: AtomicU32,
    /// How many writes a second that is now: less than the limit after Stripe answered 429.
    stripe_writes_per_s: AtomicU32,
    /// What is published of the sales' draws.
    pub(crate) fairness: FairnessFiles,
    /// Files of tickets.
    pub(crate) artefacts: Artefacts,
    /// How often one client may ask.
    pub(crate) limits: Limits,
    /// Room for sockets.
    pub(crate) sockets: Arc<Semaphore>,
    /// Room for exports.
    pub(crate) exports: Arc<ExportRoom>,
    /// The listener, connections, sockets, and requests that go on when their client is gone: waited for when the gateway stops.
    pub(crate) visits: TaskTracker,
    /// Ticks and timers: they go last.
    pub(crate) tasks: TaskTracker,
    /// The gateway is to stop: it is not ready any more, and says so to whoever comes.
    pub(crate) draining: CancellationToken,
    /// The notice is over: no new connections, sockets say good-bye.
    pub(crate) parting: CancellationToken,
    /// Everybody is gone: ticks and timers end.
    pub(crate) over: CancellationToken,
}

impl App {
    pub(crate) fn new(
        config: GatewayConfig,
        parts: GatewayParts,
        public_url: PublicUrl,
        draining: CancellationToken,
    ) -> Self {
        Self {
            limits: Limits::new(&config.rate_limits),
            cookies: Cookies::new(public_url),
            queue: Queue::new(parts.store.clone()),
            holds: Holds::new(parts.store.clone()),
            loader: Loader::new(parts.store.clone()),
            stripe_budget: StripeBudget::new(
                parts.store.clone(),
                &parts.stripe.environment(),
                config.stripe_writes_per_s,
            ),
            ledger: parts.ledger,
            store: parts.store,
            stripe: parts.stripe,
            signer: parts.signer,
            ticket_signer: parts.ticket_signer,
            clock: parts.clock,
            directory: Directory::default(),
            floors: Floors::default(),
            draws: Draws::default(),
            pulse: PaymentPulse::new(Uuid::now_v7()),
            open_sales: AtomicU32::new(1),
            stripe_writes_per_s: AtomicU32::new(config.stripe_writes_per_s.get()),
            fairness: FairnessFiles::default(),
            artefacts: Artefacts::new(),
            config,
            sockets: Arc::new(Semaphore::new(
                usize::try_from(SOCKETS_MAX).expect("a word of memory has 32 bits at least"),
            )),
            exports: Arc::default(),
            visits: TaskTracker::new(),
            tasks: TaskTracker::new(),
            draining,
            parting: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// How the outside sees this gateway.
    pub(crate) const fn public_url(&self) -> &PublicUrl {
        self.cookies.public_url()
    }

    /// A sale that visitors may see, by id or slug.
    ///
    /// # Errors
    /// There is none, or Postgres is away and it is not known here.
    pub(crate) async fn sale(&self, name: &str) -> Result<Arc<Sale>, Problem> {
        let sale = self.directory.find(&self.ledger, name).await?.ok_or(Code::NotFound)?;
        if sale.slug() == name {
            trace::is_about_sale(sale.id());
        }
        Ok(sale)
    }

    /// The floor of a live sale.
    pub(crate) fn floor(self: &Arc<Self>, sale: &Arc<Sale>) -> Arc<Floor> {
        self.floors.of(sale, || {
            let (joins, takers) = Joins::new(sale.phases());
            let (takes, wishes) = Takes::new();
            let floor = Arc::new(Floor::new(Arc::clone(sale), joins, takes, self.over.child_token()));
            self.tasks.spawn(tick::run(Arc::clone(self), Arc::clone(&floor)));
            self.tasks.spawn(draws::follow(Arc::clone(self), Arc::clone(&floor)));
            joins::start(self, &floor, takers);
            self.tasks.spawn(takes::run(Arc::clone(self), Arc::clone(&floor), wishes));
            floor
        })
    }

    /// The floor of a sale and what it looks like now.
    ///
    /// # Errors
    /// The sale has ended, or Redis is away.
    pub(crate) async fn live(self: &Arc<Self>, sale: &Arc<Sale>) -> Result<(Arc<Floor>, Arc<Seen>), Problem> {
        if !sale.is_live() {
            return Err(Code::SaleClosed.into());
        }
        let floor = self.floor(sale);
        let seen = floor.seen_soon().await?;
        Ok((floor, seen))
    }

    /// What visitors see of a sale, as far as it can be told without asking a store.
    pub(crate) fn state_of(&self, sale: &Sale) -> SaleState {
        let seen = self.floors.get(sale.id()).and_then(|floor| floor.seen());
        seen.map_or_else(
            || sale.state(self.clock.now(), domain::sale::Stock::Left),
            |seen| sale.state(seen.view.now, availability::stock(&seen.view.stock)),
        )
    }

    /// A sale's time, as far as it can be told without asking a store.
    pub(crate) fn time_of(&self, sale: &Sale) -> jiff::Timestamp {
        let of_floor = self.floors.get(sale.id()).and_then(|floor| floor.now());
        of_floor.unwrap_or_else(|| self.clock.now())
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// It is one too many.
    pub(crate) fn count(&self, limit: Limit, client: Client) -> Result<Option<Left>, Problem> {
        self.limits.count(limit, client)
    }

    /// Reads the live sales anew: those that are new get a floor, those that ended lose theirs.
    pub(crate) async fn refresh_sales(self: &Arc<Self>) -> Result<(), ledger::LedgerError> {
        let live = self.directory.refresh(&self.ledger).await?;
        self.pulse.postgres_answered(Instant::now());
        for sale in live.sales() {
            self.floor(sale).set_sale(sale);
        }
        let open = live.sales().filter(|sale| self.state_of(sale) == SaleState::Open).count();
        self.open_sales.store(u32::try_from(open).unwrap_or(u32::MAX).max(1), Ordering::Relaxed);
        for floor in self.floors.ending(|sale| live.has(sale)) {
            // How it ended is the last thing its visitors are told.
            if let Some(sale) = self.directory.find(&self.ledger, &floor.sale().id().to_string()).await? {
                floor.set_sale(&sale);
            }
        }
        self.floors.retain(|sale| live.has(sale));
        self.draws.retain(|sale| live.has(sale));
        Ok(())
    }

    /// The most shoppers inside one sale that payments can follow: the account's writes, shared by the sales that are open.
    pub(crate) fn budget_shoppers(&self) -> u32 {
        let open_sales = self.open_sales.load(Ordering::Relaxed);
        let writes_per_s = self.stripe_writes_per_s.load(Ordering::Relaxed);
        let of_all = writes_per_s.saturating_mul(SHOPPER_S) / WRITES_PER_SHOPPER;
        (of_all / open_sales).max(1)
    }

    /// Looks at what may be written to Stripe. While Redis does not say, it is what it was.
    pub(crate) async fn look_at_budget(&self) {
        match self.stripe_budget.look().await {
            Ok(seen) => self.stripe_writes_per_s.store(seen.writes_per_s, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "nobody knows what is left to write to Stripe"),
        }
    }

    /// After a decision made here: the directory must not be older than it.
    pub(crate) async fn sales_changed(self: &Arc<Self>) {
        self.directory.forget_recent();
        if let Err(error) = self.refresh_sales().await {
            tracing::warn!(%error, "the directory is refreshed at its next turn");
        }
    }
}
