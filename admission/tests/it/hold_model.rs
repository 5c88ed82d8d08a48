//! Holds against an oracle: the same random steps on Redis and on a few sets in memory must come to the same.
//!
//! Time moves in whole steps of [`STEP_S`], and every deadline is a whole number of them, so the milliseconds that pass
//! while the test runs never decide.

use std::collections::{BTreeMap, BTreeSet};

use admission::{
    Commit, Expired, ExtendHold, Freeze, HeldUnit, Lose, Pace, Release, RequestId, SeatState, SeatsView, Take,
    TakeHold, TierSnapshot, UnitsReturn, UnitsWish,
};
use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber, TierId, UnitNo};
use tokio::task::JoinSet;

use crate::onsale::{OPEN, Onsale, floor, some_request, stalls, tier};
use crate::random::Random;
use crate::soak;

mod choice;
mod extension;
mod taking;
mod withholding;

use choice::{Choice, choose};

/// Runs, each from a seed and a sale of its own; in a soak they are a million steps together.
const RUNS: u64 = 3;
const RUNS_SOAK: u64 = 500;
const STEPS: usize = 2_000;
/// All runs together have a hold for so many steps, at least.
const STEPS_A_HOLD: usize = 40;
/// How often all stock is compared; what a step answers is compared at once.
const COMPARED_EVERY: usize = 10;
const RUNS_AT_ONCE: usize = 4;
const STEP_S: u32 = 100;
/// Tiers by name, with the seats of their rows; without rows, general admission of [`FLOOR`].
const TIERS: [(&str, &[u32]); 3] = [("ga", &[]), ("stalls", &[5, 4, 7]), ("vip", &[1, 3])];
const FLOOR: u32 = 9;
const LIMIT: u32 = 4;
const BUYERS: usize = 7;
/// Longer than any run: turns and sessions play no part here.
const FOREVER_S: u32 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn holds_do_what_the_oracle_does() {
    let count = if soak::is_on() { RUNS_SOAK } else { RUNS };
    let (mut runs, mut taken) = (JoinSet::new(), 0);
    for seed in 1..=count {
        if runs.len() == RUNS_AT_ONCE {
            taken += runs.join_next().await.unwrap().unwrap();
        }
        runs.spawn(goes_as_the_oracle_says(seed));
    }
    while let Some(run) = runs.join_next().await {
        taken += run.unwrap();
    }
    let steps = usize::try_from(count).unwrap() * STEPS;
    eprintln!("{count} runs: {taken} holds in {steps} steps");
    // One run may keep most of its small hall back for long, all of them do not.
    assert!(taken > steps / STEPS_A_HOLD, "only {taken} holds in {steps} steps, too few to mean anything");
}

/// How many holds it took.
async fn goes_as_the_oracle_says(seed: u64) -> usize {
    let mut run = Run::start(seed).await;
    for step in 1..=STEPS {
        run.step().await;
        if step % COMPARED_EVERY == 0 {
            run.compare(&format!("seed {seed}, step {step}")).await;
        }
    }
    run.oracle.taken
}

struct OracleHold {
    state: HoldState,
    number: PlaceNumber,
    units: Vec<HeldUnit>,
    /// When its own time is over.
    over: u32,
    /// When the sweep looks at it, once it is frozen.
    look: u32,
    extensions: u32,
}

/// Holds as sets, written without looking at the scripts' ways.
struct Oracle {
    now: u32,
    free: BTreeMap<TierId, BTreeSet<u32>>,
    holds: BTreeMap<HoldId, OracleHold>,
    /// Units that Postgres has: they may return.
    gone: Vec<HeldUnit>,
    /// Units that are kept back: they may return, too.
    withheld: Vec<HeldUnit>,
    taken: usize,
}

impl Oracle {
    fn live_hold(&self, number: PlaceNumber) -> bool {
        self.holds.values().any(|hold| hold.number == number && is_live(hold.state))
    }

    fn held(&self, tier: &TierId) -> usize {
        let live = self.holds.values().filter(|hold| is_live(hold.state));
        live.flat_map(|hold| &hold.units).filter(|unit| unit.tier == *tier).count()
    }

    fn seat(&self, tier: &TierId, unit: u32) -> SeatState {
        let is_it = |held: &HeldUnit| held.tier == *tier && held.unit.0 == unit;
        let live = self.holds.values().filter(|hold| is_live(hold.state));
        match (self.free[tier].contains(&unit), live.flat_map(|hold| &hold.units).any(is_it)) {
            (true, _) => SeatState::Free,
            (false, true) => SeatState::Held,
            (false, false) => SeatState::Gone,
        }
    }

