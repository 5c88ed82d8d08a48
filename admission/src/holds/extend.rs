//! More time for a hold.
//!
//! An extension adds the TTL once more to what is left. Bounds: so many extensions a hold, never further ahead than the
//! longest TTL of the sale, never past the end of the session. A refused one uses nothing up. While the sale stands still
//! the clock it is reckoned by stands, too.
//!
//! What it does not do: the order of a hold has a clock of its own, which only paying moves.

use domain::{HoldId, PlaceNumber, SaleId};

use super::{HoldView, Holds, REQUEST_KEPT_S, RequestId};
use crate::AdmissionError;
use crate::keys::SaleKeys;
use crate::queue::text;
use crate::scripts;

/// A wish for more time.
#[derive(Debug, Clone)]
pub struct ExtendHold {
    /// The hold.
    pub hold: HoldId,
    /// Whose pass.
    pub number: PlaceNumber,
    /// Which request this is; repeating it extends nothing more.
    pub request: RequestId,
    /// How much is added.
    pub ttl_s: u32,
    /// How far ahead the hold's end may lie.
    pub max_ttl_s: u32,
    /// How often a hold may be extended.
    pub extensions_max: u32,
}

/// What extending came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extend {
    /// It lasts longer.
    Extended(HoldView),
    /// The request was answered before; the hold as it is now.
    Replayed(HoldView),
    /// It was extended as often as it may be.
    UsedUp,
    /// It lasts as long as it may already.
    Longest,
    /// Its order has the units.
    Committed,
    /// Its time ran out, or it was given back.
    Expired,
    /// There is no such hold of that number.
    NotFound,
}

impl Holds {
    /// Gives a hold more time.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn extend(&self, sale: SaleId, wish: &ExtendHold) -> Result<Extend, AdmissionError> {
        let keys = SaleKeys::new(sale).of_request(wish.request);
        let arguments = vec![
            text(wish.hold),
            text(wish.number),
            text(u64::from(wish.ttl_s) * 1_000),
            text(u64::from(wish.max_ttl_s) * 1_000),
            text(wish.extensions_max),
            text(REQUEST_KEPT_S),
        ];
        let mut reply = self.store.run(&scripts::HOLD_EXTEND, &keys, arguments).await?;
        match reply.word() {
            "extended" => Ok(Extend::Extended(HoldView::parse(&mut reply)?)),
            "replayed" => Ok(Extend::Replayed(HoldView::parse(&mut reply)?)),
            "used_up" => Ok(Extend::UsedUp),
            "longest" => Ok(Extend::Longest),
            "committed" => Ok(Extend::Committed),
            "expired" => Ok(Extend::Expired),
            "not_found" => Ok(Extend::NotFound),
            _ => reply.unexpected(),
        }
    }
}
