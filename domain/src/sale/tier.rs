//! Price categories and their places.
//!
//! A tier has either `capacity` numbered places that nobody chooses between (general admission), or seats, given as rows.
//! Units are numbered from 0; in a tier of rows the number runs through the rows in their order, seat by seat, so `A` with
//! 20 seats is units 0 to 19 and the next row begins at 20. A seat is named `A-1`: its row, and its place in it from 1.
//!
//! Rows are listed the best first, and in a row the middle is best: that is the rank by which seats together are found.
//! Consecutive numbers are seats side by side; a row that an aisle cuts is two rows.

use serde::{Deserialize, Serialize};

use crate::ids::TierId;

/// The most rows of one tier: a stadium of 100,000 with 25 seats a row.
pub const ROWS_MAX: usize = 4_096;
/// The most seats of one row: Redis reads a row whole whenever a seat of it changes hands.
pub const ROW_SEATS_MAX: u32 = 500;
/// The longest name of a row.
pub const ROW_NAME_CHARS_MAX: usize = 16;

/// A price category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// Its name in URLs, keys and labels.
    pub id: TierId,
    /// What people call it.
    pub name: String,
    /// The base price of one unit, in minor units of the sale's currency.
    pub price: i64,
    /// How many numbered general-admission units there are; left out when there are rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Its rows of seats, the best first; none for general admission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowConfig>,
    /// The most units of it that one buyer may have; only the sale's limit counts when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_buyer_limit: Option<u32>,
}

/// A row of seats, numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowConfig {
    /// What people call it.
    pub row: String,
    /// How many seats it has, side by side.
    pub seats: u32,
}

impl TierConfig {
    /// How many units it has.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        let seats = || self.rows.iter().fold(0, |sum: u32, row| sum.saturating_add(row.seats));
        self.capacity.unwrap_or_else(seats)
    }

    /// The seats of each row, in order; empty for general admission.
    #[must_use]
    pub fn row_sizes(&self) -> Vec<u32> {
        self.rows.iter().map(|row| row.seats).collect()
    }
}
