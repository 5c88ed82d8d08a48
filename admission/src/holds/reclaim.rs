//! A hold given back after Redis was lost, on its receipt.
//!
//! A browsing hold is in Redis only, and its buyer has the signed receipt. When Redis was lost, the sale is loaded with every
//! unit free that is free in Postgres, and then:
//!
//! ```text
//! loaded ─► reclaim window ───────────────► open
//!           only receipts are honoured      new holds too; a receipt is still honoured while its units are free
//! ```
//!
//! Nobody is let in and nothing new is held in the window ([`super::Take::Reclaiming`]), so that every buyer who comes back
//! within it finds the units as they were. There is none where nobody was inside, hence nobody can have a receipt.
//!
//! Guarantees. Giving back is one script: the same hold, the same units or none, the same expiry, once, however often the
//! receipt is sent; a call whose answer was lost is simply repeated. Of two receipts that name the same unit at most one can
//! be honoured, and that is the rightful one, because each way in which a unit goes from one hold to another shuts the
//! earlier receipt out:
//!
//! | how the earlier hold ended            | what shuts its receipt out |
//! |---------------------------------------|----------------------------|
//! | its time ran out                      | the expiry in the receipt  |
//! | it became an order, or one refused it | its verdict in Postgres    |
//! | it was given back                     | its tombstone in Postgres, written before the units are free |
//! | Redis was lost, the buyer did not come back in the window, and others could hold the units | `receipts_from`: receipts of epochs before the last one that sold are not honoured |
//!
//! So the newest receipt of a hold is the one that counts: each answer about a hold carries one of the epoch it is of.
//!
//! The caller asks Postgres first and says in which epoch that was; a Redis of another epoch answers that it is not loaded. In
//! one epoch no verdict is missed: an order needs the hold frozen here, and from then on the hold is known here.
//!
//! What it does not do: it gives nothing back that a failover lost and somebody else took before a tick found out that this is
//! another server; the first of the two who comes has them. A hold whose time ran out while the
//! sale stood still and Redis was lost is over: how long it stood is written nowhere else.

use domain::{HoldId, PlaceNumber, SaleId};
use jiff::Timestamp;

use super::{HoldView, Holds};
use crate::AdmissionError;
use crate::queue::text;
use crate::scripts;
use crate::units::{self, HeldUnit};

/// A receipt of which Postgres knows neither an order nor a tombstone.
#[derive(Debug, Clone)]
pub struct ReclaimHold {
    /// The hold.
    pub hold: HoldId,
    /// Whose pass took it.
    pub number: PlaceNumber,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it holds.
    pub units: Vec<HeldUnit>,
    /// The epoch of the receipt.
    pub receipt_epoch: u32,
    /// The epoch in which Postgres was asked.
    pub epoch: u32,
}

/// What giving back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reclaim {
    /// It is held again.
    Reclaimed(HoldView),
    /// It is there: given back before, or never lost.
    Live(HoldView),
    /// It is over, or its units have been on sale since.
    Ended,
    /// The pass has another live hold.
    PassInUse,
    /// A unit of it is not free; nothing was taken.
    SeatTaken,
}

impl Holds {
    /// Gives a hold back that Redis lost.
    ///
    /// # Errors
    /// Redis is away, does not have the sale, or has it in another epoch.
    pub async fn reclaim(&self, sale: SaleId, wish: &ReclaimHold) -> Result<Reclaim, AdmissionError> {
        let arguments = vec![
            text(wish.hold),
            text(wish.number),
            text(wish.expires_at.as_millisecond()),
            text(units::write(&wish.units)),
            text(wish.receipt_epoch),
            text(wish.epoch),
        ];
        let mut reply = self.run(&scripts::HOLD_RECLAIM, sale, arguments).await?;
        match reply.word() {
            "reclaimed" => Ok(Reclaim::Reclaimed(HoldView::parse(&mut reply)?)),
            "live" => Ok(Reclaim::Live(HoldView::parse(&mut reply)?)),
            "ended" => Ok(Reclaim::Ended),
            "pass_in_use" => Ok(Reclaim::PassInUse),
            "seat_taken" => Ok(Reclaim::SeatTaken),
            _ => reply.unexpected(),
        }
    }
}
