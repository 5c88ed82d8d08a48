//! `onsale rehearse`: a sale as it is configured, with a crowd of simulated fans, and a report of how it went.
//!
//! ```text
//! SALE.json ─▶ the sale at a speed ─▶ private Postgres, Redis, Stripe, mail ─▶ our gateway and workers
//! CROWD.json ─▶ a plan for each fan, from the seed ─▶ fans, on the public API ─▶ tally, samples ─▶ report.json, report.html
//! ```
//!
//! It never reaches anything real. What runs is what runs in production, configured through the same variables, each part on
//! threads of its own so that the report can tell who used the processor. It goes on until every unit is paid for, every fan
//! is done, the time is up or somebody presses Ctrl-C; then the work that is left is done, the audit looks, and both reports
//! are written, whatever the reason. Only a rehearsal that came to its end and broke no invariant ends with 0.
//!
//! What is the same for the same seed: the plan of every fan, with all its counts; and, of a sale that sells out, what was
//! sold. Everything else is measured, and the report keeps the two apart.

mod advice;
mod clock;
mod crowd;
mod fan;
mod faults;
mod page;
mod plan;
mod report;
mod sale;
mod samples;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use gateway::Gateway;
use ledger::audit::AuditReport;
use sandbox::actors::{Edge, Organizer};
use sandbox::{FakeStripeOptions, Latency, Limits, Persistence, RedisOptions, open_files};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use workers::Workers;

use self::clock::{SaleClock, lasts};
use self::crowd::Crowd;
use self::fan::{AT_ONCE_MAX, Client, Fan, World};
use self::plan::Drawing;
use self::report::{Ended, Rehearsal};
use self::sale::{Configured, Opening, Rehearsed};
use self::samples::{Looked, Sample, units_sold};
use self::tally::Tally;
use crate::cli::Rehearse;
use crate::command::{Failure, block_on, report_as_text};
use crate::config::{GatewaySettings, WorkersSettings};
use crate::process::{self, Process};
use crate::servers::{Fakes, Servers};
use crate::start;

/// Fans for each unit, unless somebody says how many.
const FANS_OF_UNIT: u32 = 10;
/// The least time from publishing to opening: the sale must be in Redis, and the first fans in line.
const OPENS_IN_MIN: Duration = Duration::from_secs(4);
/// Added to the time that fans come before the opening.
const OPENS_AFTER_FIRST: Duration = Duration::from_secs(2);
/// Files for everything but sockets and the fans' requests: stores, fakes, mail, events.
const FILES_BESIDE: u64 = 1_200;
/// How often it is looked whether everything is sold.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the person who waits is told how it goes.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long fans may take to go home.
const HOME_WITHIN: Duration = Duration::from_secs(30);
/// How long the work that is left may take: letters of thousands of orders.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);
const AUDITED_WITHIN: Duration = Duration::from_secs(120);
/// Fans who begin to live at once; the others wait for their time in a list, not as tasks.
const AWAKE_BEFORE: Duration = Duration::from_secs(1);
/// Blocking threads keep their name and what they used for as long as a rehearsal lasts.
const THREADS_KEPT: Duration = Duration::from_secs(86_400);

/// Why there is no good rehearsal.
#[derive(Debug, thiserror::Error)]
enum RehearsalError {
    #[error("ended early: {0}")]
    Early(&'static str),
    #[error("{0} pieces of work were still waiting after {SETTLED_WITHIN:?}")]
    NotSettled(i64),
    #[error("the audit did not end within {AUDITED_WITHIN:?}")]
    NotAudited,
}

/// Everything that was asked for.
struct Asked<'a> {
    command: &'a Rehearse,
    configured: Configured,
    rehearsed: Rehearsed,
    drawing: Drawing,
    fans: u32,
    speed: f64,
    speed_why: String,
    sockets_max: usize,
    files: u64,
}

/// Threads by what they run.
struct Threads {
    gateway: Runtime,
    workers: Runtime,
    fakes: Runtime,
    fans: Runtime,
}

