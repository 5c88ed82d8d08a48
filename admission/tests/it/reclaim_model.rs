//! Every receipt that was ever given is sent after each loss of Redis, in any order: whoever held units then has the same
//! ones, on the newest receipt, and nobody else has any. Also when Redis is lost again before all were back.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use admission::{GrantRow, HoldView, Reclaim, ReclaimHold, SeatState, Snapshot, Take};
use domain::{HoldId, PlaceNumber, UnitNo};
use jiff::Timestamp;

use crate::onsale::{Onsale, tier};
use crate::random::Random;
use crate::soak;

const CAPACITY: u32 = 12;
const BUYERS: usize = 8;
/// Shorter than holds last, so that some outlive it.
const WINDOW_S: u32 = 30;
const STEPS_A_ROUND: usize = 12;

/// Whether Postgres is asked about a hold before its receipt is honoured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Postgres {
    Asked,
    /// The control.
    NotAsked,
}

struct Given {
    hold: HoldView,
    epoch: u32,
}

struct Model {
    sale: Onsale,
    random: Random,
    postgres: Postgres,
    buyers: Vec<PlaceNumber>,
    epoch: u32,
    receipts_from: u32,
    /// Every receipt.
    given: Vec<Given>,
    /// Whose units they are, here or until the window is over.
    rightful: BTreeMap<HoldId, HoldView>,
    /// Postgres has an order or a tombstone.
    settled: HashSet<HoldId>,
    sold: BTreeSet<UnitNo>,
    reclaimed: usize,
}

impl Model {
    async fn begins(seed: u64, postgres: Postgres) -> Self {
        let sale = Onsale::of(&[("ga", CAPACITY)]).await;
        let buyers = sale.turns(BUYERS).await;
        Self {
            sale,
            random: Random(seed),
            postgres,
            buyers,
            epoch: 1,
            receipts_from: 1,
            given: Vec::new(),
            rightful: BTreeMap::new(),
            settled: HashSet::new(),
            sold: BTreeSet::new(),
            reclaimed: 0,
        }
    }

    fn gives(&mut self, hold: HoldView) {
        self.given.push(Given { hold: hold.clone(), epoch: self.epoch });
        self.rightful.insert(hold.id, hold);
    }

    fn some_hold(&mut self) -> Option<HoldView> {
        let holds: Vec<_> = self.rightful.values().cloned().collect();
        self.random.of(&holds).cloned()
    }

    async fn takes(&mut self) {
        let (buyer, quantity) = (self.buyers[self.random.below(BUYERS)], 1 + self.random.below(3));
        if let Take::Taken(hold) = self.sale.takes(buyer, "ga", u32::try_from(quantity).unwrap()).await {
            self.gives(hold);
        }
    }

    /// As the gateway does: the tombstone, and then the units.
    async fn gives_back(&mut self) {
        let Some(hold) = self.some_hold() else { return };
        self.settled.insert(hold.id);
        self.sale.holds.release(self.sale.id, hold.id, hold.number).await.unwrap();
        self.rightful.remove(&hold.id);
    }

    async fn orders(&mut self) {
        let Some(hold) = self.some_hold() else { return };
        self.sale.holds.freeze(self.sale.id, hold.id, hold.number).await.unwrap();
        self.settled.insert(hold.id);
        self.sold.extend(hold.units.iter().map(|held| held.unit));
        self.sale.holds.commit(self.sale.id, hold.id).await.unwrap();
        self.rightful.remove(&hold.id);
    }

    async fn lets_time_pass(&mut self, seconds: u32) {
        self.sale.advance_s(seconds).await;
        let expired = self.sale.holds.expire_due(self.sale.id, 100).await.unwrap();
        for hold in expired.released {
            self.rightful.remove(&hold);
        }
    }

    async fn sells(&mut self) {
        for _ in 0..STEPS_A_ROUND {
            match self.random.below(8) {
                0..=3 => self.takes().await,
                4..=5 => self.gives_back().await,
                6 if self.random.below(4) == 0 => self.orders().await,
                _ => {
                    let seconds = u32::try_from(self.random.below(10)).unwrap();
                    self.lets_time_pass(seconds).await;
                }
            }
        }
    }

    /// Redis is lost; receipts go back to the last epoch that sold.
    async fn is_lost(&mut self, receipts_from: u32) {
        self.sale.loses_redis().await;
        (self.epoch, self.receipts_from) = (self.epoch + 1, receipts_from);
        let until = Timestamp::from_millisecond(self.sale.now_ms() + 6_000_000).unwrap();
        let mut snapshot = Snapshot {
            reserved_number: 100,
            grants: self.buyers.iter().map(|number| GrantRow { number: *number, until }).collect(),
            reclaim_window_s: WINDOW_S,
            receipts_from,
            ..self.sale.snapshot(self.epoch, &[("ga", CAPACITY)])
        };
        snapshot.tiers[0].free = (0..CAPACITY).map(UnitNo).filter(|unit| !self.sold.contains(unit)).collect();
        self.sale.loader.load(&snapshot).await.unwrap();
    }

