//! `GET …/orders`: the orders of a sale, the latest first.

use std::sync::Arc;

use domain::order::OrderState;
use domain::{Money, OrderId, PlaceNumber};
use http::StatusCode;
use jiff::Timestamp;
use ledger::orders::list::{OrderFilter, OrderSummary, orders_list};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, json};
use crate::app::App;
use crate::endpoints::organizer::readable;
use crate::openapi::schema::MoneyBody;
use crate::problem::Problem;
use crate::request::Request;

/// Orders of one page, when nothing is said, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderListBody {
    /// The orders, the latest first.
    data: Vec<OrderSummaryBody>,
    /// Where it goes on, towards the first order; none there.
    next_cursor: Option<String>,
}

/// An order in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderSummaryBody {
    /// Its id.
    #[schema(value_type = String, example = "ord_0190c5a0b0c07abc8def0123456789ab")]
    id: OrderId,
    /// The buyer's number in the queue.
    #[schema(value_type = u64)]
    number: PlaceNumber,
    /// Where it is in its life.
    #[schema(value_type = String, example = "paid")]
    state: OrderState,
    /// How many units it claimed.
    units: u32,
    /// What it costs.
    #[schema(value_type = MoneyBody)]
    total: Money,
    /// What came in for it.
    #[schema(value_type = MoneyBody)]
    captured: Money,
    /// What of that went back.
    #[schema(value_type = MoneyBody)]
    refunded: Money,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// `GET /v1/organizer/sales/{sale}/orders`
pub(crate) async fn list(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let filter = filter(request)?;
    let limit = filter.limit as usize;
    let mut orders = orders_list(&app.ledger, sale.id, OrderFilter { limit: filter.limit + 1, ..filter }).await?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let next_cursor = orders.last().filter(|_| more).map(|order| order.id.to_string());
    let data = orders.into_iter().map(OrderSummaryBody::from).collect();
    Ok(json(StatusCode::OK, &OrderListBody { data, next_cursor }))
}

fn filter(request: &Request) -> Result<OrderFilter, Problem> {
    let mut filter = OrderFilter { limit: LIMIT_DEFAULT, ..OrderFilter::default() };
    for (name, value) in request.query() {
        let wrong = |detail: &str| Problem::invalid_at(format!("?{name}"), detail);
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                filter.limit = limit.ok_or_else(|| wrong("must be 1 to 100"))?;
            }
            "cursor" => filter.before = Some(value.parse().map_err(|_| wrong("must be a next_cursor"))?),
            "state" => {
                filter.state = Some(OrderState::from_word(&value).ok_or_else(|| wrong("must be a state of an order"))?);
            }
            _ => return Err(wrong("is no parameter of this list")),
        }
    }
    Ok(filter)
}

impl From<OrderSummary> for OrderSummaryBody {
    fn from(of: OrderSummary) -> Self {
        let OrderSummary { id, number, state, units, total, captured, refunded, created_at } = of;
        Self { id, number, state, units, total, captured, refunded, created_at }
    }
}