    fn take(&mut self, wish: &TakeHold) -> Result<Vec<HeldUnit>, Take> {
        if self.live_hold(wish.number) {
            return Err(Take::PassInUse);
        }
        if wish.items.values().map(UnitsWish::quantity).sum::<u32>() > wish.per_buyer_limit {
            return Err(Take::LimitReached { limit: wish.per_buyer_limit });
        }
        let mut units = Vec::new();
        for (tier, units_wish) in &wish.items {
            units.extend(self.choose(tier, units_wish, wish.allowed.get(tier).copied())?);
        }
        for unit in &units {
            self.free.get_mut(&unit.tier).unwrap().remove(&unit.unit.0);
        }
        let (number, over) = (wish.number, self.now + wish.ttl_s / STEP_S);
        self.holds.insert(
            wish.hold,
            OracleHold { state: HoldState::Held, number, units: units.clone(), over, look: 0, extensions: 0 },
        );
        self.taken += 1;
        Ok(units)
    }

    fn choose(&self, tier: &TierId, wish: &UnitsWish, allowed: Option<u32>) -> Result<Vec<HeldUnit>, Take> {
        let (free, tier) = (&self.free[tier], tier.clone());
        let held = self.held(&tier);
        match wish {
            _ if free.len() + held == 0 => return Err(Take::SoldOut { tier }),
            UnitsWish::Seats(_) => {}
            _ if wish.quantity() as usize > free.len() + held => {
                let [free, held] = [free.len(), held].map(|units| u32::try_from(units).unwrap());
                return Err(Take::TooFewLeft { tier, free, held });
            }
            _ => {}
        }
        self.may_go(&tier, wish.quantity(), allowed)?;
        match choose(wish, free, rows_of(&tier)) {
            Choice::Units(units) => {
                Ok(units.into_iter().map(|unit| HeldUnit { tier: tier.clone(), unit: UnitNo(unit) }).collect())
            }
            Choice::Taken(units) => Err(Take::SeatTaken { tier, units: units.into_iter().map(UnitNo).collect() }),
            Choice::AllHeld => Err(Take::AllHeld { tier }),
            Choice::NoneTogether => Err(Take::NoneTogether { tier }),
        }
    }

    fn free_again(&mut self, units: &[HeldUnit]) {
        for unit in units {
            self.free.get_mut(&unit.tier).unwrap().insert(unit.unit.0);
        }
    }

    fn end(&mut self, id: HoldId, state: HoldState, back: &[HeldUnit]) {
        self.holds.get_mut(&id).unwrap().state = state;
        self.free_again(back);
    }
}

fn rows_of(tier: &TierId) -> &'static [u32] {
    TIERS.iter().find(|(name, _)| *name == tier.as_str()).unwrap().1
}

fn snapshot_of(name: &str, rows: &[u32]) -> TierSnapshot {
    if rows.is_empty() { floor(name, FLOOR) } else { stalls(name, rows) }
}

fn is_live(state: HoldState) -> bool {
    matches!(state, HoldState::Held | HoldState::Frozen)
}

