//! `POST …/withhold` and `POST …/release`: units that the organizer keeps back from a live sale, and puts on sale again.
//!
//! The states, the one atomic step and what becomes of every act that stops halfway are in [`ledger::withholdings`]; this is who
//! goes through the steps:
//!
//! ```text
//! withhold: is it done? is it live? ─► take in Redis ─► withhold in Postgres ─► commit in Redis
//!              Postgres                                   └─ refused ─► free in Redis, begin again or say why
//! release:  release in Postgres; a job tells Redis
//! ```
//!
//! Guarantees. A request is named by sale, key, Idempotency-Key and body: repeated, today or next year, by whomever has the
//! key, it is answered as before and does nothing more. No unit is taken from who holds or ordered it. A failure of Redis or
//! Postgres is answered 503; then nothing is withheld, or it is, and repeating the request says so; units that were taken
//! off sale for nothing are back within [`admission::WITHHOLD_S`] and a sweep.
//!
//! Bounds: [`WITHHOLD_MAX`] units a request.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use admission::{RequestId, WITHHOLD_MAX, WithholdWish};
use domain::sale::{Fault, SaleConfig, Seating};
use domain::{TierId, UnitNo};
use http::StatusCode;
use ledger::Ledger;
use ledger::sales::SaleRow;
use ledger::withholdings::{Release, ReleaseWish, StockAct, units_release};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{conflict, decidable};
use crate::answer::{Answer, json, json_bytes};
use crate::app::App;
use crate::idempotency::{self, Done, Once};
use crate::problem::{Code, Problem};
use crate::request::Request;

mod keeper;

use keeper::Keeper;

/// Which units of a tier: a quantity, or seats by name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitsBody {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// How many: withheld from the end, released from the front; left out when seats are named.
    #[schema(required = false, minimum = 1, maximum = 1000)]
    quantity: Option<u32>,
    /// Which of its seats, by name; left out when a quantity is given.
    #[schema(required = false, value_type = Vec<String>, min_items = 1, max_items = 1000, example = json!(["A-1", "A-2"]))]
    seats: Option<Vec<String>>,
}

/// Units that were withheld or released.
#[derive(Serialize, ToSchema)]
#[schema(as = Units)]
pub(crate) struct DoneBody {
    /// Their tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// Their numbers in it, in order.
    #[schema(value_type = Vec<u32>)]
    units: Vec<UnitNo>,
    /// The names of these seats; none for general admission.
    seats: Vec<String>,
}

/// `POST /v1/organizer/sales/{sale}/withhold`
pub(crate) async fn withhold(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let asked: UnitsBody = request.json()?;
    let wish = asked.read(&sale.config)?;
    let act = act(&sale, by, request, asked.tier.clone(), "withhold")?;
    let keeper = Keeper { app: Arc::clone(app), act: act.clone(), sale, wish, seats: asked.seats };
    let work = async move { keeper.keep().await };
    once(app, request, &act, "withhold", work).await
}

/// `POST /v1/organizer/sales/{sale}/release`
pub(crate) async fn release(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let asked: UnitsBody = request.json()?;
    let wish = match asked.read(&sale.config)? {
        WithholdWish::Last(quantity) => ReleaseWish::Quantity(quantity.get()),
        WithholdWish::Seats(units) => ReleaseWish::Units(units.into_iter().collect()),
    };
    let act = act(&sale, by, request, asked.tier.clone(), "release")?;
    let work = put_on_sale(app.ledger.traced(request.trace.here), act.clone(), sale, wish, asked.seats);
    once(app, request, &act, "release", work).await
}

async fn put_on_sale(
    ledger: Ledger,
    act: StockAct,
    sale: SaleRow,
    wish: ReleaseWish,
    seats: Option<Vec<String>>,
) -> Result<DoneBody, Problem> {
    match units_release(&ledger, &act, &wish).await? {
        Release::Released(units) => Ok(DoneBody::of(&sale.config, act.tier, units)),
        Release::NotWithheld { withheld, units } => {
            let detail = format!("{withheld} of {} are withheld.", act.tier);
            let errors = named(&sale.config, &act.tier, seats.as_deref(), &units, "is not withheld");
            Err(Problem::new(Code::NotWithheld).detail(detail).errors(errors))
        }
        Release::NotLive => Err(conflict(sale.state)),
    }
}

