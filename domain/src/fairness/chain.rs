//! Public drand chains, whose times are known by heart: what a round's number says about when its value came out.

use jiff::{SignedDuration, Timestamp};

/// A chain of beacon values at a steady pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// What drand calls it.
    pub name: &'static str,
    /// Its hash, which names it in URLs.
    pub hash: &'static str,
    /// When round 1 came out, in seconds since 1970.
    pub genesis_s: i64,
    /// The time between rounds.
    pub period_s: u32,
}

impl Chain {
    /// The chains of the League of Entropy, from `https://api.drand.sh/{hash}/info`; they never change.
    pub const KNOWN: [Self; 2] = [
        Self {
            name: "quicknet",
            hash: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
            genesis_s: 1_692_803_367,
            period_s: 3,
        },
        Self {
            name: "default",
            hash: "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce",
            genesis_s: 1_595_431_050,
            period_s: 30,
        },
    ];

    /// The chain of that hash.
    #[must_use]
    pub fn of_hash(hash: &str) -> Option<&'static Self> {
        Self::KNOWN.iter().find(|chain| chain.hash == hash)
    }

    /// When a round comes out; `None` for round 0, which there is not, and for times beyond the calendar.
    #[must_use]
    pub fn time_of(&self, round: u64) -> Option<Timestamp> {
        let periods = i64::try_from(round.checked_sub(1)?).ok()?;
        let since = SignedDuration::from_secs(periods.checked_mul(i64::from(self.period_s))?);
        Timestamp::from_second(self.genesis_s).ok()?.checked_add(since).ok()
    }
}
