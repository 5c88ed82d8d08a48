//! Rows of seats as Redis keeps them; `lua/include/rows.lua` says what for, and keeps them right from the load on.

use domain::UnitNo;
use domain::sale::{PER_BUYER_LIMIT_MAX, ROWS_MAX};

/// Seats side by side are known up to here: nobody may have more.
const RUN_MAX: usize = PER_BUYER_LIMIT_MAX as usize;

/// Where each row begins, and behind the last one how many units there are; nothing for a tier without rows.
pub(crate) fn firsts(sizes: &[u32]) -> Vec<u8> {
    if sizes.is_empty() {
        return Vec::new();
    }
    let mut next = 0;
    let mut packed = pack(next).to_vec();
    for size in sizes {
        next += size;
        packed.extend(pack(next));
    }
    packed
}

fn pack(unit: u32) -> [u8; 3] {
    let [_, high, middle, low] = unit.to_be_bytes();
    [high, middle, low]
}

/// For every n from 1 to [`RUN_MAX`] a bitmap of the rows in which n free seats are side by side; nothing for a tier without
/// rows.
pub(crate) fn runs(sizes: &[u32], free: &[UnitNo]) -> Vec<u8> {
    if sizes.is_empty() {
        return Vec::new();
    }
    let bitmap_bytes = ROWS_MAX / 8;
    let mut bitmaps = vec![0; RUN_MAX * bitmap_bytes];
    for (row, longest) in longest_runs(sizes, free).into_iter().enumerate() {
        for bitmap in bitmaps.chunks_mut(bitmap_bytes).take(longest) {
            bitmap[row / 8] |= 0x80 >> (row % 8);
        }
    }
    bitmaps
}

/// How many seats are free side by side in each row, at most.
fn longest_runs(sizes: &[u32], free: &[UnitNo]) -> Vec<usize> {
    let capacity: u32 = sizes.iter().sum();
    let mut is_free = vec![false; capacity as usize];
    for unit in free {
        is_free[unit.0 as usize] = true;
    }
    let mut rest = is_free.as_slice();
    let row = |size: &u32| {
        let (row, after) = rest.split_at(*size as usize);
        rest = after;
        row.split(|is_free| !is_free).map(<[bool]>::len).max().unwrap_or(0)
    };
    sizes.iter().map(row).collect()
}

#[cfg(test)]
mod tests;