    /// Sends a receipt; what is wrong about the answer, if anything.
    async fn sends(&mut self, index: usize) -> Result<(), String> {
        let Given { hold, epoch } = &self.given[index];
        let (hold, receipt_epoch) = (hold.clone(), *epoch);
        if self.postgres == Postgres::Asked && self.settled.contains(&hold.id) {
            return Ok(());
        }
        let wish = ReclaimHold {
            hold: hold.id,
            number: hold.number,
            expires_at: hold.expires_at,
            units: hold.units.clone(),
            receipt_epoch,
            epoch: self.epoch,
        };
        let answer = self.sale.holds.reclaim(self.sale.id, &wish).await.unwrap();
        let is_over = hold.expires_at.as_millisecond() <= self.sale.now_ms();
        match (&answer, self.rightful.contains_key(&hold.id) && !is_over) {
            (Reclaim::Reclaimed(back), true) if *back == hold => {
                self.reclaimed += 1;
                self.gives(hold);
                Ok(())
            }
            (Reclaim::Live(back), true) if *back == hold => Ok(()),
            (Reclaim::Ended | Reclaim::PassInUse | Reclaim::SeatTaken, false) => Ok(()),
            // It has a newer receipt, of when it came back.
            (Reclaim::Ended, true) if receipt_epoch < self.receipts_from => Ok(()),
            (_, expected) => Err(format!("{answer:?}, rightful: {expected}, for {hold:?} of epoch {receipt_epoch}")),
        }
    }

    async fn sends_some(&mut self, of: usize) -> Result<(), String> {
        let mut order: Vec<usize> = (0..self.given.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, self.random.below(last + 1));
        }
        for index in order {
            if self.random.below(of) == 0 {
                self.sends(index).await?;
            }
        }
        Ok(())
    }

    async fn round(&mut self) -> Result<(), String> {
        self.sells().await;
        self.is_lost(self.epoch).await;
        while self.random.below(3) == 0 {
            self.sends_some(2).await?;
            self.is_lost(self.receipts_from).await;
        }
        self.sends_some(1).await?;
        self.counts_add_up().await?;
        self.lets_time_pass(WINDOW_S).await;
        Ok(())
    }

    async fn counts_add_up(&self) -> Result<(), String> {
        let stock = self.sale.stock("ga").await;
        let now_ms = self.sale.now_ms();
        let live = self.rightful.values().filter(|hold| hold.expires_at.as_millisecond() > now_ms);
        let held = live.map(|hold| u32::try_from(hold.units.len()).unwrap()).sum::<u32>();
        let unsold = CAPACITY - u32::try_from(self.sold.len()).unwrap();
        let adds_up = stock.held == held && stock.free + stock.held == unsold;
        self.seats_are_as_they_should_be().await?;
        if adds_up { Ok(()) } else { Err(format!("{stock:?}, held by right {held}, not sold {unsold}")) }
    }

    async fn seats_are_as_they_should_be(&self) -> Result<(), String> {
        let now_ms = self.sale.now_ms();
        let live = self.rightful.values().filter(|hold| hold.expires_at.as_millisecond() > now_ms);
        let held: BTreeSet<_> = live.flat_map(|hold| &hold.units).map(|unit| unit.unit).collect();
        let should_be = |unit| match (self.sold.contains(&unit), held.contains(&unit)) {
            (true, _) => SeatState::Gone,
            (false, true) => SeatState::Held,
            (false, false) => SeatState::Free,
        };
        let seats = self.sale.holds.seats(self.sale.id, &[(tier("ga"), CAPACITY)]).await.unwrap();
        let is_wrong = |unit: &UnitNo| seats.tiers[&tier("ga")].state(*unit) != should_be(*unit);
        (0..CAPACITY).map(UnitNo).find(is_wrong).map_or(Ok(()), |unit| Err(format!("unit {unit} of {seats:?}")))
    }

    /// Rounds until nothing is left to sell, or something is wrong; how many holds came back.
    async fn runs(mut self, rounds: usize) -> Result<usize, String> {
        for _ in 0..rounds {
            self.round().await?;
            self.rightful.retain(|_, hold| hold.expires_at.as_millisecond() > self.sale.now_ms());
        }
        Ok(self.reclaimed)
    }
}

#[tokio::test]
async fn after_each_loss_the_rightful_have_their_units_whoever_sends_what_in_which_order() {
    let (seeds, rounds) = if soak::is_on() { (60, 40) } else { (12, 12) };
    let mut reclaimed = 0;
    for seed in 0..seeds {
        match Model::begins(seed, Postgres::Asked).await.runs(rounds).await {
            Ok(count) => reclaimed += count,
            Err(breach) => panic!("seed {seed}: {breach}"),
        }
    }
    eprintln!("{reclaimed} holds came back in {seeds} × {rounds} rounds of losses");
    assert!(reclaimed > 100, "{reclaimed}");
}

/// The control: without the tombstones a hold that was given back takes the units of the next one.
#[tokio::test]
async fn without_the_tombstones_the_same_receipts_take_what_is_others() {
    let mut breaches = 0;
    for seed in 0..12 {
        breaches += usize::from(Model::begins(seed, Postgres::NotAsked).await.runs(12).await.is_err());
    }
    assert!(breaches > 0);
}
