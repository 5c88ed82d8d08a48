//! `/v1/organizer/sales`: setting up sales and deciding about them.
//!
//! An organizer's key sees the organizer's own sales; an admin's key sees all. A sale of somebody else is not *forbidden*
//! but not there. Decisions act in this gateway before they are answered and in the others within a second.

use std::sync::Arc;

use domain::sale::{SaleConfig, StoredState};
use domain::{OrganizerId, SaleId};
use http::{StatusCode, header};
use jiff::Timestamp;
use ledger::organizers::{KeyHolder, KeyRole, key_find};
use ledger::sales::cancelling::sale_cancel;
use ledger::sales::{CreateSale, Decided, Publish, SaleName, SaleRow};
use ledger::{Ledger, LedgerError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, With as _, empty, json, json_bytes};
use crate::app::App;
use crate::floor::NoticeBody;
use crate::idempotency::{self, Done, Once};
use crate::openapi::schema::SaleConfigBody;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::route::Route;
use crate::sale::Sale;

pub(crate) mod access_codes;
pub(crate) mod change;
pub(crate) mod door;
mod hold_ttl;
pub(crate) mod line;
pub(crate) mod notices;
pub(crate) mod refunds;
pub(crate) mod reports;
pub(crate) mod tickets;
pub(crate) mod waitlist;
pub(crate) mod withholding;

/// A sale as its organizer sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnSaleBody {
    /// Its id.
    #[schema(value_type = String)]
    id: SaleId,
    /// Whose it is.
    #[schema(value_type = String)]
    organizer: OrganizerId,
    /// What was decided about it.
    #[schema(value_type = String, example = "draft")]
    state: StoredState,
    /// Grows with every change.
    version: u64,
    /// When it was published.
    #[schema(value_type = Option<String>, format = DateTime)]
    published_at: Option<Timestamp>,
    /// What everyone waiting is told.
    notice: Option<NoticeBody>,
    /// What was configured.
    #[serde(flatten)]
    #[schema(value_type = SaleConfigBody)]
    config: SaleConfig,
}

impl From<SaleRow> for OwnSaleBody {
    fn from(row: SaleRow) -> Self {
        let SaleRow { id, organizer, slug, config, state, version, published_at, notice, .. } = row;
        let notice = notice.map(|notice| NoticeBody { text: notice.text, at: notice.at });
        Self { id, organizer, state, version, published_at, notice, config: SaleConfig { slug, ..config } }
    }
}

/// `POST /v1/organizer/sales`
pub(crate) async fn create(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let holder = seller(app, request).await?;
    let key = request.idempotency_key()?;
    let config: SaleConfig = request.json()?;
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let work = write(app.ledger.clone(), holder.organizer, config);
    let Some(key) = key else {
        return Ok(created(&work.await?));
    };
    let once = Once::new(format!("sale/{}", holder.key), key, &request.body);
    match once.run(app, work, |sale| (StatusCode::CREATED, bytes(sale))).await? {
        Done::Now(sale) => Ok(created(&sale)),
        Done::Before(status, body) => Ok(idempotency::replayed(json_bytes(status, body.into()))),
    }
}

/// `GET /v1/organizer/sales/{sale}`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let etag = etag(&sale);
    let answer = if request.has_etag(&etag) { empty(StatusCode::NOT_MODIFIED) } else { shown(sale) };
    Ok(answer.with_text(header::ETAG, &etag))
}

/// `POST /v1/organizer/sales/{sale}/publish`
pub(crate) async fn publish(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = decidable_sale(app, request).await?;
    let published = match ledger::sales::sale_publish(&app.ledger, sale.organizer, sale.id).await? {
        Publish::Published(row) | Publish::AlreadyPublished(row) => row,
        Publish::NotFound => return Err(conflict(sale.state)),
    };
    decided(app, published).await
}

/// `POST /v1/organizer/sales/{sale}/pause`
pub(crate) async fn pause(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = decidable_sale(app, request).await?;
    decision(app, ledger::sales::sale_pause(&app.ledger, sale.organizer, sale.id).await).await
}

/// `POST /v1/organizer/sales/{sale}/resume`
pub(crate) async fn resume(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = decidable_sale(app, request).await?;
    decision(app, ledger::sales::sale_resume(&app.ledger, sale.organizer, sale.id).await).await
}

/// The two ways to end a sale.
pub(crate) async fn end(route: Route, app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    if route == Route::CancelSale { cancel(app, request).await } else { close(app, request).await }
}

/// `POST /v1/organizer/sales/{sale}/close`
async fn close(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = decidable_sale(app, request).await?;
    decision(app, ledger::sales::sale_close(&app.ledger, sale.organizer, sale.id).await).await
}