/// Runs the rehearsal to its end.
pub(crate) fn run(command: &Rehearse) -> Result<(), Failure> {
    let asked = asked(command)?;
    if command.plan {
        println!("{:#}", asked.drawing.counts(asked.fans));
        return Ok(());
    }
    process::log_quietly();
    let threads = Threads::start()?;
    let done = block_on(rehearse(&asked, &threads));
    for runtime in [threads.fans, threads.fakes, threads.workers, threads.gateway] {
        runtime.shutdown_background();
    }
    done
}

fn asked(command: &Rehearse) -> Result<Asked<'_>, Failure> {
    let unreadable = |wrong| sale::unreadable(&command.sale, wrong);
    let configured = Configured::read(&sale::text_of(&command.sale)?).map_err(unreadable)?;
    let tiers = configured.tiers();
    let ids: Vec<_> = tiers.iter().map(|tier| tier.id.clone()).collect();
    let crowd = match &command.crowd {
        Some(path) => Crowd::read(&sale::text_of(path)?, &ids).map_err(|wrong| sale::unreadable(path, wrong))?,
        None => Crowd::default(),
    };
    let cores = cores();
    let (speed, speed_why) = match command.speed {
        Some(speed) if (0.1..=100.0).contains(&speed) => (speed, "as asked for".to_owned()),
        Some(_) => return Err(Failure::Unreadable("--speed: a number from 0.1 to 100".into())),
        None => configured.speed(&crowd, cores),
    };
    let units: u32 = tiers.iter().map(|tier| tier.units).sum();
    let fans = command.fans.unwrap_or(units.saturating_mul(FANS_OF_UNIT).clamp(1, 1_000_000));
    let per_buyer_limit = configured.config.per_buyer_limit;
    let files = open_files::raised();
    Ok(Asked {
        command,
        rehearsed: configured.rehearsed(speed),
        configured,
        drawing: Drawing { crowd, tiers, per_buyer_limit, seed: command.seed },
        fans,
        speed,
        speed_why,
        sockets_max: sockets_max(files),
        files,
    })
}

/// Both ends of a socket, and of a request, are in this process.
fn sockets_max(files: u64) -> usize {
    let requests = 2 * AT_ONCE_MAX as u64;
    let pairs = files.saturating_sub(requests + FILES_BESIDE) / 2;
    usize::try_from(pairs).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Threads {
    fn start() -> std::io::Result<Self> {
        let named = |name: &str| {
            Builder::new_multi_thread().enable_all().thread_name(name).thread_keep_alive(THREADS_KEPT).build()
        };
        let [gateway, workers, fakes, fans, ..] = samples::WHO;
        Ok(Self { gateway: named(gateway)?, workers: named(workers)?, fakes: named(fakes)?, fans: named(fans)? })
    }
}

/// Servers, the sale, the crowd, the audit, the report; all of it ended in any case.
async fn rehearse(asked: &Asked<'_>, threads: &Threads) -> Result<(), Failure> {
    let process = Process::new()?;
    println!("starting private Postgres, Redis, Stripe and mail, and our gateway and workers …");
    let starting = starts(asked, threads, &process);
    let (servers, gateway, workers) = tokio::select! {
        started = starting => started?,
        asked = process::asked_to_end() => {
            asked?;
            return Err(RehearsalError::Early("before anything was open").into());
        }
    };
    let rehearsed = goes_through(asked, threads, &servers).await;
    process.drain();
    let joined = threads.gateway.spawn(async move { gateway.join().await });
    let _ = joined.await;
    let joined = threads.workers.spawn(async move { workers.join().await });
    let _ = joined.await;
    process.end().await;
    let rehearsal = rehearsed?;
    report::write(&rehearsal, &asked.command.out)?;
    rehearsal.verdict()
}

async fn starts(
    asked: &Asked<'_>,
    threads: &Threads,
    process: &Process,
) -> Result<(Arc<Servers>, Gateway, Workers), Failure> {
    let payments = &asked.drawing.crowd.payments;
    let writes = whole(payments.writes_per_s * asked.speed);
    let fakes = Fakes {
        stripe: FakeStripeOptions {
            latency: asked.stripe_latency(),
            limits: Limits { writes_per_s: Some(writes), ..Limits::default() },
            seed: asked.command.seed,
            ..FakeStripeOptions::default()
        },
        redis: RedisOptions { persistence: Persistence::AppendOnly },
    };
    let any_port = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let mut servers = threads.fakes.spawn(Servers::start(any_port, fakes)).await??;
    servers.variables.trusted_proxies = Some("127.0.0.0/8".to_owned());
    servers.variables.stripe_writes_per_s = Some(writes.to_string());
    let settings = GatewaySettings::read(&servers.variables)?;
    let gateway = threads.gateway.spawn(start::gateway(settings, process.draining())).await??;
    let settings = WorkersSettings::read(&servers.variables)?;
    let workers = threads.workers.spawn(start::workers(settings, process.draining())).await??;
    Ok((Arc::new(servers), gateway, workers))
}

impl Asked<'_> {
    fn stripe_latency(&self) -> Latency {
        let payments = &self.drawing.crowd.payments;
        Latency::LogNormal { median: lasts(payments.answer_s, self.speed), sigma: payments.sigma }
    }

    fn units(&self) -> u32 {
        self.drawing.tiers.iter().map(|tier| tier.units).sum()
    }
}

