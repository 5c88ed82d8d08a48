//! The queue of a sale from its organizer's side: how it moves, how fast it should, who may go first.
//!
//! What was decided about the rate acts in this gateway at once and in the others within a second; the order of the line
//! does not change. A bypass is the one exception from the order there is: it is in the admission log, with its reason,
//! before anything else happens, and obeys the cap like any turn.

use std::sync::Arc;

use domain::PlaceNumber;
use domain::sale::AdmissionConfig;
use http::StatusCode;
use jiff::Timestamp;
use ledger::queue::{Bypass, LogRow, admission_log_latest, bypass_log};
use ledger::sales::{SaleRow, sale_set_admission};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::hold_ttl::HoldTtlBody;
use super::{conflict, decidable, decided, readable};
use crate::answer::{Answer, json};
use crate::app::App;
use crate::floor::Seen;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// Log rows of one page, when nothing is said, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// The longest reason of a bypass.
const REASON_CHARS_MAX: usize = 500;

/// What is to change about the way visitors are let in; what is left out stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdmissionPatch {
    /// Turns given per second.
    #[serde(deserialize_with = "given")]
    #[schema(minimum = 1, example = 25)]
    rate_per_s: Option<u32>,
    /// Turns that may be given at once after a lull.
    #[serde(deserialize_with = "given")]
    #[schema(minimum = 1)]
    burst: Option<u32>,
    /// The most shoppers inside, unused turns included.
    #[serde(deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_shoppers: Option<u32>,
    /// How long a shopping session lasts from its first hold.
    #[serde(deserialize_with = "given")]
    #[schema(minimum = 1)]
    session_s: Option<u32>,
    /// How long a turn waits to be used.
    #[serde(deserialize_with = "given")]
    #[schema(minimum = 1)]
    claim_window_s: Option<u32>,
    /// How many more turns may be out than there are units free.
    #[serde(deserialize_with = "given")]
    overbook: Option<u32>,
}

/// Who may go first, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BypassBody {
    /// The number in the queue.
    #[schema(minimum = 1, example = 42)]
    number: u64,
    /// Why; it is published with the log, so it must name nobody.
    #[schema(min_length = 1, max_length = 500, example = "wheelchair user, asked at the support desk")]
    reason: String,
}

/// A turn given out of turn.
#[derive(Serialize, ToSchema)]
pub(crate) struct BypassedBody {
    /// To whom.
    #[schema(value_type = u64)]
    number: PlaceNumber,
    /// Why.
    reason: String,
}

/// A queue as its organizer sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnQueueBody {
    /// The line now; null when the sale is not live or Redis is away.
    line: Option<LineBody>,
    /// How it moves; null as well then.
    pace: Option<PaceBody>,
    /// How long those inside may hold units.
    hold: HoldTtlBody,
    /// What happened to whom, the latest first.
    log: LogPage,
}

/// How many are where.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineBody {
    /// When, by the sale's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// In line and heard of lately.
    waiting: u64,
    /// In line and silent: passed over until they are heard of again.
    silent: u64,
    /// Inside, unused turns included.
    shoppers: u64,
    /// Turns given since Redis was last rebuilt.
    admitted_total: u64,
    /// Numbers given out.
    joined_total: u64,
    /// Places given up.
    left_total: u64,
    /// Sessions over, and places nobody was heard of from for too long.
    expired_total: u64,
}

/// How fast the line moves.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaceBody {
    /// Turns per second, as configured.
    rate_per_s: u32,
    /// The share of it that is given now.
    #[schema(minimum = 0, maximum = 1, example = 1.0)]
    factor: f64,
    /// Why it is that share.
    #[schema(example = "full")]
    why: Why,
    /// The share of turns that nobody uses; so much more are given.
    #[schema(minimum = 0, maximum = 0.9, example = 0.0)]
    no_show: f64,
    /// Payment calls of the last seconds, over all gateways.
    payments: u32,
    /// Of them, bad: failed, not answered, or far slower than usual.
    payments_bad: u32,
    /// How long they took on average, in milliseconds.
    payments_mean_ms: u64,
}