/// Does an act once under its Idempotency-Key.
async fn once(
    app: &Arc<App>,
    request: &Request,
    act: &StockAct,
    endpoint: &str,
    work: impl Future<Output = Result<DoneBody, Problem>> + Send + 'static,
) -> Result<Answer, Problem> {
    let scope = format!("{endpoint}/{}/{}", act.sale, act.by);
    let once = Once::new(scope, request.required_idempotency_key()?, &request.body);
    let bytes = |done: &DoneBody| serde_json::to_vec(done).expect("our answers have string keys");
    match once.run(app, work, move |done| (StatusCode::OK, bytes(done))).await? {
        Done::Now(done) => Ok(json(StatusCode::OK, &done)),
        Done::Before(status, body) => Ok(idempotency::replayed(json_bytes(status, body.into()))),
    }
}

/// The act, named by everything that makes two requests the same. Whether the sale is live is asked only when it turns out
/// that the act was not done before.
fn act(sale: &SaleRow, by: String, request: &Request, tier: TierId, endpoint: &str) -> Result<StockAct, Problem> {
    let key = request.required_idempotency_key()?;
    let body: [u8; 32] = Sha256::digest(&request.body).into();
    let sale_id = sale.id.uuid();
    let request = RequestId::of(&[endpoint.as_bytes(), sale_id.as_bytes(), by.as_bytes(), key.as_bytes(), &body]);
    Ok(StockAct { organizer: sale.organizer, sale: sale.id, tier, request: request.0, by })
}

impl UnitsBody {
    /// What is asked for, checked.
    fn read(&self, config: &SaleConfig) -> Result<WithholdWish, Problem> {
        let tier = config.tier(&self.tier).ok_or_else(|| Problem::invalid_at("/tier", "must be a tier of the sale"))?;
        match (self.quantity, &self.seats) {
            (Some(quantity), None) => NonZeroU32::new(quantity)
                .filter(|quantity| quantity.get() <= WITHHOLD_MAX)
                .map(WithholdWish::Last)
                .ok_or_else(|| Problem::invalid_at("/quantity", format!("must be 1 to {WITHHOLD_MAX}"))),
            (None, Some(seats)) => match Seating::of(tier) {
                Some(seating) => seats_of(&seating, seats).map(WithholdWish::Seats),
                None => Err(Problem::invalid_at("/seats", "must be left out, where there are no rows")),
            },
            (Some(_), Some(_)) | (None, None) => Err(Problem::invalid_at("", "must be either quantity or seats")),
        }
    }
}

fn seats_of(seating: &Seating, seats: &[String]) -> Result<BTreeSet<UnitNo>, Problem> {
    if !(1..=WITHHOLD_MAX as usize).contains(&seats.len()) {
        return Err(Problem::invalid_at("/seats", format!("must be 1 to {WITHHOLD_MAX} seats")));
    }
    let (mut units, mut faults) = (BTreeSet::new(), Vec::new());
    for (index, seat) in seats.iter().enumerate() {
        let wrong = match seating.unit(seat) {
            None => "must be a seat of the tier",
            Some(unit) if !units.insert(unit) => "must be different from the other seats",
            Some(_) => continue,
        };
        faults.push(Fault { pointer: format!("/seats/{index}"), detail: wrong.to_owned() });
    }
    if faults.is_empty() { Ok(units) } else { Err(Problem::invalid(faults)) }
}

/// What is the matter with some of the seats that were named, each where the body names it.
fn named(config: &SaleConfig, tier: &TierId, seats: Option<&[String]>, units: &[UnitNo], what: &str) -> Vec<Fault> {
    let Some(seating) = config.tier(tier).and_then(Seating::of) else { return Vec::new() };
    let units: BTreeSet<_> = units.iter().collect();
    let is_one = |seat: &String| seating.unit(seat).is_some_and(|unit| units.contains(&unit));
    let fault = |(index, seat): (usize, &String)| Fault {
        pointer: format!("/seats/{index}"),
        detail: format!("{seat} {what}"),
    };
    seats.unwrap_or_default().iter().enumerate().filter(|(_, seat)| is_one(seat)).map(fault).collect()
}

impl DoneBody {
    fn of(config: &SaleConfig, tier: TierId, units: Vec<UnitNo>) -> Self {
        let seating = config.tier(&tier).and_then(Seating::of);
        let name = |unit: &UnitNo| seating.as_ref().and_then(|seating| seating.seat(*unit));
        Self { seats: units.iter().filter_map(name).collect(), tier, units }
    }
}
