//! `onsale audit`

use std::fmt::Write as _;

use admission::{Store, StoreConfig};
use ledger::audit::{AuditLine, AuditReport, audit_chain};
use ledger::sales::{SaleName, sale_fetch};
use ledger::seals::{SealHead, seal_head};
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
        if let Some(id) = audit.sale
            && sale_fetch(&ledger, SaleName::Id(id)).await?.is_none()
        {
            return Err(Failure::Failed(format!("there is no sale {id}").into()));
        }
        // Read before the books are: what is printed to be kept is what was checked.
        let head = seal_head(&ledger).await?;
        let mut report = crate::audit::audit(&ledger, store, audit.sale).await?;
        if audit.chain {
            report.lines.push(audit_chain(&ledger, audit.head.as_ref()).await?);
        }
        let redis = if settings.redis_url.is_some() { Redis::Compared } else { Redis::Skipped };
        println!("{}", if audit.json { as_json(&report, head, redis) } else { in_words(&report, head, redis) });
        if report.holds() { Ok(()) } else { Err(Failure::Breach) }
    })
}

/// Whether Redis was asked: without its address nothing is known of it, and that is not the same as nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redis {
    Compared,
    Skipped,
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

/// The report, what was not looked at, and the last sealed block, to be kept where nobody who can write to the database can.
fn in_words(report: &AuditReport, head: Option<SealHead>, redis: Redis) -> String {
    let skipped = match redis {
        Redis::Compared => "",
        Redis::Skipped => "redis was not compared: REDIS_URL is not set\n",
    };
    let head = match head {
        None => "nothing is sealed yet".to_owned(),
        Some(head) if report.holds() => head.to_string(),
        Some(head) => format!("{head} is not to be kept: something above does not hold"),
    };
    format!("{}\n{skipped}head {head}", as_text(report))
}

fn as_json(report: &AuditReport, head: Option<SealHead>, redis: Redis) -> String {
    let line = |line: &AuditLine| {
        let figures: serde_json::Map<_, _> =
            line.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "invariant": line.invariant, "title": line.title, "figures": figures, "breaches": line.breaches })
    };
    let lines: Vec<_> = report.lines.iter().map(line).collect();
    let (compared, head) = (redis == Redis::Compared, head.map(|head| head.to_string()));
    json!({ "holds": report.holds(), "lines": lines, "redis_compared": compared, "head": head }).to_string()
}
