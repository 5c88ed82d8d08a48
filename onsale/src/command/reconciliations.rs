//! `onsale reconciliations`

use std::fmt::Write as _;

use ledger::reconciliations::{Findings, Reconciled, latest};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::cli::Reconciliations;
use crate::command::{Failure, block_on};
use crate::config::DatabaseSettings;

pub(super) fn run(wanted: &Reconciliations) -> Result<(), Failure> {
    let settings = DatabaseSettings::read(&wanted.variables)?;
    block_on(async {
        let ledger = Ledger::connect(settings.database_url.expose_secret(), Role::ReadOnly, PoolConfig::default())?;
        let rounds = latest(&ledger).await?;
        println!("{}", if wanted.json { as_json(&rounds) } else { as_table(&rounds) });
        Ok(())
    })
}

/// A line for the last round of each reconciler; under it, what people must look at.
fn as_table(rounds: &[Reconciled]) -> String {
    let mut text = format!(
        "{:<24}  {:<20}  {:<7}  {:>9}  {:>6}  {:>6}  {:>7}  GOOD BEFORE",
        "RECONCILER", "BEGAN", "RESULT", "LOOKED AT", "FOUND", "MENDED", "ALERTED"
    );
    for Reconciled { name, began_at, result, findings, good_age_s } in rounds {
        let Findings { looked_at, found, mended, alerted, told, .. } = findings;
        let result = result.as_deref().unwrap_or("runs");
        let good = good_age_s.map_or("never".to_owned(), |age| format!("{age} s"));
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{name:<24}  {:<20}  {result:<7}  {looked_at:>9}  {found:>6}  {mended:>6}  {alerted:>7}  {good}",
            began_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        );
        for finding in told {
            let _ = write!(text, "\n  - {finding}");
        }
    }
    text
}

fn as_json(rounds: &[Reconciled]) -> String {
    let round = |round: &Reconciled| {
        let Findings { looked_at, found, mended, alerted, told, cursor } = &round.findings;
        json!({
            "name": round.name, "began_at": round.began_at.to_string(), "result": round.result,
            "looked_at": looked_at, "found": found, "mended": mended, "alerted": alerted,
            "cursor": cursor, "told": told, "good_age_s": round.good_age_s,
        })
    };
    json!(rounds.iter().map(round).collect::<Vec<_>>()).to_string()
}
