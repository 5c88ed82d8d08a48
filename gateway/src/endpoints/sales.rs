//! `/v1/sales`: what is on sale.
//!
//! The list comes from Postgres and says nothing of what is left. A single live sale shows that too, from memory, and once
//! it has opened it is therefore 503 while Redis is away: a page that says *available* without knowing would send people
//! into a queue for nothing. Of a sale that ended nothing is left.

use std::sync::Arc;

use admission::TierStock;
use domain::price::UnitPrice;
use domain::sale::{Phase, PhaseAccess, SaleState, TierConfig};
use domain::{Currency, PhaseId, SaleId, TierId};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use ledger::sales::SaleFilter;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, With as _, json};
use crate::app::App;
use crate::availability::Availability;
use crate::endpoints::fairness::Fairness;
use crate::floor::{NoticeBody, PauseBody, Seen};
use crate::openapi::schema::UnitPriceBody;
use crate::problem::Problem;
use crate::request::Request;
use crate::sale::Sale;

/// Sales of one page of the list, when nothing is said, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// The longest search text.
const SEARCH_MAX_BYTES: usize = 200;

/// A list of sales.
#[derive(Serialize, ToSchema)]
pub(crate) struct SaleList {
    /// The sales.
    data: Vec<SaleSummary>,
    /// Where the list goes on; none at its end.
    next_cursor: Option<String>,
}

/// A sale in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct SaleSummary {
    /// Its id.
    #[schema(value_type = String, example = "sale_0190c5a0b0c07abc8def0123456789ab")]
    id: SaleId,
    /// Its name in URLs.
    slug: String,
    /// What people call it.
    name: String,
    /// Where it is.
    #[schema(value_type = String, example = "open")]
    state: SaleState,
    /// When admission begins.
    #[schema(value_type = String, format = DateTime)]
    opens_at: Timestamp,
    /// When selling ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    closes_at: Option<Timestamp>,
    /// IANA name of the zone in which its dates are read.
    time_zone: String,
    /// A word to search by.
    category: String,
    /// Where it takes place.
    venue: String,
}

/// A sale.
#[derive(Serialize, ToSchema)]
pub(crate) struct SaleBody {
    #[serde(flatten)]
    summary: SaleSummary,
    /// The currency of all its prices.
    #[schema(value_type = String, example = "eur")]
    currency: Currency,
    /// The most units of one buyer: in one hold, and over all orders.
    per_buyer_limit: u32,
    /// Its phases in time order; never none.
    phases: Vec<PhaseBody>,
    /// What is sold.
    tiers: Vec<TierBody>,
    /// Why nobody is let in and no clock runs, if so.
    pause: Option<PauseBody>,
    /// What the organizer tells everyone waiting.
    notice: Option<NoticeBody>,
    /// How the order of the prequeue that matters now comes about; none for a sale that is first come, first served.
    fairness: Option<Fairness>,
}

/// A window in which a sale admits.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhaseBody {
    /// Its name.
    #[schema(value_type = String, example = "general")]
    id: PhaseId,
    /// From when one registers for its draw; none when it has no draw.
    #[schema(value_type = Option<String>, format = DateTime)]
    prequeue_opens_at: Option<Timestamp>,
    /// When it opens.
    #[schema(value_type = String, format = DateTime)]
    opens_at: Timestamp,
    /// When it ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    closes_at: Option<Timestamp>,
    /// Who may join in it: `public`, or `code` for those with an access code.
    #[schema(value_type = String, example = "public")]
    access: PhaseAccess,
}

impl PhaseBody {
    fn of(phase: Phase, published_at: Timestamp) -> Self {
        let prequeue_opens_at = phase.has_prequeue(published_at).then_some(phase.prequeue_opens_at);
        let Phase { id, opens_at, closes_at, access, .. } = phase;
        Self { id, prequeue_opens_at, opens_at, closes_at, access }
    }
}

/// A price category.
#[derive(Serialize, ToSchema)]
pub(crate) struct TierBody {
    /// Its name in requests.
    #[schema(value_type = String)]
    id: TierId,
    /// What people call it.
    name: String,
    /// What one unit costs.
    #[schema(value_type = UnitPriceBody)]
    price: UnitPrice,
    /// The most units of it that one buyer may have; none when only the sale's limit counts.
    per_buyer_limit: Option<u32>,
    /// Whether it has rows of seats, and so a part in the seat map; else its units are general admission.
    seated: bool,
    /// What is left.
    availability: Availability,
}

/// `GET /v1/sales`
pub(crate) async fn list(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let filter = filter(request)?;
    let one_more = SaleFilter { limit: filter.limit + 1, ..filter.clone() };
    let mut rows = ledger::sales::sales_published(&app.ledger, &one_more).await?;
    let more = rows.len() > filter.limit as usize;
    rows.truncate(filter.limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|last| cursor(last.config.opens_at, last.id));
    let data = rows.into_iter().map(|row| summary(app, &Sale::new(row))).collect();
    Ok(shared(json(StatusCode::OK, &SaleList { data, next_cursor })))
}

/// `GET /v1/sales/{sale}`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let now = now(app, &sale).await?;
    let tier = |(tier, price): (&TierConfig, &UnitPrice)| TierBody {
        id: tier.id.clone(),
        name: tier.name.clone(),
        price: *price,
        per_buyer_limit: tier.per_buyer_limit,
        seated: !tier.rows.is_empty(),
        availability: now.left(&sale, tier),
    };
    let body = SaleBody {
        summary: summary(app, &sale),
        currency: sale.config().currency,
        per_buyer_limit: sale.config().per_buyer_limit,
        phases: sale.config().phases().into_iter().map(|phase| PhaseBody::of(phase, sale.published_at())).collect(),
        tiers: sale.tiers().map(tier).collect(),
        pause: now.pause(),
        notice: NoticeBody::of(&sale),
        fairness: fairness(app, &sale).await?,
    };
    Ok(shared(json(StatusCode::OK, &body)))
}

