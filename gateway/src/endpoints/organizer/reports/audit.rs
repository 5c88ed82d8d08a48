//! `GET …/audit`: the invariants of a sale, checked at this moment.
//!
//! What `onsale audit --sale` says of Postgres, without what is of the whole installation. Redis is not compared and draws are not
//! computed again: the command does both. It costs what the sale is large, so there is one at a time on a database and it ends
//! after [`AUDIT_MAX`]; both are said with 503.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use ledger::audit::{AuditLine, AuditReport, AuditSale, audit_sale};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, json};
use crate::app::App;
use crate::endpoints::organizer::readable;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// Enough for some hundred thousand tickets, and no longer than a proxy waits.
const AUDIT_MAX: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditBody {
    /// Whether every invariant holds.
    holds: bool,
    /// One an invariant.
    lines: Vec<AuditLineBody>,
}

/// What was found of one invariant.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditLineBody {
    /// Its number.
    #[schema(example = "I1")]
    invariant: &'static str,
    /// What it says.
    #[schema(example = "a unit belongs to one buyer at most")]
    title: &'static str,
    /// What was counted: an audit of nothing finds nothing.
    #[schema(value_type = BTreeMap<String, i64>)]
    figures: BTreeMap<&'static str, i64>,
    /// What breaks it, by id, a hundred at most; empty when it holds.
    breaches: Vec<String>,
}

/// `GET /v1/organizer/sales/{sale}/audit`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    match audit_sale(&app.ledger, sale.id, AUDIT_MAX).await? {
        AuditSale::Done(report) => Ok(json(StatusCode::OK, &AuditBody::from(report))),
        AuditSale::Busy => Err(Problem::new(Code::Overloaded).detail("Another audit is under way.")),
        AuditSale::TooLong => {
            let detail = format!("The audit of this sale takes more than {AUDIT_MAX:?}: run `onsale audit --sale`.");
            Err(Problem::new(Code::Overloaded).detail(detail))
        }
    }
}

impl From<AuditReport> for AuditBody {
    fn from(report: AuditReport) -> Self {
        Self { holds: report.holds(), lines: report.lines.into_iter().map(AuditLineBody::from).collect() }
    }
}

impl From<AuditLine> for AuditLineBody {
    fn from(AuditLine { invariant, title, figures, breaches }: AuditLine) -> Self {
        Self { invariant, title, figures: figures.into_iter().collect(), breaches }
    }
}