struct Run {
    sale: Onsale,
    random: Random,
    buyers: Vec<PlaceNumber>,
    requests: Vec<TakeHold>,
    presses: Vec<ExtendHold>,
    returns: Vec<(RequestId, Vec<HeldUnit>)>,
    oracle: Oracle,
    /// The seats as they were compared last.
    seats: Option<SeatsView>,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let tiers: Vec<_> = TIERS.iter().map(|(name, rows)| snapshot_of(name, rows)).collect();
        let sale = Onsale::of_tiers(tiers.clone()).await;
        let buyers = sale.join_many(BUYERS).await;
        sale.advance_s(1).await;
        sale.admits(&Pace { claim_window_s: FOREVER_S, ..OPEN }).await;
        let free = tiers.into_iter().map(|tier| (tier.tier, (0..tier.capacity).collect())).collect();
        let oracle = Oracle { now: 0, free, holds: BTreeMap::new(), gone: Vec::new(), withheld: Vec::new(), taken: 0 };
        Self {
            sale,
            random: Random(seed),
            buyers,
            requests: Vec::new(),
            presses: Vec::new(),
            returns: Vec::new(),
            oracle,
            seats: None,
        }
    }

    async fn step(&mut self) {
        match self.random.below(16) {
            0..=3 => self.take().await,
            4 => self.repeat_take().await,
            5 => self.release().await,
            6 => self.freeze().await,
            7 => self.commit().await,
            8 => self.lose().await,
            9 => self.sweep().await,
            10 => self.give_back().await,
            11 => self.extend().await,
            12 => self.repeat_extend().await,
            13 => self.withhold().await,
            14 => self.put_on_sale().await,
            _ => {
                self.sale.advance_s(STEP_S).await;
                self.oracle.now += 1;
            }
        }
    }

    fn some_hold(&mut self) -> Option<HoldId> {
        let ids: Vec<_> = self.oracle.holds.keys().copied().collect();
        let recent = &ids[ids.len().saturating_sub(BUYERS + 3)..];
        self.random.of(recent).copied()
    }

    async fn release(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let OracleHold { number, state, units, .. } = &self.oracle.holds[&id];
        let (number, state, units) = (*number, *state, units.clone());
        let released = self.sale.holds.release(self.sale.id, id, number).await.unwrap();
        match state {
            HoldState::Held => {
                assert!(matches!(released, Release::Released(_)), "{released:?}");
                self.oracle.end(id, HoldState::Released, &units);
            }
            HoldState::Frozen | HoldState::Committed => assert_eq!(released, Release::Frozen),
            HoldState::Released | HoldState::Expired => assert_eq!(released, Release::AlreadyReleased),
        }
    }

    async fn freeze(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let now = self.oracle.now;
        let hold = self.oracle.holds.get_mut(&id).unwrap();
        let frozen = self.sale.holds.freeze(self.sale.id, id, hold.number).await.unwrap();
        match hold.state {
            HoldState::Held | HoldState::Frozen if hold.over > now => {
                assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
                (hold.state, hold.look) = (HoldState::Frozen, now + 1);
            }
            HoldState::Frozen => assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}"),
            HoldState::Committed => assert!(matches!(frozen, Freeze::Committed(_)), "{frozen:?}"),
            HoldState::Held | HoldState::Released | HoldState::Expired => assert_eq!(frozen, Freeze::Expired),
        }
    }

    async fn commit(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let committed = self.sale.holds.commit(self.sale.id, id).await.unwrap();
        let state = self.oracle.holds[&id].state;
        match state {
            HoldState::Held | HoldState::Frozen => {
                assert_eq!(committed, Commit::Committed);
                self.oracle.end(id, HoldState::Committed, &[]);
                self.oracle.committed(id);
            }
            HoldState::Committed => assert_eq!(committed, Commit::AlreadyCommitted),
            HoldState::Released | HoldState::Expired => assert_eq!(committed, Commit::NotFound),
        }
    }

    async fn lose(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let (state, units) = (self.oracle.holds[&id].state, self.oracle.holds[&id].units.clone());
        let (lost, back): (Vec<_>, Vec<_>) = units.into_iter().partition(|_| self.random.below(3) == 0);
        let came_to = self.sale.holds.unfreeze_lost(self.sale.id, id, &lost).await.unwrap();
        match state {
            HoldState::Frozen => {
                assert_eq!(came_to, Lose::Released);
                self.oracle.end(id, HoldState::Released, &back);
                self.oracle.gone.extend(lost);
            }
            HoldState::Released => assert_eq!(came_to, Lose::AlreadyReleased),
            HoldState::Held | HoldState::Committed | HoldState::Expired => assert_eq!(came_to, Lose::NotFound),
        }
    }

    async fn sweep(&mut self) {
        let swept = self.sale.holds.expire_due(self.sale.id, 100).await.unwrap();
        let now = self.oracle.now;
        let due = |is_due: &dyn Fn(&OracleHold) -> bool| {
            let holds = self.oracle.holds.iter();
            holds.filter(|(_, hold)| is_due(hold)).map(|(id, _)| *id).collect::<BTreeSet<_>>()
        };
        let frozen = |hold: &OracleHold| hold.state == HoldState::Frozen && hold.look <= now;
        let expired = due(&|hold| hold.state == HoldState::Held && hold.over <= now);
        let (asked, over) =
            (due(&|hold| frozen(hold) && hold.over > now), due(&|hold| frozen(hold) && hold.over <= now));
        let Expired { released, frozen_due, frozen_over } = swept;
        let named = [released, frozen_due, frozen_over].map(BTreeSet::from_iter);
        assert_eq!(named, [expired.clone(), asked.clone(), over.clone()]);
        for id in expired {
            let units = self.oracle.holds[&id].units.clone();
            self.oracle.end(id, HoldState::Expired, &units);
        }
        for id in asked.union(&over) {
            self.oracle.holds.get_mut(id).unwrap().look = now + 1;
        }
    }

    /// Postgres frees units; sometimes the job that says so runs twice.
    async fn give_back(&mut self) {
        let repeat = self.random.below(3) == 0;
        if let Some((request, units)) = self.random.of(&self.returns).filter(|_| repeat) {
            let again = self.sale.holds.units_return(self.sale.id, *request, 1, units).await.unwrap();
            assert_eq!(again, UnitsReturn::AlreadyReturned);
            return;
        }
        self.gives_back_too_early().await;
        let some = self.random.below(self.oracle.gone.len() + 1);
        let (request, units) = (some_request(), self.oracle.gone.split_off(some));
        let returned = self.sale.holds.units_return(self.sale.id, request, 1, &units).await.unwrap();
        assert_eq!(returned, UnitsReturn::Returned);
        self.oracle.free_again(&units);
        self.returns.push((request, units));
    }

    /// Postgres freed what Redis has in a hold yet: nothing returns, not even what is gone.
    async fn gives_back_too_early(&mut self) {
        let Some(id) = self.some_hold() else { return };
        let OracleHold { state, units, .. } = &self.oracle.holds[&id];
        if matches!(state, HoldState::Held | HoldState::Frozen) {
            let units: Vec<_> = self.oracle.gone.iter().chain(units).cloned().collect();
            let came_to = self.sale.holds.units_return(self.sale.id, some_request(), 1, &units).await.unwrap();
            assert_eq!(came_to, UnitsReturn::HeldStill);
        }
    }

    async fn compare(&mut self, at: &str) {
        self.compare_units(at).await;
        let view = self.sale.view().await;
        for (name, rows) in TIERS {
            let capacity = snapshot_of(name, rows).capacity;
            let (tier, stock) = (tier(name), view.stock[&tier(name)]);
            let withheld = self.oracle.withheld(&tier);
            assert_eq!(stock.all as usize + withheld, capacity as usize, "{at}: {name}");
            let expected = (self.oracle.free[&tier].len(), self.oracle.held(&tier));
            assert_eq!((stock.free as usize, stock.held as usize), expected, "{at}: {name}");
            let gone = self.oracle.gone.iter().filter(|unit| unit.tier == tier).count();
            assert_eq!(
                expected.0 + expected.1 + gone + withheld,
                capacity as usize,
                "{at}: {name}: the oracle itself lost a unit"
            );
        }
        self.compare_seats(at).await;
    }

    /// Every unit by itself, also of general admission: its bits are kept alike.
    async fn compare_seats(&mut self, at: &str) {
        let asked: Vec<_> = TIERS.iter().map(|(name, rows)| (tier(name), snapshot_of(name, rows).capacity)).collect();
        let seats = self.sale.holds.seats(self.sale.id, &asked).await.unwrap();
        for (tier, capacity) in &asked {
            let states: Vec<_> = (0..*capacity).map(|unit| seats.tiers[tier].state(UnitNo(unit))).collect();
            let expected: Vec<_> = (0..*capacity).map(|unit| self.oracle.seat(tier, unit)).collect();
            assert_eq!(states, expected, "{at}: {tier}");
        }
        self.compare_with_last_map(seats, at);
    }

    /// Seats that look different are always another version of the map, and the floor has no part in it.
    fn compare_with_last_map(&mut self, mut seats: SeatsView, at: &str) {
        seats.tiers.remove(&tier("ga"));
        if let Some(last) = self.seats.replace(seats.clone()) {
            assert!(last.changes <= seats.changes, "{at}: changes went back");
            assert!(last.changes < seats.changes || last == seats, "{at}: another map of the same version");
        }
    }

    /// Unit by unit: whatever Redis writes down of it says what the oracle says.
    async fn compare_units(&self, at: &str) {
        let inventory = self.sale.holds.inventory(self.sale.id).await.unwrap();
        assert_eq!(inventory.faults(), [], "{at}");
        let free = self.oracle.free.iter();
        let free = free
            .flat_map(|(tier, units)| units.iter().map(|unit| HeldUnit { tier: tier.clone(), unit: UnitNo(*unit) }));
        assert_eq!(inventory.free, free.collect(), "{at}");
        let held: BTreeMap<_, _> = inventory.holds.into_iter().map(|hold| (hold.id, hold.units)).collect();
        let live = self.oracle.holds.iter().filter(|(_, hold)| is_live(hold.state));
        assert_eq!(held, live.map(|(id, hold)| (*id, hold.units.clone())).collect(), "{at}");
    }
}
