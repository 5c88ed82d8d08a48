//! One reply is lost, of each script in turn: the repeated call is told what was done, and Redis has what one undisturbed
//! call leaves.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU32, Ordering};

use admission::{
    AdmissionError, Commit, Extend, ExtendHold, FREEZE_S, Freeze, HeldUnit, HoldView, Inventory, Lose, Reclaim,
    ReclaimHold, Release, RequestId, Snapshot, Take, UnitsReturn,
};
use domain::hold::HoldState;
use domain::{HoldId, PlaceNumber};
use sandbox::{FaultProxy, LostReplies};

use crate::fault::{proxied, until_answered};
use crate::onsale::{Onsale, TTL_S, some_request, wish};

/// When a frozen hold is named again to a sweep, after it was named to nobody.
const NAMED_AGAIN_S: u32 = 5;

/// A sale on whose connections the next reply can be lost.
struct Struck {
    sale: Onsale,
    proxy: FaultProxy,
}

/// What the undisturbed call and the one after a lost reply came to.
type Told<T> = (T, T);

impl Struck {
    async fn new() -> Self {
        let (sale, proxy) = proxied().await;
        // The clock stands, so that nothing runs out but what is to.
        sale.gap_ms(1_800_000_000_000).await;
        sale.loader.load(&sale.snapshot(2, &[("ga", 60)])).await.unwrap();
        sale.queue.raise_reserved(sale.id, 20_000).await.unwrap();
        Self { sale, proxy }
    }

    /// Two who hold one unit each: on one an act is undisturbed, which also makes its script known to the server; on the
    /// other it loses its reply.
    async fn two_holds(&self) -> [HoldView; 2] {
        let numbers = self.sale.turns(2).await;
        [self.sale.holds_units(numbers[0], "ga", 1).await, self.sale.holds_units(numbers[1], "ga", 1).await]
    }

    /// The call is made, its reply is lost, and it is made again.
    async fn unheard<T: Debug, F: Future<Output = Result<T, AdmissionError>>>(&self, call: impl Fn() -> F) -> T {
        let lost = self.proxy.lost();
        self.proxy.lose_replies(LostReplies::Next(1), b"EVALSHA");
        let unheard = call().await;
        assert!(matches!(unheard, Err(AdmissionError::Unavailable(_))), "{unheard:?}");
        assert_eq!(self.proxy.lost(), lost + 1);
        until_answered(call).await
    }

    /// The same act on both holds.
    async fn both<T: Debug, F: Future<Output = Result<T, AdmissionError>>>(
        &self,
        [calm, struck]: &[HoldView; 2],
        act: impl Fn(HoldId, PlaceNumber) -> F,
    ) -> Told<T> {
        let undisturbed = act(calm.id, calm.number).await.unwrap();
        (undisturbed, self.unheard(|| act(struck.id, struck.number)).await)
    }

    async fn freezes(&self, holds: &[HoldView; 2]) {
        for hold in holds {
            self.sale.holds.freeze(self.sale.id, hold.id, hold.number).await.unwrap();
        }
    }

    async fn inventory(&self) -> Inventory {
        let inventory = until_answered(|| self.sale.holds.inventory(self.sale.id)).await;
        assert_eq!(inventory.faults(), []);
        inventory
    }

    /// Both holds are in that state, and so many units are free.
    async fn ends(&self, holds: &[HoldView; 2], state: HoldState, free: usize) {
        for hold in holds {
            let seen = self.sale.holds.look(self.sale.id, hold.id).await.unwrap().unwrap();
            assert_eq!((seen.state, &seen.units), (state, &hold.units));
        }
        assert_eq!(self.inventory().await.free.len(), free);
    }
}

#[tokio::test]
async fn of_hold_take_the_repeated_call_finds_the_hold() {
    let struck = Struck::new().await;
    let sale = &struck.sale;
    let numbers = sale.turns(2).await;
    sale.holds_units(numbers[0], "ga", 1).await;
    let wish = wish(numbers[1], &[("ga", 2)]);
    let took = struck.unheard(|| sale.holds.take(sale.id, &wish)).await;
    assert!(matches!(&took, Take::Replayed(hold) if hold.id == wish.hold), "{took:?}");
    let inventory = struck.inventory().await;
    assert_eq!((inventory.free.len(), inventory.holds.len()), (57, 2));
}

