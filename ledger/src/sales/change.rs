//! Changing a sale: its configuration as a whole, and the units that a larger tier has more.
//!
//! One call, which is the atomic step: the version is compared under the lock of the sale's row, so of two who change what they
//! both saw one is told that it is stale. Which changes make sense in which state the domain says
//! ([`SaleConfig::refused_changes`]); the version that was compared is that of the state it was asked about. The database itself
//! refuses a tier that is gone, dearer, cheaper or smaller (`tiers_only_grow`).
//!
//! | the sale is | what a change writes |
//! |---|---|
//! | a draft | configuration, slug, currency, opening |
//! | published, paused | configuration; names, place and end in the rows that have them; new units, numbered behind the last, with their seats in the books |
//! | closed | the same, and the domain lets no tier grow |
//! | cancelled | nothing |
//!
//! New units go to who waits for their tier, in this transaction, and the rest to Redis by the job that returns units. When the answer
//! is lost, the change came or did not: whoever asks again with the old version is told that it is stale, looks, and sees.
//!
//! What it does not do: take units away (that is withholding, which takes only what is free), and tell Redis anything itself.

use domain::sale::SaleConfig;
use domain::{OrganizerId, SaleId};
use tokio_postgres::types::{Json, ToSql};

use super::{SaleName, SaleRow, sale_fetch};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What came of changing a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a request and taken apart at once")]
pub enum ChangeSale {
    /// It is changed.
    Changed(SaleRow),
    /// It was changed since that version, or anything was decided about it.
    Stale,
    /// Another sale has that slug.
    SlugTaken,
    /// The organizer has no such sale, or it was called off.
    NotFound,
}

pub(crate) const STATEMENTS: &[&str] = &[CHANGE];

const CHANGE: &str = "SELECT sale_change($1, $2, $3, $4, $5, $6, $7, $8)";

/// Changes a sale that has that version to that configuration.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_change(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    version: u64,
    config: &SaleConfig,
    by: &str,
) -> Result<ChangeSale, LedgerError> {
    let (slug, currency, opens_at) =
        (config.slug_or_from_name(), config.currency.as_str(), config.phases()[0].opens_at);
    let version: i64 = fit(version)?;
    let params: [&(dyn ToSql + Sync); 8] =
        [&organizer.uuid(), &id.uuid(), &version, &Json(config), &slug, &currency, &opens_at, &by];
    let row = ledger.one(CHANGE, &params).await?;
    match row.try_get::<_, &str>(0)? {
        "changed" => Ok(sale_fetch(ledger, SaleName::Id(id)).await?.map_or(ChangeSale::NotFound, ChangeSale::Changed)),
        "stale" => Ok(ChangeSale::Stale),
        "slug_taken" => Ok(ChangeSale::SlugTaken),
        "not_found" => Ok(ChangeSale::NotFound),
        other => Err(LedgerError::Corrupt(format!("sale_change answered {other}"))),
    }
}
