//! The line against an oracle: the same random steps on Redis and on a map in memory must admit the same numbers.
//!
//! Time moves in whole slots of 5 s from just behind the beginning of one. An episode ends before the milliseconds that
//! pass meanwhile add up to a slot, so they never decide.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use admission::{Join, Leave, Pace, PlaceView, Take};
use domain::PlaceNumber;
use domain::token::Holder;

use crate::onsale::{OPEN, Onsale, wish};
use crate::random::Random;

const SEEDS: [u64; 4] = [3, 77, 20_261_121, 0xDEAD_BEEF];
const EPISODES: u64 = 4;
const STEPS: usize = 250;
const SLOT_MS: i64 = 5_000;
/// Real time an episode may take: well below a slot.
const EPISODE_MAX: Duration = Duration::from_secs(3);
const CLAIM_SLOTS: u32 = 2;
const SESSION_SLOTS: u32 = 5;
const VISITORS_MAX: usize = 60;

#[tokio::test]
async fn the_line_admits_whom_the_oracle_admits() {
    let (mut steps, mut admitted) = (0, 0);
    for seed in SEEDS.into_iter().flat_map(|seed| (0..EPISODES).map(move |episode| seed + 1_000_003 * episode)) {
        let mut run = Run::start(seed).await;
        let begun = Instant::now();
        for step in 0..STEPS {
            if begun.elapsed() > EPISODE_MAX {
                break;
            }
            run.step().await;
            run.compare(&format!("seed {seed}, step {step}")).await;
            steps += 1;
        }
        admitted += run.oracle.admitted;
    }
    assert!(steps > STEPS && admitted > steps / 20, "{steps} steps, {admitted} admitted: too few to mean anything");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Waiting,
    Granted,
    Turn { due: u32 },
    Shopping { due: u32 },
    Left,
    Gone,
}

/// The line as one map, walked from its beginning every time.
#[derive(Default)]
struct Oracle {
    now: u32,
    ticked: u32,
    spots: BTreeMap<u64, Spot>,
    /// In which slot a number was last heard, as the latest tick counts slots.
    heard: BTreeMap<u64, u32>,
    admitted: usize,
}

impl Oracle {
    fn live(&self, number: u64) -> bool {
        self.heard.get(&number).is_some_and(|slot| slot + 3 >= self.ticked)
    }

    fn hear(&mut self, number: u64) {
        self.heard.insert(number, self.ticked);
    }

    fn tick(&mut self, cap: usize) -> (u32, u32) {
        self.ticked = self.now;
        let (now, before) = (self.now, self.spots.clone());
        let (mut ended, mut lapsed) = (0, 0);
        for (number, spot) in before {
            match spot {
                Spot::Shopping { due } if due <= now => {
                    self.spots.insert(number, Spot::Gone);
                    ended += 1;
                }
                Spot::Turn { due } if due <= now => {
                    self.spots.insert(number, Spot::Waiting);
                    self.heard.remove(&number);
                    lapsed += 1;
                }
                Spot::Turn { .. } if !self.live(number) => {
                    self.spots.insert(number, Spot::Waiting);
                    lapsed += 1;
                }
                _ => {}
            }
        }
        let room = cap.saturating_sub(self.inside());
        let next: Vec<_> = self.live_line().take(room).collect();
        self.admitted += next.len();
        self.spots.extend(next.into_iter().map(|number| (number, Spot::Granted)));
        (ended, lapsed)
    }

    fn inside(&self) -> usize {
        let is_inside = |spot: &&Spot| matches!(spot, Spot::Granted | Spot::Turn { .. } | Spot::Shopping { .. });
        self.spots.values().filter(is_inside).count()
    }

    fn live_line(&self) -> impl Iterator<Item = u64> {
        self.spots.iter().filter(|(number, spot)| **spot == Spot::Waiting && self.live(**number)).map(|(n, _)| *n)
    }

    fn granted(&self) -> BTreeSet<u64> {
        self.spots.iter().filter(|(_, spot)| **spot == Spot::Granted).map(|(number, _)| *number).collect()
    }
}

