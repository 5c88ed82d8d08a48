//! An offer becomes an order: in one call, under the lock of the line, so it is either this or the next one's.
//!
//! The order has the offer where others have their hold, and the entry's rank where others have their number: for who comes from
//! the queue that is the number, and above every number for everybody else.

use domain::keyring::Kid;
use domain::price::OrderLine;
use domain::ticket::ticket_id;
use domain::{EntryId, Money, OrderId, SaleId, TierId, UnitNo};
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::EntryState;
use crate::documents::{self, OrderDocument, line_word};
use crate::numbers::fit;
use crate::orders::OrderRow;
use crate::{Ledger, LedgerError};

/// A claim of an offer.
#[derive(Debug, Clone)]
pub struct NewClaim {
    /// The sale.
    pub sale: SaleId,
    /// Whose offer.
    pub entry: EntryId,
    /// The order that it becomes.
    pub order: OrderId,
    /// Whose tickets they are. Kept apart, so that it can be erased.
    pub name: String,
    /// The tier of the offer, as it was read.
    pub tier: TierId,
    /// Its units.
    pub units: Vec<UnitNo>,
    /// What is charged, line by line.
    pub lines: Vec<OrderLine>,
    /// The sum of the lines. Nothing means that the order is paid at once.
    pub total: Money,
    /// How long the buyer has to press Pay.
    pub pay_within_s: u32,
    /// The key that signs the tickets of a free order.
    pub qr_kid: Kid,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The order is there and has the units.
    Created(OrderRow),
    /// It was claimed before: this one.
    Existing(OrderRow),
    /// There is no offer to claim: not yet, or not any more.
    NotOffered(EntryState),
    /// The offer is of other units than these.
    UnitsDiffer,
    /// The buyer would have more units than one may have; the offer stays.
    LimitReached {
        /// How many one buyer may have.
        limit: u32,
        /// Of which tier; none when it is of the whole sale.
        tier: Option<TierId>,
    },
    /// The sale stands still, and the offer's clock with it.
    SalePaused,
    /// The sale is over.
    SaleNotOpen,
    /// No such entry, or its address was erased.
    NotFound,
}

pub(crate) const STATEMENTS: &[&str] = &[CLAIM];

const CLAIM: &str = "
    SELECT offer_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
      FROM set_config('onsale.trace', $18, true)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ClaimDocument {
    Created { order: OrderDocument },
    Existing { order: OrderDocument },
    NotOffered { state: EntryState },
    UnitsDiffer,
    LimitReached { limit: u32, tier: Option<TierId> },
    SalePaused,
    SaleNotOpen,
    NotFound,
}

/// Makes an order of an offer, or finds the one that it became.
///
/// # Errors
/// The database is away or refuses.
pub async fn offer_claim(ledger: &Ledger, claim: &NewClaim) -> Result<Claim, LedgerError> {
    let units = claim.units.iter().map(|unit| fit(unit.0)).collect::<Result<Vec<i32>, _>>()?;
    let kinds: Vec<&str> = claim.lines.iter().map(|line| line_word(line.kind)).collect();
    let names: Vec<&str> = claim.lines.iter().map(|line| line.name.as_str()).collect();
    let tiers: Vec<&str> = claim.lines.iter().map(|line| line.tier.as_str()).collect();
    let quantities = claim.lines.iter().map(|line| fit(line.quantity)).collect::<Result<Vec<i32>, _>>()?;
    let amounts: Vec<i64> = claim.lines.iter().map(|line| line.amount.minor).collect();
    let (total, currency) = (claim.total.minor, claim.total.currency.as_str());
    let (reference, kid, tickets) = (claim.order.to_string(), claim.qr_kid.to_string(), free_tickets(claim));
    let pay_within_s: i32 = fit(claim.pay_within_s)?;
    let (sale, entry, order, tier) = (claim.sale.uuid(), claim.entry.uuid(), claim.order.uuid(), claim.tier.as_str());
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 17] = [
        &sale, &entry, &order, &claim.name, &tier, &units,
        &kinds, &names, &tiers, &quantities, &amounts,
        &currency, &total, &pay_within_s, &reference, &kid, &tickets,
    ];
    let row = ledger.one_traced(CLAIM, &params).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        ClaimDocument::Created { order } => Claim::Created(order.row()?),
        ClaimDocument::Existing { order } => Claim::Existing(order.row()?),
        ClaimDocument::NotOffered { state } => Claim::NotOffered(state),
        ClaimDocument::UnitsDiffer => Claim::UnitsDiffer,
        ClaimDocument::LimitReached { limit, tier } => Claim::LimitReached { limit, tier },
        ClaimDocument::SalePaused => Claim::SalePaused,
        ClaimDocument::SaleNotOpen => Claim::SaleNotOpen,
        ClaimDocument::NotFound => Claim::NotFound,
    })
}

/// The tickets of an order that is paid by being written: its own id is the payment reference.
fn free_tickets(claim: &NewClaim) -> Vec<Uuid> {
    if !claim.total.is_zero() {
        return Vec::new();
    }
    let reference = claim.order.to_string();
    claim.units.iter().map(|unit| ticket_id(&reference, &claim.tier, *unit).uuid()).collect()
}