/// Why the line moves as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Nothing holds it back but the configuration.
    Full,
    /// Payments are slow or fail, or were until a moment ago.
    Payments,
    /// The organizer paused the sale.
    PausedByOrganizer,
    /// Stripe does not answer.
    StripeAway,
    /// Postgres does not answer.
    PostgresAway,
}

/// A page of the admission log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogPage {
    /// The lines, the latest first.
    data: Vec<LogBody>,
    /// Where it goes on, towards the beginning; none there.
    next_cursor: Option<String>,
}

/// A line of the admission log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogBody {
    /// Its place in the log, without holes.
    seq: u64,
    /// How often Redis had been rebuilt.
    epoch: u32,
    /// `granted`, `lapsed`, `left`, `ended`, `bypassed`, `bypass_asked`, `returned`, `epoch`, `stopped` or `resumed`.
    #[schema(example = "granted")]
    kind: &'static str,
    /// Whose number; of several the lowest.
    #[schema(value_type = Option<u64>)]
    number: Option<PlaceNumber>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How many it was about, when it was about several.
    count: Option<u32>,
    /// Why.
    note: Option<String>,
}

/// `PATCH /v1/organizer/sales/{sale}/admission`
pub(crate) async fn set_admission(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let patch: AdmissionPatch = request.json()?;
    let mut config = sale.config;
    config.admission = patch.applied_to(config.admission);
    let mut faults = config.faults();
    // The configuration was valid but for what is changed here, and the body has no `/admission`.
    faults.retain(|fault| fault.pointer.starts_with(ADMISSION));
    for fault in &mut faults {
        fault.pointer = fault.pointer.replacen(ADMISSION, "", 1);
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    match sale_set_admission(&app.ledger, sale.organizer, sale.id, &config.admission, &by).await? {
        Some(row) => decided(app, row).await,
        None => Err(conflict(sale.state)),
    }
}

const ADMISSION: &str = "/admission";

/// `POST /v1/organizer/sales/{sale}/bypasses`
pub(crate) async fn bypass(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    let BypassBody { number, reason } = request.json()?;
    let (number, reason) = (PlaceNumber(number), reason.trim());
    let is_reason = (1..=REASON_CHARS_MAX).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if !is_reason {
        return Err(Problem::invalid_at("/reason", format!("1 to {REASON_CHARS_MAX} characters")));
    }
    if i64::try_from(number.0).is_err() {
        return Err(Code::NotWaiting.into());
    }
    match bypass_log(&app.ledger, sale.organizer, sale.id, number, reason, &by).await? {
        Bypass::Logged => {}
        Bypass::NotFound => return Err(conflict(sale.state)),
    }
    match app.queue.bypass(sale.id, number).await? {
        admission::Bypass::Granted => {
            Ok(json(StatusCode::CREATED, &BypassedBody { number, reason: reason.to_owned() }))
        }
        admission::Bypass::NotWaiting => Err(Code::NotWaiting.into()),
        admission::Bypass::Full => Err(Code::NoRoom.into()),
    }
}

/// `GET /v1/organizer/sales/{sale}/queue`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let log = log(app, request, &sale).await?;
    // The log is in Postgres and worth showing also while Redis is away.
    let seen = seen(app, &sale).await.ok();
    let body = OwnQueueBody {
        line: seen.as_deref().map(LineBody::of),
        pace: seen.as_deref().map(|seen| PaceBody::of(&sale, seen)),
        hold: HoldTtlBody::of(&sale),
        log,
    };
    Ok(json(StatusCode::OK, &body))
}

async fn seen(app: &Arc<App>, sale: &SaleRow) -> Result<Arc<Seen>, Problem> {
    let sale = app.sale(&sale.id.to_string()).await?;
    app.live(&sale).await.map(|(_, seen)| seen)
}

async fn log(app: &App, request: &Request, sale: &SaleRow) -> Result<LogPage, Problem> {
    let limit = match request.query_value("limit") {
        Some(text) => text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)),
        None => Some(LIMIT_DEFAULT),
    };
    let limit = limit.ok_or_else(|| Problem::invalid_at("?limit", format!("must be 1 to {LIMIT_MAX}")))?;
    let before = match request.query_value("cursor") {
        Some(text) => Some(line_of(&text).ok_or_else(|| Problem::invalid_at("?cursor", "must be a next_cursor"))?),
        None => None,
    };
    let mut rows = admission_log_latest(&app.ledger, sale.id, before, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|row| hex::encode(row.seq.to_string()));
    Ok(LogPage { data: rows.into_iter().map(LogBody::from).collect(), next_cursor })
}

