//! Checking a file: every draw again, from nothing but what the file says.
//!
//! | subject | holds when                                                                                        |
//! |---------|---------------------------------------------------------------------------------------------------|
//! | record  | everything is there that a draw at its stage has                                                   |
//! | times   | committed before the opening, frozen at or after it, drawn after that                             |
//! | count   | there is a leaf and a rank for each registration, no more                                         |
//! | leaves  | they hash to the root                                                                             |
//! | seed    | it hashes to what was committed                                                                   |
//! | beacon  | its value hashes from its signature, and its round came out after the freeze, when its chain says |
//! | order   | drawing again from seed, root, count and beacon value gives it                                     |
//! | numbers | the phases' blocks of numbers follow each other and do not overlap                                |
//!
//! Whatever is altered breaks a check that says which and what was found instead. A check that the file leaves open
//! (nothing was drawn yet; the order is self-attested) says so and breaks nothing. Whether a beacon's signature is one
//! of its chain takes that chain's public key and is not checked here; the `onsale verify-shuffle` command does.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::chain::Chain;
use super::file::{FairnessBeacon, FairnessDraw, FairnessFile};
use super::merkle::merkle_root;
use super::report::{Check, FairnessReport, Outcome, Subject};

impl FairnessFile {
    /// Checks everything that the file itself can tell.
    #[must_use]
    pub fn verify(&self) -> FairnessReport {
        let mut checks: Vec<Check> = self.draws.iter().flat_map(check_draw).collect();
        checks.extend(self.draws.windows(2).map(|pair| check_numbers(&pair[0], &pair[1])));
        FairnessReport { checks }
    }
}

/// How far a draw is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Collecting,
    Frozen,
    Drawn,
}

type Finding = (Outcome, String);

fn holds(detail: impl Into<String>) -> Finding {
    (Outcome::Holds, detail.into())
}

fn broken(detail: impl Into<String>) -> Finding {
    (Outcome::Broken, detail.into())
}

fn open(detail: impl Into<String>) -> Finding {
    (Outcome::Open, detail.into())
}

fn check_draw(draw: &FairnessDraw) -> Vec<Check> {
    let findings = [
        (Subject::Record, Some(record(draw))),
        (Subject::Times, Some(times(draw))),
        (Subject::Count, count(draw)),
        (Subject::Leaves, leaves(draw)),
        (Subject::Seed, seed(draw)),
        (Subject::Beacon, beacon(draw)),
        (Subject::Order, order(draw)),
    ];
    let check = |(subject, finding): (Subject, Option<Finding>)| {
        finding.map(|(outcome, detail)| Check { phase: draw.phase.clone(), subject, outcome, detail })
    };
    findings.into_iter().filter_map(check).collect()
}

fn stage(draw: &FairnessDraw) -> Stage {
    if draw.drawn_at.is_some() || draw.seed.is_some() || draw.order.is_some() {
        Stage::Drawn
    } else if draw.frozen_at.is_some() || draw.root.is_some() || draw.leaves.is_some() {
        Stage::Frozen
    } else {
        Stage::Collecting
    }
}

