//! Which seat a unit is, and which unit a seat: what a tier of rows is looked up in, made once from its configuration.

use std::collections::HashMap;

use super::TierConfig;
use crate::ids::UnitNo;

mod nearby;

/// The seats of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seating {
    rows: Vec<Row>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    first: u32,
    seats: u32,
}

impl Seating {
    /// The seats of that tier; none when it has no rows.
    #[must_use]
    pub fn of(tier: &TierConfig) -> Option<Self> {
        if tier.rows.is_empty() {
            return None;
        }
        let mut next = 0_u32;
        let mut row = |name: &str, seats| {
            let first = next;
            next = next.saturating_add(seats);
            Row { name: name.to_owned(), first, seats }
        };
        let rows: Vec<_> = tier.rows.iter().map(|config| row(&config.row, config.seats)).collect();
        let by_name = rows.iter().enumerate().map(|(index, row)| (row.name.clone(), index)).collect();
        Some(Self { rows, by_name })
    }

    /// What the seat of a unit is called; none when the tier does not have the unit.
    #[must_use]
    pub fn seat(&self, unit: UnitNo) -> Option<String> {
        self.row_and_number(unit).map(|(row, number)| format!("{row}-{number}"))
    }

    /// The row of a unit, and its number in it from 1; none when the tier does not have the unit.
    #[must_use]
    pub fn row_and_number(&self, unit: UnitNo) -> Option<(&str, u32)> {
        let after = self.rows.partition_point(|row| row.first <= unit.0);
        let row = &self.rows[after.checked_sub(1)?];
        let seat = unit.0 - row.first;
        (seat < row.seats).then_some((row.name.as_str(), seat + 1))
    }

    /// The unit of a seat; none when there is no such seat. A seat has one name: `A-01` is none.
    #[must_use]
    pub fn unit(&self, seat: &str) -> Option<UnitNo> {
        let (row, number) = seat.rsplit_once('-')?;
        let row = &self.rows[*self.by_name.get(row)?];
        let is_plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number: u32 = number.parse().ok().filter(|_| is_plain)?;
        (1..=row.seats).contains(&number).then(|| UnitNo(row.first + number - 1))
    }
}

#[cfg(test)]
mod tests;