fn line_of(cursor: &str) -> Option<u64> {
    let seq: i64 = String::from_utf8(hex::decode(cursor).ok()?).ok()?.parse().ok()?;
    u64::try_from(seq).ok()
}

impl AdmissionPatch {
    fn applied_to(&self, old: AdmissionConfig) -> AdmissionConfig {
        AdmissionConfig {
            rate_per_s: self.rate_per_s.unwrap_or(old.rate_per_s),
            burst: self.burst.unwrap_or(old.burst),
            max_shoppers: self.max_shoppers.unwrap_or(old.max_shoppers),
            session_s: self.session_s.unwrap_or(old.session_s),
            claim_window_s: self.claim_window_s.unwrap_or(old.claim_window_s),
            overbook: self.overbook.unwrap_or(old.overbook),
        }
    }
}

/// A field that is there says something: null is no number.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(Some)
}

impl LineBody {
    fn of(seen: &Seen) -> Self {
        let view = &seen.view;
        Self {
            at: view.now,
            waiting: view.waiting(),
            silent: view.in_line().saturating_sub(view.waiting()),
            shoppers: u64::from(view.shoppers()),
            admitted_total: view.admitted_total,
            joined_total: view.joined_total,
            left_total: view.left_total,
            expired_total: view.expired_total,
        }
    }
}

impl PaceBody {
    fn of(sale: &SaleRow, seen: &Seen) -> Self {
        let factor_milli = if seen.view.standstill.is_some() { 0 } else { seen.view.factor_milli };
        let pacing = seen.view.pacing;
        Self {
            rate_per_s: sale.config.admission.rate_per_s,
            factor: f64::from(factor_milli) / 1_000.0,
            why: Why::of(seen),
            no_show: f64::from(pacing.no_show_milli) / 1_000.0,
            payments: pacing.payments,
            payments_bad: pacing.bad,
            payments_mean_ms: pacing.mean_ms,
        }
    }
}

impl Why {
    fn of(seen: &Seen) -> Self {
        match (seen.view.standstill, seen.view.factor_milli) {
            (Some(admission::Standstill::Organizer), _) => Self::PausedByOrganizer,
            (Some(admission::Standstill::Incident(admission::Incident::Stripe)), _) => Self::StripeAway,
            (Some(admission::Standstill::Incident(admission::Incident::Postgres)), _) => Self::PostgresAway,
            (None, 0..1_000) => Self::Payments,
            (None, _) => Self::Full,
        }
    }
}

impl From<LogRow> for LogBody {
    fn from(row: LogRow) -> Self {
        let LogRow { seq, epoch, kind, number, at, count, note } = row;
        Self { seq, epoch, kind: kind.word(), number, at, count, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_patch_names_changes_and_the_rest_stays() {
        let old = AdmissionConfig::default();
        let patch: AdmissionPatch = serde_json::from_str(r#"{"rate_per_s":7}"#).unwrap();
        assert_eq!(patch.applied_to(old.clone()), AdmissionConfig { rate_per_s: 7, ..old.clone() });
        let nothing: AdmissionPatch = serde_json::from_str("{}").unwrap();
        assert_eq!(nothing.applied_to(old.clone()), old);
        for wrong in [r#"{"rate_per_s":null}"#, r#"{"rate":7}"#, r#"{"rate_per_s":-1}"#, r#"{"rate_per_s":"7"}"#] {
            assert!(serde_json::from_str::<AdmissionPatch>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_finds_its_line_again_and_others_do_not() {
        assert_eq!(line_of(&hex::encode("17")), Some(17));
        for wrong in ["", "17", &hex::encode("-1"), &hex::encode("99999999999999999999")] {
            assert_eq!(line_of(wrong), None, "{wrong}");
        }
    }
}
