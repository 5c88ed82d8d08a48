//! `GET …/checkins/conflicts`: with which tickets more than one went in, or one who should not, for people to look at.

use std::sync::Arc;

use domain::TicketId;
use http::StatusCode;
use jiff::Timestamp;
use ledger::checkins::{ConflictPage, ConflictRow, checkin_conflicts};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::keeper;
use super::said;
use crate::answer::{Answer, json};
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;

/// Conflicts of one page, when nothing is said, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 100;

/// A page of conflicts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConflictList {
    /// The conflicts, in the order of the scans' ids.
    data: Vec<ConflictBody>,
    /// Where it goes on; none at the end.
    next_cursor: Option<String>,
}

/// A scan with which somebody went in, and did not use the ticket.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckInConflict)]
pub(crate) struct ConflictBody {
    /// The scan.
    #[schema(value_type = String)]
    id: Uuid,
    /// The ticket.
    #[schema(value_type = String)]
    ticket: TicketId,
    /// Where somebody went in.
    device: String,
    /// When, by the device's clock put right.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What was said of the scan.
    #[schema(example = "already_used")]
    verdict: &'static str,
    /// Why it is forged: `wrong_key`.
    why: Option<&'static str>,
    /// When the ticket was used, if it was.
    #[schema(value_type = Option<String>, format = DateTime)]
    used_at: Option<Timestamp>,
    /// Where.
    used_device: Option<String>,
}

/// `GET /v1/organizer/sales/{sale}/checkins/conflicts`
pub(crate) async fn list(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = keeper(app, request).await?;
    let page = page(request)?;
    let limit = page.limit as usize;
    let mut rows = checkin_conflicts(&app.ledger, sale.id(), ConflictPage { limit: page.limit + 1, ..page }).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id.to_string());
    Ok(json(StatusCode::OK, &ConflictList { data: rows.into_iter().map(ConflictBody::from).collect(), next_cursor }))
}

fn page(request: &Request) -> Result<ConflictPage, Problem> {
    let mut page = ConflictPage { after: None, limit: LIMIT_DEFAULT };
    for (name, value) in request.query() {
        let wrong = |detail: &str| Problem::invalid_at(format!("?{name}"), detail);
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                page.limit = limit.ok_or_else(|| wrong("must be 1 to 100"))?;
            }
            "cursor" => page.after = Some(value.parse().map_err(|_| wrong("must be a next_cursor"))?),
            _ => return Err(wrong("is no parameter of this list")),
        }
    }
    Ok(page)
}

impl From<ConflictRow> for ConflictBody {
    fn from(row: ConflictRow) -> Self {
        let ConflictRow { id, ticket, device, at, verdict, used } = row;
        let (used_at, used_device) = used.map(|used| (used.at, used.device)).unzip();
        let (verdict, why) = said(verdict);
        Self { id, ticket, device, at, verdict, why, used_at, used_device }
    }
}
