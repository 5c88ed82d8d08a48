//! Units that an organizer keeps back from a live sale, and puts on sale again.
//!
//! A unit is `free`, `withheld`, or an order's; this moves it between the first two. The one atomic step of either act is
//! one call here, under the name of the request: whoever repeats it finds what it did. Redis sells, so Redis goes first when
//! units are kept back, and is told by a job when they come back:
//!
//! ```text
//! withhold: [Redis] a hold of nobody's ─► units_withhold ─► [Redis] its units leave the sale for good
//! release:                                units_release  ─► job ─► [Redis] free
//! ```
//!
//! | who dies, or whose answer is lost | is left | what becomes of it |
//! |---|---|---|
//! | before Redis took units | nothing | the request may be repeated |
//! | after that, before `units_withhold` | a hold without a verdict | the sweep writes its tombstone when its time is over, and frees it; repeated before then, the request goes on with it |
//! | `units_withhold` came, its answer was lost | units withheld, the hold still in Redis | the sweep, or whoever repeats the request, finds the verdict and takes the units off Redis |
//! | `units_withhold` came after the sweep's tombstone | nothing: [`Withhold::Tombstoned`] | the request is begun again |
//! | Redis was lost on the way | the units, free or withheld as they are here | the new epoch begins with that; the act is refused when it comes with the old one |
//! | after `units_release` | units free here, and a job | the job is done by any worker, once |
//!
//! What it does not do: holds in Redis; units that a buyer holds or ordered are not taken from anybody.

use domain::{HoldId, OrganizerId, SaleId, TierId, UnitNo};
use serde::Deserialize;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

/// Who does what to which tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockAct {
    /// Whose sale it is.
    pub organizer: OrganizerId,
    /// The sale.
    pub sale: SaleId,
    /// The tier.
    pub tier: TierId,
    /// Names the request: repeated, it finds what it did.
    pub request: [u8; 32],
    /// Who decided so, for the audit log.
    pub by: String,
}

/// What keeping units back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withhold {
    /// They are withheld, by this call or by an earlier one of the same request.
    Withheld {
        /// The hold that had them. When it is another one than this call's, this call's has its tombstone.
        hold: HoldId,
        /// Which.
        units: Vec<UnitNo>,
    },
    /// The sweep gave the hold up before; like every refusal it leaves the hold with its tombstone.
    Tombstoned,
    /// Redis was rebuilt since the hold was taken.
    EpochStale,
    /// Some are not free here.
    UnitsLost(Vec<UnitNo>),
    /// The organizer has no such sale that sells.
    NotLive,
}

/// Which withheld units to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseWish {
    /// So many, the lowest numbers first.
    Quantity(u32),
    /// These.
    Units(Vec<UnitNo>),
}

/// What putting units on sale again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// They are free, by this call or by an earlier one of the same request; Redis is told by a job.
    Released(Vec<UnitNo>),
    /// Not all of them are withheld.
    NotWithheld {
        /// How many of the tier are.
        withheld: u32,
        /// Which of those asked for are not.
        units: Vec<UnitNo>,
    },
    /// The organizer has no such sale that sells.
    NotLive,
}

pub(crate) const STATEMENTS: &[&str] = &[FIND, WITHHOLD, RELEASE];

const FIND: &str = "SELECT withholding_document($1, $2)";
const WITHHOLD: &str = "SELECT units_withhold($1, $2, $3, $4, $5, $6, $7, $8)";
const RELEASE: &str = "SELECT units_release($1, $2, $3, $4, $5, $6, $7) FROM set_config('onsale.trace', $8, true)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Document {
    Withheld { hold: Uuid, units: Vec<UnitNo> },
    Released { units: Vec<UnitNo> },
    Tombstoned,
    EpochStale,
    UnitsLost { units: Vec<UnitNo> },
    NotWithheld { withheld: u32, units: Vec<UnitNo> },
    NotLive,
}

/// What a request to withhold did; nothing when it did nothing yet.
///
/// # Errors
/// The database is away or refuses.
pub async fn withholding_find(
    ledger: &Ledger,
    sale: SaleId,
    request: [u8; 32],
) -> Result<Option<Withhold>, LedgerError> {
    let document: Option<_> = ledger.one(FIND, &[&sale.uuid(), &request.as_slice()]).await?.try_get(0)?;
    document.map(|document| documents::read(document).and_then(withheld)).transpose()
}

/// Keeps units back that a hold of nobody's has in Redis, in that epoch.
///
/// # Errors
/// The database is away or refuses.
pub async fn units_withhold(
    ledger: &Ledger,
    act: &StockAct,
    hold: HoldId,
    epoch: u32,
    units: &[UnitNo],
) -> Result<Withhold, LedgerError> {
    let StockAct { organizer, sale, tier, request, by } = act;
    let (epoch, units) = (fit::<_, i32>(epoch)?, numbers(units)?);
    let (organizer, sale, hold) = (organizer.uuid(), sale.uuid(), hold.uuid());
    let row = ledger
        .one(WITHHOLD, &[&organizer, &sale, &request.as_slice(), &hold, &epoch, &tier.as_str(), &units, by])
        .await?;
    withheld(documents::read(row.try_get(0)?)?)
}

/// Puts withheld units on sale again.
///
/// # Errors
/// The database is away or refuses.
pub async fn units_release(ledger: &Ledger, act: &StockAct, wish: &ReleaseWish) -> Result<Release, LedgerError> {
    let StockAct { organizer, sale, tier, request, by } = act;
    let (quantity, units) = match wish {
        ReleaseWish::Quantity(quantity) => (Some(fit::<_, i32>(*quantity)?), None),
        ReleaseWish::Units(units) => (None, Some(numbers(units)?)),
    };
    let (organizer, sale) = (organizer.uuid(), sale.uuid());
    let row = ledger
        .one_traced(RELEASE, &[&organizer, &sale, &request.as_slice(), &tier.as_str(), &quantity, &units, by])
        .await?;
    match documents::read(row.try_get(0)?)? {
        Document::Released { units } => Ok(Release::Released(units)),
        Document::NotWithheld { withheld, units } => Ok(Release::NotWithheld { withheld, units }),
        Document::NotLive => Ok(Release::NotLive),
        _ => Err(odd("units_release")),
    }
}

fn withheld(document: Document) -> Result<Withhold, LedgerError> {
    match document {
        Document::Withheld { hold, units } => Ok(Withhold::Withheld { hold: HoldId::from_uuid(hold), units }),
        Document::Tombstoned => Ok(Withhold::Tombstoned),
        Document::EpochStale => Ok(Withhold::EpochStale),
        Document::UnitsLost { units } => Ok(Withhold::UnitsLost(units)),
        Document::NotLive => Ok(Withhold::NotLive),
        Document::Released { .. } | Document::NotWithheld { .. } => Err(odd("units_withhold")),
    }
}

fn numbers(units: &[UnitNo]) -> Result<Vec<i32>, LedgerError> {
    units.iter().map(|unit| fit(unit.0)).collect()
}

fn odd(function: &str) -> LedgerError {
    LedgerError::Corrupt(format!("{function} answered what is another's outcome"))
}