/// From publishing to the audit.
async fn goes_through(asked: &Asked<'_>, threads: &Threads, servers: &Arc<Servers>) -> Result<Rehearsal, Failure> {
    let before = lasts(asked.drawing.crowd.arrivals.before_s, asked.speed);
    let opens_in = (before + OPENS_AFTER_FIRST).max(OPENS_IN_MIN);
    let prequeue_in = if asked.configured.opening == Opening::Drawn { Duration::ZERO } else { opens_in };
    let edge = Edge::new(&servers.public_url);
    let organizer = Organizer::new(&edge, &servers.organizer_key);
    let clock = SaleClock { opens: Instant::now() + opens_in, speed: asked.speed };
    let wish = serde_json::to_value(&asked.rehearsed.config)?;
    let id = organizer.publishes_to_open(&wish, prequeue_in, opens_in).await?;
    organizer.waits_until_open(&id).await?;
    println!(
        "{} fans for {} units at {}; the doors open in {:.0} s, {} sale seconds pass in one",
        asked.fans,
        asked.units(),
        servers.public_url,
        clock.opens.duration_since(Instant::now()).as_secs_f64(),
        asked.speed
    );
    let tally = Arc::new(Tally::new());
    let world = Arc::new(asked.world(servers, &tally, clock, id));
    let stop = CancellationToken::new();
    let looked = Looked::at(servers, &tally, clock).await?;
    let mut watched = JoinSet::new();
    watched.spawn(looked.until(stop.clone()));
    let mut faults = JoinSet::new();
    for fault in asked.drawing.crowd.faults.clone() {
        let usual = asked.stripe_latency();
        faults.spawn(faults::inflict(fault, Arc::clone(servers), clock, Arc::clone(&tally), usual));
    }
    let crowd = threads.fans.spawn(lets_loose(Arc::clone(&world), asked.drawing.clone(), asked.fans));
    let (ended, ended_at) = until_the_end(asked, &world, crowd).await?;
    faults.shutdown().await;
    stop.cancel();
    let samples = watched.join_next().await.expect("one was spawned")?;
    println!("{}; what is left is done, and the audit looks", ended.in_words());
    let audit = settles_and_audits(servers, ended).await?;
    let sold = units_sold(servers).await?;
    Ok(asked.rehearsal((ended, ended_at), clock, (sold, audit), (samples, tally)))
}

impl Asked<'_> {
    fn world(&self, servers: &Arc<Servers>, tally: &Arc<Tally>, clock: SaleClock, sale: String) -> World {
        World {
            client: Client::new(&servers.public_url, Arc::clone(tally)),
            gateway: servers.public_url.trim_start_matches("http://").parse().expect("an address was put there"),
            sale,
            tiers: self.drawing.tiers.clone(),
            clock,
            stripe: Edge::new(&servers.stripe.base_url()),
            servers: Arc::clone(servers),
            tally: Arc::clone(tally),
            room: Arc::new(Semaphore::new(self.sockets_max)),
            over: CancellationToken::new(),
        }
    }

    fn rehearsal(
        &self,
        (ended, ended_at): (Ended, Instant),
        clock: SaleClock,
        (sold, audit): (i64, AuditReport),
        (samples, tally): (Vec<Sample>, Arc<Tally>),
    ) -> Rehearsal {
        Rehearsal {
            sale: self.configured.config.clone(),
            in_real_time: self.configured.rehearsed(1.0).config,
            changes: self.rehearsed.changes.clone(),
            drawn: self.configured.opening == Opening::Drawn,
            plan: self.drawing.counts(self.fans),
            drawing: self.drawing.clone(),
            fans: self.fans,
            speed: self.speed,
            speed_why: self.speed_why.clone(),
            cores: cores(),
            files: self.files,
            sockets_max: self.sockets_max,
            ended,
            ended_after_s: clock.sale_s(ended_at),
            units: self.units(),
            sold,
            audit,
            samples,
            tally,
        }
    }
}

