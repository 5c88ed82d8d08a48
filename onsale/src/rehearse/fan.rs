//! One fan: comes, joins, waits, holds, orders, pays, or goes away on the way; each step through the public API.
//!
//! ```text
//! arrives ─▶ looks ─▶ joins ─▶ waits ─▶ chooses, holds ─▶ fills in the form, orders ─▶ pays ─▶ follows the order
//!    │          │        │       ▲  │        │                    │                     │           │
//!    ▼          ▼        ▼       └──┘        ▼                    ▼                     ▼           ▼
//! too late   looked   vanished  turn      went, nothing       went, too late        declined      bought
//!                               lapsed    left                                      went
//! ```
//!
//! What a fan means to do is its [`Plan`]; what it meets decides how far it comes. A fan is an honest client: a request that
//! may have been carried out is repeated under its key, waits are those that answers ask for, and every wait is bounded.
//! Nobody who waits goes away because a sale says *sold out* while units are ordered and not paid: some come back.

mod client;
mod live;
mod shopping;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use sandbox::actors::Edge;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

pub(super) use self::client::{AT_ONCE_MAX, Client};

use self::client::{Answer, Ask};
use self::live::{Data, Eta, Heard, Live};
use super::clock::SaleClock;
use super::plan::{Aim, Device, Plan, TierOnSale};
use super::tally::{Count, Foretold, Gauge, Step, Tally};
use crate::servers::Servers;

/// How long a fan tries again what fails in passing.
const INSISTS: Duration = Duration::from_secs(90);
/// Between two tries, unless the answer says otherwise.
const TRIES_AGAIN_AFTER: Duration = Duration::from_secs(1);
const TRIES_AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);
/// Without a word of the gateway's, a place is looked at that often.
const POLLS_EVERY: Duration = Duration::from_secs(5);

/// What all fans share.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) gateway: SocketAddr,
    pub(super) sale: String,
    pub(super) tiers: Vec<TierOnSale>,
    pub(super) clock: SaleClock,
    pub(super) servers: Arc<Servers>,
    pub(super) stripe: Edge,
    pub(super) tally: Arc<Tally>,
    /// Sockets that files are left for.
    pub(super) room: Arc<Semaphore>,
    /// Every unit is paid for, or time is up: who is not at the till goes home.
    pub(super) over: CancellationToken,
}

impl World {
    /// How it goes, in a line.
    pub(super) fn progress(&self, sold: Option<i64>, units: i64) -> String {
        let (counts, clock) = (&self.tally, self.clock.sale_s(Instant::now()));
        let sold = sold.map_or_else(|| "?".to_owned(), |sold| sold.to_string());
        let [joined, turns, failed] = [Count::Joined, Count::Turns, Count::Failed].map(|count| counts.count(count));
        let [sockets, inside] = [Gauge::Sockets, Gauge::Inside].map(|gauge| counts.gauge(gauge));
        format!(
            "{clock:>7.0} s  {sold} of {units} sold, {joined} joined, {turns} turns, {inside} inside, {sockets} sockets, {failed} failed"
        )
    }
}

/// How it ended for a fan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    OnlyLooked,
    Vanished,
    CameTooLate,
    LostPatience,
    SoldOutWhileWaiting,
    WentWhileChoosing,
    NothingLeft,
    LeftTheForm,
    LeftBeforePaying,
    Declined,
    TooSlow,
    Bought,
    Failed,
}

impl Ending {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::OnlyLooked => "only_looked",
            Self::Vanished => "vanished",
            Self::CameTooLate => "came_after_the_end",
            Self::LostPatience => "lost_patience",
            Self::SoldOutWhileWaiting => "sold_out_while_waiting",
            Self::WentWhileChoosing => "went_while_choosing",
            Self::NothingLeft => "nothing_left_of_what_they_wanted",
            Self::LeftTheForm => "left_the_form",
            Self::LeftBeforePaying => "left_before_paying",
            Self::Declined => "declined",
            Self::TooSlow => "too_slow",
            Self::Bought => "bought",
            Self::Failed => "failed",
        }
    }
}

/// How a visit to the shop ended.
enum Visit {
    Over(Ending),
    /// The turn lapsed: the fan waits again.
    WaitsAgain,
}

/// One of the crowd.
pub(super) struct Fan {
    world: Arc<World>,
    number: u32,
    plan: Plan,
    address: String,
    place: String,
    watch: Watch,
    joined: Instant,
    foretold: Option<(Instant, Eta)>,
    ahead: Option<u64>,
}

