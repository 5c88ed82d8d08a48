//! `onsale audit`

use std::fmt::Write as _;

use admission::{Store, StoreConfig};
use ledger::audit::{AuditLine, AuditReport};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::cli::Audit;
use crate::command::{Failure, block_on};
use crate::config::AuditSettings;

pub(super) fn run(audit: &Audit) -> Result<(), Failure> {
    let settings = AuditSettings::read(&audit.variables)?;
    block_on(async {
        let ledger = Ledger::connect(settings.database_url.expose_secret(), Role::ReadOnly, PoolConfig::default())?;
        let store = match &settings.redis_url {
            Some(url) => Some(Store::connect(url.expose_secret(), StoreConfig::default()).await?),
            None => None,
        };
        let report = crate::audit::audit(&ledger, store, audit.sale).await?;
        println!("{}", if audit.json { as_json(&report) } else { as_text(&report) });
        if report.holds() { Ok(()) } else { Err(Failure::Breach) }
    })
}

/// A line for each invariant with its figures; under a broken one, a line for each breach.
pub(crate) fn as_text(report: &AuditReport) -> String {
    let mut text = String::new();
    for line in &report.lines {
        let mark = if line.breaches.is_empty() { "ok    " } else { "BROKEN" };
        let figures: Vec<_> = line.figures.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<4} {mark} {}  {}", line.invariant, line.title, figures.join(" "));
        for breach in &line.breaches {
            let _ = writeln!(text, "     - {breach}");
        }
    }
    text.trim_end().to_owned()
}

fn as_json(report: &AuditReport) -> String {
    let line = |line: &AuditLine| {
        let figures: serde_json::Map<_, _> =
            line.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "invariant": line.invariant, "title": line.title, "figures": figures, "breaches": line.breaches })
    };
    let lines: Vec<_> = report.lines.iter().map(line).collect();
    json!({ "holds": report.holds(), "lines": lines }).to_string()
}
