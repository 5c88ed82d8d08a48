//! The rounds of a beacon, as its genesis and period give them.

use std::time::Duration;

use jiff::Timestamp;

/// A chain of rounds at equal distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Its name: the hash of its parameters, in hex.
    pub(crate) hash: String,
    /// When round 1 came.
    pub(crate) genesis: Timestamp,
    /// From one round to the next; never zero.
    pub(crate) period: Duration,
}

/// One round and when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
}

impl Chain {
    /// When a round comes; none when that is beyond time.
    pub(crate) fn round(&self, number: u64) -> Option<Round> {
        let periods = u32::try_from(number.checked_sub(1)?).ok()?;
        let after = self.period.checked_mul(periods)?;
        Some(Round { number, at: self.genesis.checked_add(after).ok()? })
    }

    /// The first round that comes a whole period after `time`, or later: nobody knew anything of it then, however the
    /// clocks that say *then* differ within a period.
    pub(crate) fn first_after(&self, time: Timestamp) -> Option<Round> {
        let since = time.checked_add(self.period).ok()?.duration_since(self.genesis);
        let since_ms = u128::try_from(since.as_millis().max(0)).ok()?;
        let periods = since_ms.div_ceil(self.period.as_millis());
        self.round(u64::try_from(periods).ok()?.checked_add(1)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Chain;

    const GENESIS_S: i64 = 1_700_000_000;

    fn chain(period_s: u64) -> Chain {
        let genesis = Timestamp::from_second(GENESIS_S).expect("a time");
        Chain { hash: "ab".to_owned(), genesis, period: Duration::from_secs(period_s) }
    }

    fn at(after_ms: i64) -> Timestamp {
        Timestamp::from_millisecond(GENESIS_S * 1_000 + after_ms).expect("a time")
    }

    #[test]
    fn rounds_count_from_one_at_genesis() {
        let chain = chain(30);
        assert_eq!(chain.round(1).map(|round| round.at), Some(at(0)));
        assert_eq!(chain.round(3).map(|round| round.at), Some(at(60_000)));
        assert_eq!((chain.round(0), chain.round(u64::MAX)), (None, None));
    }

    #[test]
    fn the_round_chosen_is_a_period_later_at_least_and_no_later_than_that_takes() {
        let chain = chain(3);
        for (time_ms, number) in [(-60_000, 1), (-3_000, 1), (-2_999, 2), (0, 2), (1, 3), (2_999, 3), (3_000, 3)] {
            let round = chain.first_after(at(time_ms)).expect("a round");
            assert_eq!(round.number, number, "{time_ms}");
            let before = chain.round(number - 1).map(|round| round.at);
            assert!(round.at >= at(time_ms + 3_000), "{time_ms}");
            assert!(before.is_none_or(|before| before < at(time_ms + 3_000)), "{time_ms}");
        }
    }
}