/// What is known of a sale beside its configuration.
pub(super) enum Now {
    /// Nothing was sold yet.
    NotBegun,
    /// As Redis has it.
    Seen(Arc<Seen>),
    /// It ended: nothing is left.
    Over,
}

impl Now {
    /// What is left of a tier.
    pub(super) fn left(&self, sale: &Sale, tier: &TierConfig) -> Availability {
        match self {
            Self::NotBegun => {
                let all = sale.config().for_sale(tier);
                Availability::of(TierStock { free: all, held: 0, all }, None)
            }
            Self::Seen(seen) => {
                let stock = seen.view.stock.get(&tier.id).copied().unwrap_or_default();
                Availability::of(stock, sale.allowed_of(&tier.id, seen.view.now))
            }
            Self::Over => Availability::of(TierStock::default(), None),
        }
    }

    /// Why nobody is let in, if so.
    pub(super) fn pause(&self) -> Option<PauseBody> {
        match self {
            Self::Seen(seen) => seen.pause,
            Self::NotBegun | Self::Over => None,
        }
    }
}

/// Before the first opening everything is there, so a sale can be looked at, and registered for, without Redis.
///
/// # Errors
/// It has opened and Redis is away.
pub(super) async fn now(app: &Arc<App>, sale: &Arc<Sale>) -> Result<Now, Problem> {
    if !sale.is_live() {
        return Ok(Now::Over);
    }
    match app.live(sale).await {
        Ok((_, seen)) => Ok(Now::Seen(seen)),
        Err(_) if app.time_of(sale) < sale.config().opens_at => Ok(Now::NotBegun),
        Err(problem) => Err(problem),
    }
}

/// The draws of a live sale are in memory; those of another are read once and kept for a while.
async fn fairness(app: &App, sale: &Sale) -> Result<Option<Fairness>, Problem> {
    if !sale.has_draws() {
        return Ok(None);
    }
    Ok(Fairness::of(&app.config, sale, app.draws.find(app, sale).await?.as_ref()))
}

/// The same for everybody, and soon old.
fn shared(answer: Answer) -> Answer {
    answer.with(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1, stale-while-revalidate=5"))
}

fn summary(app: &App, sale: &Sale) -> SaleSummary {
    let config = sale.config();
    SaleSummary {
        id: sale.id(),
        slug: sale.slug().to_owned(),
        name: config.name.clone(),
        state: app.state_of(sale),
        opens_at: config.opens_at,
        closes_at: config.closes_at,
        time_zone: config.time_zone.clone(),
        category: config.category.clone(),
        venue: config.venue.clone(),
    }
}

fn filter(request: &Request) -> Result<SaleFilter, Problem> {
    let mut filter = SaleFilter { limit: LIMIT_DEFAULT, ..SaleFilter::default() };
    for (name, value) in request.query() {
        let wrong = |detail: String| Problem::invalid_at(format!("?{name}"), detail);
        match name.as_str() {
            "q" | "category" if value.len() > SEARCH_MAX_BYTES || value.chars().any(char::is_control) => {
                return Err(wrong(format!(
                    "must be at most {SEARCH_MAX_BYTES} bytes, none of them a control character"
                )));
            }
            "q" => filter.text = Some(value),
            "category" => filter.category = Some(value),
            "from" => filter.from = Some(time(&value).ok_or_else(|| wrong(MUST_BE_TIME.to_owned()))?),
            "to" => filter.to = Some(time(&value).ok_or_else(|| wrong(MUST_BE_TIME.to_owned()))?),
            "limit" => filter.limit = limit(&value).ok_or_else(|| wrong(format!("must be 1 to {LIMIT_MAX}")))?,
            "cursor" => filter.after = Some(after(&value).ok_or_else(|| wrong("must be a next_cursor".to_owned()))?),
            _ => {}
        }
    }
    Ok(filter)
}

const MUST_BE_TIME: &str = "must be a time like 2030-05-01T18:00:00Z";

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(domain::sale::is_of_our_era)
}

fn limit(text: &str) -> Option<u32> {
    text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit))
}

/// Where a list goes on: behind this sale, in the order (opening, id).
fn cursor(opens_at: Timestamp, id: SaleId) -> String {
    hex::encode(format!("{}/{id}", opens_at.as_microsecond()))
}

fn after(cursor: &str) -> Option<(Timestamp, SaleId)> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let (opens_at, id) = text.split_once('/')?;
    Some((Timestamp::from_microsecond(opens_at.parse().ok()?).ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_finds_its_place_again_and_others_do_not() {
        let (opens_at, id) =
            (Timestamp::from_microsecond(1_234_567).unwrap(), SaleId::from_uuid(uuid::Uuid::from_u128(9)));
        assert_eq!(after(&cursor(opens_at, id)), Some((opens_at, id)));
        assert_eq!(after("zz"), None);
        assert_eq!(after(&hex::encode("1/2")), None);
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!((limit("1"), limit("100")), (Some(1), Some(100)));
        assert_eq!((limit("0"), limit("101"), limit("-1"), limit("x")), (None, None, None, None));
    }
}
