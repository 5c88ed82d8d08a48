//! One episode: a sale, its oracle, and the steps on both.

use std::collections::BTreeMap;

use admission::{
    Admission, Bypass, GrantRow, Health, Join, JoinAsk, Leave, Load, Pace, PaceState, Pause, PlaceView, Pulse,
    Snapshot, Take, TierStock, View,
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

const VISITORS_MAX: usize = 40;
const CAPACITY: u32 = 14;
const CLAIM_S: u32 = 10;
const SESSION_S: u32 = 20;
/// A grant may count as inside for as long in Postgres.
const BOUND_MS: i64 = 1_000 * (CLAIM_S + SESSION_S) as i64;

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

/// What a run came across, so that it can be seen to have been worth it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    grants: u64,
    no_shows: u64,
    lapses: u64,
    returns: u64,
    bypasses: u64,
    draws: u64,
    epochs: u64,
    standstills: u64,
    gaps: u64,
    slept: u64,
    cuts: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        let Self { grants, no_shows, lapses, returns, bypasses, draws, epochs, standstills, gaps, slept, cuts } = other;
        self.grants += grants;
        self.no_shows += no_shows;
        self.lapses += lapses;
        self.returns += returns;
        self.bypasses += bypasses;
        self.draws += draws;
        self.epochs += epochs;
        self.standstills += standstills;
        self.gaps += gaps;
        self.slept += slept;
        self.cuts += cuts;
    }

    pub(super) fn is_enough_of(&self, steps: u64) -> bool {
        let often = [self.grants, self.lapses, self.returns, self.cuts];
        let sometimes =
            [self.no_shows, self.bypasses, self.draws, self.epochs, self.standstills, self.gaps, self.slept];
        often.iter().all(|count| *count > steps / 200) && sometimes.iter().all(|count| *count > steps / 2_000)
    }
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
        match self.random.below(100) {
            0..=13 => self.join(at).await,
            14..=21 => self.hear().await,
            22..=45 => self.tick(at).await,
            46..=63 => self.advance().await,
            64..=73 => self.take(at).await,
            74..=77 => self.end_hold().await,
            78..=80 => self.sweep(at).await,
            81..=83 => self.leave(at).await,
            84..=86 => self.end_session().await,
            87..=89 => self.bypass(at).await,
            90..=92 => self.pause().await,
            93..=95 => self.wake(at).await,
            96..=97 => self.draw().await,
            98 => self.everybody_is_here(at).await,
            _ if self.random.below(3) == 0 => self.new_epoch().await,
            _ if self.random.below(20) == 0 => self.half_an_hour(at).await,
            _ => self.allow_more_time().await,
        }
        self.compare(at).await;
    }

    /// Checks the windows of I8 over the whole run, and cleans up.
    pub(super) async fn ends(mut self, seed: u64) -> Seen {
        self.keep_charges();
        let over = window::most_over(&self.charges, MOST_RATE, MOST_BURST);
        assert!(over <= 0, "seed {seed}: {over} millionths of a turn over rate and burst");
        self.sale.loses_redis().await;
        self.seen
    }

    async fn join(&mut self, at: &str) {
        let draws = self.oracle.opened + u32::from(self.random.below(12) == 0);
        let asks: Vec<_> = (0..=self.random.below(4)).filter_map(|_| self.ask()).collect();
        let batch: Vec<_> = asks.iter().map(|(_, ask)| *ask).collect();
        let joins = self.sale.queue.join_many(self.sale.id, &batch, draws).await.unwrap();
        self.oracle.begin_joins(draws);
        let before = self.oracle.next;
        let mut used_up = false;
        for ((visitor, ask), join) in asks.into_iter().zip(joins) {
            let expected = self.joined(visitor, &ask, before);
            assert_eq!(join, expected, "{at}: {ask:?}");
            used_up |= join == Join::ReserveNumbers;
        }
        if used_up {
            self.oracle.reserved += 8;
            self.sale.queue.raise_reserved(self.sale.id, self.oracle.reserved).await.unwrap();
        }
    }

    fn ask(&mut self) -> Option<(usize, JoinAsk)> {
        let visitor = self.random.below(VISITORS_MAX);
        if visitor >= self.visitors.len() {
            self.visitors.push(Visitor { holder: self.sale.somebody(), token: None });
        }
        let visitor = visitor.min(self.visitors.len() - 1);
        let Visitor { holder, token } = self.visitors[visitor];
        let proven = token.filter(|_| self.random.below(2) == 0).map(PlaceNumber);
        let allowance = if self.random.below(5) == 0 { Allowance::MoreTime } else { Allowance::Usual };
        Some((visitor, JoinAsk { holder, proven, allowance }))
    }

    fn joined(&mut self, visitor: usize, ask: &JoinAsk, before: u64) -> Join {
        let epoch = self.oracle.epoch;
        let known = self.known.get(&ask.holder).copied().filter(|number| self.oracle.has_place(*number));
        let proven = ask.proven.map(|number| number.0);
        let proven = proven.filter(|number| *number <= before && self.oracle.has_place(*number));
        let (number, join) = match known.or(proven) {
            Some(number) => {
                if number <= before {
                    self.oracle.join_known(number);
                }
                (number, Join::Existing { number: PlaceNumber(number), epoch })
            }
            None if self.oracle.cohorts < self.oracle.opened => return Join::Drawing,
            None if self.oracle.next >= self.oracle.reserved => return Join::ReserveNumbers,
            None => {
                let number = self.oracle.join_new();
                (number, Join::New { number: PlaceNumber(number), epoch })
            }
        };
        self.known.insert(ask.holder, number);
        self.visitors[visitor].token = Some(number);
        if ask.allowance == Allowance::MoreTime {
            self.oracle.patient.insert(number);
        }
        join
    }

    async fn hear(&mut self) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(3) > 0).collect();
        self.hears(numbers).await;
    }

    async fn hears(&mut self, numbers: Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        self.sale.hears(&numbers.iter().copied().map(PlaceNumber).collect::<Vec<_>>()).await;
        self.oracle.hear_all(&numbers);
    }

    async fn tick(&mut self, at: &str) {
        let (pace, pulse) = (self.pace(), self.pulse());
        let tick = self.ticks(at, &pace, &pulse).await;
        match self.random.below(10) {
            0 => {}
            1 => self.books.record(&tick),
            2 => self.slept.push((tick, pace)),
            _ => {
                self.books.record(&tick);
                self.confirms(at, &tick, &pace).await;
            }
        }
    }

    fn pace(&mut self) -> Pace {
        Pace {
            rate_per_s: [1, 3, MOST_RATE][self.random.below(3)],
            burst: [1, MOST_BURST][self.random.below(2)],
            max_shoppers: u32::try_from(self.random.below(16)).unwrap(),
            overbook: u32::try_from(self.random.below(8)).unwrap(),
            budget_shoppers: if self.random.below(4) == 0 { 5 } else { 1_000 },
            cohorts: self.oracle.opened,
            claim_window_s: CLAIM_S,
            session_s: SESSION_S,
            state: if self.random.below(6) == 0 { PaceState::Paused } else { PaceState::Admitting },
        }
    }

    /// What a gateway sees; trouble lasts for a while, or nothing would come of it.
    fn pulse(&mut self) -> Pulse {
        if self.random.below(12) == 0 {
            self.mood = [Mood::Well, Mood::Well, Mood::SomeBad, Mood::AllBad, Mood::PostgresAway, Mood::Any]
                [self.random.below(6)];
        }
        let gateway = Uuid::from_u128(self.random.below(3) as u128);
        let payments = u32::try_from(self.random.below(12)).unwrap();
        let any = [Health::Answers, Health::Unknown, Health::Away];
        let (bad, stripe, postgres) = match self.mood {
            Mood::Well => (0, Health::Answers, Health::Answers),
            Mood::SomeBad => (payments / 2, Health::Unknown, Health::Answers),
            Mood::AllBad => (payments, Health::Away, Health::Answers),
            Mood::PostgresAway => (0, Health::Unknown, Health::Away),
            Mood::Any => (payments / 3, any[self.random.below(3)], any[self.random.below(3)]),
        };
        Pulse { gateway, payments, bad, sum_ms: 77, postgres, stripe }
    }

    /// A tick on both, compared.
    async fn ticks(&mut self, at: &str, pace: &Pace, pulse: &Pulse) -> Admission {
        let (stood, factor) = (self.oracle.standstill(), self.oracle.pacer.factor);
        let tick = self.sale.queue.admit(self.sale.id, pace, pulse).await.unwrap();
        let expected = self.oracle.tick(pace, pulse);
        assert_eq!((tick.ended, tick.lapsed), (expected.ended, expected.lapsed), "{at}");
        let unconfirmed: Vec<_> = tick
            .unconfirmed
            .iter()
            .map(|grant| (grant.granted_at.as_millisecond(), grant.number.0, grant.allowance == Allowance::MoreTime))
            .collect();
        assert_eq!(unconfirmed, self.unconfirmed(), "{at}");
        let events: Vec<_> =
            tick.events.iter().map(|event| (event.at.as_millisecond(), event.kind, event.number.0)).collect();
        assert_eq!(events, self.oracle.events, "{at}");
        let returned = tick.returned.map(|returned| Came {
            at: returned.at.as_millisecond(),
            count: returned.count,
            lowest: returned.lowest.0,
        });
        assert_eq!(returned, expected.returned, "{at}");
        assert_eq!(tick.standstill, self.oracle.standstill(), "{at}");
        assert_eq!(i64::from(tick.factor_milli), self.oracle.pacer.factor / 1_000, "{at}");
        self.seen.lapses += u64::from(tick.lapsed);
        self.seen.returns += u64::from(tick.returned.is_some());
        self.seen.standstills += u64::from(stood.is_none() && tick.standstill.is_some());
        self.seen.cuts += u64::from(self.oracle.pacer.factor < factor);
        tick
    }

    fn unconfirmed(&self) -> Vec<(i64, u64, bool)> {
        let granted = self.oracle.spots.iter().filter_map(|(number, spot)| match spot {
            Spot::Granted { at } => Some((*at, *number, self.oracle.patient.contains(number))),
            _ => None,
        });
        let mut granted: Vec<_> = granted.collect();
        granted.sort_unstable();
        granted
    }

    async fn confirms(&mut self, at: &str, tick: &Admission, pace: &Pace) {
        let began = self.sale.queue.confirm(self.sale.id, tick, pace).await.unwrap();
        if tick.epoch != self.oracle.epoch {
            assert_eq!(began, 0, "{at}: of an earlier epoch");
            return;
        }
        let window = i64::from(CLAIM_S) * 1_000;
        let grants = tick.unconfirmed.iter();
        let expected = grants
            .filter(|grant| self.oracle.confirm(grant.number.0, grant.granted_at.as_millisecond(), window, 3))
            .count();
        assert_eq!(began, expected as u64, "{at}");
        let confirmed: Vec<_> = tick.events.iter().map(|e| (e.at.as_millisecond(), e.kind, e.number.0)).collect();
        self.oracle.events.retain(|event| !confirmed.contains(event));
        if let Some(returned) = tick.returned {
            self.oracle.forget_return(returned.at.as_millisecond());
        }
    }

    /// A gateway wakes up and goes on where it fell asleep.
    async fn wake(&mut self, at: &str) {
        if self.slept.is_empty() {
            return;
        }
        let (tick, pace) = self.slept.swap_remove(self.random.below(self.slept.len()));
        if tick.epoch == self.oracle.epoch {
            self.books.record(&tick);
        }
        self.confirms(at, &tick, &pace).await;
        self.seen.slept += 1;
    }

    async fn advance(&mut self) {
        let ms = [1, 200, 200, 1_000, 2_500, 3_000, 4_900, 11_000][self.random.below(8)];
        self.advances(ms).await;
        self.seen.gaps += u64::from(ms > 5_000);
    }

    async fn advances(&mut self, ms: i64) {
        self.sale.gap_ms(ms).await;
        self.oracle.now += ms;
    }

    async fn take(&mut self, at: &str) {
        let usable = self.oracle.numbers(|spot| matches!(spot, Spot::Turn { .. } | Spot::Shopping { .. }));
        let Some(number) = self.random.of(&usable).copied() else { return };
        let units = 1 + u32::try_from(self.random.below(2)).unwrap();
        let mut wish = wish(PlaceNumber(number), &[("ga", units)]);
        (wish.ttl_s, wish.session_s) = (5, SESSION_S);
        let took = self.sale.holds.take(self.sale.id, &wish).await.unwrap();
        let expected = self.refusal(number, units);
        if let Some(refusal) = expected {
            assert_eq!(took, refusal, "{at}: {number} {:?}", self.oracle.spots[&number]);
            return;
        }
        assert!(matches!(took, Take::Taken(_)), "{at}: {took:?}");
        self.oracle.take(number, units, 5_000, i64::from(SESSION_S) * 1_000);
        self.hold_ids.insert(number, wish.hold);
    }

    fn refusal(&self, number: u64, units: u32) -> Option<Take> {
        let (Spot::Turn { due } | Spot::Shopping { due }) = self.oracle.spots[&number] else {
            unreachable!("it is usable")
        };
        let held: u32 = self.oracle.holds.values().map(|hold| hold.units).sum();
        match () {
            () if self.oracle.paused_since.is_some() => Some(Take::Paused),
            () if due <= self.oracle.clock() => Some(Take::PassExpired),
            () if self.oracle.holds.contains_key(&number) => Some(Take::PassInUse),
            () if units > self.oracle.free + held => Some(Take::SoldOut { tier: tier("ga") }),
            () if units > self.oracle.free => Some(Take::AllHeld { tier: tier("ga") }),
            () => None,
        }
    }

    /// A hold is given back, or becomes an order.
    async fn end_hold(&mut self) {
        let holders: Vec<_> = self.oracle.holds.keys().copied().collect();
        let Some(number) = self.random.of(&holders).copied() else { return };
        let (id, hold) = (self.hold_ids[&number], self.oracle.holds.remove(&number).unwrap());
        if self.random.below(3) > 0 {
            self.sale.holds.release(self.sale.id, id, PlaceNumber(number)).await.unwrap();
            self.oracle.free += hold.units;
        } else {
            let view = self.sale.holds.look(self.sale.id, id).await.unwrap().unwrap();
            self.sold.extend(view.units.iter().map(|held| held.unit));
            self.sale.holds.commit(self.sale.id, id).await.unwrap();
        }
    }

    async fn sweep(&mut self, at: &str) {
        let swept = self.sale.holds.expire_due(self.sale.id, 100).await.unwrap();
        let runs = self.oracle.clock() == self.oracle.now;
        let due: Vec<_> =
            self.oracle.holds.iter().filter(|(_, hold)| runs && hold.due <= self.oracle.now).map(|(n, _)| *n).collect();
        let mut released: Vec<_> = due.iter().map(|number| self.hold_ids[number]).collect();
        let mut swept = swept.released;
        released.sort_unstable();
        swept.sort_unstable();
        assert_eq!(swept, released, "{at}");
        for number in due {
            self.oracle.free += self.oracle.holds.remove(&number).unwrap().units;
        }
    }

    async fn leave(&mut self, at: &str) {
        let with_place: Vec<_> = self.visitors.iter().filter_map(|v| Some((v.holder, v.token?))).collect();
        let Some((holder, number)) = self.random.of(&with_place).copied() else { return };
        let left = self.sale.queue.leave(self.sale.id, PlaceNumber(number), holder).await.unwrap();
        let (was, leaves) = (self.oracle.spots[&number], self.oracle.leave(number));
        assert_eq!(left, if leaves { Leave::Left } else { Leave::NotHere }, "{at}");
        if leaves && was != Spot::Left && self.known.get(&holder) == Some(&number) {
            self.known.remove(&holder);
        }
    }

    async fn end_session(&mut self) {
        let numbers = self.oracle.numbers(is_inside);
        let Some(number) = self.random.of(&numbers).copied() else { return };
        self.sale.queue.end_session(self.sale.id, PlaceNumber(number)).await.unwrap();
        self.oracle.end(number);
    }

    async fn bypass(&mut self, at: &str) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().collect();
        let Some(number) = self.random.of(&numbers).copied() else { return };
        let bypass = self.sale.queue.bypass(self.sale.id, PlaceNumber(number)).await.unwrap();
        let expected = match self.oracle.bypass(number) {
            None => Bypass::NotWaiting,
            Some(true) => Bypass::Granted,
            Some(false) => Bypass::Full,
        };
        assert_eq!(bypass, expected, "{at}");
        self.seen.bypasses += u64::from(bypass == Bypass::Granted);
    }

    async fn pause(&mut self) {
        let pause = !self.oracle.organizer.0 && self.random.below(2) == 0;
        let older = self.random.below(4) == 0;
        self.version += u64::from(!older);
        let version = if older { self.version - 1 } else { self.version };
        let word = if pause { Pause::Paused } else { Pause::Running };
        self.sale.loader.set_paused(self.sale.id, word, version).await.unwrap();
        self.oracle.pause(word, version);
    }

    async fn draw(&mut self) {
        if self.oracle.opened == self.oracle.cohorts && self.random.below(8) > 0 {
            return;
        }
        let first = self.oracle.reserved + 1;
        let last = self.oracle.reserved + self.random.below(5) as u64;
        self.sale.queue.cohort(self.sale.id, self.oracle.cohorts + 1, first, last).await.unwrap();
        if last >= first {
            self.oracle.place_cohort(first, last);
        } else {
            self.oracle.place_nobody();
        }
        self.sale.queue.cohort(self.sale.id, self.oracle.cohorts, first, last).await.unwrap();
        self.seen.draws += 1;
    }

    async fn allow_more_time(&mut self) {
        let numbers: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(9) == 0).collect();
        let named = numbers.iter().copied().chain([self.oracle.next + 1]).map(PlaceNumber).collect::<Vec<_>>();
        self.sale.queue.allow_more_time(self.sale.id, &named).await.unwrap();
        self.oracle.patient.extend(numbers);
    }

    /// A good time: everyone is heard, payments and stores are well, and so it goes on for a while.
    async fn everybody_is_here(&mut self, at: &str) {
        for _ in 0..self.random.below(12) {
            let everyone = self.oracle.spots.keys().copied().collect();
            self.hears(everyone).await;
            self.advances(1_000).await;
            let pace = Pace { cohorts: self.oracle.opened, ..PLENTY };
            let tick = self.ticks(at, &pace, &Pulse::calm(Uuid::from_u128(0))).await;
            self.books.record(&tick);
            self.confirms(at, &tick, &pace).await;
        }
    }

    async fn half_an_hour(&mut self, at: &str) {
        let loyal: Vec<_> = self.oracle.spots.keys().copied().filter(|_| self.random.below(2) == 0).collect();
        for _ in 0..31 * 60 / 4 {
            self.advances(4_000).await;
            self.hears(loyal.clone()).await;
            let closed = Pace { state: PaceState::Paused, ..PLENTY };
            let tick = self.ticks(at, &closed, &Pulse::calm(Uuid::from_u128(0))).await;
            self.books.record(&tick);
            self.confirms(at, &tick, &closed).await;
        }
    }

    async fn new_epoch(&mut self) {
        self.keep_charges();
        let is_lost = self.random.below(2) == 0;
        if is_lost {
            self.sale.loses_redis().await;
            self.known.clear();
        }
        let (epoch, now, reserved) = (self.oracle.epoch + 1, self.oracle.now, self.oracle.reserved);
        let spots = self.books.spots(now, BOUND_MS);
        let cohorts = self.oracle.cohorts;
        let free: Vec<_> = (0..CAPACITY).map(UnitNo).filter(|unit| !self.sold.contains(unit)).collect();
        let snapshot = Snapshot { reserved_number: reserved, cohorts, ..self.snapshot(epoch, &spots, &free) };
        assert_eq!(self.sale.loader.load(&snapshot).await.unwrap(), Load::Loaded);
        let mut oracle = Oracle::loaded(now, epoch, reserved, cohorts, spots, u32::try_from(free.len()).unwrap());
        if !is_lost {
            oracle.patient = std::mem::take(&mut self.oracle.patient);
            oracle.organizer = self.oracle.organizer;
            oracle.paused_since = oracle.organizer.0.then_some(now);
        }
        self.oracle = oracle;
        self.hold_ids.clear();
        self.seen.epochs += 1;
    }

    fn snapshot(&self, epoch: u32, spots: &BTreeMap<u64, Spot>, free: &[UnitNo]) -> Snapshot {
        let mut snapshot = self.sale.snapshot(epoch, &[("ga", CAPACITY)]);
        snapshot.tiers[0].free = free.to_vec();
        for (number, spot) in spots {
            let until = match spot {
                Spot::Shopping { due } => *due,
                Spot::Gone => 0,
                _ => {
                    snapshot.left.push(PlaceNumber(*number));
                    continue;
                }
            };
            let until = Timestamp::from_millisecond(until).unwrap();
            snapshot.grants.push(GrantRow { number: PlaceNumber(*number), until });
        }
        snapshot
    }

    /// Windows do not reach over an epoch: its bucket begins empty.
    fn keep_charges(&mut self) {
        self.seen.grants += self.oracle.charges.iter().filter(|charge| charge.what == What::Grant).count() as u64;
        self.seen.no_shows += self.oracle.charges.iter().filter(|charge| charge.micro_turns < 0).count() as u64;
        self.charges.append(&mut self.oracle.charges);
    }

    async fn compare(&self, at: &str) {
        let (view, oracle) = (self.sale.view().await, &self.oracle);
        assert_eq!(view.now.as_millisecond(), oracle.now, "{at}");
        assert_eq!((view.epoch, view.next_number), (oracle.epoch, oracle.next + 1), "{at}");
        assert_eq!(view.waiting(), oracle.live_line().count() as u64, "{at}");
        assert_eq!(view.in_line(), oracle.numbers(|spot| *spot == Spot::Waiting).len() as u64, "{at}");
        assert_eq!(view.shoppers() as usize, oracle.inside(), "{at}");
        let totals = (view.admitted_total, view.left_total, view.expired_total);
        assert_eq!(totals, (oracle.admitted, oracle.left, oracle.expired), "{at}");
        reconciles(&view, at);
        assert_eq!(view.standstill, oracle.standstill(), "{at}");
        let paused = if oracle.paused_since.is_some() { Pause::Paused } else { Pause::Running };
        assert_eq!(view.paused, paused, "{at}");
        let held = oracle.holds.values().map(|hold| hold.units).sum();
        assert_eq!(view.stock[&tier("ga")], TierStock { free: oracle.free, held }, "{at}");
        for (number, spot) in &oracle.spots {
            let ahead = oracle.live_line().take_while(|other| other < number).count() as u64;
            let expected = match *spot {
                Spot::Waiting => PlaceView::Waiting { ahead, live: oracle.live(*number) },
                Spot::Granted { .. } => PlaceView::Waiting { ahead, live: true },
                Spot::Turn { due } => PlaceView::Turn { claim_by: moment(due) },
                Spot::Shopping { due } => PlaceView::Shopping { until: moment(due) },
                Spot::Left => PlaceView::Left,
                Spot::Gone => PlaceView::Expired,
            };
            if *number < view.next_number {
                assert_eq!(view.place(PlaceNumber(*number)), expected, "{at}: {number}");
            }
        }
    }
}

const MOST_RATE: u32 = 10;
const MOST_BURST: u32 = 6;
const PLENTY: Pace =
    Pace { rate_per_s: MOST_RATE, burst: MOST_BURST, claim_window_s: CLAIM_S, session_s: SESSION_S, ..OPEN };

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn reconciles(view: &View, at: &str) {
    let accounted = view.in_line() + u64::from(view.shoppers()) + view.left_total + view.expired_total;
    assert_eq!(view.joined_total, accounted, "{at}: {view:?}");
}
