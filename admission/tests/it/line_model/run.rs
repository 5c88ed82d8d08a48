//! One episode: a sale, its oracle, and the steps on both.

use std::collections::BTreeMap;

use admission::{
    Admission, Bypass, GrantRow, Health, Join, JoinAsk, Leave, Load, Pace, PaceState, Pause, PlaceView, Pulse,
    Snapshot, Take, View,
};
use domain::token::{Allowance, Holder};
use domain::{HoldId, PlaceNumber, UnitNo};
use jiff::Timestamp;
use uuid::Uuid;

use super::books::Books;
use super::oracle::{Came, Oracle, Serves, Spot, is_inside};
use crate::onsale::{OPEN, Onsale, tier, wish};
use crate::random::Random;
use crate::window::{self, Charge, What};

mod compare;
mod epochs;
mod joins;
mod seen;
mod shopping;
mod step;
mod ticks;

pub(super) use seen::Seen;
use seen::Sight;
use step::Step;

const VISITORS_MAX: usize = 40;
const CAPACITY: u32 = 14;
const CLAIM_S: u32 = 10;
const SESSION_S: u32 = 20;
const MOST_RATE: u32 = 10;
const MOST_BURST: u32 = 6;
/// A grant may count as inside for as long in Postgres.
const BOUND_MS: i64 = 1_000 * (CLAIM_S + SESSION_S) as i64;

/// As fast as any pace here.
const PLENTY: Pace =
    Pace { rate_per_s: MOST_RATE, burst: MOST_BURST, claim_window_s: CLAIM_S, session_s: SESSION_S, ..OPEN };

/// Somebody, and the number that the place token has.
struct Visitor {
    holder: Holder,
    token: Option<u64>,
}

/// How payments and stores are.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    SomeBad,
    AllBad,
    PostgresAway,
    Any,
}

pub(super) struct Run {
    sale: Onsale,
    random: Random,
    visitors: Vec<Visitor>,
    /// What Redis knows of holders.
    known: BTreeMap<Holder, u64>,
    hold_ids: BTreeMap<u64, HoldId>,
    slept: Vec<(Admission, Pace)>,
    books: Books,
    sold: Vec<UnitNo>,
    version: u64,
    mood: Mood,
    charges: Vec<Charge>,
    oracle: Oracle,
    /// The last of the views that follow one another.
    followed: Option<View>,
    seen: Seen,
}

impl Run {
    pub(super) async fn start(sale: Onsale, seed: u64) -> Self {
        sale.loads(&[("ga", CAPACITY)]).await;
        let oracle = Oracle::loaded(sale.now_ms(), 1, 0, 0, BTreeMap::new(), CAPACITY);
        Self {
            sale,
            random: Random(seed),
            visitors: Vec::new(),
            known: BTreeMap::new(),
            hold_ids: BTreeMap::new(),
            slept: Vec::new(),
            books: Books::default(),
            sold: Vec::new(),
            version: 1,
            mood: Mood::Well,
            charges: Vec::new(),
            oracle,
            followed: None,
            seen: Seen::default(),
        }
    }

    /// The same with an oracle that is wrong.
    pub(super) async fn start_wrong(sale: Onsale, seed: u64) -> Self {
        let mut run = Self::start(sale, seed).await;
        run.oracle.serves(Serves::TheLast);
        run
    }

    pub(super) async fn step(&mut self, at: &str) {
        let (epoch, live): (_, Vec<_>) = (self.oracle.epoch, self.oracle.live_line().collect());
        let step = Step::any(&mut self.random);
        self.seen.step(step);
        self.does(step, at).await;
        let dies = |number: &&u64| self.oracle.spots[number] == Spot::Waiting && !self.oracle.live(**number);
        let dead = if epoch == self.oracle.epoch { live.iter().filter(dies).count() } else { 0 };
        self.seen.saw(Sight::Died, dead as u64);
        self.compare(at).await;
    }

    async fn does(&mut self, step: Step, at: &str) {
        match step {
            Step::Join => self.join(at).await,
            Step::Hear => self.hear().await,
            Step::Tick => self.tick(at).await,
            Step::Advance => self.advance().await,
            Step::Take => self.take(at).await,
            Step::EndHold => self.end_hold().await,
            Step::Sweep => self.sweep(at).await,
            Step::Leave => self.leave(at).await,
            Step::EndSession => self.end_session().await,
            Step::Bypass => self.bypass(at).await,
            Step::Pause => self.pause().await,
            Step::Wake => self.wake(at).await,
            Step::Draw => self.draw().await,
            Step::EverybodyIsHere => self.everybody_is_here(at).await,
            Step::NewEpoch => self.new_epoch().await,
            Step::HalfAnHour => self.half_an_hour(at).await,
            Step::AllowMoreTime => self.allow_more_time().await,
        }
    }

    /// Checks the windows of I8 over the whole run, and cleans up.
    pub(super) async fn ends(mut self, seed: u64) -> Seen {
        self.keep_charges();
        let over = window::most_over(&self.charges, MOST_RATE, MOST_BURST);
        assert!(over <= 0, "seed {seed}: {over} millionths of a turn over rate and burst");
        self.sale.loses_redis().await;
        self.seen
    }

    async fn advance(&mut self) {
        let ms = [1, 200, 200, 1_000, 2_500, 3_000, 4_900, 11_000][self.random.below(8)];
        self.advances(ms).await;
        self.seen.saw(Sight::Gap, u64::from(ms > 5_000));
    }

    async fn advances(&mut self, ms: i64) {
        self.sale.gap_ms(ms).await;
        self.oracle.now += ms;
    }

    /// Windows do not reach over an epoch: its bucket begins empty.
    fn keep_charges(&mut self) {
        let charges = || self.oracle.charges.iter();
        self.seen.saw(Sight::Granted, charges().filter(|charge| charge.what == What::Grant).count() as u64);
        self.seen.saw(Sight::NoShow, charges().filter(|charge| charge.micro_turns < 0).count() as u64);
        self.charges.append(&mut self.oracle.charges);
    }
}
