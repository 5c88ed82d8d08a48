//! `/v1/sales/{sale}/holds`: units for a pass, for a while.
//!
//! Taking is one round trip to Redis, idempotency included: the script remembers requests itself. A hold and the order
//! made of it share one UUID, so whoever has the hold knows the order, without a look-up.
//!
//! A hold that is given back gets its tombstone in Postgres first: nothing can order it then, and its receipt, which shows a
//! later end, gives nobody its units should Redis be lost ([`reclaim`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use admission::{HeldUnit, HoldView, Release, RequestId, Take, TakeHold, UnitsWish};
use domain::hold::HoldState;
use domain::order::OrderState;
use domain::price::UnitPrice;
use domain::sale::SaleState;
use domain::token::{Allowance, PassToken, Receipt};
use domain::{HoldId, Money, OrderId, PlaceNumber, TierId, UnitNo};
use http::StatusCode;
use jiff::Timestamp;
use ledger::Ledger;
use ledger::holds::{Settle, hold_settle};
use ledger::orders::CancelOrder;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::alternatives::{self, Missed};
use crate::answer::{Answer, empty, json};
use crate::app::App;
use crate::idempotency;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::metrics;
use crate::openapi::schema::{MoneyBody, UnitPriceBody};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;
use crate::trace::Trace;

pub(crate) mod extension;
pub(crate) mod reclaim;

mod allocation;
mod items;
mod refusal;

pub(crate) use items::TakeBody;

/// A hold.
#[derive(Serialize, ToSchema)]
pub(crate) struct HoldBody {
    /// Its id.
    #[schema(value_type = String, example = "hold_0190c5a0b0c07abc8def0123456789ab")]
    id: HoldId,
    /// Proves it, should the store lose it.
    receipt: String,
    /// Where it is.
    #[schema(value_type = String, example = "held")]
    state: HoldState,
    /// When its units go back on sale.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// How long a new hold lasts.
    ttl_s: u32,
    /// How often it may still be extended, as far as its longest time and the session allow.
    extensions_left: u32,
    /// What it holds.
    items: Vec<HeldBody>,
    /// What all of it costs.
    #[schema(value_type = MoneyBody)]
    total: Money,
}

/// A unit that is held.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldBody {
    /// Its tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// Its number in the tier.
    #[schema(value_type = u32)]
    unit: UnitNo,
    /// Its seat; none for general admission.
    seat: Option<String>,
    /// What it costs.
    #[schema(value_type = UnitPriceBody)]
    price: UnitPrice,
}

/// The order that is, or will be, made of a hold.
pub(crate) const fn order_of(hold: HoldId) -> OrderId {
    OrderId::from_uuid(hold.uuid())
}