/// `POST /v1/organizer/sales/{sale}/cancel`: everybody has their money back. It cannot be taken back.
async fn cancel(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    decision(app, sale_cancel(&app.ledger, sale.organizer, sale.id, &by).await).await
}

async fn decision(app: &Arc<App>, outcome: Result<Decided, LedgerError>) -> Result<Answer, Problem> {
    match outcome? {
        Decided::Done(row) | Decided::Already(row) => decided(app, row).await,
        Decided::Refused(state) => Err(conflict(state)),
        Decided::NotFound => Err(Code::NotFound.into()),
    }
}

async fn decided(app: &Arc<App>, row: SaleRow) -> Result<Answer, Problem> {
    app.sales_changed().await;
    let etag = etag(&row);
    Ok(shown(row).with_text(header::ETAG, &etag))
}

fn conflict(state: StoredState) -> Problem {
    Problem::new(Code::SaleStateConflict).detail(format!("The sale is {}.", state.word()))
}

async fn write(ledger: Ledger, organizer: OrganizerId, config: SaleConfig) -> Result<SaleRow, Problem> {
    let id = SaleId::from_uuid(Uuid::now_v7());
    match ledger::sales::sale_create(&ledger, organizer, id, &config).await? {
        CreateSale::Created(row) => Ok(row),
        CreateSale::SlugTaken => Err(Code::SlugTaken.into()),
    }
}

fn created(sale: &SaleRow) -> Answer {
    let location = format!("/v1/organizer/sales/{}", sale.id);
    let answer = json_bytes(StatusCode::CREATED, bytes(sale).into());
    answer.with_text(header::ETAG, &etag(sale)).with_text(header::LOCATION, &location)
}

fn shown(sale: SaleRow) -> Answer {
    json(StatusCode::OK, &OwnSaleBody::from(sale))
}

fn bytes(sale: &SaleRow) -> Vec<u8> {
    serde_json::to_vec(&OwnSaleBody::from(sale.clone())).expect("our answers have string keys")
}

fn etag(sale: &SaleRow) -> String {
    format!("\"{}\"", sale.version)
}

/// Whose key the request presents.
async fn holder(app: &App, request: &Request) -> Result<KeyHolder, Problem> {
    let secret = request.bearer().filter(|secret| secret.starts_with("osk_")).ok_or(Code::Unauthorized)?;
    key_find(&app.ledger, secret).await?.ok_or_else(|| Code::Unauthorized.into())
}

/// The same, when the key allows selling.
async fn seller(app: &App, request: &Request) -> Result<KeyHolder, Problem> {
    let holder = holder(app, request).await?;
    match holder.role {
        KeyRole::Admin | KeyRole::Organizer => Ok(holder),
        KeyRole::Door | KeyRole::Support => Err(Code::Forbidden.into()),
    }
}

/// A sale whose door the key may keep. Asked for each scan, so the sale is the one that is known here.
async fn keeper(app: &App, request: &Request) -> Result<Arc<Sale>, Problem> {
    let holder = holder(app, request).await?;
    if holder.role == KeyRole::Support {
        return Err(Code::Forbidden.into());
    }
    let sale = app.sale(request.params.text("sale")).await?;
    let is_own = holder.role == KeyRole::Admin || sale.organizer() == holder.organizer;
    if is_own { Ok(sale) } else { Err(Code::NotFound.into()) }
}

/// A sale that the key may look at. The door needs no more than its scanners are told.
async fn readable(app: &App, request: &Request) -> Result<SaleRow, Problem> {
    let holder = holder(app, request).await?;
    if holder.role == KeyRole::Door {
        return Err(Code::Forbidden.into());
    }
    own_sale(app, request, &holder).await
}

async fn decidable_sale(app: &App, request: &Request) -> Result<SaleRow, Problem> {
    decidable(app, request).await.map(|(sale, _)| sale)
}

/// A sale that the key may decide about, and whose key it is, for the audit log.
async fn decidable(app: &App, request: &Request) -> Result<(SaleRow, String), Problem> {
    let holder = seller(app, request).await?;
    let sale = own_sale(app, request, &holder).await?;
    Ok((sale, holder.key.to_string()))
}

async fn own_sale(app: &App, request: &Request, holder: &KeyHolder) -> Result<SaleRow, Problem> {
    let name = request.params.text("sale");
    let name = name.parse().map_or(SaleName::Slug(name), SaleName::Id);
    let row = ledger::sales::sale_fetch(&app.ledger, name).await?;
    let mine = |row: &SaleRow| holder.role == KeyRole::Admin || row.organizer == holder.organizer;
    row.filter(mine).ok_or_else(|| Code::NotFound.into())
}