/// How a fan is in touch.
enum Watch {
    Polls {
        every: Duration,
    },
    Watches(Box<Live>),
    /// Not connected yet, or not any more.
    Away,
}

#[derive(Deserialize)]
struct Joined {
    place: PlaceBody,
}

#[derive(Deserialize)]
struct PlaceBody {
    token: String,
}

impl Fan {
    pub(super) fn new(world: Arc<World>, number: u32, plan: Plan) -> Self {
        let [_, a, b, c] = (number + 1).to_be_bytes();
        let watch = if plan.device == Device::Poll { Watch::Polls { every: POLLS_EVERY } } else { Watch::Away };
        Self {
            world,
            number,
            plan,
            address: format!("10.{a}.{b}.{c}"),
            place: String::new(),
            watch,
            joined: Instant::now(),
            foretold: None,
            ahead: None,
        }
    }

    /// Lives through the sale.
    pub(super) async fn lives(mut self) {
        let world = Arc::clone(&self.world);
        let ending = self.comes_and_goes().await;
        world.tally.ended(ending.word());
    }

    async fn comes_and_goes(&mut self) -> Ending {
        let late = match self.plan.aim {
            Aim::Looks => Ending::OnlyLooked,
            Aim::Vanishes => Ending::Vanished,
            _ => Ending::CameTooLate,
        };
        if !self.sleeps_until(self.world.clock.at(self.plan.arrives_s)).await {
            return late;
        }
        self.world.tally.add(Count::Arrived, 1);
        self.asks(Step::Look, Method::GET, "", None, Value::Null).await;
        if self.plan.aim == Aim::Looks {
            return Ending::OnlyLooked;
        }
        if let Err(ending) = self.joins().await {
            return ending;
        }
        if self.plan.aim == Aim::Vanishes {
            return Ending::Vanished;
        }
        loop {
            let pass = match self.waits().await {
                Ok(pass) => pass,
                Err(ending) => return ending,
            };
            let inside = self.world.tally.raise(Gauge::Inside);
            let began = Instant::now();
            let visit = self.shops(&pass).await;
            self.world.tally.was_inside(began.elapsed().as_secs_f64());
            drop(inside);
            if let Visit::Over(ending) = visit {
                return ending;
            }
            // What was told while the fan was thinking is told again to who connects anew.
            if let Watch::Watches(_) = self.watch {
                self.watch = Watch::Away;
            }
        }
    }

    /// Joins as soon as one can.
    async fn joins(&mut self) -> Result<(), Ending> {
        let began = Instant::now();
        loop {
            let answer = self.asks(Step::Join, Method::POST, "/queue", None, Value::Null).await;
            if let Some(joined) = answer.is_good().then(|| answer.read::<Joined>()).flatten() {
                self.place = joined.place.token;
                self.joined = Instant::now();
                self.world.tally.add(Count::Joined, 1);
                return Ok(());
            }
            match answer.code().as_str() {
                "sale_not_open" => {
                    let opens = self.world.clock.opens + Duration::from_secs_f64(self.plan.jitter_s);
                    if !self.sleeps_until(opens.max(Instant::now() + TRIES_AGAIN_AFTER)).await {
                        return Err(Ending::CameTooLate);
                    }
                }
                "sale_closed" => return Err(Ending::CameTooLate),
                _ if answer.is_passing() && began.elapsed() < INSISTS => {
                    if !self.sleeps(after(&answer)).await {
                        return Err(Ending::CameTooLate);
                    }
                }
                _ => return Err(Ending::Failed),
            }
        }
    }

    /// Waits for the turn, as long as patience lasts; gives the pass.
    async fn waits(&mut self) -> Result<String, Ending> {
        let world = Arc::clone(&self.world);
        let since = self.joined.max(world.clock.opens);
        let deadline = since + world.clock.lasts(self.plan.patience_s);
        let mut silence = match self.plan.device {
            Device::Mobile { silent_after_s, silent_for_s } => {
                Some((self.joined + world.clock.lasts(silent_after_s), world.clock.lasts(silent_for_s)))
            }
            Device::Socket | Device::Poll => None,
        };
        loop {
            let goes_silent = silence.map_or(deadline, |(at, _)| at.min(deadline));
            let heard = tokio::select! {
                () = world.over.cancelled() => return Err(Ending::SoldOutWhileWaiting),
                () = sleep_until(goes_silent) => None,
                heard = self.hears() => Some(heard),
            };
            match heard {
                Some(data) => {
                    if let Some(pass) = self.takes_in(data, since) {
                        return Ok(pass);
                    }
                }
                None if Instant::now() >= deadline => {
                    self.asks(Step::Leave, Method::DELETE, "/queue/place", Some(&self.place), Value::Null).await;
                    return Err(Ending::LostPatience);
                }
                None => {
                    let (_, lasts) = silence.take().expect("only silence ends the sleep before patience does");
                    self.watch = Watch::Away;
                    if !self.sleeps(lasts).await {
                        return Err(Ending::SoldOutWhileWaiting);
                    }
                }
            }
        }
    }