/// `POST /v1/sales/{sale}/holds`
pub(crate) async fn take(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let pass = identity::pass(request, sale.id(), &app.signer)?;
    app.count(Limit::Hold, Client::Holder(pass.holder))?;
    let key = request.required_idempotency_key()?;
    let asked = request.json::<TakeBody>()?;
    let items = items::read(&sale, &asked)?;
    require_selling(app.state_of(&sale))?;
    let floor = app.floor(&sale);
    let take = match floor.glimpse(|seen| refusal::foreseen(seen?, &sale, pass.number, &items)) {
        Some(refusal) => refusal,
        None => floor.takes.take(wish(&sale, app.time_of(&sale), &pass, key, items, &request.body)).await?,
    };
    metrics::hold_taken(sale.id(), &take);
    match take {
        Take::Taken(hold) => Ok(json(StatusCode::CREATED, &body(app, &sale, &pass, hold).await?)),
        Take::Replayed(hold) => {
            Ok(idempotency::replayed(json(StatusCode::CREATED, &body(app, &sale, &pass, hold).await?)))
        }
        Take::RequestReused => Err(Code::IdempotencyKeyReused.into()),
        Take::SoldOut { tier } => Err(refusal::sold_out(&sale, &tier)),
        Take::TooFewLeft { tier, free, held } => Err(refusal::too_few_left(app, &sale, &tier, free, held)),
        Take::AllHeld { tier } => Err(refusal::all_held(&tier)),
        Take::SeatTaken { tier, units } => {
            let problem = items::taken(&sale, &asked, &tier, &units);
            let missed = Missed { units: items::named(&sale, &asked, &tier), tier, taken: units };
            Err(problem.alternatives(alternatives::seen(app, &sale, &missed)))
        }
        Take::NoneTogether { tier } => Err(Problem::new(Code::NoneTogether)
            .detail(format!("No row of {tier} has so many side by side; ask for fewer, or for them apart."))),
        Take::AllocationSoldOut { tier } => Err(allocation::sold_out(app, &sale, &tier)),
        Take::LimitReached { limit } => Err(limit_reached(limit)),
        Take::PassInUse => Err(Code::PassInUse.into()),
        Take::PassExpired => Err(Code::PassExpired.into()),
        Take::PassUnknown => Err(Code::PassInvalid.into()),
        Take::Paused => Err(Code::SalePaused.into()),
        Take::Reclaiming { left_s } => Err(Problem::new(Code::StoreUnavailable)
            .detail("After a failure, holds of before are given back first. New ones are taken again shortly.")
            .retry_after_s(left_s)),
    }
}

/// `GET /v1/sales/{sale}/holds/{hold}`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let pass = identity::pass(request, sale.id(), &app.signer)?;
    app.count(Limit::Hold, Client::Holder(pass.holder))?;
    let hold = hold_in(request)?;
    let found = app.holds.look(sale.id(), hold).await?.filter(|hold| hold.number == pass.number);
    let found = found.ok_or(Code::HoldNotFound)?;
    Ok(json(StatusCode::OK, &body(app, &sale, &pass, found).await?))
}

