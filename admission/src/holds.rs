//! Units for a pass, for a while.
//!
//! The states are [`domain::hold`]'s; the record, one text a hold, is in Redis until a day after the hold ended.
//!
//! ```text
//! take ─► held ─► freeze ─► frozen ─► commit ─► committed          the order is in Postgres
//!          ↺ extend           ↺ extend, freeze again
//!          │                  └─────► lose ───► released           Postgres refused: a tombstone, or units it lacks
//!          ├─► release ─► released                                 the buyer gives it back
//!          └─► expire_due ─► expired                               its time ran out
//! receipt ─► reclaim ─► held                                       Redis was lost: see the module `reclaim`
//! ```
//!
//! Guarantees. Each step is one script: units are taken all or none, and freed once, by any number of callers. A repeated
//! call finds what the first one did. A frozen hold is never freed on its own: [`Holds::expire_due`] only names it, and
//! whoever sweeps asks Postgres, which either has the order ([`Holds::commit`]) or, once the hold's own time is over, writes
//! a tombstone first ([`Holds::expire_frozen`]). Freezing neither shortens a hold nor lengthens it: a buyer whose order was
//! refused goes on with the time that was left. The record of a request is kept for a day, so a lost answer can be asked for
//! again.
//!
//! Bounds: units a hold by the sale's limit, [`EXPIRE_MAX`] holds a sweep, [`RETURN_MAX`] units a return.
//!
//! What it does not do: names of seats, signing receipts; limits across the holds of one buyer (Postgres knows those).

use domain::{HoldId, PlaceNumber, SaleId, UnitNo};
use fred::types::Value;

use crate::keys::{Key, SaleKeys};
use crate::queue::{expect_word, text};
use crate::scripts::{self, Reply, Script};
use crate::units::{self, HeldUnit};
use crate::{AdmissionError, Store};

mod extend;
mod inventory;
mod reclaim;
mod record;
mod request;
mod seats;
mod take;
mod wish;
mod withhold;

pub use extend::{Extend, ExtendHold};
pub use inventory::{Inventory, InventoryFault};
pub use reclaim::{Reclaim, ReclaimHold};
pub use record::HoldView;
pub use request::RequestId;
pub use seats::{SeatBits, SeatState, SeatsView};
pub use take::{TAKE_BATCH_MAX, Take, TakeHold};
pub use wish::UnitsWish;
pub use withhold::{NOBODY, WITHHOLD_MAX, WITHHOLD_S, Withhold, WithholdWish};

/// How long an order may take to be written before the sweep asks Postgres about it: many times what one insert takes.
pub const FREEZE_S: u32 = 30;
/// Holds looked at in one sweep: a few milliseconds of Redis.
pub const EXPIRE_MAX: u32 = 200;
/// Units in one return: about a millisecond of Redis.
pub const RETURN_MAX: usize = 1_000;

/// How long a request is remembered: as long as an idempotency key.
const REQUEST_KEPT_S: u32 = 24 * 60 * 60;
/// How long a return is remembered: its job may be parked and retried days later.
const RETURN_KEPT_S: u32 = 7 * 24 * 60 * 60;
/// When a frozen hold whose time is over, and that was named to a sweeper, is named again: the sweeper may have died.
const FROZEN_AGAIN_MS: u32 = 5_000;

/// The holds of all sales.
#[derive(Debug, Clone)]
pub struct Holds {
    store: Store,
}

/// What releasing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Its units are free.
    Released(HoldView),
    /// It had ended before.
    AlreadyReleased,
    /// It has an order, or is getting one: cancel that.
    Frozen,
    /// There is no such hold of that number.
    NotFound,
}

/// What freezing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// Frozen, now or before.
    Frozen(HoldView),
    /// Its order is there already.
    Committed(HoldView),
    /// Its time ran out, or it was given back.
    Expired,
    /// There is no such hold of that number.
    NotFound,
}

/// What ending a frozen hold that Postgres refused came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lose {
    /// Its units are free, save the lost ones.
    Released,
    /// It had ended so before.
    AlreadyReleased,
    /// There is no such frozen hold.
    NotFound,
}

/// What committing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The units are the order's.
    Committed,
    /// They were before.
    AlreadyCommitted,
    /// There is no such live hold.
    NotFound,
}

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Holds that expired in this sweep; their units are free.
    pub released: Vec<HoldId>,
    /// Frozen holds that nobody reported an order of, with time left: commit those that Postgres has an order of.
    pub frozen_due: Vec<HoldId>,
    /// Frozen holds whose time is over: let Postgres decide, then commit or [`Holds::expire_frozen`].
    pub frozen_over: Vec<HoldId>,
}

