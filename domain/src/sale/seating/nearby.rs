//! Seats to offer instead of others: free ones, the nearest first.
//!
//! Near is what it is in a hall: rows lie one behind the other with their middles in line, and the next row is as far away
//! as two seats. Distances are from the middle of the wanted seats, in half seats, so that they are whole numbers; of two
//! that are as near, the one in front counts, then the lower.
//!
//! Cost: rows are looked at from the wanted ones outwards, and no further than the offers found so far are away; a tier
//! without a free seat is read once.

use std::num::NonZeroU32;

use super::{Row, Seating};
use crate::ids::UnitNo;

/// How far away the next row is, in half seats.
const ROW_HALF_SEATS: u64 = 4;

/// The middle of some seats.
#[derive(Clone, Copy)]
struct Middle {
    row: usize,
    /// From the middle of the row, in half seats.
    across: i64,
}

/// The place of something, by which offers are compared: how far away, and its first seat.
type Near = (u64, UnitNo);

impl Seating {
    /// At most `most` times so many free seats side by side, the nearest to the wanted ones first. Each gap between taken
    /// seats is offered once, so no seat is in two offers.
    pub fn together_near(
        &self,
        wanted: &[UnitNo],
        count: NonZeroU32,
        most: usize,
        is_free: impl Fn(UnitNo) -> bool,
    ) -> Vec<Vec<UnitNo>> {
        let count = count.get();
        let in_row = |row: &Row, middle: Middle| {
            let fits = row.gaps(&is_free).into_iter().filter(move |(_, free)| *free >= count);
            fits.map(|(first, free)| row.nearest_run(first, free, count, middle)).collect()
        };
        let firsts = self.nearest(wanted, most, in_row);
        firsts.into_iter().map(|first| (first.0..first.0 + count).map(UnitNo).collect()).collect()
    }

    /// So many free seats wherever they are, or all there are: the nearest to the wanted ones, in the order of their numbers.
    pub fn apart_near(&self, wanted: &[UnitNo], count: NonZeroU32, is_free: impl Fn(UnitNo) -> bool) -> Vec<UnitNo> {
        let in_row = |row: &Row, middle: Middle| {
            let free = (0..row.seats).filter(|seat| is_free(UnitNo(row.first + seat)));
            free.map(|seat| row.nearest_run(seat, 1, 1, middle)).collect()
        };
        let most = usize::try_from(count.get()).expect("a count of seats fits");
        let mut seats = self.nearest(wanted, most, in_row);
        seats.sort_unstable();
        seats
    }

    /// The nearest of what each row has.
    fn nearest(&self, wanted: &[UnitNo], most: usize, in_row: impl Fn(&Row, Middle) -> Vec<Near>) -> Vec<UnitNo> {
        let Some(middle) = self.middle(wanted) else {
            return Vec::new();
        };
        let mut found: Vec<Near> = Vec::new();
        for (away, index) in outwards(middle.row, self.rows.len()) {
            let nothing_nearer = found.get(most.saturating_sub(1)).is_some_and(|(furthest, _)| *furthest < away);
            if nothing_nearer {
                break;
            }
            found.extend(in_row(&self.rows[index], middle).into_iter().map(|(across, first)| (away + across, first)));
            found.sort_unstable();
            found.truncate(most);
        }
        found.into_iter().map(|(_, first)| first).collect()
    }

    /// The middle of those seats that the tier has, if it has any.
    fn middle(&self, seats: &[UnitNo]) -> Option<Middle> {
        let places: Vec<_> = seats.iter().filter_map(|unit| self.place(*unit)).collect();
        let count = i64::try_from(places.len()).ok().filter(|count| *count > 0)?;
        let row = places.iter().map(|place| place.row).sum::<usize>() / places.len();
        Some(Middle { row, across: places.iter().map(|place| place.across).sum::<i64>() / count })
    }

    fn place(&self, unit: UnitNo) -> Option<Middle> {
        let row = self.rows.partition_point(|row| row.first <= unit.0).checked_sub(1)?;
        let seat = unit.0 - self.rows[row].first;
        (seat < self.rows[row].seats).then(|| Middle { row, across: self.rows[row].across(seat, 1) })
    }
}

/// Every row, the nearest first, with how far away it is.
fn outwards(from: usize, rows: usize) -> impl Iterator<Item = (u64, usize)> {
    (0_u64..).zip(0..rows).flat_map(move |(away, step)| {
        let behind = (step > 0).then_some(from + step).filter(|row| *row < rows);
        [from.checked_sub(step), behind].into_iter().flatten().map(move |row| (away * ROW_HALF_SEATS, row))
    })
}

impl Row {
    /// The middle of so many seats from one on, from the middle of the row, in half seats.
    fn across(&self, seat: u32, count: u32) -> i64 {
        i64::from(2 * seat + count) - i64::from(self.seats)
    }

    /// Where free seats begin between taken ones, and how many they are.
    fn gaps(&self, is_free: impl Fn(UnitNo) -> bool) -> Vec<(u32, u32)> {
        let mut gaps: Vec<(u32, u32)> = Vec::new();
        for seat in (0..self.seats).filter(|seat| is_free(UnitNo(self.first + seat))) {
            match gaps.last_mut() {
                Some((first, free)) if *first + *free == seat => *free += 1,
                _ => gaps.push((seat, 1)),
            }
        }
        gaps
    }

    /// Of so many free seats from one on the run that is nearest to a middle, and how far across.
    fn nearest_run(&self, first: u32, free: u32, count: u32, middle: Middle) -> Near {
        let ideal = (middle.across + i64::from(self.seats) - i64::from(count)).div_euclid(2);
        let start = ideal.clamp(i64::from(first), i64::from(first + free - count));
        let start = u32::try_from(start).expect("it is between two seats of the row");
        (self.across(start, count).abs_diff(middle.across), UnitNo(self.first + start))
    }
}

#[cfg(test)]
mod tests;
