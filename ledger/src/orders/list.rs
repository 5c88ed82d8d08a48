//! The orders of a sale, the latest first, with what came in for each and what went back.

use domain::order::OrderState;
use domain::{Currency, Money, OrderId, PlaceNumber, SaleId};
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSummary {
    /// Its id.
    pub id: OrderId,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// Where it is in its life.
    pub state: OrderState,
    /// How many units it claimed.
    pub units: u32,
    /// The sum of its lines.
    pub total: Money,
    /// What was captured for it, over all attempts to pay.
    pub captured: Money,
    /// What of that went back.
    pub refunded: Money,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Which orders.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderFilter {
    /// In this state only.
    pub state: Option<OrderState>,
    /// Written before this one.
    pub before: Option<OrderId>,
    /// At most so many.
    pub limit: u32,
}

pub(crate) const STATEMENTS: &[&str] = &[LIST, LIST_IN_STATE];

/// The page is found first, by an index that has it in this order: what else is told is asked of its orders only.
macro_rules! list {
    ($($state:literal)?) => {
        concat!("
    SELECT o.id, o.number, o.state, o.currency, o.total, o.created_at,
           (SELECT count(*) FROM order_units u WHERE u.sale_id = o.sale_id AND u.order_id = o.id),
           paid.captured, paid.refunded
      FROM orders o,
           LATERAL (SELECT coalesce(sum(p.captured), 0)::bigint AS captured, coalesce(sum(p.refunded), 0)::bigint AS refunded
                      FROM payments p WHERE p.sale_id = o.sale_id AND p.order_id = o.id) AS paid
     WHERE o.sale_id = $1 AND ($2::uuid IS NULL OR o.id < $2)", $($state,)? "
     ORDER BY o.id DESC LIMIT $3")
    };
}

/// Ids are in the order of time: the primary key is the way.
const LIST: &str = list!();
/// With a state, `orders_state_idx` is; in one statement for both it would be the primary key, through orders in other states.
const LIST_IN_STATE: &str = list!(" AND o.state = $4");

/// The orders of a sale.
///
/// # Errors
/// The database is away or refuses.
pub async fn orders_list(ledger: &Ledger, sale: SaleId, filter: OrderFilter) -> Result<Vec<OrderSummary>, LedgerError> {
    let (sale, before, limit) = (sale.uuid(), filter.before.map(OrderId::uuid), i64::from(filter.limit));
    let rows = match filter.state.map(OrderState::word) {
        None => ledger.rows(LIST, &[&sale, &before, &limit]).await?,
        Some(state) => ledger.rows(LIST_IN_STATE, &[&sale, &before, &limit, &state]).await?,
    };
    rows.iter().map(summary).collect()
}

fn summary(row: &Row) -> Result<OrderSummary, LedgerError> {
    let state: &str = row.try_get(2)?;
    let currency: &str = row.try_get(3)?;
    let currency: Currency = currency.parse().map_err(|_| LedgerError::Corrupt(format!("currency {currency}")))?;
    let money = |column| row.try_get(column).map(|minor| Money::new(minor, currency));
    Ok(OrderSummary {
        id: OrderId::from_uuid(row.try_get(0)?),
        number: PlaceNumber(fit(row.try_get::<_, i64>(1)?)?),
        state: OrderState::from_word(state).ok_or_else(|| LedgerError::Corrupt(format!("order state {state}")))?,
        units: fit(row.try_get::<_, i64>(6)?)?,
        total: money(4)?,
        captured: money(7)?,
        refunded: money(8)?,
        created_at: row.try_get(5)?,
    })
}
