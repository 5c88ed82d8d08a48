//! Who may have which seat, at one moment: what a seat map is drawn from.
//!
//! One read for all tiers of rows, however many look at them. [`View::seat_changes`](crate::View) says without a read
//! whether it would bring anything new: a map of the same epoch with as many changes is the same map.
//!
//! Bounds: two bits a unit, 25 KB for the most units of a sale.

use std::collections::BTreeMap;

use domain::{SaleId, TierId, UnitNo};

use super::Holds;
use crate::AdmissionError;
use crate::queue::{expect_word, text};
use crate::scripts::{self, Reply};

/// The seats of a sale at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatsView {
    /// The epoch that was loaded.
    pub epoch: u32,
    /// How often seats had changed hands in it.
    pub changes: u64,
    /// Each tier that was asked for.
    pub tiers: BTreeMap<TierId, SeatBits>,
}

/// The seats of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatBits {
    free: Vec<u8>,
    held: Vec<u8>,
}

/// Who may have a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    /// Anybody.
    Free,
    /// Nobody now: it is in a live hold, and may come back.
    Held,
    /// Nobody: it is ordered, sold, or not on sale.
    Gone,
}

impl Holds {
    /// The seats of these tiers, each with the number of its units.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale or a tier.
    pub async fn seats(&self, sale: SaleId, tiers: &[(TierId, u32)]) -> Result<SeatsView, AdmissionError> {
        let arguments = tiers.iter().flat_map(|(tier, units)| [text(tier), text(units)]).collect();
        let mut reply = self.run(&scripts::SEATS_VIEW, sale, arguments).await?;
        expect_word(&reply, "viewed")?;
        let (epoch, changes) = (reply.parsed()?, reply.parsed()?);
        let mut bits = reply.bytes_each()?.into_iter();
        let of_tier = |(tier, units): &(TierId, u32)| {
            let (free, held) = bits.next().zip(bits.next()).ok_or_else(|| missing(&reply))?;
            Ok((tier.clone(), SeatBits::new(*units, free, held)))
        };
        Ok(SeatsView { epoch, changes, tiers: tiers.iter().map(of_tier).collect::<Result<_, AdmissionError>>()? })
    }
}

fn missing(reply: &Reply) -> AdmissionError {
    reply.odd("a tier is missing")
}

impl SeatBits {
    /// From bitmaps of so many units, whose last zeros may be left out.
    #[must_use]
    pub fn new(units: u32, mut free: Vec<u8>, mut held: Vec<u8>) -> Self {
        let bytes = units.div_ceil(8) as usize;
        free.resize(bytes, 0);
        held.resize(bytes, 0);
        Self { free, held }
    }

    /// Who may have the seat of a unit.
    #[must_use]
    pub fn state(&self, unit: UnitNo) -> SeatState {
        if is_set(&self.free, unit) {
            SeatState::Free
        } else if is_set(&self.held, unit) {
            SeatState::Held
        } else {
            SeatState::Gone
        }
    }

    /// How many are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free.iter().map(|byte| byte.count_ones()).sum()
    }

    /// The units whose seats are not as they are in the other, in order.
    pub fn unlike(&self, other: &Self) -> impl Iterator<Item = UnitNo> {
        let pairs = |a: &[u8], b: &[u8]| -> Vec<u8> { a.iter().zip(b).map(|(a, b)| a ^ b).collect() };
        let (free, held) = (pairs(&self.free, &other.free), pairs(&self.held, &other.held));
        let bytes = free.into_iter().zip(held).map(|(free, held)| free | held);
        (0_u32..).zip(bytes).filter(|(_, byte)| *byte != 0).flat_map(|(index, byte)| {
            (0..8).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| UnitNo(index * 8 + bit))
        })
    }
}

fn is_set(bits: &[u8], unit: UnitNo) -> bool {
    bits.get(unit.0 as usize / 8).is_some_and(|byte| byte & (0x80 >> (unit.0 % 8)) != 0)
}

#[cfg(test)]
mod tests;
