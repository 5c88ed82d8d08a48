//! Access codes: who may join in a phase that is not for everybody.
//!
//! Only SHA-256 digests of codes are kept: a code must have enough random bits that its digest says nothing. Redeeming is
//! idempotent per holder, and what is kept of the holder is a digest over code and holder together, useless without the
//! code. Redemptions of one code wait for each other on its row; different codes do not meet.

use domain::sale::PhaseNo;
use domain::token::Holder;
use domain::{OrganizerId, PhaseId, SaleId};
use serde::Deserialize;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

/// What came of adding codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddCodes {
    /// So many were new.
    Added(u32),
    /// The sale has no such phase, or it is open to everybody.
    NoSuchPhase,
    /// The organizer has no such sale, or it is over.
    NotFound,
}

/// What came of redeeming a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeem {
    /// This holder may join; now or since before.
    Redeemed,
    /// That phase has no such code.
    Unknown,
    /// Others used it up.
    UsedUp,
}

pub(crate) const STATEMENTS: &[&str] = &[ADD, REDEEM];

const ADD: &str = "SELECT access_codes_add($1, $2, $3, $4, $5, $6)";
const REDEEM: &str = "SELECT access_code_redeem($1, $2, $3, $4)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Document {
    Added { codes: u32 },
    NoSuchPhase,
    NotFound,
}

/// Adds codes to a phase, each good for `max_uses` holders. A code that is there already stays as it is.
///
/// # Errors
/// The database is away or refuses.
pub async fn access_codes_add(
    ledger: &Ledger,
    organizer: OrganizerId,
    sale: SaleId,
    phase: &PhaseId,
    hashes: &[[u8; 32]],
    max_uses: u32,
    by: &str,
) -> Result<AddCodes, LedgerError> {
    let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    let max_uses: i32 = fit(max_uses)?;
    let row = ledger.one(ADD, &[&organizer.uuid(), &sale.uuid(), &phase.as_str(), &hashes, &max_uses, &by]).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        Document::Added { codes } => AddCodes::Added(codes),
        Document::NoSuchPhase => AddCodes::NoSuchPhase,
        Document::NotFound => AddCodes::NotFound,
    })
}

/// Redeems a code of a phase for a holder. Of any number at once no more than its uses succeed.
///
/// # Errors
/// The database is away or refuses.
pub async fn access_code_redeem(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    hash: [u8; 32],
    holder: Holder,
) -> Result<Redeem, LedgerError> {
    let (hash, holder) = (hash.as_slice(), holder.0.as_slice());
    let row = ledger.one(REDEEM, &[&sale.uuid(), &i16::from(phase.0), &hash, &holder]).await?;
    match row.try_get(0)? {
        "redeemed" => Ok(Redeem::Redeemed),
        "unknown" => Ok(Redeem::Unknown),
        "used_up" => Ok(Redeem::UsedUp),
        other => Err(LedgerError::Corrupt(format!("access_code_redeem answered {other}"))),
    }
}
