//! Which round of the beacon a draw waits for.

use jiff::Timestamp;
use ledger::draws::BeaconRound;

use crate::beacon::{Beacon, BeaconError, Round};

/// What a draw is going to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// That round.
    Round(BeaconRound),
    /// The beacon has to answer first.
    NotNow,
    /// Nothing: there is no beacon.
    NoBeacon,
}

impl Choice {
    /// The round to record.
    pub(super) const fn beacon(&self) -> Option<&BeaconRound> {
        match self {
            Self::Round(round) => Some(round),
            Self::NotNow | Self::NoBeacon => None,
        }
    }
}

/// Chooses the first round that comes a whole period after freeze and now, by the database's clock, and of which the beacon
/// itself has not said anything, whatever the clocks say.
pub(super) async fn choose(beacon: Option<&Beacon>, frozen_at: Timestamp, now: Timestamp) -> Choice {
    let Some(beacon) = beacon else { return Choice::NoBeacon };
    match later_than(beacon, frozen_at.max(now)).await {
        Ok((chain_hash, round)) => Choice::Round(BeaconRound {
            url: beacon.url().to_string(),
            chain_hash,
            round: round.number,
            round_at: round.at,
        }),
        // The beacon has told the log of it.
        Err(_) => Choice::NotNow,
    }
}

async fn later_than(beacon: &Beacon, time: Timestamp) -> Result<(String, Round), BeaconError> {
    let chain = beacon.chain().await?;
    // The next round may come while we record it; the one behind it does not.
    let unsaid = beacon.latest().await?.saturating_add(2);
    let by_the_clock = chain.first_after(time).ok_or(BeaconError::Unreadable("a chain beyond time"))?;
    let round = chain.round(by_the_clock.number.max(unsaid)).ok_or(BeaconError::Unreadable("a chain beyond time"))?;
    Ok((chain.hash.clone(), round))
}