fn record(draw: &FairnessDraw) -> Finding {
    let at_freeze = [
        ("frozen_at", draw.frozen_at.is_none()),
        ("root", draw.root.is_none()),
        ("leaves", draw.leaves.is_none()),
        ("first_number", draw.first_number.is_none() && draw.count > 0),
    ];
    let attested = draw.beacon_value().is_some() || draw.self_attested.is_some();
    let at_draw = [
        ("seed", draw.seed.is_none()),
        ("drawn_at", draw.drawn_at.is_none()),
        ("order", draw.order.is_none()),
        ("a beacon's randomness or self_attested", !attested),
    ];
    let missing = |wanted: &[(&'static str, bool)]| -> Vec<&str> {
        wanted.iter().filter_map(|(name, missing)| missing.then_some(*name)).collect()
    };
    let (stage, missing) = match stage(draw) {
        Stage::Collecting => (open(format!("not drawn yet; it opens at {}", draw.opens_at)), Vec::new()),
        Stage::Frozen => {
            (open(format!("frozen with {} registrations, not drawn yet", draw.count)), missing(&at_freeze))
        }
        Stage::Drawn => {
            (holds(format!("{} registrations were drawn", draw.count)), missing(&[at_freeze, at_draw].concat()))
        }
    };
    if missing.is_empty() { stage } else { broken(format!("{} missing", missing.join(", "))) }
}

fn times(draw: &FairnessDraw) -> Finding {
    let events = [
        ("committed_at", Some(draw.committed_at)),
        ("opens_at", Some(draw.opens_at)),
        ("frozen_at", draw.frozen_at),
        ("drawn_at", draw.drawn_at),
    ];
    let known: Vec<(&str, Timestamp)> = events.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
    let wrong = known.windows(2).find(|pair| {
        let ((_, earlier), (later_name, later)) = (pair[0], pair[1]);
        earlier > later || (earlier == later && later_name != "frozen_at")
    });
    match wrong {
        Some(pair) => broken(format!("{} {} is not before {} {}", pair[0].0, pair[0].1, pair[1].0, pair[1].1)),
        None => holds(known.iter().map(|(name, at)| format!("{name} {at}")).collect::<Vec<_>>().join(", ")),
    }
}

fn count(draw: &FairnessDraw) -> Option<Finding> {
    let leaves = draw.leaves.as_ref()?.len();
    let ranks = draw.order.as_ref().map_or(leaves, |order| order.len());
    let (leaves_fit, ranks_fit) = (leaves == draw.count as usize, ranks == draw.count as usize);
    Some(if leaves_fit && ranks_fit {
        holds(format!("{} registrations", draw.count))
    } else {
        broken(format!("the file says {}, and has {leaves} leaves and {ranks} ranks", draw.count))
    })
}

fn leaves(draw: &FairnessDraw) -> Option<Finding> {
    let found = merkle_root(draw.leaves.as_ref()?);
    Some(same("the leaves hash to", &found, "the root is", draw.root.as_ref()?))
}

fn seed(draw: &FairnessDraw) -> Option<Finding> {
    Some(same("the seed hashes to", &draw.seed?.hash(), "committed was", &draw.seed_hash))
}

fn same(found_as: &str, found: &[u8; 32], stated_as: &str, stated: &[u8; 32]) -> Finding {
    if found == stated {
        holds(hex::encode(stated))
    } else {
        broken(format!("{found_as} {}, {stated_as} {}", hex::encode(found), hex::encode(stated)))
    }
}

fn beacon(draw: &FairnessDraw) -> Option<Finding> {
    let self_attested = |reason| open(format!("self-attested, so the operator could have known the order: {reason}"));
    match (&draw.beacon, &draw.self_attested) {
        (Some(beacon), reason) => {
            let fault = round_fault(draw, beacon).or_else(|| value_fault(beacon));
            let round = || format!("round {} of {} at {}", beacon.round, chain_name(beacon), beacon.round_at);
            Some(match (fault, reason, &beacon.randomness) {
                (Some(fault), _, _) => broken(fault),
                (None, Some(reason), _) => self_attested(reason),
                (None, None, None) => open(format!("{} is awaited", round())),
                (None, None, Some(_)) => holds(format!("{}, {} after the freeze", round(), lead(draw, beacon))),
            })
        }
        (None, Some(reason)) => Some(self_attested(reason)),
        (None, None) => None,
    }
}

fn round_fault(draw: &FairnessDraw, beacon: &FairnessBeacon) -> Option<String> {
    let told = beacon.round_at;
    if let Some(frozen_at) = draw.frozen_at.filter(|frozen_at| told <= *frozen_at) {
        return Some(format!("round {} came out at {told}, not after the freeze at {frozen_at}", beacon.round));
    }
    let chain = Chain::of_hash(&beacon.chain_hash)?;
    match chain.time_of(beacon.round) {
        Some(at) if at == told => None,
        Some(at) => Some(format!("round {} of {} comes out at {at}, not at {told}", beacon.round, chain.name)),
        None => Some(format!("{} has no round {}", chain.name, beacon.round)),
    }
}

fn value_fault(beacon: &FairnessBeacon) -> Option<String> {
    let randomness = beacon.randomness.as_ref()?;
    let Some(signature) = &beacon.signature else {
        return Some("there is no signature that the value is the hash of".to_owned());
    };
    let found: [u8; 32] = Sha256::digest(signature).into();
    (found != *randomness)
        .then(|| format!("the signature hashes to {}, the value is {}", hex::encode(found), hex::encode(randomness)))
}

fn chain_name(beacon: &FairnessBeacon) -> &str {
    Chain::of_hash(&beacon.chain_hash).map_or(beacon.chain_hash.as_str(), |chain| chain.name)
}

fn lead(draw: &FairnessDraw, beacon: &FairnessBeacon) -> String {
    let lead = draw.frozen_at.map_or(jiff::SignedDuration::ZERO, |frozen_at| beacon.round_at.duration_since(frozen_at));
    format!("{}.{} s", lead.as_secs(), lead.subsec_millis() / 100)
}

fn order(draw: &FairnessDraw) -> Option<Finding> {
    let stated = draw.order.as_ref()?;
    // Ranks are drawn only as many as the file has, whatever count it claims.
    if stated.len() != draw.count as usize {
        return Some(broken(format!("{} ranks are no order of {} registrations", stated.len(), draw.count)));
    }
    let again = draw.order_again()?;
    let moved = again.iter().zip(stated.iter()).filter(|(again, stated)| again != stated).count();
    Some(match moved {
        0 => holds(format!("{} ranks drawn again are the same", again.len())),
        _ => broken(format!("drawn again, {moved} of {} ranks are others", again.len())),
    })
}

fn check_numbers(before: &FairnessDraw, after: &FairnessDraw) -> Check {
    let last = |draw: &FairnessDraw| draw.first_number.map(|first| first.0.saturating_add(u64::from(draw.count)));
    let in_order = before.phase_no < after.phase_no && before.opens_at < after.opens_at;
    let (outcome, detail) = match (last(before), after.first_number) {
        _ if !in_order => broken(format!("{} is not after {}", after.phase, before.phase)),
        (Some(end), Some(first)) if first.0 < end => {
            broken(format!("it begins with number {first}, {} ends with {}", before.phase, end - 1))
        }
        (Some(_), Some(first)) => holds(format!("it begins with number {first}, behind those of {}", before.phase)),
        (None, _) | (_, None) => open("no two blocks of numbers to compare"),
    };
    Check { phase: after.phase.clone(), subject: Subject::Numbers, outcome, detail }
}

#[cfg(test)]
mod tests;
