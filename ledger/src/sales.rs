//! Sales: configuration, decisions, stock.
//!
//! A draft is a configuration and nothing else; publishing makes tiers, units and accounts from it and books the capacity, in
//! one call. Decisions follow the domain's table ([`StoredState::after`]); taking one twice is no error. What it does not do:
//! the state visitors see also depends on time and stock, and is computed by the domain. Calling off is more than a decision:
//! [`cancelling`].

use std::collections::BTreeMap;
use std::time::Duration;

use domain::payment::latency::ASSUMED_P99;
use domain::sale::{AdmissionConfig, Decision, SaleConfig, StoredState};
use domain::{OrganizerId, SaleId, TierId};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};

use crate::notices::Notice;
use crate::numbers::fit;
use crate::payments::latency::{self, PaymentLatency};
use crate::{Ledger, LedgerError};

pub mod cancelling;
pub mod change;

/// A sale as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleRow {
    /// Its id.
    pub id: SaleId,
    /// Whose it is.
    pub organizer: OrganizerId,
    /// Its name in URLs.
    pub slug: String,
    /// What the organizer configured.
    pub config: SaleConfig,
    /// What people decided.
    pub state: StoredState,
    /// Grows whenever Redis is rebuilt; 0 until the first time.
    pub epoch: u32,
    /// Grows with every change: the ETag, and how caches know.
    pub version: u64,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// What everyone waiting is told.
    pub notice: Option<Notice>,
    /// How long paying takes; none until it is measured. It changes without the version.
    pub payment_latency: Option<PaymentLatency>,
}

impl SaleRow {
    /// What 99 of 100 payments stay below: as it was measured, or assumed until it is.
    #[must_use]
    pub fn payment_p99(&self) -> Duration {
        self.payment_latency.map_or(ASSUMED_P99, |measured| measured.p99)
    }

    /// How long a hold taken now lasts.
    #[must_use]
    pub fn hold_ttl_s(&self) -> u32 {
        self.config.hold.ttl_s(self.payment_p99())
    }
}

/// What came of creating a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a request and taken apart at once")]
pub enum CreateSale {
    /// It is a draft now.
    Created(SaleRow),
    /// Another sale has that slug.
    SlugTaken,
}

/// What came of a decision about a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It took effect now.
    Done(SaleRow),
    /// It was so already.
    Already(SaleRow),
    /// It makes no sense in the state the sale is in.
    Refused(StoredState),
    /// The organizer has no such sale.
    NotFound,
}

/// What came of publishing a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publish {
    /// Its units exist now and its capacity is booked.
    Published(SaleRow),
    /// It was published before; nothing was done.
    AlreadyPublished(SaleRow),
    /// The organizer has no such sale, or it was called off.
    NotFound,
}

/// How a sale is named in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleName<'a> {
    /// By id.
    Id(SaleId),
    /// By slug.
    Slug(&'a str),
}

/// Which published sales to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SaleFilter {
    /// Words in name or venue.
    pub text: Option<String>,
    /// Opening at or after.
    pub from: Option<Timestamp>,
    /// Opening before.
    pub to: Option<Timestamp>,
    /// Of this category.
    pub category: Option<String>,
    /// After this sale in the order (opening time, id).
    pub after: Option<(Timestamp, SaleId)>,
    /// At most so many.
    pub limit: u32,
}

/// How many units of a tier are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierCounts {
    /// All units.
    pub capacity: u32,
    /// Nobody's, or only held in Redis.
    pub free: u32,
    /// Of an order that is not paid.
    pub ordered: u32,
    /// Paid for.
    pub sold: u32,
    /// Kept back by the organizer.
    pub withheld: u32,
    /// Offered to the waitlist.
    pub offered: u32,
}

pub(crate) const STATEMENTS: &[&str] =
    &[CREATE, PUBLISH, SET_ADMISSION, DECIDE, FETCH, FETCH_BY_SLUG, LIST_PUBLISHED, LIST_LIVE, STOCK];

macro_rules! returning_sale {
    ($statement:literal) => {
        concat!(
            $statement,
            " id, organizer_id, slug, config, state, epoch, version, published_at, notice, notice_at,
              (SELECT to_jsonb(l) FROM payment_latencies l WHERE l.sale_id = id) "
        )
    };
    ($statement:literal, $rest:literal) => {
        concat!(
            $statement,
            " id, organizer_id, slug, config, state, epoch, version, published_at, notice, notice_at,
              (SELECT to_jsonb(l) FROM payment_latencies l WHERE l.sale_id = id) ",
            $rest
        )
    };
}