    /// Takes in what was heard; gives the pass once there is one.
    fn takes_in(&mut self, data: Data, since: Instant) -> Option<String> {
        let tally = &self.world.tally;
        tally.add(Count::Frames, 1);
        if let (Some(now), Some(before)) = (data.ahead, self.ahead)
            && now > before
        {
            tally.add(Count::AheadRose, 1);
        }
        self.ahead = data.ahead.or(self.ahead);
        if let (Some(eta), None) = (data.eta_s, self.foretold) {
            self.foretold = Some((Instant::now(), eta));
        }
        let pass = data.pass?;
        tally.add(Count::Turns, 1);
        let foretold = self.foretold.take().map(|(at, eta)| Foretold {
            p50_s: f64::from(eta.p50),
            p90_s: f64::from(eta.p90),
            was_s: at.elapsed().as_secs_f64(),
        });
        tally.waited(since.elapsed().as_secs_f64(), foretold);
        Some(pass)
    }

    /// What is told next, whichever way. Only dropped between two things told.
    async fn hears(&mut self) -> Data {
        loop {
            match &mut self.watch {
                Watch::Polls { every } => {
                    sleep(*every).await;
                    let answer =
                        self.asks(Step::Place, Method::GET, "/queue/place", Some(&self.place), Value::Null).await;
                    let data: Data = answer.is_good().then(|| answer.read()).flatten().unwrap_or_default();
                    let every = data.poll_after_ms.map_or(POLLS_EVERY, Duration::from_millis);
                    self.watch = Watch::Polls { every: every.min(POLLS_EVERY) };
                    return data;
                }
                Watch::Watches(live) => match live.hears().await {
                    Heard::News(data) => return data,
                    Heard::Closed => {
                        self.watch = Watch::Away;
                        sleep(Duration::from_secs_f64(0.5 + self.plan.jitter_s)).await;
                    }
                },
                Watch::Away => self.connects().await,
            }
        }
    }

    async fn connects(&mut self) {
        let Ok(room) = Arc::clone(&self.world.room).try_acquire_owned() else {
            self.world.tally.add(Count::PolledInstead, 1);
            self.watch = Watch::Polls { every: POLLS_EVERY };
            return;
        };
        let open = self.world.tally.raise(Gauge::Sockets);
        let path = format!("/v1/sales/{}/live", self.world.sale);
        let given = (&*self.world.tally, open, room);
        let live = Live::open(self.world.gateway, &path, (self.number, &self.address), &self.place, given).await;
        match live {
            Some(live) => self.watch = Watch::Watches(Box::new(live)),
            None => sleep(TRIES_AGAIN_AFTER).await,
        }
    }

    /// Thinks, and stays in touch meanwhile.
    async fn thinks(&mut self, sale_s: f64) {
        let until = Instant::now() + self.world.clock.lasts(sale_s);
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                _ = self.hears() => {}
            }
        }
    }

    /// Says whether the sale still went on at that time.
    async fn sleeps_until(&self, at: Instant) -> bool {
        tokio::select! {
            () = self.world.over.cancelled() => false,
            () = sleep_until(at) => true,
        }
    }

    async fn sleeps(&self, lasts: Duration) -> bool {
        self.sleeps_until(Instant::now() + lasts).await
    }

    async fn asks(&self, step: Step, method: Method, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.world.client.ask(&self.request(step, method, path, token, body)).await
    }

    fn request(&self, step: Step, method: Method, path: &str, token: Option<&str>, body: Value) -> Ask {
        Ask {
            step,
            method,
            path: format!("/v1/sales/{}{path}", self.world.sale),
            address: self.address.clone(),
            token: token.map(str::to_owned),
            key: None,
            body,
        }
    }
}

/// When to try again.
fn after(answer: &Answer) -> Duration {
    answer.retry_after.unwrap_or(TRIES_AGAIN_AFTER).min(TRIES_AGAIN_AFTER_MAX)
}
