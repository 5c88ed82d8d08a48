//! `onsale demo`: everything in one process on private servers.
//!
//! What runs is what runs in production: the migration, the gateway and the workers, configured through the same
//! variables; only the servers around them are the sandbox's. Ten scripted buyers register in the prequeue, are drawn when
//! the doors open, and go through the public API; the audit looks at what they left, and the page stays up for a person to
//! try until Ctrl-C, or ends at once with `--once`.
//!
//! With `--page-only`, SIGUSR1 sets the clock of orders and offers ahead by [`LEAP`]: a browser does not wait five minutes for
//! what the waitlist waits for.
//!
//! With `--servers-only` there is neither sale nor buyer, and the same signal; it prints, a name and a value a line, what a load test
//! needs: where the page, the mail and the metrics are, the organizer's key, and what `onsale audit` needs to look at the stores.

mod buyers;
mod prequeue;
mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::ready::ReadyLine;
use gateway::Gateway;
use sandbox::FakeStripeOptions;
use sandbox::actors::{Edge, Organizer};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use workers::Workers;

use self::buyers::{CAST, Ending, Registered, Stage, Story};
use self::prequeue::DOORS_OPEN_IN;
use crate::admin::Ready;
use crate::cli::Demo;
use crate::command::{Failure, block_on, report_as_text};
use crate::config::{GatewaySettings, WorkersSettings};
use crate::process::{self, Process};
use crate::servers::{Fakes, Servers};
use crate::start;

/// How long a hold lasts: as long as a person needs to type a name and an address, or, when nobody is there, just longer
/// than the scripted buyers need on a slow machine.
const HOLD_S: u32 = 180;
const HOLD_ONCE_S: u32 = 30;
/// The sweep comes twice a second; the buyer who waits for it waits this much longer.
const SWEPT_AFTER: Duration = Duration::from_secs(2);
/// How long the work in inbox and outbox may take to be done before the audit looks.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Just longer than the queue has to join the waitlist.
const LEAP: Duration = Duration::from_secs(301);
/// Half of what is sold is left for whoever tries the page.
const CAPACITY: u32 = 30;
/// The sale's and the tier's names in URLs.
pub(crate) const SLUG: &str = "night-at-the-opera";
const TIER: &str = "standing";

/// Why the demo did not show what it is for.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the prequeue was not drawn in time")]
    Undrawn,
    #[error("the draw does not compute again")]
    Unverified,
    #[error("a scripted buyer's story did not end as told")]
    NotAsTold,
    #[error("{0} pieces of work were still waiting after {SETTLED_WITHIN:?}")]
    NotSettled(i64),
}

/// Runs the demo to its end.
pub(crate) fn run(demo: &Demo) -> Result<(), Failure> {
    process::log_quietly();
    block_on(async {
        let process = Process::new()?;
        println!("starting private Postgres, Redis, Stripe and mail …");
        let stripe = FakeStripeOptions { latency: demo.latency.into(), ..FakeStripeOptions::default() };
        let mut servers = Servers::start(demo.listen, Fakes { stripe, ..Fakes::default() }).await?;
        servers.variables.stripe_writes_per_s = demo.stripe_writes_per_s.map(|writes| writes.to_string());
        servers.variables.trusted_proxies = demo.servers_only.then(|| "127.0.0.0/8".to_owned());
        let gateway = start::gateway(GatewaySettings::read(&servers.variables)?, process.draining()).await?;
        let workers = start::workers(WorkersSettings::read(&servers.variables)?, process.draining()).await?;
        let both = Arc::new(Both { gateway, workers });
        let any_port = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let admin = process.serve_admin(any_port, Arc::clone(&both)).await?;
        println!("metrics   http://{admin}/metrics");
        let shown = tokio::select! {
            shown = show(&servers, demo) => shown,
            asked = process::asked_to_end() => asked.map_err(Failure::from),
        };
        process.drain();
        both.gateway.join().await;
        both.workers.join().await;
        process.end().await;
        shown
    })
}

/// Gateway and workers in one process.
struct Both {
    gateway: Gateway,
    workers: Workers,
}

impl Ready for Arc<Both> {
    async fn ready(&self) -> Vec<ReadyLine> {
        let mut lines = self.gateway.ready().await;
        lines.extend(self.workers.ready().await);
        lines
    }
}

