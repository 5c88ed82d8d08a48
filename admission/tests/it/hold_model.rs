//! Holds against an oracle: the same random steps on Redis and on a few sets in memory must come to the same.
//!
//! Time moves in whole steps of [`STEP_S`], and every deadline is a whole number of them, so the milliseconds that pass
//! while the test runs never decide.

use std::collections::{BTreeMap, BTreeSet};

use admission::{Commit, Expired, Freeze, HeldUnit, Lose, Pace, Release, RequestId, Take, TakeHold, UnitsReturn};
use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber, TierId, UnitNo};

use crate::onsale::{OPEN, Onsale, some_request, tier, wish};
use crate::random::Random;

const SEEDS: [u64; 3] = [1, 20_261_121, 0xC0FF_EE00];
const STEPS: usize = 2_000;
const STEP_S: u32 = 100;
const TIERS: [(&str, u32); 2] = [("ga", 9), ("vip", 4)];
const LIMIT: u32 = 4;
const BUYERS: usize = 7;
/// Longer than any run: turns and sessions play no part here.
const FOREVER_S: u32 = 1_000_000;

#[tokio::test]
async fn holds_do_what_the_oracle_does() {
    for seed in SEEDS {
        let mut run = Run::start(seed).await;
        for step in 0..STEPS {
            run.step().await;
            run.compare(&format!("seed {seed}, step {step}")).await;
        }
        assert!(
            run.oracle.taken > STEPS / 20,
            "seed {seed}: only {} holds, too few to mean anything",
            run.oracle.taken
        );
    }
}

struct OracleHold {
    state: HoldState,
    number: PlaceNumber,
    units: Vec<HeldUnit>,
    due: u32,
}

/// Holds as sets, written without looking at the scripts' ways.
struct Oracle {
    now: u32,
    free: BTreeMap<TierId, BTreeSet<u32>>,
    holds: BTreeMap<HoldId, OracleHold>,
    /// Units that Postgres has: they may return.
    gone: Vec<HeldUnit>,
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

    fn take(&mut self, wish: &TakeHold) -> Result<Vec<HeldUnit>, Take> {
        let mut quantities: BTreeMap<&TierId, usize> = BTreeMap::new();
        for (tier, quantity) in &wish.items {
            *quantities.entry(tier).or_default() += quantity.get() as usize;
        }
        if self.live_hold(wish.number) {
            return Err(Take::PassInUse);
        }
        if quantities.values().sum::<usize>() > wish.per_buyer_limit as usize {
            return Err(Take::LimitReached { limit: wish.per_buyer_limit });
        }
        for (tier, quantity) in &quantities {
            let (free, tier) = (self.free[*tier].len(), (*tier).clone());
            if *quantity > free + self.held(&tier) {
                return Err(Take::SoldOut { tier });
            }
            if *quantity > free {
                return Err(Take::AllHeld { tier });
            }
        }
        let units: Vec<_> = quantities.into_iter().flat_map(|(tier, quantity)| self.lowest(tier, quantity)).collect();
        let (number, due) = (wish.number, self.now + wish.ttl_s / STEP_S);
        self.holds.insert(wish.hold, OracleHold { state: HoldState::Held, number, units: units.clone(), due });
        self.taken += 1;
        Ok(units)
    }