/// What returning units came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitsReturn {
    /// They are free.
    Returned,
    /// They are free, and some were marked as held though no live hold had them: Redis had contradicted itself.
    Mended,
    /// This request returned them before.
    AlreadyReturned,
    /// Redis was rebuilt since, with the units free.
    StaleEpoch,
    /// A live hold has some: nothing changed. Once the sweep has ended it, the same request returns them.
    HeldStill,
}

impl Holds {
    /// The holds in that store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Takes units of each tier as it is wished, all or none.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale or a tier.
    pub async fn take(&self, sale: SaleId, wish: &TakeHold) -> Result<Take, AdmissionError> {
        let mut takes = self.take_many(sale, std::slice::from_ref(wish)).await?;
        takes.pop().expect("an answer for each wish")
    }

    /// The same for many, [`TAKE_BATCH_MAX`] at most, in their order and each as if it were alone.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale; for a single wish, that its tier is not there.
    pub async fn take_many(
        &self,
        sale: SaleId,
        wishes: &[TakeHold],
    ) -> Result<Vec<Result<Take, AdmissionError>>, AdmissionError> {
        let keys = SaleKeys::new(sale);
        let requests = wishes.iter().map(|wish| keys.of_request(wish.request).name(Key::Request)).collect();
        let arguments = take::arguments(wishes);
        let reply = self.store.run_with(&scripts::HOLD_TAKE, &keys, requests, arguments).await?;
        take::answers(reply, wishes)
    }