const CREATE: &str = returning_sale!(
    "WITH made AS (
        INSERT INTO sales (id, organizer_id, slug, config, currency, opens_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT ON CONSTRAINT sales_slug_key DO NOTHING RETURNING *),
     logged AS (
        INSERT INTO audit_log (sale_id, actor, act, detail)
        SELECT id, $7, 'sale_created', jsonb_build_object('after', config) FROM made)
     SELECT",
    "FROM made"
);
const PUBLISH: &str = "SELECT sale_publish($1, $2)";
const SET_ADMISSION: &str = "SELECT sale_set_admission($1, $2, $3, $4)";
const DECIDE: &str = "SELECT sale_decide($1, $2, $3, $4)";
const FETCH: &str = returning_sale!("SELECT", "FROM sales WHERE id = $1");
const FETCH_BY_SLUG: &str = returning_sale!("SELECT", "FROM sales WHERE slug = $1");
const LIST_PUBLISHED: &str = returning_sale!(
    "SELECT",
    "FROM sales
      WHERE state IN ('published', 'paused', 'closed')
        AND ($1::text IS NULL OR position(lower($1) IN lower(concat_ws(E'\\n', config ->> 'name', config ->> 'venue'))) > 0)
        AND ($2::timestamptz IS NULL OR opens_at >= $2)
        AND ($3::timestamptz IS NULL OR opens_at < $3)
        AND ($4::text IS NULL OR config ->> 'category' = $4)
        AND ($5::timestamptz IS NULL OR (opens_at, id) > ($5, $6::uuid))
      ORDER BY opens_at, id LIMIT $7::bigint"
);
const LIST_LIVE: &str =
    returning_sale!("SELECT", "FROM sales WHERE state IN ('published', 'paused') ORDER BY opens_at, id");
const STOCK: &str = "
    SELECT t.id, t.capacity,
           count(*) FILTER (WHERE u.state = 'free'), count(*) FILTER (WHERE u.state = 'ordered'),
           count(*) FILTER (WHERE u.state = 'sold'), count(*) FILTER (WHERE u.state = 'withheld'),
           count(*) FILTER (WHERE u.state = 'offered')
      FROM tiers t LEFT JOIN units u ON u.sale_id = t.sale_id AND u.tier_id = t.id
     WHERE t.sale_id = $1 GROUP BY t.sale_id, t.id";

/// Creates a draft.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_create(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    config: &SaleConfig,
) -> Result<CreateSale, LedgerError> {
    let (slug, currency) = (config.slug_or_from_name(), config.currency.as_str());
    let (by, opens_at) = (organizer.to_string(), config.phases()[0].opens_at);
    let params: [&(dyn ToSql + Sync); 7] =
        [&id.uuid(), &organizer.uuid(), &slug, &Json(config), &currency, &opens_at, &by];
    match ledger.row(CREATE, &params).await? {
        Some(row) => Ok(CreateSale::Created(sale_row(&row)?)),
        None => Ok(CreateSale::SlugTaken),
    }
}

/// Publishes a draft: makes its tiers and units and books its capacity.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_publish(ledger: &Ledger, organizer: OrganizerId, id: SaleId) -> Result<Publish, LedgerError> {
    let row = ledger.one(PUBLISH, &[&organizer.uuid(), &id.uuid()]).await?;
    let outcome: &str = row.try_get(0)?;
    let Some(sale) = sale_fetch(ledger, SaleName::Id(id)).await? else {
        return Ok(Publish::NotFound);
    };
    match outcome {
        "published" => Ok(Publish::Published(sale)),
        "already_published" => Ok(Publish::AlreadyPublished(sale)),
        "not_found" => Ok(Publish::NotFound),
        other => Err(LedgerError::Corrupt(format!("sale_publish answered {other}"))),
    }
}

/// Changes how visitors are let in; all else stays. None when the organizer has no such sale, or it is over. The same again
/// changes nothing.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_set_admission(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    admission: &AdmissionConfig,
    by: &str,
) -> Result<Option<SaleRow>, LedgerError> {
    let row = ledger.one(SET_ADMISSION, &[&organizer.uuid(), &id.uuid(), &Json(admission), &by]).await?;
    if row.try_get(0)? { sale_fetch(ledger, SaleName::Id(id)).await } else { Ok(None) }
}

/// Stops admission and new holds for a while.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_pause(ledger: &Ledger, organizer: OrganizerId, id: SaleId) -> Result<Decided, LedgerError> {
    decide(ledger, organizer, id, Decision::Pause).await
}

/// Goes on after a pause.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_resume(ledger: &Ledger, organizer: OrganizerId, id: SaleId) -> Result<Decided, LedgerError> {
    decide(ledger, organizer, id, Decision::Resume).await
}

/// Ends the sale.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_close(ledger: &Ledger, organizer: OrganizerId, id: SaleId) -> Result<Decided, LedgerError> {
    decide(ledger, organizer, id, Decision::Close).await
}

