//! What drand answers, and whether it can be used.

use std::time::Duration;

use domain::fairness;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{BeaconError, Chain, PERIOD_MAX_S};

/// `/info`
#[derive(Deserialize)]
pub(super) struct Info {
    hash: String,
    period: u64,
    genesis_time: i64,
}

/// `/public/{round}`
#[derive(Deserialize)]
pub(super) struct Public {
    pub(super) round: u64,
    randomness: String,
    signature: String,
}

/// What a beacon said in a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// SHA-256 of the signature.
    pub(crate) randomness: [u8; 32],
    /// By which it is known to be the beacon's.
    pub(crate) signature: Vec<u8>,
}

impl Info {
    /// The chain it describes. One that everybody knows must be as everybody knows it.
    pub(super) fn chain(self) -> Result<Chain, BeaconError> {
        let genesis = Timestamp::from_second(self.genesis_time);
        let genesis = genesis.map_err(|_| BeaconError::Unreadable("a genesis beyond time"))?;
        if !(1..=PERIOD_MAX_S).contains(&self.period) {
            return Err(BeaconError::Unreadable("rounds too far apart to wait for"));
        }
        let known = fairness::Chain::of_hash(&self.hash);
        let as_known =
            |known: &fairness::Chain| known.genesis_s == self.genesis_time && u64::from(known.period_s) == self.period;
        if !known.is_none_or(as_known) {
            return Err(BeaconError::Unreadable("other times than that chain has"));
        }
        if self.hash.is_empty() || !self.hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BeaconError::Unreadable("a chain hash that is not hex"));
        }
        Ok(Chain { hash: self.hash.to_ascii_lowercase(), genesis, period: Duration::from_secs(self.period) })
    }
}

impl Public {
    /// The value of that round, if it is one.
    pub(super) fn value(self, round: u64) -> Result<Value, BeaconError> {
        if self.round != round {
            return Err(BeaconError::WrongRound(self.round));
        }
        let unreadable = |_| BeaconError::Unreadable("a value that is not hex");
        let signature = hex::decode(self.signature).map_err(unreadable)?;
        let randomness: [u8; 32] = Sha256::digest(&signature).into();
        match hex::decode(self.randomness).map_err(unreadable)? == randomness {
            true => Ok(Value { randomness, signature }),
            false => Err(BeaconError::WrongRandomness),
        }
    }
}