struct Run {
    sale: Onsale,
    random: Random,
    holders: Vec<(Holder, u64)>,
    oracle: Oracle,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let sale = Onsale::of(&[("ga", 1_000)]).await;
        let into_slot = sale.view().await.now.as_millisecond() % SLOT_MS;
        sale.advance_ms(2 * SLOT_MS - into_slot).await;
        sale.admits(&OPEN).await;
        Self { sale, random: Random(seed), holders: Vec::new(), oracle: Oracle::default() }
    }

    fn pace(cap: usize) -> Pace {
        let (claim_window_s, session_s) = (CLAIM_SLOTS * 5, SESSION_SLOTS * 5);
        Pace { max_shoppers: u32::try_from(cap).unwrap(), claim_window_s, session_s, ..OPEN }
    }

    async fn step(&mut self) {
        match self.random.below(11) {
            0..=1 => self.join().await,
            2 => self.rejoin().await,
            3 => self.leave().await,
            4..=5 => self.hear().await,
            6..=7 => self.tick().await,
            8 => self.take().await,
            9 => self.end_session().await,
            _ => {
                let slots = 1 + self.random.below(3);
                self.sale.advance_ms(SLOT_MS * i64::try_from(slots).unwrap()).await;
                self.oracle.now += u32::try_from(slots).unwrap();
            }
        }
    }

    async fn join(&mut self) {
        if self.holders.len() == VISITORS_MAX {
            return;
        }
        let (holder, number) = (self.sale.somebody(), self.oracle.spots.len() as u64 + 1);
        let joined = self.sale.queue.join(self.sale.id, holder).await.unwrap();
        assert_eq!(joined, Join::New(PlaceNumber(number)));
        self.holders.push((holder, number));
        self.oracle.spots.insert(number, Spot::Waiting);
        self.oracle.hear(number);
    }

    async fn rejoin(&mut self) {
        if self.holders.is_empty() {
            return;
        }
        let index = self.random.below(self.holders.len());
        let (holder, number) = self.holders[index];
        let joined = self.sale.queue.join(self.sale.id, holder).await.unwrap();
        if matches!(self.oracle.spots[&number], Spot::Left | Spot::Gone) {
            let fresh = self.oracle.spots.len() as u64 + 1;
            assert_eq!(joined, Join::New(PlaceNumber(fresh)));
            self.holders[index].1 = fresh;
            self.oracle.spots.insert(fresh, Spot::Waiting);
            self.oracle.hear(fresh);
        } else {
            assert_eq!(joined, Join::Existing(PlaceNumber(number)));
            self.oracle.hear(number);
        }
    }

    async fn leave(&mut self) {
        if self.random.below(3) > 0 {
            return;
        }
        let Some((holder, number)) = self.random.of(&self.holders).copied() else { return };
        let left = self.sale.queue.leave(self.sale.id, PlaceNumber(number), holder).await.unwrap();
        let expected = if self.oracle.spots[&number] == Spot::Gone { Leave::NotHere } else { Leave::Left };
        assert_eq!(left, expected);
        if expected == Leave::Left {
            self.oracle.spots.insert(number, Spot::Left);
        }
    }

    async fn hear(&mut self) {
        let some: Vec<_> = self.holders.iter().map(|(_, n)| *n).filter(|_| self.random.below(3) > 0).collect();
        self.sale.hears(&some.iter().copied().map(PlaceNumber).collect::<Vec<_>>()).await;
        for number in some {
            self.oracle.hear(number);
        }
    }

    async fn tick(&mut self) {
        let cap = self.random.below(12);
        let pace = Self::pace(cap);
        let tick = self.sale.queue.admit(self.sale.id, &pace).await.unwrap();
        assert_eq!((tick.ended, tick.lapsed), self.oracle.tick(cap));
        let unconfirmed: BTreeSet<_> = tick.unconfirmed.iter().map(|grant| grant.number.0).collect();
        assert_eq!(unconfirmed, self.oracle.granted());
        if self.random.below(4) == 0 {
            return;
        }
        let numbers: Vec<_> = unconfirmed.iter().copied().map(PlaceNumber).collect();
        self.sale.queue.confirm(self.sale.id, &numbers, &pace).await.unwrap();
        let turn = Spot::Turn { due: self.oracle.now + CLAIM_SLOTS };
        self.oracle.spots.extend(unconfirmed.into_iter().map(|number| (number, turn)));
    }

    async fn take(&mut self) {
        let turns: Vec<_> = self.oracle.spots.iter().filter(|(_, spot)| matches!(spot, Spot::Turn { .. })).collect();
        let Some((number, spot)) = self.random.of(&turns).map(|(number, spot)| (**number, **spot)) else { return };
        let mut wish = wish(PlaceNumber(number), &[("ga", 1)]);
        (wish.ttl_s, wish.session_s) = (5, SESSION_SLOTS * 5);
        let took = self.sale.holds.take(self.sale.id, &wish).await.unwrap();
        match spot {
            Spot::Turn { due } if due > self.oracle.now => {
                assert!(matches!(took, Take::Taken(_)), "{took:?}");
                self.oracle.spots.insert(number, Spot::Shopping { due: self.oracle.now + SESSION_SLOTS });
            }
            _ => assert_eq!(took, Take::PassExpired),
        }
    }

    async fn end_session(&mut self) {
        let Some((_, number)) = self.random.of(&self.holders).copied() else { return };
        if self.random.below(3) == 0 {
            self.sale.queue.end_session(self.sale.id, PlaceNumber(number)).await.unwrap();
            if matches!(self.oracle.spots[&number], Spot::Turn { .. } | Spot::Shopping { .. }) {
                self.oracle.spots.insert(number, Spot::Gone);
            }
        }
    }

    async fn compare(&self, at: &str) {
        let view = self.sale.view().await;
        assert_eq!(view.waiting(), self.oracle.live_line().count() as u64, "{at}");
        assert_eq!(view.shoppers() as usize, self.oracle.inside(), "{at}");
        for (number, spot) in &self.oracle.spots {
            let place = view.place(PlaceNumber(*number));
            let ahead = self.oracle.live_line().filter(|other| other < number).count() as u64;
            let agrees = match spot {
                Spot::Waiting => place == PlaceView::Waiting { ahead, live: self.oracle.live(*number) },
                Spot::Granted => place == PlaceView::Waiting { ahead, live: true },
                Spot::Turn { .. } => matches!(place, PlaceView::Turn { .. }),
                Spot::Shopping { .. } => matches!(place, PlaceView::Shopping { .. }),
                Spot::Left => place == PlaceView::Left,
                Spot::Gone => place == PlaceView::Expired,
            };
            assert!(agrees, "{at}: number {number} is {spot:?} but shown as {place:?}");
        }
    }
}