#[tokio::test]
async fn of_hold_extend_the_repeated_press_is_the_same_press() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    let (calm, again) = struck
        .both(&holds, |hold, number| {
            let request = RequestId::of(&[&number.0.to_be_bytes()]);
            let press = ExtendHold { hold, number, request, ttl_s: TTL_S, max_ttl_s: 10 * TTL_S, extensions_max: 9 };
            async move { sale.holds.extend(sale.id, &press).await }
        })
        .await;
    let (Extend::Extended(calm), Extend::Replayed(again)) = (calm, again) else { panic!("two presses") };
    assert_eq!((again.extensions, again.expires_at), (calm.extensions, calm.expires_at));
}

#[tokio::test]
async fn of_hold_freeze_the_repeated_call_finds_it_frozen_with_the_same_time() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    let (calm, again) = struck.both(&holds, |hold, number| sale.holds.freeze(sale.id, hold, number)).await;
    let (Freeze::Frozen(calm), Freeze::Frozen(again)) = (calm, again) else { panic!("frozen") };
    assert_eq!((calm.expires_at, again.expires_at), (holds[0].expires_at, holds[1].expires_at));
    struck.ends(&holds, HoldState::Frozen, 58).await;
}

#[tokio::test]
async fn of_hold_commit_the_repeated_call_finds_it_committed() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    struck.freezes(&holds).await;
    let told = struck.both(&holds, |hold, _| sale.holds.commit(sale.id, hold)).await;
    assert_eq!(told, (Commit::Committed, Commit::AlreadyCommitted));
    struck.ends(&holds, HoldState::Committed, 58).await;
}

#[tokio::test]
async fn of_hold_release_the_repeated_call_finds_it_released() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    let (calm, again) = struck.both(&holds, |hold, number| sale.holds.release(sale.id, hold, number)).await;
    assert!(matches!(calm, Release::Released(_)) && again == Release::AlreadyReleased, "{calm:?} {again:?}");
    struck.ends(&holds, HoldState::Released, 60).await;
}

/// Somebody else holds the units before the repeated call comes.
#[tokio::test]
async fn of_hold_lose_the_repeated_call_takes_nothing_from_the_next_holder() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    struck.freezes(&holds).await;
    let next = [sale.turns(1).await[0]];
    let calls = AtomicU32::new(0);
    let told = struck
        .both(&holds, |hold, _| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            async move {
                if call == 2 {
                    sale.holds_units(next[0], "ga", 2).await;
                }
                sale.holds.expire_frozen(sale.id, hold).await
            }
        })
        .await;
    assert_eq!(told, (Lose::Released, Lose::AlreadyReleased));
    struck.ends(&holds, HoldState::Released, 58).await;
    assert_eq!(struck.inventory().await.holds.len(), 1);
}

#[tokio::test]
async fn of_hold_expire_nobody_is_freed_twice_and_what_was_frozen_is_named_again() {
    let struck = Struck::new().await;
    let (sale, holds) = (&struck.sale, struck.two_holds().await);
    let frozen = struck.two_holds().await;
    struck.freezes(&frozen).await;
    sale.holds.expire_due(sale.id, 10).await.unwrap();
    sale.advance_s(TTL_S).await;
    let again = struck.unheard(|| sale.holds.expire_due(sale.id, 10)).await;
    assert_eq!(again, admission::Expired::default(), "all of it was done, and told to nobody");
    struck.ends(&holds, HoldState::Expired, 58).await;
    sale.advance_s(NAMED_AGAIN_S).await;
    let named = sale.holds.expire_due(sale.id, 10).await.unwrap().frozen_over;
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(frozen.iter().all(|hold| named.contains(&hold.id)), "{named:?}");
}

