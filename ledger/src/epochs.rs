//! Epochs: what a rebuilt Redis starts from.
//!
//! Beginning one waits until nobody is changing units of the sale, then raises its epoch and reads what is free, in one
//! transaction. What was under way with the old epoch is refused afterwards ([`crate::orders::CreateOrder::EpochStale`]), and
//! units returned in it are not returned again: the snapshot has them. Changes wait meanwhile, for as long as the units of
//! one sale take to read.
//!
//! An epoch also says which lost holds it gives back: for how long only receipts are honoured, and of which epochs they may
//! be. What was on sale once without its earlier holder is not given back to that one, so receipts reach back to the last
//! epoch that held anything new, which is one whose window was over when the next one began.

use domain::{PlaceNumber, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use tokio_postgres::error::SqlState;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

/// What came of beginning an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EpochBegin {
    /// It began; load this.
    Begun(EpochSnapshot),
    /// Somebody else began one, or changes are still under way: look again.
    Busy,
    /// No such sale.
    NotFound,
}

/// The stock and the queue at the instant an epoch began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochSnapshot {
    /// The sale.
    pub sale: SaleId,
    /// The epoch that began.
    pub epoch: u32,
    /// Numbers up to here may have been given out.
    pub reserved_number: u64,
    /// Turns that neither lapsed nor ended as far as anybody wrote down. Those whose time is not over are inside; the others
    /// had theirs. A number whose turn lapsed is in neither list: it waits again.
    pub grants: Vec<GivenTurn>,
    /// Numbers whose place is given up or used up: they wait no more.
    pub left: Vec<PlaceNumber>,
    /// How many draws are frozen: the line must have as many cohorts before it may admit.
    pub cohorts: u32,
    /// Per tier, what is free.
    pub tiers: Vec<TierUnits>,
    /// How long only receipts are honoured; nothing where nobody can have one.
    pub reclaim_window_s: u32,
    /// The epoch from which on receipts are honoured.
    pub receipts_from: u32,
}

/// A turn that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenTurn {
    /// Whose.
    pub number: PlaceNumber,
    /// Until when at the latest.
    pub until: Timestamp,
}

/// The free units of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierUnits {
    /// The tier.
    pub tier: TierId,
    /// All its units.
    pub capacity: u32,
    /// Of them, kept back.
    pub withheld: u32,
    /// Of them, free, in order.
    pub free: Vec<UnitNo>,
}

pub(crate) const STATEMENTS: &[&str] = &[EPOCH_BEGIN];

const EPOCH_BEGIN: &str = "SELECT epoch_begin($1, $2)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Document {
    NotFound,
    Busy,
    Begun {
        epoch: u32,
        reserved_number: u64,
        grants: Vec<GrantDocument>,
        left: Vec<PlaceNumber>,
        cohorts: u32,
        tiers: Vec<TierDocument>,
        reclaim_window_s: u32,
        receipts_from: u32,
    },
}

#[derive(Deserialize)]
struct GrantDocument {
    number: PlaceNumber,
    until: Timestamp,
}

#[derive(Deserialize)]
struct TierDocument {
    tier: TierId,
    capacity: u32,
    withheld: u32,
    free: Vec<UnitNo>,
}

impl From<TierDocument> for TierUnits {
    fn from(document: TierDocument) -> Self {
        let TierDocument { tier, capacity, withheld, free } = document;
        Self { tier, capacity, withheld, free }
    }
}

/// Begins the next epoch of a sale if its epoch is still `expected` (any, when not given).
///
/// # Errors
/// The database is away or refuses.
pub async fn epoch_begin(ledger: &Ledger, sale: SaleId, expected: Option<u32>) -> Result<EpochBegin, LedgerError> {
    let expected = expected.map(fit::<_, i32>).transpose()?;
    let row = match ledger.one(EPOCH_BEGIN, &[&sale.uuid(), &expected]).await {
        Err(LedgerError::Unavailable(error)) if waited_too_long(&*error) => return Ok(EpochBegin::Busy),
        answer => answer?,
    };
    Ok(match documents::read(row.try_get(0)?)? {
        Document::NotFound => EpochBegin::NotFound,
        Document::Busy => EpochBegin::Busy,
        Document::Begun { epoch, reserved_number, grants, left, cohorts, tiers, reclaim_window_s, receipts_from } => {
            EpochBegin::Begun(EpochSnapshot {
                sale,
                epoch,
                reserved_number,
                grants: grants
                    .into_iter()
                    .map(|grant| GivenTurn { number: grant.number, until: grant.until })
                    .collect(),
                left,
                cohorts,
                tiers: tiers.into_iter().map(TierUnits::from).collect(),
                reclaim_window_s,
                receipts_from,
            })
        }
    })
}

/// Whether the gate was not empty in time.
fn waited_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<tokio_postgres::Error>();
    error.and_then(tokio_postgres::Error::code) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}
