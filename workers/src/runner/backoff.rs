//! How long to wait before an item is tried again.
//!
//! 1, 2, 4 … seconds up to [`DELAY_MAX_S`], each moved by up to a quarter either way. The jitter is computed from the
//! item's name and attempt: items that failed together do not come back together, and a test knows when they do.

use std::time::Duration;

/// The longest delay: short enough that a service that is back is used again soon.
const DELAY_MAX_S: u32 = 120;

/// The delay when what an item needs is away. It does not grow: the outage is not the item's fault.
pub(super) const AWAY_S: u32 = 2;

/// The delay of an item that came too early: what it waits for is a sweep that comes by every half minute.
pub(super) const EARLY_S: u32 = 5;

/// The longest wait for a turn: whoever is told to wait for longer may ask sooner.
const NOT_YET_MAX_S: u64 = 60;

/// The delay of an item whose turn has not come: as long as it was told, in whole seconds, and up to two more, by its name, so
/// that many who were told the same do not come back together.
pub(super) fn not_yet_s(item: &str, wait: Duration) -> u32 {
    let spread_s = u32::try_from(hash(item, 0) % 3).expect("less than 3");
    let whole_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole_s.clamp(1, NOT_YET_MAX_S)).expect("the bound is small") + spread_s
}

/// The delay after the `attempt`-th failure, counted from 1.
pub(super) fn retry_s(item: &str, attempt: u32) -> u32 {
    let doublings = attempt.saturating_sub(1).min(DELAY_MAX_S.ilog2() + 1);
    let delay_s = (1 << doublings).min(DELAY_MAX_S);
    let spread_s = delay_s / 4;
    let width = u64::from(2 * spread_s + 1);
    let jitter_s = u32::try_from(hash(item, attempt) % width).expect("less than the spread, which is a u32");
    delay_s - spread_s + jitter_s
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): the standard library's hash may change between releases.
fn hash(item: &str, attempt: u32) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = item.bytes().chain(attempt.to_le_bytes());
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound() {
        for (attempt, delay_s) in [(1, 1), (2, 2), (3, 4), (4, 8), (7, 64), (8, 120), (9, 120), (u32::MAX, 120)] {
            for item in ["job_a", "job_b", "job_c", ""] {
                let waits_s = retry_s(item, attempt);
                assert!(waits_s.abs_diff(delay_s) <= delay_s / 4, "{item}, attempt {attempt}: {waits_s}");
            }
        }
    }

    #[test]
    fn whose_turn_has_not_come_waits_as_long_as_it_was_told_and_a_little() {
        for (wait_ms, least_s) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (30_500, 31), (999_000, 60)] {
            let delays: Vec<_> =
                (0..50).map(|n| not_yet_s(&format!("job_{n}"), Duration::from_millis(wait_ms))).collect();
            assert!(delays.iter().all(|delay_s| (least_s..least_s + 3).contains(delay_s)), "{wait_ms}: {delays:?}");
            assert!(delays.iter().any(|delay_s| *delay_s != delays[0]), "all come back together");
        }
    }

    #[test]
    fn items_that_failed_together_come_back_apart_and_always_alike() {
        let delays: Vec<u32> = (0..100).map(|n| retry_s(&format!("job_{n}"), 8)).collect();
        let again: Vec<u32> = (0..100).map(|n| retry_s(&format!("job_{n}"), 8)).collect();
        assert_eq!(delays, again);
        let different: std::collections::BTreeSet<_> = delays.iter().collect();
        assert!(different.len() > 30, "{different:?}");
    }
}
