//! Rows of seats as Redis keeps them; `lua/include/rows.lua` says what for, and keeps them right from the load on.

use std::collections::BTreeSet;

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

/// The seats of each row, from what [`firsts`] packed.
pub(crate) fn sizes(packed: &[u8]) -> Vec<u32> {
    let unpack = |at: &[u8]| u32::from_be_bytes([0, at[0], at[1], at[2]]);
    let firsts: Vec<_> = packed.chunks_exact(3).map(unpack).collect();
    firsts.windows(2).map(|row| row[1].saturating_sub(row[0])).collect()
}

/// The bitmaps of a tier, cut out of those of all tiers, which follow each other in the order of the sale.
pub(crate) fn runs_of_tier(runs: &[u8], ordinal: usize) -> Vec<u8> {
    let bytes = RUN_MAX * ROWS_MAX / 8;
    let from = runs.get(ordinal * bytes..).unwrap_or_default();
    from[..from.len().min(bytes)].to_vec()
}

/// The rows of which such bitmaps do not say what is free side by side.
pub(crate) fn differing(sizes: &[u32], free: &[UnitNo], found: &[u8]) -> Vec<usize> {
    let capacity: u32 = sizes.iter().sum();
    let free: Vec<_> = free.iter().copied().filter(|unit| unit.0 < capacity).collect();
    let bitmap_bytes = ROWS_MAX / 8;
    let mut rows = BTreeSet::new();
    // Zeros at the end may be missing: Redis makes a bitmap as long as its last bit.
    for (at, expected) in runs(sizes, &free).into_iter().enumerate() {
        let wrong = expected ^ found.get(at).copied().unwrap_or(0);
        let row = at % bitmap_bytes * 8;
        rows.extend((0..8).filter(|bit| wrong & (0x80 >> bit) != 0).map(|bit| row + bit));
    }
    rows.into_iter().collect()
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