/// A sale in any state.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_fetch(ledger: &Ledger, name: SaleName<'_>) -> Result<Option<SaleRow>, LedgerError> {
    let row = match name {
        SaleName::Id(id) => ledger.row(FETCH, &[&id.uuid()]).await?,
        SaleName::Slug(slug) => ledger.row(FETCH_BY_SLUG, &[&slug]).await?,
    };
    row.as_ref().map(sale_row).transpose()
}

/// Published sales in the order of their opening.
///
/// # Errors
/// The database is away or refuses.
pub async fn sales_published(ledger: &Ledger, filter: &SaleFilter) -> Result<Vec<SaleRow>, LedgerError> {
    let SaleFilter { text, from, to, category, after, limit } = filter;
    let (after_time, after_id) = after.map(|(time, id)| (time, id.uuid())).unzip();
    let limit = i64::from(*limit);
    let rows = ledger.rows(LIST_PUBLISHED, &[text, from, to, category, &after_time, &after_id, &limit]).await?;
    rows.iter().map(sale_row).collect()
}

/// Sales that may have visitors, holds or open orders: published or paused.
///
/// # Errors
/// The database is away or refuses.
pub async fn sales_live(ledger: &Ledger) -> Result<Vec<SaleRow>, LedgerError> {
    ledger.rows(LIST_LIVE, &[]).await?.iter().map(sale_row).collect()
}

/// How many units are in each state.
///
/// # Errors
/// The database is away or refuses.
pub async fn sale_stock(ledger: &Ledger, id: SaleId) -> Result<BTreeMap<TierId, TierCounts>, LedgerError> {
    ledger.rows(STOCK, &[&id.uuid()]).await?.iter().map(tier_counts).collect()
}

/// Takes a decision where the sale's state allows it; the domain says where.
async fn decide(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    decision: Decision,
) -> Result<Decided, LedgerError> {
    let leads: Vec<(StoredState, StoredState)> =
        StoredState::ALL.iter().filter_map(|from| from.after(decision).map(|to| (*from, to))).collect();
    let (_, target) = *leads.first().expect("every decision makes sense in some state");
    let from: Vec<&str> = leads.iter().map(|(from, _)| from.word()).collect();
    let answer = ledger.one(DECIDE, &[&organizer.uuid(), &id.uuid(), &from, &target.word()]).await?;
    decided(ledger, organizer, id, target, &answer).await
}

/// What came of a decision, by the answer whether this call took it.
async fn decided(
    ledger: &Ledger,
    organizer: OrganizerId,
    id: SaleId,
    target: StoredState,
    answer: &Row,
) -> Result<Decided, LedgerError> {
    let done: bool = answer.try_get(0)?;
    match sale_fetch(ledger, SaleName::Id(id)).await? {
        Some(sale) if done => Ok(Decided::Done(sale)),
        Some(sale) if sale.organizer != organizer => Ok(Decided::NotFound),
        Some(sale) if sale.state == target => Ok(Decided::Already(sale)),
        Some(sale) => Ok(Decided::Refused(sale.state)),
        None => Ok(Decided::NotFound),
    }
}

fn sale_row(row: &Row) -> Result<SaleRow, LedgerError> {
    let state: &str = row.try_get(4)?;
    let Json(config) = row.try_get(3)?;
    Ok(SaleRow {
        id: SaleId::from_uuid(row.try_get(0)?),
        organizer: OrganizerId::from_uuid(row.try_get(1)?),
        slug: row.try_get(2)?,
        config,
        state: StoredState::from_word(state).ok_or_else(|| LedgerError::Corrupt(format!("sale state {state}")))?,
        epoch: fit(row.try_get::<_, i32>(5)?)?,
        version: fit(row.try_get::<_, i64>(6)?)?,
        published_at: row.try_get(7)?,
        notice: notice(row)?,
        payment_latency: latency::kept(row.try_get(10)?)?,
    })
}

fn notice(row: &Row) -> Result<Option<Notice>, LedgerError> {
    let (text, at): (Option<String>, Option<Timestamp>) = (row.try_get(8)?, row.try_get(9)?);
    Ok(text.zip(at).map(|(text, at)| Notice { text, at }))
}

fn tier_counts(row: &Row) -> Result<(TierId, TierCounts), LedgerError> {
    let tier: &str = row.try_get(0)?;
    let tier = tier.parse().map_err(|error| LedgerError::Corrupt(format!("tier {tier}: {error}")))?;
    let count = |index: usize| row.try_get::<_, i64>(index).map_err(LedgerError::from).and_then(fit);
    let capacity = fit(row.try_get::<_, i32>(1)?)?;
    let counts = TierCounts {
        capacity,
        free: count(2)?,
        ordered: count(3)?,
        sold: count(4)?,
        withheld: count(5)?,
        offered: count(6)?,
    };
    Ok((tier, counts))
}
