//! `onsale verify-shuffle`: draws a sale's order again, from its fairness file and nothing else; with a visitor's proof,
//! it finds them in it.
//!
//! The file's own checks are [`FairnessFile::verify`]'s. To them comes one that takes a key: whether the beacon's
//! signature is one of its chain. drand's quicknet is known here; the signature of another chain stays open.
//!
//! Exit code 0 when nothing is broken and something was drawn, 1 otherwise, 64 when there is no file to be read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use domain::fairness::{
    Chain, Check, FairnessBeacon, FairnessDraw, FairnessFile, FairnessReport, InclusionProof, Outcome, Subject, Verdict,
};
use drand_verify::{G2PubkeyRfc, Pubkey as _};
use serde::de::DeserializeOwned;

use crate::cli::VerifyShuffle;
use crate::command::Failure;

/// The largest file that is read: room for twenty million registrations.
const FILE_MAX_BYTES: u64 = 1 << 30;

/// The key of quicknet (scheme `bls-unchained-g1-rfc9380`), from `https://api.drand.sh/{hash}/info`. It never changes.
const QUICKNET_KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c\
                            8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb\
                            5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";

pub(super) fn run(verify: &VerifyShuffle) -> Result<(), Failure> {
    let file: FairnessFile = read(&verify.file)?;
    let proof: Option<InclusionProof> = verify.proof.as_deref().map(read).transpose()?;
    let mut report = file.verify();
    report.checks.extend(file.draws.iter().filter_map(check_signature));
    report.checks.extend(proof.map(|proof| proof.verify(&file)));
    println!("{}", as_text(&report));
    match report.verdict() {
        Verdict::Verified => Ok(()),
        Verdict::NotDrawn | Verdict::Broken => Err(Failure::Breach),
    }
}

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{0}: cannot be read")]
    Read(String, #[source] std::io::Error),
    #[error("{0}: has more than {FILE_MAX_BYTES} bytes")]
    TooLarge(String),
    #[error("{0}: does not have the shape of the gateway's answer")]
    Shape(String, #[source] serde_json::Error),
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let name = path.display().to_string();
    let from_stdin = path == Path::new("-");
    let bytes = if from_stdin { read_bounded(std::io::stdin()) } else { File::open(path).and_then(read_bounded) };
    let read = match bytes {
        Err(error) => Err(FileError::Read(name, error)),
        Ok(bytes) if bytes.len() as u64 > FILE_MAX_BYTES => Err(FileError::TooLarge(name)),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| FileError::Shape(name, error)),
    };
    read.map_err(|error| Failure::Unreadable(error.into()))
}

fn read_bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the beacon's value was signed by its chain; nothing where the order was drawn without one.
fn check_signature(draw: &FairnessDraw) -> Option<Check> {
    draw.beacon_value()?;
    let beacon = draw.beacon.as_ref()?;
    let (outcome, detail) = match Chain::of_hash(&beacon.chain_hash) {
        Some(chain) if chain.name == "quicknet" => signed_by_quicknet(beacon),
        Some(_) | None => (Outcome::Open, format!("the key of {} is not known here: ask drand", beacon.chain_hash)),
    };
    Some(Check { phase: draw.phase.clone(), subject: Subject::Signature, outcome, detail })
}

fn signed_by_quicknet(beacon: &FairnessBeacon) -> (Outcome, String) {
    let key = hex::decode(QUICKNET_KEY).expect("the key is hex");
    let key = G2PubkeyRfc::from_variable(&key).expect("the key is a point of the curve");
    // An unchained beacon signs the round alone.
    let previous_signature: &[u8] = &[];
    match key.verify(beacon.round, previous_signature, beacon.signature.as_deref().unwrap_or_default()) {
        Ok(true) => (Outcome::Holds, format!("quicknet signed round {}", beacon.round)),
        Ok(false) => (Outcome::Broken, format!("quicknet did not sign this for round {}", beacon.round)),
        Err(error) => (Outcome::Broken, format!("it is no signature of quicknet's: {error}")),
    }
}

/// A line for each check, and one for what they come to.
fn as_text(report: &FairnessReport) -> String {
    let width = report.checks.iter().map(|check| check.phase.as_str().len()).max().unwrap_or_default();
    let line = |check: &Check| {
        let mark = match check.outcome {
            Outcome::Holds => "ok",
            Outcome::Open => "open",
            Outcome::Broken => "BROKEN",
        };
        format!("{:<width$} {mark:<6} {:<9} {}\n", check.phase, check.subject.word(), check.detail)
    };
    let lines: String = report.checks.iter().map(line).collect();
    let count = |outcome| report.checks.iter().filter(|check| check.outcome == outcome).count();
    let verdict = match report.verdict() {
        Verdict::Verified => format!("verified: {} checks hold, {} open", count(Outcome::Holds), count(Outcome::Open)),
        Verdict::NotDrawn => "nothing was drawn yet".to_owned(),
        Verdict::Broken => format!("BROKEN: {} checks", count(Outcome::Broken)),
    };
    lines + &verdict
}
