//! The invariants of a running system: what Postgres can tell, whether Redis agrees with it, and whether the draws can be
//! computed again.

use std::collections::BTreeMap;
use std::time::Duration;

mod draws;

use admission::{Queue, Store};
use domain::{SaleId, TierId};
use ledger::audit::{AuditLine, AuditReport};
use ledger::{Ledger, LedgerError, sales};

/// Redis and Postgres are read one after the other, and units move meanwhile: only a difference that two reads this far
/// apart both show is one.
const READS_APART: Duration = Duration::from_secs(2);

/// Checks the invariants of one sale or of all; with `store`, also that Redis and Postgres agree on what is free.
///
/// # Errors
/// Postgres is away. A Redis that is away is a line of its own.
pub(crate) async fn audit(
    ledger: &Ledger,
    store: Option<Store>,
    sale: Option<SaleId>,
) -> Result<AuditReport, LedgerError> {
    let mut report = ledger::audit::audit(ledger, sale).await?;
    report.lines.push(draws::recompute(ledger, sale).await?);
    report.lines.push(ledger::audit::audit_admissions(ledger, sale).await?);
    if let Some(store) = store {
        report.lines.push(stores_agree(ledger, &Queue::new(store), sale).await?);
    }
    Ok(report)
}

/// A sale's tier, what Redis has of it (free and held) and what Postgres says is free.
type Differences = BTreeMap<(SaleId, TierId), (i64, i64)>;

async fn stores_agree(ledger: &Ledger, queue: &Queue, sale: Option<SaleId>) -> Result<AuditLine, LedgerError> {
    let first = compare(ledger, queue, sale).await?;
    let differences = if first.differences.is_empty() {
        Differences::new()
    } else {
        tokio::time::sleep(READS_APART).await;
        let second = compare(ledger, queue, sale).await?.differences;
        second.into_iter().filter(|(tier, _)| first.differences.contains_key(tier)).collect()
    };
    let differ = differences.iter().map(|((sale, tier), (redis, postgres))| {
        format!("{sale} {tier}: {redis} free or held in Redis, {postgres} free in Postgres")
    });
    Ok(AuditLine {
        invariant: "I2",
        title: "Redis free + held = Postgres free",
        figures: vec![("tiers", first.tiers), ("not_loaded", first.not_loaded)],
        breaches: differ.collect(),
    })
}

#[derive(Default)]
struct Comparison {
    tiers: i64,
    not_loaded: i64,
    differences: Differences,
}

async fn compare(ledger: &Ledger, queue: &Queue, sale: Option<SaleId>) -> Result<Comparison, LedgerError> {
    let mut found = Comparison::default();
    for row in sales::sales_live(ledger).await?.into_iter().filter(|row| sale.is_none_or(|sale| sale == row.id)) {
        let Ok(view) = queue.view(row.id).await else {
            found.not_loaded += 1;
            continue;
        };
        for (tier, counts) in sales::sale_stock(ledger, row.id).await? {
            found.tiers += 1;
            let redis = view.stock.get(&tier).map_or(0, |stock| i64::from(stock.free) + i64::from(stock.held));
            let postgres = i64::from(counts.free);
            if redis != postgres {
                found.differences.insert((row.id, tier), (redis, postgres));
            }
        }
    }
    Ok(found)
}
