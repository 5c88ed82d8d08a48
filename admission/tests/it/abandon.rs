//! Most holds are given up, and yet everything is sold.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use admission::{Commit, EXPIRE_MAX, Freeze, HoldView, Pace, Take, TakeHold, UnitsWish};
use domain::PlaceNumber;

use crate::onsale::{OPEN, Onsale, TTL_S, stalls, unit_numbers, wish_for};
use crate::random::Random;
use crate::soak;

const BUYERS: usize = 40;
const GROUP_MAX: usize = 6;
/// Of ten holds, so many become an order.
const ORDERED_OF_TEN: usize = 4;
/// Longer than any run: turns and sessions play no part here.
const FOREVER_S: u32 = 1_000_000;
/// Many times what a hall needs: a round sells some forty seats at first, and one at last.
const ROUNDS_MAX: usize = 2_000;

#[tokio::test]
async fn a_hall_sells_out_though_six_of_ten_holds_expire() {
    let rows = if soak::is_on() { vec![40; 125] } else { vec![25; 20] };
    let capacity: u32 = rows.iter().sum();
    let mut hall = Hall::opens(&rows).await;
    let mut rounds = 0;
    while hall.sold.len() < capacity as usize {
        rounds += 1;
        assert!(rounds < ROUNDS_MAX, "{} of {capacity} sold after {rounds} rounds", hall.sold.len());
        hall.round().await;
    }
    let stock = hall.sale.stock("stalls").await;
    assert_eq!((stock.free, stock.held), (0, 0));
    assert_eq!(hall.sold, (0..capacity).collect());
    assert!(hall.expired > hall.ordered, "{} holds expired, {} were ordered", hall.expired, hall.ordered);
}

struct Hall {
    sale: Onsale,
    buyers: Vec<PlaceNumber>,
    random: Random,
    sold: BTreeSet<u32>,
    expired: usize,
    ordered: usize,
}

impl Hall {
    async fn opens(rows: &[u32]) -> Self {
        let sale = Onsale::of_tiers(vec![stalls("stalls", rows)]).await;
        let buyers = sale.join_many(BUYERS).await;
        sale.advance_s(1).await;
        sale.admits(&Pace { claim_window_s: FOREVER_S, ..OPEN }).await;
        Self { sale, buyers, random: Random(6), sold: BTreeSet::new(), expired: 0, ordered: 0 }
    }

    /// Every buyer comes once; then those who did nothing with their seats lose them.
    async fn round(&mut self) {
        for buyer in self.buyers.clone() {
            if let Some(hold) = self.comes(buyer).await
                && self.random.below(10) < ORDERED_OF_TEN
            {
                self.orders(&hold).await;
            }
        }
        self.sale.advance_s(TTL_S).await;
        loop {
            let expired = self.sale.holds.expire_due(self.sale.id, EXPIRE_MAX).await.unwrap();
            if expired.released.is_empty() {
                return;
            }
            self.expired += expired.released.len();
        }
    }

    /// A group wants to sit together, and takes what there is when no row has room for it.
    async fn comes(&mut self, buyer: PlaceNumber) -> Option<HoldView> {
        let group = u32::try_from(1 + self.random.below(GROUP_MAX)).unwrap();
        let wish = UnitsWish::TogetherOrAny(NonZeroU32::new(group).unwrap());
        let wish = TakeHold { session_s: FOREVER_S, ..wish_for(buyer, &[("stalls", wish)]) };
        match self.sale.holds.take(self.sale.id, &wish).await.unwrap() {
            Take::Taken(hold) => Some(hold),
            Take::AllHeld { .. } | Take::TooFewLeft { .. } | Take::SoldOut { .. } => None,
            other => panic!("a group of {group}: {other:?}"),
        }
    }

    async fn orders(&mut self, hold: &HoldView) {
        let frozen = self.sale.holds.freeze(self.sale.id, hold.id, hold.number).await.unwrap();
        assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
        assert_eq!(self.sale.holds.commit(self.sale.id, hold.id).await.unwrap(), Commit::Committed);
        for unit in unit_numbers(hold) {
            assert!(self.sold.insert(unit), "{unit} is sold twice");
        }
        self.ordered += 1;
    }
}
