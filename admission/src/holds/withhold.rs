//! Units taken off sale for nobody, so that Postgres may keep them back.
//!
//! A hold without a pass, frozen from its beginning: nobody can order, extend or give it back, and like every frozen hold it
//! ends by Postgres' verdict alone, told by whoever asked for it or by the sweep:
//!
//! ```text
//! withhold ─► frozen ─► commit ─► committed          Postgres keeps the units back: they are gone from `all`, too
//!                └────► expire_frozen ─► released    Postgres has a tombstone
//! ```
//!
//! Guarantees. One script, which takes only what is free: a unit that a buyer holds is not touched. A repeated request finds
//! its hold. While only receipts are honoured nothing is taken: what is free then may be somebody's. A pause of the sale stops
//! none of this: nobody's clock is the clock itself, so what was abandoned is over in a pause, and after a leap of the clock, too.
//!
//! Bounds: [`WITHHOLD_MAX`] units a hold; Postgres has [`WITHHOLD_S`] to keep them, and is asked after [`ASK_S`].
//!
//! What it does not do: the verdict; that is the ledger's.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use domain::{HoldId, PlaceNumber, SaleId, TierId, UnitNo};

use super::{HoldView, Holds, REQUEST_KEPT_S, RequestId, unit_numbers};
use crate::AdmissionError;
use crate::keys::SaleKeys;
use crate::queue::text;
use crate::scripts;

/// Units in one hold of nobody's: some milliseconds of Redis, when each is in a row of its own.
pub const WITHHOLD_MAX: u32 = 1_000;
/// How long Postgres may take to keep units back: many times what one statement takes.
pub const WITHHOLD_S: u32 = 30;
/// When the sweep asks for the first time: whoever began usually is done by then.
const ASK_S: u32 = 2;

/// The number of a hold without a pass: the first number of a visitor is 1.
pub const NOBODY: PlaceNumber = PlaceNumber(0);

/// Which units of a tier to take off sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithholdWish {
    /// So many, those that would go last.
    Last(NonZeroU32),
    /// These and no others.
    Seats(BTreeSet<UnitNo>),
}

/// What taking units off sale came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withhold {
    /// Nobody else can hold them; by this call or by an earlier one of the same request.
    Taken {
        /// The epoch in which that is so.
        epoch: u32,
        /// The hold.
        hold: HoldView,
    },
    /// Fewer are free.
    TooFew {
        /// How many.
        free: u32,
    },
    /// Some of these are not free.
    SeatTaken(Vec<UnitNo>),
    /// Redis was lost: for so long only receipts are honoured.
    Reclaiming {
        /// How long still.
        left_s: u32,
    },
}

impl Holds {
    /// Takes free units of a tier off sale, at most [`WITHHOLD_MAX`]. `hold` is the id of the hold if it comes to one.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn withhold(
        &self,
        sale: SaleId,
        hold: HoldId,
        request: RequestId,
        tier: &TierId,
        wish: &WithholdWish,
    ) -> Result<Withhold, AdmissionError> {
        let (way, units) = match wish {
            WithholdWish::Last(quantity) => ("last", quantity.to_string()),
            WithholdWish::Seats(units) => {
                ("seats", units.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
        };
        let (window_ms, ask_ms) = (u64::from(WITHHOLD_S) * 1_000, u64::from(ASK_S) * 1_000);
        let mut arguments = vec![text(hold), text(tier), text(way), text(units)];
        arguments.extend([text(window_ms), text(ask_ms), text(REQUEST_KEPT_S)]);
        let keys = SaleKeys::new(sale).of_request(request);
        let mut reply = self.store.run(&scripts::HOLD_WITHHOLD, &keys, arguments).await?;
        match reply.word() {
            "taken" => Ok(Withhold::Taken { epoch: reply.parsed()?, hold: HoldView::parse(&mut reply)? }),
            "reclaiming" => Ok(Withhold::Reclaiming { left_s: reply.parsed()? }),
            "too_few" => Ok(Withhold::TooFew { free: reply.parsed()? }),
            "seat_taken" => Ok(Withhold::SeatTaken(unit_numbers(&mut reply)?)),
            _ => reply.unexpected(),
        }
    }
}