/// One with time left that has an order, of which nobody was told.
#[tokio::test]
async fn of_hold_expire_a_frozen_hold_with_time_left_is_asked_about_again() {
    let struck = Struck::new().await;
    let sale = &struck.sale;
    let number = sale.turns(1).await[0];
    let lasting = admission::TakeHold { ttl_s: 10 * FREEZE_S, ..wish(number, &[("ga", 1)]) };
    let hold = crate::onsale::taken(sale.holds.take(sale.id, &lasting).await.unwrap());
    sale.holds.freeze(sale.id, hold.id, number).await.unwrap();
    sale.holds.expire_due(sale.id, 10).await.unwrap();
    sale.advance_s(FREEZE_S).await;
    struck.unheard(|| sale.holds.expire_due(sale.id, 10)).await;
    sale.advance_s(FREEZE_S).await;
    assert_eq!(sale.holds.expire_due(sale.id, 10).await.unwrap().frozen_due, [hold.id]);
}

/// The units are sold again before the repeated call comes.
#[tokio::test]
async fn of_units_return_the_repeated_call_returns_nothing_that_was_sold_since() {
    let struck = Struck::new().await;
    let sale = &struck.sale;
    let gone = sale.two_units_gone().await;
    let none = sale.holds.units_return(sale.id, some_request(), 2, &[]).await.unwrap();
    assert_eq!(none, UnitsReturn::Returned);
    let (request, next, calls) = (some_request(), sale.turns(1).await[0], AtomicU32::new(0));
    let again = struck
        .unheard(|| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            let gone = &gone;
            async move {
                if call == 1 {
                    sale.holds_units(next, "ga", 2).await;
                }
                sale.holds.units_return(sale.id, request, 2, gone).await
            }
        })
        .await;
    assert_eq!(again, UnitsReturn::AlreadyReturned);
    let inventory = struck.inventory().await;
    assert_eq!((inventory.free.len(), inventory.holds[0].units.clone()), (58, gone));
}

impl Onsale {
    /// The first two units, as an order has them.
    async fn two_units_gone(&self) -> Vec<HeldUnit> {
        let number = self.turns(1).await[0];
        let hold = self.holds_units(number, "ga", 2).await;
        self.holds.freeze(self.id, hold.id, number).await.unwrap();
        self.holds.commit(self.id, hold.id).await.unwrap();
        hold.units
    }
}

#[tokio::test]
async fn of_hold_reclaim_the_repeated_receipt_finds_the_hold() {
    let struck = Struck::new().await;
    let sale = &struck.sale;
    let holds = struck.two_holds().await;
    sale.loses_redis().await;
    let rebuilt = Snapshot { reserved_number: 10_000, reclaim_window_s: 30, ..sale.snapshot(3, &[("ga", 60)]) };
    sale.loader.load(&rebuilt).await.unwrap();
    let (calm, again) = struck
        .both(&holds, |hold, number| {
            let view = holds.iter().find(|view| view.id == hold).unwrap();
            let (expires_at, units) = (view.expires_at, view.units.clone());
            let receipt = ReclaimHold { hold, number, expires_at, units, receipt_epoch: 2, epoch: 3 };
            async move { sale.holds.reclaim(sale.id, &receipt).await }
        })
        .await;
    assert_eq!((calm, again), (Reclaim::Reclaimed(holds[0].clone()), Reclaim::Live(holds[1].clone())));
    struck.ends(&holds, HoldState::Held, 58).await;
}

/// The control: without the record of the request, a repeated return frees what somebody else bought by now.
#[tokio::test]
async fn without_the_name_of_the_request_a_repeated_return_is_seen_by_the_inventory() {
    let struck = Struck::new().await;
    let sale = &struck.sale;
    let gone = sale.two_units_gone().await;
    sale.holds.units_return(sale.id, some_request(), 2, &gone).await.unwrap();
    assert_eq!(sale.two_units_gone().await, gone);
    sale.holds.units_return(sale.id, some_request(), 2, &gone).await.unwrap();
    let free = sale.holds.inventory(sale.id).await.unwrap().free;
    assert_eq!(free.len(), 60, "two of them are sold");
}
