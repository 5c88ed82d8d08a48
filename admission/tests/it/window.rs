//! The windows of I8, checked over what turns cost the bucket.

/// One turn, in millionths.
pub(crate) const TURN: i64 = 1_000_000;

/// What a turn cost, or gave back, at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) at: i64,
    pub(crate) micro_turns: i64,
    pub(crate) what: What,
}

/// What a turn was charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It was granted, because the bucket had what it costs.
    Grant,
    /// It was used, or not, or granted by a bypass: the bucket pays, into debt if need be.
    Settlement,
}

/// The most that any window that ends with a grant has over `rate × window + burst`, in millionths of a turn; not above 0
/// while I8 holds. Of charges at one moment the order given counts.
///
/// The largest sum of a window that ends here is this charge and, if that is more, the largest one that ends before it less
/// what the rate gave since (Kadane's maximum sub-array).
pub(crate) fn most_over(charges: &[Charge], rate_per_s: u32, burst: u32) -> i64 {
    let (mut largest, mut last, mut most) = (0, i64::MIN, i64::MIN);
    for charge in charges {
        let earned = charge.at.saturating_sub(last).saturating_mul(i64::from(rate_per_s) * TURN / 1_000);
        largest = charge.micro_turns + i64::max(0, largest - earned.max(0));
        last = charge.at;
        if charge.what == What::Grant {
            most = most.max(largest - i64::from(burst) * TURN);
        }
    }
    most
}
