//! Whose each unit of a sale is, read as a whole: what Redis must agree with.

use std::collections::{BTreeMap, BTreeSet};

use domain::{OrderId, SaleId, TierId, UnitNo};
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// Where a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// `free`, `ordered`, `sold`, `withheld` or `offered`.
    pub word: String,
    /// Whose it is, if it is ordered or sold.
    pub order: Option<OrderId>,
}

impl UnitState {
    /// Whether it is on sale.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.word == "free"
    }

    /// Whether the organizer keeps it back.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.word == "withheld"
    }
}

pub(crate) const STATEMENTS: &[&str] = &[UNITS, RETURNING, SEATS];

/// A row for what is free and one an order, not one a unit.
const UNITS: &str = "
    SELECT tier_id, state, order_id, array_agg(unit_no)
      FROM units WHERE sale_id = $1 GROUP BY tier_id, state, order_id";

/// A job that is parked returns nothing, nor does one of a Redis that was lost.
const RETURNING: &str = "
    SELECT DISTINCT returned ->> 0, (returned ->> 1)::integer
      FROM outbox j JOIN sales s ON s.id = j.sale_id, jsonb_array_elements(j.payload -> 'units') AS returned
     WHERE j.sale_id = $1 AND j.queue = 'stock' AND j.kind = 'units_return' AND j.state = 'pending'
       AND (j.payload ->> 'epoch')::integer = s.epoch";

/// The state of a unit and the account of its seat are one fact twice, read here in one snapshot.
const SEATS: &str = "
    SELECT format('%s of %s: %s units, %s seats in the books', state, tier, coalesce(u.n, 0), coalesce(b.n, 0))
      FROM (SELECT tier_id AS tier, state, count(*) AS n FROM units WHERE sale_id = $1 GROUP BY tier_id, state) AS u
      FULL JOIN (SELECT substr(unit_of_account, 7) AS tier,
                        CASE account WHEN 'seats_available' THEN 'free' ELSE substr(account, 7) END AS state,
                        debits - credits AS n
                   FROM balances_read($1)
                  WHERE starts_with(unit_of_account, 'seats:') AND account <> 'seats_issued') AS b USING (tier, state)
     WHERE coalesce(u.n, 0) <> coalesce(b.n, 0)
     ORDER BY tier, state";

/// Where a sale has other units than seats in its books, in words.
///
/// # Errors
/// The database is away.
pub async fn seats_amiss(ledger: &Ledger, sale: SaleId) -> Result<Vec<String>, LedgerError> {
    ledger.rows(SEATS, &[&sale.uuid()]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// All units of a sale, at one moment.
///
/// # Errors
/// The database is away.
pub async fn units_of_sale(
    ledger: &Ledger,
    sale: SaleId,
) -> Result<BTreeMap<(TierId, UnitNo), UnitState>, LedgerError> {
    let mut units = BTreeMap::new();
    for row in ledger.rows(UNITS, &[&sale.uuid()]).await? {
        let tier = tier(row.try_get(0)?)?;
        let order = row.try_get::<_, Option<Uuid>>(2)?.map(OrderId::from_uuid);
        let state = UnitState { word: row.try_get(1)?, order };
        for unit in row.try_get::<_, Vec<i32>>(3)? {
            units.insert((tier.clone(), UnitNo(fit(unit)?)), state.clone());
        }
    }
    Ok(units)
}

/// The units of a sale that became free, and Redis is about to be told.
///
/// # Errors
/// The database is away.
pub async fn units_returning(ledger: &Ledger, sale: SaleId) -> Result<BTreeSet<(TierId, UnitNo)>, LedgerError> {
    let rows = ledger.rows(RETURNING, &[&sale.uuid()]).await?;
    rows.iter().map(|row| Ok((tier(row.try_get(0)?)?, UnitNo(fit(row.try_get::<_, i32>(1)?)?)))).collect()
}

fn tier(name: &str) -> Result<TierId, LedgerError> {
    name.parse().map_err(|_| LedgerError::Corrupt(format!("tier {name}")))
}
