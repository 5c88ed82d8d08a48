//! What the open pages of entries are told without asking.
//!
//! A look answers the entries of a sale that changed since the look before, by the transactions that changed them: one walk along an
//! index over what changed, which most often is nothing. How those entries are, and where many of them stand, are calls of their own,
//! so that nobody pays for who is not there. All of it reads; nothing is remembered between calls.

use domain::{EntryId, SaleId, TierId};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{EntryDocument, EntryRow};
use crate::{Ledger, LedgerError, documents};

/// Changes that one look answers one by one.
pub const CHANGES_MAX: usize = 1_000;

/// A moment to look on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look(String);

/// The change after which an entry was as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(String);

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Where the next look goes on.
    pub look: Look,
    /// Who changed since; some may be known already.
    pub entries: ChangedEntries,
}

/// Who changed since a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedEntries {
    /// These.
    These(Vec<(EntryId, Change)>),
    /// More than are told one by one.
    Many,
}

pub(crate) const STATEMENTS: &[&str] = &[CHANGES, STANDINGS, POSITIONS];

const CHANGES: &str = "SELECT waitlist_changes($1, $2::text::xid8, $3)";
const STANDINGS: &str = "SELECT changed_by, entry FROM waitlist_standings($1, $2)";
const POSITIONS: &str = "SELECT entry_id, place FROM waitlist_positions($1, $2, $3)";

#[derive(Deserialize)]
struct ChangesDocument {
    look: String,
    entries: Vec<(Uuid, String)>,
}

/// The entries of a sale that changed since a look; without one, none.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_changes(ledger: &Ledger, sale: SaleId, since: Option<&Look>) -> Result<Changes, LedgerError> {
    let most = i32::try_from(CHANGES_MAX).unwrap_or(i32::MAX);
    let row = ledger.one(CHANGES, &[&sale.uuid(), &since.map(|look| look.0.as_str()), &most]).await?;
    let found: ChangesDocument = documents::read(row.try_get(0)?)?;
    let entries = if found.entries.len() > CHANGES_MAX {
        ChangedEntries::Many
    } else {
        ChangedEntries::These(
            found.entries.into_iter().map(|(id, change)| (EntryId::from_uuid(id), Change(change))).collect(),
        )
    };
    Ok(Changes { look: Look(found.look), entries })
}

/// How entries are, without their positions; those that are not there are left out.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_standings(
    ledger: &Ledger,
    sale: SaleId,
    entries: &[EntryId],
) -> Result<Vec<(Change, EntryRow)>, LedgerError> {
    let rows = ledger.rows(STANDINGS, &[&sale.uuid(), &uuids(entries)]).await?;
    let standing = |row: &tokio_postgres::Row| {
        let entry: Value = row.try_get(1)?;
        Ok((Change(row.try_get(0)?), documents::read::<EntryDocument>(entry)?.row()))
    };
    rows.iter().map(standing).collect()
}

/// The positions of those of some entries that are in line for just these tiers.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_positions(
    ledger: &Ledger,
    sale: SaleId,
    tiers: &[TierId],
    entries: &[EntryId],
) -> Result<Vec<(EntryId, u64)>, LedgerError> {
    let tiers: Vec<&str> = tiers.iter().map(TierId::as_str).collect();
    let rows = ledger.rows(POSITIONS, &[&sale.uuid(), &tiers, &uuids(entries)]).await?;
    let position = |row: &tokio_postgres::Row| {
        Ok((EntryId::from_uuid(row.try_get(0)?), crate::numbers::fit(row.try_get::<_, i64>(1)?)?))
    };
    rows.iter().map(position).collect()
}

fn uuids(entries: &[EntryId]) -> Vec<Uuid> {
    entries.iter().map(|entry| entry.uuid()).collect()
}
