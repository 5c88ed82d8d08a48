//! The prequeue of the demo: the scripted buyers register, the draw is held, and anybody can compute it again.

use std::time::Duration;

use domain::fairness::{FairnessDraw, FairnessFile, Outcome, Verdict};
use http::{Method, StatusCode};
use sandbox::actors::{ActorError, Edge};
use serde_json::Value;
use tokio::time::Instant;

use super::DemoError;
use super::buyers::{CAST, Registered, Stage};
use crate::command::Failure;

/// From the start of the sale to its opening: as long as ten people need to register, and one who watches to see it.
pub(super) const DOORS_OPEN_IN: Duration = Duration::from_secs(8);

/// How long after the numbers are there the file may take to show the draw: as long as gateways keep it.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What was promised before anybody could register.
pub(super) async fn promised(edge: &Edge, sale: &str) -> Result<String, Failure> {
    let seen = edge.ask(Method::GET, &format!("/v1/sales/{sale}"), &[], &Value::Null).await?;
    let seen = seen.expect(StatusCode::OK)?;
    let hash = seen["fairness"]["seed_hash"].as_str().map(str::to_owned);
    Ok(hash.ok_or(ActorError::Missing { field: "fairness.seed_hash", body: seen })?)
}

/// Everybody registers, in the order of the cast.
pub(super) async fn registers(stage: &Stage) -> Result<Vec<Registered>, Failure> {
    let mut registered = Vec::with_capacity(CAST.len());
    for (name, story) in CAST {
        registered.push(stage.registers(name, story).await?);
    }
    Ok(registered)
}

/// Waits for the draw, shows it, and computes it again from the published file alone.
pub(super) async fn draw(stage: &Stage, seed_hash: &str, registered: &[Registered]) -> Result<(), Failure> {
    let mut line = Vec::with_capacity(registered.len());
    for somebody in registered {
        line.push((somebody.waits_for_number().await?, somebody.name));
    }
    line.sort_unstable();
    let file = drawn_file(stage).await?;
    let draw = file.draws.first().ok_or(DemoError::Undrawn)?;
    println!("{}", shown(draw));
    let names: Vec<_> = line.iter().map(|(number, name)| format!("{number} {name}")).collect();
    println!("line      {}", names.join(", "));
    verifies(&file, seed_hash)
}

async fn drawn_file(stage: &Stage) -> Result<FairnessFile, Failure> {
    let started = Instant::now();
    let path = format!("/v1/sales/{}/fairness", stage.sale);
    loop {
        let answer = stage.edge.ask(Method::GET, &path, &[], &Value::Null).await?.expect(StatusCode::OK)?;
        let file: FairnessFile = serde_json::from_value(answer)?;
        if file.draws.iter().all(|draw| draw.drawn_at.is_some()) {
            return Ok(file);
        }
        if started.elapsed() > SHOWN_WITHIN {
            return Err(DemoError::Undrawn.into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn shown(draw: &FairnessDraw) -> String {
    let root = draw.root.map_or_else(String::new, hex::encode);
    let seed = draw.seed.map_or_else(String::new, |seed| hex::encode(seed.0));
    let vouched = match (&draw.self_attested, &draw.beacon) {
        (Some(reason), _) => format!("self-attested: {reason}"),
        (None, Some(beacon)) => {
            format!("round {}, {}", beacon.round, beacon.randomness.map_or_else(String::new, hex::encode))
        }
        (None, None) => "none".to_owned(),
    };
    format!("root      {root}   {} registrations\nbeacon    {vouched}\nseed      {seed}", draw.count)
}

fn verifies(file: &FairnessFile, seed_hash: &str) -> Result<(), Failure> {
    let report = file.verify();
    for check in report.checks.iter().filter(|check| check.outcome == Outcome::Broken) {
        println!("BROKEN    {}: {}", check.subject.word(), check.detail);
    }
    let promised = file.draws.iter().all(|draw| hex::encode(draw.seed_hash) == seed_hash);
    if report.verdict() != Verdict::Verified || !promised {
        return Err(DemoError::Unverified.into());
    }
    println!("verified  the order follows from seed, root and beacon, and the seed is the one that was promised\n");
    Ok(())
}
