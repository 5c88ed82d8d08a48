//! Notices: what an organizer tells everyone waiting.
//!
//! The latest one is part of the sale and stands until another replaces it; an empty one takes it back. All of them stay
//! in the audit log.

use domain::{OrganizerId, SaleId};
use jiff::Timestamp;

use crate::sales::{SaleName, SaleRow, sale_fetch};
use crate::{Ledger, LedgerError};

/// The longest notice: it goes to every socket, beside the position.
pub const NOTICE_CHARS_MAX: usize = 500;

/// What everyone waiting is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Since when.
    pub at: Timestamp,
}

pub(crate) const STATEMENTS: &[&str] = &[ADD];

const ADD: &str = "SELECT notice_add($1, $2, $3, $4)";

/// Tells everyone waiting something; an empty text takes the last notice back. None when the organizer has no such sale,
/// or it was called off.
///
/// # Errors
/// The database is away or refuses: `sales_notice_check` for a text longer than [`NOTICE_CHARS_MAX`].
pub async fn notice_add(
    ledger: &Ledger,
    organizer: OrganizerId,
    sale: SaleId,
    text: &str,
    by: &str,
) -> Result<Option<SaleRow>, LedgerError> {
    let row = ledger.one(ADD, &[&organizer.uuid(), &sale.uuid(), &text, &by]).await?;
    if row.try_get(0)? { sale_fetch(ledger, SaleName::Id(sale)).await } else { Ok(None) }
}