/// `DELETE /v1/sales/{sale}/holds/{hold}`
pub(crate) async fn release(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let pass = identity::pass(request, sale.id(), &app.signer)?;
    app.count(Limit::Hold, Client::Holder(pass.holder))?;
    let hold = hold_in(request)?;
    let found = app.holds.look(sale.id(), hold).await?.filter(|hold| hold.number == pass.number);
    match found.ok_or(Code::HoldNotFound)?.state {
        HoldState::Held | HoldState::Frozen | HoldState::Committed => {
            give_up(app, request.trace, &sale, hold, pass.number).await?;
        }
        HoldState::Released | HoldState::Expired => {}
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Ends a hold. Postgres says whether it has an order; if not, it never will.
async fn give_up(app: &App, trace: Trace, sale: &Sale, hold: HoldId, number: PlaceNumber) -> Result<(), Problem> {
    match hold_settle(&app.ledger, sale.id(), hold).await? {
        Settle::Ordered => return cancel_order(&app.ledger.traced(trace.here), sale, order_of(hold)).await,
        // No buyer has a hold that was withheld; if one had, it would be over.
        Settle::Tombstoned | Settle::Withheld => {}
    }
    match app.holds.release(sale.id(), hold, number).await? {
        Release::AlreadyReleased => return Ok(()),
        Release::NotFound => return Err(Code::HoldNotFound.into()),
        Release::Released(_) => {}
        Release::Frozen => {
            app.holds.expire_frozen(sale.id(), hold).await?;
        }
    }
    metrics::hold_released(sale.id());
    Ok(())
}

async fn cancel_order(ledger: &Ledger, sale: &Sale, order: OrderId) -> Result<(), Problem> {
    match ledger::orders::order_cancel(ledger, sale.id(), order).await? {
        CancelOrder::Cancelled(_) | CancelOrder::NotCancellable(OrderState::Cancelled | OrderState::Expired) => Ok(()),
        CancelOrder::NotCancellable(state) => {
            Err(Problem::new(Code::OrderNotCancellable).detail(format!("The order is {}.", state.word())))
        }
        CancelOrder::NotFound => Err(Code::RequestInProgress.into()),
    }
}

fn hold_in(request: &Request) -> Result<HoldId, Problem> {
    request.params.text("hold").parse().map_err(|_| Code::HoldNotFound.into())
}

fn limit_reached(limit: u32) -> Problem {
    Problem::new(Code::LimitReached).detail(format!("At most {limit} for one buyer."))
}

/// Holds are taken while the sale sells; what is sold out, Redis says tier by tier.
fn require_selling(state: SaleState) -> Result<(), Problem> {
    match state {
        SaleState::Open | SaleState::SoldOut => Ok(()),
        SaleState::Draft => Err(Code::NotFound.into()),
        SaleState::Scheduled | SaleState::Prequeue => Err(Code::SaleNotOpen.into()),
        SaleState::Paused => Err(Code::SalePaused.into()),
        SaleState::Closed | SaleState::Cancelled => Err(Code::SaleClosed.into()),
    }
}

fn wish(
    sale: &Sale,
    now: Timestamp,
    pass: &PassToken,
    key: &str,
    items: BTreeMap<TierId, UnitsWish>,
    body: &[u8],
) -> TakeHold {
    TakeHold {
        hold: HoldId::from_uuid(Uuid::now_v7()),
        request: RequestId::of(&[&pass.number.0.to_be_bytes(), key.as_bytes()]),
        fingerprint: Sha256::digest(body).into(),
        number: pass.number,
        items,
        allowed: sale.allowed(now).cloned().unwrap_or_default(),
        ttl_s: sale.hold_ttl_s(pass.allowance),
        per_buyer_limit: sale.config().per_buyer_limit,
        session_s: sale.session_s(pass.allowance),
    }
}

async fn body(app: &Arc<App>, sale: &Arc<Sale>, pass: &PassToken, hold: HoldView) -> Result<HoldBody, Problem> {
    let epoch = app.floor(sale).seen_soon().await?.view.epoch;
    body_of(app, sale, pass.allowance, epoch, hold)
}

/// The same of a hold of that epoch.
fn body_of(app: &App, sale: &Sale, allowance: Allowance, epoch: u32, hold: HoldView) -> Result<HoldBody, Problem> {
    let units = hold.units.iter().map(|held| (held.tier.clone(), held.unit)).collect();
    let priced = |HeldUnit { tier, unit }| {
        let price = sale.price(&tier).copied().ok_or_else(|| unknown_tier(&tier))?;
        Ok(HeldBody { seat: sale.seat(&tier, unit), tier, unit, price })
    };
    let items = hold.units.into_iter().map(priced).collect::<Result<Vec<_>, Problem>>()?;
    let total = Money::sum(sale.config().currency, items.iter().map(|item| item.price.total))
        .expect("a stored configuration has prices in range");
    let (number, expires_at) = (hold.number, hold.expires_at);
    let receipt = Receipt { sale: sale.id(), hold: hold.id, epoch, number, expires_at, units };
    let receipt = app.signer.sign_receipt(&receipt);
    let ttl_s = sale.hold_ttl_s(allowance);
    let extensions_left = match hold.state {
        HoldState::Held | HoldState::Frozen => sale.config().hold.extensions_max.saturating_sub(hold.extensions),
        HoldState::Committed | HoldState::Released | HoldState::Expired => 0,
    };
    Ok(HoldBody { id: hold.id, receipt, state: hold.state, expires_at, ttl_s, extensions_left, items, total })
}

/// Tiers never go away once published, so a hold of an unknown one is a fault of ours.
pub(crate) fn unknown_tier(tier: &TierId) -> Problem {
    tracing::error!(%tier, "a hold has units of a tier that its sale does not have");
    Code::InternalError.into()
}