/// Wakes each fan shortly before its time; ends when all are done.
async fn lets_loose(world: Arc<World>, drawing: Drawing, fans: u32) {
    let mut plans: Vec<_> = (0..fans).map(|fan| (fan, drawing.plan(fan))).collect();
    plans.sort_by(|(_, one), (_, other)| other.arrives_s.total_cmp(&one.arrives_s));
    let mut living = JoinSet::new();
    let mut ticks = interval(AWAKE_BEFORE / 4);
    while !plans.is_empty() || !living.is_empty() {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(_) = living.join_next() => {}
        }
        while let Some((fan, plan)) = plans.pop_if(|(_, plan)| {
            world.over.is_cancelled() || world.clock.at(plan.arrives_s) <= Instant::now() + AWAKE_BEFORE
        }) {
            living.spawn(Fan::new(Arc::clone(&world), fan, plan).lives());
        }
    }
}

/// Waits for whatever ends it first, and for the fans to go home then.
async fn until_the_end(
    asked: &Asked<'_>,
    world: &Arc<World>,
    mut crowd: tokio::task::JoinHandle<()>,
) -> Result<(Ended, Instant), Failure> {
    let (began, mut told) = (Instant::now(), Instant::now());
    let time_max = Duration::from_secs(60 * u64::from(asked.command.minutes_max));
    let (units, mut ticks) = (i64::from(asked.units()), interval(LOOK_EVERY));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = std::pin::pin!(process::asked_to_end());
    let ended = loop {
        tokio::select! {
            done = &mut crowd => {
                done?;
                let sold = units_sold(&world.servers).await?;
                let ended = if sold >= units { Ended::SoldOut } else { Ended::EveryFanDone };
                return Ok((ended, Instant::now()));
            }
            asked = &mut interrupted => {
                asked?;
                break Ended::Interrupted;
            }
            _ = ticks.tick() => {}
        }
        // Postgres may be away by our own doing.
        let sold = units_sold(&world.servers).await;
        if sold.as_ref().is_ok_and(|sold| *sold >= units) {
            break Ended::SoldOut;
        }
        if told.elapsed() > TOLD_EVERY {
            told = Instant::now();
            println!("{}", world.progress(sold.ok(), units));
        }
        if began.elapsed() > time_max {
            break Ended::TimeUp;
        }
    };
    let ended_at = Instant::now();
    world.over.cancel();
    let home = ended == Ended::SoldOut
        && tokio::select! {
            home = timeout(HOME_WITHIN, &mut crowd) => home.is_ok(),
            _ = &mut interrupted => false,
        };
    if !home {
        crowd.abort();
        let _ = crowd.await;
    }
    Ok((ended, ended_at))
}

async fn settles_and_audits(servers: &Arc<Servers>, ended: Ended) -> Result<AuditReport, Failure> {
    let began = Instant::now();
    let mut left = servers.work_left().await?;
    while left > 0 && ended != Ended::Interrupted {
        if began.elapsed() > SETTLED_WITHIN {
            return Err(RehearsalError::NotSettled(left).into());
        }
        sleep(LOOK_EVERY).await;
        left = servers.work_left().await?;
    }
    let audited = timeout(AUDITED_WITHIN, servers.audited()).await.map_err(|_| RehearsalError::NotAudited)??;
    println!("\n{}\n", report_as_text(&audited));
    Ok(audited)
}

/// A rate as a whole number, at least one.
fn whole(value: f64) -> u32 {
    sale::whole(value.round()).max(1)
}