    fn lowest(&mut self, tier: &TierId, quantity: usize) -> Vec<HeldUnit> {
        let free = self.free.get_mut(tier).unwrap();
        let units: Vec<_> = free.iter().copied().take(quantity).collect();
        free.retain(|unit| !units.contains(unit));
        units.into_iter().map(|unit| HeldUnit { tier: tier.clone(), unit: UnitNo(unit) }).collect()
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

fn is_live(state: HoldState) -> bool {
    matches!(state, HoldState::Held | HoldState::Frozen)
}

struct Run {
    sale: Onsale,
    random: Random,
    buyers: Vec<PlaceNumber>,
    requests: Vec<TakeHold>,
    returns: Vec<(RequestId, Vec<HeldUnit>)>,
    oracle: Oracle,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let sale = Onsale::of(&TIERS).await;
        let buyers = sale.join_many(BUYERS).await;
        sale.advance_s(1).await;
        sale.admits(&Pace { claim_window_s: FOREVER_S, ..OPEN }).await;
        let free = TIERS.iter().map(|(name, capacity)| (tier(name), (0..*capacity).collect())).collect();
        let oracle = Oracle { now: 0, free, holds: BTreeMap::new(), gone: Vec::new(), taken: 0 };
        Self { sale, random: Random(seed), buyers, requests: Vec::new(), returns: Vec::new(), oracle }
    }

    async fn step(&mut self) {
        match self.random.below(12) {
            0..=3 => self.take().await,
            4 => self.repeat_take().await,
            5 => self.release().await,
            6 => self.freeze().await,
            7 => self.commit().await,
            8 => self.lose().await,
            9 => self.sweep().await,
            10 => self.give_back().await,
            _ => {
                self.sale.advance_s(STEP_S).await;
                self.oracle.now += 1;
            }
        }
    }

    async fn take(&mut self) {
        let number = *self.random.of(&self.buyers).unwrap();
        let quantities = [1, 1, 2, 3].map(|quantity| quantity + u32::from(self.random.below(6) == 0));
        let items: Vec<_> = (0..=self.random.below(2))
            .map(|_| (TIERS[self.random.below(2)].0, quantities[self.random.below(4)]))
            .collect();
        let ttl_s = STEP_S * u32::try_from(1 + self.random.below(3)).unwrap();
        let wish = TakeHold { ttl_s, per_buyer_limit: LIMIT, session_s: FOREVER_S, ..wish(number, &items) };
        let took = self.sale.holds.take(self.sale.id, &wish).await.unwrap();
        match self.oracle.take(&wish) {
            Ok(units) => {
                let Take::Taken(hold) = took else { panic!("{wish:?}: {took:?}") };
                assert_eq!((hold.id, hold.state, hold.units), (wish.hold, HoldState::Held, units));
                self.requests.push(wish);
            }
            Err(refusal) => assert_eq!(took, refusal, "{wish:?}"),
        }
    }

    async fn repeat_take(&mut self) {
        let Some(request) = self.random.of(&self.requests) else { return };
        let took = self.sale.holds.take(self.sale.id, request).await.unwrap();
        let Take::Replayed(hold) = took else { panic!("{request:?}: {took:?}") };
        let known = &self.oracle.holds[&hold.id];
        assert_eq!((hold.id, hold.state, &hold.units), (request.hold, known.state, &known.units));
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
            HoldState::Held if hold.due > now => {
                assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
                (hold.state, hold.due) = (HoldState::Frozen, now + 1);
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
                self.oracle.gone.extend(self.oracle.holds[&id].units.clone());
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
        let Expired { released, frozen_due } = self.sale.holds.expire_due(self.sale.id, 100).await.unwrap();
        let now = self.oracle.now;
        let due = |state: HoldState| {
            let holds = self.oracle.holds.iter();
            holds.filter(|(_, hold)| hold.state == state && hold.due <= now).map(|(id, _)| *id).collect::<BTreeSet<_>>()
        };
        let (expired, frozen) = (due(HoldState::Held), due(HoldState::Frozen));
        assert_eq!(released.into_iter().collect::<BTreeSet<_>>(), expired);
        assert_eq!(frozen_due.into_iter().collect::<BTreeSet<_>>(), frozen);
        for id in expired {
            let units = self.oracle.holds[&id].units.clone();
            self.oracle.end(id, HoldState::Expired, &units);
        }
        for id in frozen {
            self.oracle.holds.get_mut(&id).unwrap().due = now + 1;
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
        let some = self.random.below(self.oracle.gone.len() + 1);
        let (request, units) = (some_request(), self.oracle.gone.split_off(some));
        let returned = self.sale.holds.units_return(self.sale.id, request, 1, &units).await.unwrap();
        assert_eq!(returned, UnitsReturn::Returned);
        self.oracle.free_again(&units);
        self.returns.push((request, units));
    }

    async fn compare(&self, at: &str) {
        let view = self.sale.view().await;
        for (name, capacity) in TIERS {
            let (tier, stock) = (tier(name), view.stock[&tier(name)]);
            let expected = (self.oracle.free[&tier].len(), self.oracle.held(&tier));
            assert_eq!((stock.free as usize, stock.held as usize), expected, "{at}: {name}");
            let gone = self.oracle.gone.iter().filter(|unit| unit.tier == tier).count();
            assert_eq!(
                expected.0 + expected.1 + gone,
                capacity as usize,
                "{at}: {name}: the oracle itself lost a unit"
            );
        }
    }
}
