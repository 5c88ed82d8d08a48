//! Whether the clocks agree: this machine's, Postgres', Redis' and Stripe's.
//!
//! Each is read when its server is looked at, between two looks at ours; where in between it was read is not known, so a difference counts
//! only beyond half of that. Stripe's is the whole second of its Date header.

use super::report::Check;

pub(super) const NAME: &str = "clocks";

/// Beyond this, times that Redis gives and Postgres checks begin to differ in what people see.
const WARN_MS: i64 = 1_000;
/// Beyond this, turns and orders end at times that nobody was told.
const FAIL_MS: i64 = 5_000;

/// A clock, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) whose: String,
    /// How far it is ahead of ours.
    pub(super) ahead_ms: i64,
    /// How far that may be wrong, at most.
    pub(super) within_ms: i64,
}

/// Judges all that could be read, and which could not.
pub(super) fn judge(readings: &[Reading]) -> Check {
    let advice = "run a time daemon (chrony, systemd-timesyncd) on each machine";
    let wanted = format!("within {WARN_MS} ms of each other");
    let unread: Vec<&str> = ["Postgres", "Redis", "Stripe"]
        .into_iter()
        .filter(|name| !readings.iter().any(|reading| reading.whose.starts_with(name)))
        .collect();
    let told: Vec<String> = readings
        .iter()
        .map(|Reading { whose, ahead_ms, within_ms }| format!("{whose} {ahead_ms:+} ms (±{within_ms})"))
        .collect();
    let seen =
        format!("against this machine: {}", if told.is_empty() { "nothing".to_owned() } else { told.join(", ") });
    let worst = readings.iter().map(|reading| surely_apart_ms(reading, readings)).max().unwrap_or_default();
    if worst > FAIL_MS {
        return Check::fail(NAME, seen, wanted, advice);
    }
    if worst > WARN_MS {
        return Check::warn(NAME, seen, wanted, advice);
    }
    if unread.is_empty() {
        return Check::ok(NAME, seen);
    }
    Check::open(NAME, format!("{seen}; not read: {}", unread.join(", ")), wanted, "see why they did not answer")
}

/// How far a clock is at least from ours and from each of the others.
fn surely_apart_ms(one: &Reading, all: &[Reading]) -> i64 {
    let from_ours = one.ahead_ms.saturating_abs().saturating_sub(one.within_ms);
    let from_others = all.iter().map(|other| {
        let apart = one.ahead_ms.saturating_sub(other.ahead_ms).saturating_abs();
        apart.saturating_sub(one.within_ms).saturating_sub(other.within_ms)
    });
    from_others.fold(from_ours, i64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::report::Mark;

    fn judged(postgres: i64, redis: i64, stripe: i64) -> Mark {
        let reading = |whose: &str, ahead_ms, within_ms| Reading { whose: whose.to_owned(), ahead_ms, within_ms };
        judge(&[reading("Postgres", postgres, 5), reading("Redis", redis, 5), reading("Stripe", stripe, 1_100)]).mark
    }

    #[test]
    fn a_difference_counts_beyond_what_the_look_took() {
        assert_eq!(judged(0, 10, -900), Mark::Ok);
        assert_eq!(judged(0, 0, 2_050), Mark::Ok);
        assert_eq!(judged(1_200, 0, 0), Mark::Warn);
        assert_eq!(judged(-700, 700, 0), Mark::Warn);
        assert_eq!(judged(0, -6_000, 0), Mark::Fail);
        assert_eq!(judged(0, 0, 9_000), Mark::Fail);
    }

    #[test]
    fn a_clock_that_was_not_read_leaves_it_open() {
        let reading = Reading { whose: "Postgres".to_owned(), ahead_ms: 0, within_ms: 5 };
        assert_eq!(judge(&[reading]).mark, Mark::Open);
        assert_eq!(judge(&[]).mark, Mark::Open);
    }
}