/// The sale, where to look at it, and the stories. Ends by itself only when something failed, or when asked to end once.
async fn show(servers: &Servers, demo: &Demo) -> Result<(), Failure> {
    let leaps = signal(SignalKind::user_defined1())?;
    if demo.servers_only {
        servers.says_where_they_are();
        return leap_whenever_asked(servers, leaps).await;
    }
    let edge = Edge::new(&servers.public_url);
    let hold_s = if demo.once { HOLD_ONCE_S } else { HOLD_S };
    let organizer = Organizer::new(&edge, &servers.organizer_key);
    let sale = organizer.publishes_to_open(&sale(hold_s), Duration::ZERO, DOORS_OPEN_IN).await?;
    organizer.waits_until_open(&sale).await?;
    println!("page      {}/s/{SLUG}   try it at any time\nmail      {}", servers.public_url, servers.mail.page_url());
    println!("key       {}   for the organizer API\n", servers.organizer_key);
    let seed_hash = prequeue::promised(&edge, &sale).await?;
    println!("prequeue  the doors open in {DOORS_OPEN_IN:?}\npromise   {seed_hash}   SHA-256 of the seed of the draw");
    if demo.page_only {
        return leap_whenever_asked(servers, leaps).await;
    }
    let stage = Stage {
        edge,
        sale,
        tier: TIER.to_owned(),
        stripe_api_base: servers.stripe.base_url(),
        hold_expires_within: Duration::from_secs(hold_s.into()) + SWEPT_AFTER,
    };
    let registered = prequeue::registers(&stage).await?;
    prequeue::draw(&stage, &seed_hash, &registered).await?;
    println!("ten scripted buyers; one of them waits {hold_s} s for a hold to run out\n");
    tells_the_stories(servers, &stage, registered, demo).await?;
    if demo.once {
        return Ok(());
    }
    std::future::pending().await
}

/// Sets the clock ahead at each signal, for ever.
async fn leap_whenever_asked(servers: &Servers, mut leaps: Signal) -> Result<(), Failure> {
    let leap_ms = i64::try_from(LEAP.as_millis()).expect("some minutes fit");
    while leaps.recv().await.is_some() {
        servers.database.advance_clock(leap_ms).await?;
    }
    std::future::pending().await
}

/// Tells all stories, and audits what they left: after the last one when nobody watches, else before the one that only
/// waits.
async fn tells_the_stories(
    servers: &Servers,
    stage: &Stage,
    registered: Vec<Registered>,
    demo: &Demo,
) -> Result<(), Failure> {
    let mut playing = JoinSet::new();
    for somebody in registered {
        playing.spawn(buyers::play(stage.clone(), somebody));
    }
    let waiting = CAST.iter().filter(|(_, story)| *story == Story::LetsItExpire).count();
    let before_audit = tells(&mut playing, if demo.once { 0 } else { waiting }).await;
    settles(servers).await?;
    let report = servers.audited().await?;
    println!("\n{}\n", report_as_text(&report));
    if !report.holds() {
        return Err(Failure::Breach);
    }
    if !demo.once {
        println!("Now try the page yourself. Ctrl-C ends everything.");
    }
    let after_audit = tells(&mut playing, 0).await;
    let as_told = report::all_as_told(&before_audit) && report::all_as_told(&after_audit);
    if as_told { Ok(()) } else { Err(DemoError::NotAsTold.into()) }
}

/// Tells stories as they end, until only so many are left.
async fn tells(playing: &mut JoinSet<Ending>, left: usize) -> Vec<Ending> {
    let mut endings = Vec::with_capacity(playing.len());
    while playing.len() > left
        && let Some(ending) = playing.join_next().await
    {
        let ending = ending.expect("a story returns its errors and is never cancelled");
        println!("{}", report::line(&ending));
        endings.push(ending);
    }
    endings
}

/// What is on sale; once open, it lets everybody in quickly.
pub(crate) fn sale(hold_s: u32) -> Value {
    json!({
        "name": "Night at the Opera",
        "slug": SLUG,
        "venue": "The Old Warehouse",
        "performances": [{ "starts_at": "2030-12-05T19:00:00Z", "ends_at": "2030-12-05T22:00:00Z" }],
        "terms": "Doors open an hour before. No glass, no re-entry.",
        "currency": "eur",
        "time_zone": "Europe/Berlin",
        "per_buyer_limit": 4,
        "tiers": [{ "id": TIER, "name": "Standing", "price": 4500, "capacity": CAPACITY }],
        "admission": { "rate_per_s": 5, "burst": 3, "max_shoppers": 50 },
        "hold": { "checkout_window_s": hold_s, "min_ttl_s": hold_s, "max_ttl_s": hold_s },
        "fees": [{ "name": "Service fee", "per_unit": 150 }],
        "taxes": [{ "name": "VAT 7 %", "basis_points": 700 }],
    })
}

/// Waits until nothing is left to apply, call, return or mail.
async fn settles(servers: &Servers) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let waiting = servers.work_left().await?;
        if waiting == 0 {
            return Ok(());
        }
        if started.elapsed() > SETTLED_WITHIN {
            return Err(DemoError::NotSettled(waiting).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