    /// The hold as it is, if Redis still knows it.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn look(&self, sale: SaleId, hold: HoldId) -> Result<Option<HoldView>, AdmissionError> {
        let mut reply = self.run(&scripts::HOLD_LOOK, sale, vec![text(hold)]).await?;
        match reply.word() {
            "found" => HoldView::parse(&mut reply).map(Some),
            "not_found" => Ok(None),
            _ => reply.unexpected(),
        }
    }

    /// The live hold of a number, if it has one.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn of_number(&self, sale: SaleId, number: PlaceNumber) -> Result<Option<HoldId>, AdmissionError> {
        let hold = self.store.field(SaleKeys::new(sale).name(Key::Claims), number.to_string()).await?;
        let unreadable = |_| AdmissionError::Script("a claim is no hold".to_owned());
        hold.map(|hold| hold.parse().map_err(unreadable)).transpose()
    }

    /// Gives a hold back.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn release(&self, sale: SaleId, hold: HoldId, number: PlaceNumber) -> Result<Release, AdmissionError> {
        let mut reply = self.run(&scripts::HOLD_RELEASE, sale, vec![text(hold), text(number)]).await?;
        match reply.word() {
            "released" => Ok(Release::Released(HoldView::parse(&mut reply)?)),
            "already_released" => Ok(Release::AlreadyReleased),
            "frozen" => Ok(Release::Frozen),
            "not_found" => Ok(Release::NotFound),
            _ => reply.unexpected(),
        }
    }

    /// Keeps a hold from expiring while its order is written: [`FREEZE_S`] from now the sweep asks Postgres what became of
    /// it. The hold's own time goes on.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn freeze(&self, sale: SaleId, hold: HoldId, number: PlaceNumber) -> Result<Freeze, AdmissionError> {
        let arguments = vec![text(hold), text(number), text(u64::from(FREEZE_S) * 1_000)];
        let mut reply = self.run(&scripts::HOLD_FREEZE, sale, arguments).await?;
        match reply.word() {
            "frozen" => Ok(Freeze::Frozen(HoldView::parse(&mut reply)?)),
            "committed" => Ok(Freeze::Committed(HoldView::parse(&mut reply)?)),
            "expired" => Ok(Freeze::Expired),
            "not_found" => Ok(Freeze::NotFound),
            _ => reply.unexpected(),
        }
    }

    /// Ends a frozen hold because Postgres does not have some of its units free: those do not become free here either.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn unfreeze_lost(&self, sale: SaleId, hold: HoldId, lost: &[HeldUnit]) -> Result<Lose, AdmissionError> {
        let reply = self.run(&scripts::HOLD_LOSE, sale, vec![text(hold), text(units::write(lost))]).await?;
        match reply.word() {
            "released" => Ok(Lose::Released),
            "already_released" => Ok(Lose::AlreadyReleased),
            "not_found" => Ok(Lose::NotFound),
            _ => reply.unexpected(),
        }
    }

    /// Ends a frozen hold whose tombstone is in Postgres: no order can have its units.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn expire_frozen(&self, sale: SaleId, hold: HoldId) -> Result<Lose, AdmissionError> {
        self.unfreeze_lost(sale, hold, &[]).await
    }

    /// Closes a hold whose order is in Postgres, or whose units are withheld there. A session goes on, and may hold again.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn commit(&self, sale: SaleId, hold: HoldId) -> Result<Commit, AdmissionError> {
        let reply = self.run(&scripts::HOLD_COMMIT, sale, vec![text(hold)]).await?;
        match reply.word() {
            "committed" => Ok(Commit::Committed),
            "already_committed" => Ok(Commit::AlreadyCommitted),
            "not_found" => Ok(Commit::NotFound),
            _ => reply.unexpected(),
        }
    }

    /// The sweep: frees holds that are due and names frozen ones, looking at `limit` holds, [`EXPIRE_MAX`] at most. When
    /// it found that many there may be more.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn expire_due(&self, sale: SaleId, limit: u32) -> Result<Expired, AdmissionError> {
        let again_ms = u64::from(FREEZE_S) * 1_000;
        let arguments = vec![text(limit.min(EXPIRE_MAX)), text(FROZEN_AGAIN_MS), text(again_ms)];
        let mut reply = self.run(&scripts::HOLD_EXPIRE, sale, arguments).await?;
        expect_word(&reply, "swept")?;
        Ok(Expired { released: holds(&mut reply)?, frozen_due: holds(&mut reply)?, frozen_over: holds(&mut reply)? })
    }

    /// Puts units back on sale that Postgres freed in that epoch.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale in that epoch yet; or there are more than [`RETURN_MAX`] units.
    pub async fn units_return(
        &self,
        sale: SaleId,
        request: RequestId,
        epoch: u32,
        returned: &[HeldUnit],
    ) -> Result<UnitsReturn, AdmissionError> {
        self.give_back(sale, request, epoch, returned, "ordered").await
    }

    /// The same for units that were withheld: what may be gone of their tiers is counted from more units again.
    ///
    /// # Errors
    /// As [`Holds::units_return`].
    pub async fn withheld_return(
        &self,
        sale: SaleId,
        request: RequestId,
        epoch: u32,
        returned: &[HeldUnit],
    ) -> Result<UnitsReturn, AdmissionError> {
        self.give_back(sale, request, epoch, returned, "withheld").await
    }

    async fn give_back(
        &self,
        sale: SaleId,
        request: RequestId,
        epoch: u32,
        returned: &[HeldUnit],
        whose: &str,
    ) -> Result<UnitsReturn, AdmissionError> {
        if returned.len() > RETURN_MAX {
            return Err(AdmissionError::Script(format!("units_return takes at most {RETURN_MAX} units")));
        }
        let keys = SaleKeys::new(sale).of_request(request);
        let arguments = vec![text(epoch), text(RETURN_KEPT_S), text(units::write(returned)), text(whose)];
        let reply = self.store.run(&scripts::UNITS_RETURN, &keys, arguments).await?;
        match reply.word() {
            "returned" => Ok(UnitsReturn::Returned),
            "mended" => Ok(UnitsReturn::Mended),
            "already_returned" => Ok(UnitsReturn::AlreadyReturned),
            "stale_epoch" => Ok(UnitsReturn::StaleEpoch),
            "held_still" => Ok(UnitsReturn::HeldStill),
            _ => reply.unexpected(),
        }
    }

    async fn run(&self, script: &Script, sale: SaleId, arguments: Vec<Value>) -> Result<Reply, AdmissionError> {
        self.store.run(script, &SaleKeys::new(sale), arguments).await
    }
}

fn unit_numbers(reply: &mut Reply) -> Result<Vec<UnitNo>, AdmissionError> {
    let units = reply.integers()?;
    units.into_iter().map(|unit| u32::try_from(unit).map(UnitNo).map_err(|_| reply.odd("no unit"))).collect()
}

fn holds(reply: &mut Reply) -> Result<Vec<HoldId>, AdmissionError> {
    let ids = reply.texts()?;
    ids.iter().map(|id| id.parse().map_err(|_| reply.odd("no hold"))).collect()
}
