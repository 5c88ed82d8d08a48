//! The chain of a fake beacon: when its rounds come and what they say.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// When round 1 came, in seconds since 1970: long before any test's clock.
const GENESIS_S: i64 = 1_700_000_000;
/// What drand would say of the signatures' scheme: none of the known ones, so nobody tries to verify them.
const SCHEME: &str = "sandbox-unsigned";

/// A chain of rounds.
#[derive(Debug)]
pub(super) struct Chain {
    period_s: u32,
}

impl Chain {
    pub(super) fn new(period_s: u32) -> Self {
        Self { period_s }
    }

    /// What `/info` says.
    pub(super) fn info(&self) -> Value {
        json!({
            "public_key": hex::encode(digest(&[b"public key", &self.period_s.to_be_bytes()])),
            "period": self.period_s,
            "genesis_time": GENESIS_S,
            "hash": self.hash(),
            "groupHash": hex::encode(digest(&[b"group", &self.period_s.to_be_bytes()])),
            "schemeID": SCHEME,
            "metadata": { "beaconID": "sandbox" },
        })
    }

    /// The name of the chain, in hex.
    pub(super) fn hash(&self) -> String {
        hex::encode(digest(&[b"chain", &self.period_s.to_be_bytes()]))
    }

    /// The newest round at a time; none before the first.
    pub(super) fn round_at(&self, unix_ms: i64) -> Option<u64> {
        let since_ms = u64::try_from(unix_ms.checked_sub(GENESIS_S * 1_000)?).ok()?;
        Some(since_ms / (u64::from(self.period_s) * 1_000) + 1)
    }

    /// The 96 bytes that stand for a signature, the same each time.
    pub(super) fn signature(&self, round: u64) -> Vec<u8> {
        let part = |part: u8| digest(&[b"signature", &self.period_s.to_be_bytes(), &round.to_be_bytes(), &[part]]);
        (0..3).flat_map(part).collect()
    }
}

/// The randomness that belongs to a signature.
pub(super) fn randomness(signature: &[u8]) -> [u8; 32] {
    digest(&[signature])
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Chain, GENESIS_S};

    #[test]
    fn rounds_count_from_one_at_genesis() {
        let chain = Chain::new(3);
        let at = |after_ms: i64| chain.round_at(GENESIS_S * 1_000 + after_ms);
        assert_eq!((at(-1), at(0), at(2_999), at(3_000)), (None, Some(1), Some(1), Some(2)));
    }

    #[test]
    fn a_round_says_the_same_each_time_and_no_other_round_does() {
        let (one, other) = (Chain::new(1), Chain::new(3));
        assert_eq!(one.signature(7), Chain::new(1).signature(7));
        assert_ne!(one.signature(7), one.signature(8));
        assert_ne!(one.signature(7), other.signature(7));
        assert_ne!(one.hash(), other.hash());
    }
}
