//! `POST …/checkins`: scans of tickets, one or many of a device.
//!
//! A scan is judged by its text first ([`domain::ticket`]) and by what became of its ticket then ([`ledger::checkins`]); it counts once
//! under the id that its device gave it. Bounds: [`SCANS_MAX`] in one request. `docs/door.md` says how scanners use it.

use std::sync::Arc;

use domain::TicketId;
use domain::ticket::{TicketError, Verified};
use http::StatusCode;
use jiff::Timestamp;
use ledger::checkins::{Checked, Conflict, Door, Scan, Verdict, checkins_apply};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::keeper;
use crate::answer::{Answer, json};
use crate::app::App;
use crate::metrics;
use crate::problem::Problem;
use crate::request::Request;

pub(crate) mod conflicts;
pub(crate) mod manifest;

/// The most scans of one request: as many as fit into a body.
const SCANS_MAX: usize = 200;
/// What a device's clock may show: from the year in which clocks begin that were never set, to one that is further off than any is wrong.
const CLOCK_MIN_S: i64 = 0;
const CLOCK_MAX_S: i64 = 4_102_444_800;
/// The longest name of a device.
const DEVICE_CHARS_MAX: usize = 64;

/// Scans of a device.
#[derive(Deserialize, ToSchema)]
#[schema(as = CheckIns)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckInBody {
    /// What the device calls itself: a gate, not a person.
    #[schema(min_length = 1, max_length = 64, example = "gate-3")]
    device: String,
    /// The device's clock as it sends this; it tells how wrong that clock is.
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    /// What it read, the oldest first.
    #[schema(min_items = 1, max_items = 200)]
    #[serde(deserialize_with = "crate::json::objects")]
    scans: Vec<ScanBody>,
}

/// A text that was read.
#[derive(Deserialize, ToSchema)]
#[schema(as = Scan)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanBody {
    /// Made by the device, another one for each scan: a scan counts once.
    #[schema(value_type = String)]
    id: Uuid,
    /// What the code says.
    #[schema(max_length = 4096)]
    text: String,
    /// When, by the device's clock.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Whether the door was opened already, because there was no network to ask over.
    #[serde(default)]
    #[schema(required = false)]
    admitted: bool,
}

/// What is said of each scan, in their order.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckedIn)]
pub(crate) struct CheckedInBody {
    /// One for each scan.
    data: Vec<VerdictBody>,
}

/// What is said of a scan.
#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub(crate) struct VerdictBody {
    /// The scan.
    #[schema(value_type = String)]
    id: Uuid,
    /// `valid`, `already_used`, `void`, `wrong_sale` or `forged`; `id_taken` when it was not judged, because its id is another scan's.
    #[schema(example = "valid")]
    verdict: &'static str,
    /// Why it is forged: `shape`, `unknown_key`, `forged`, `not_issued` or `wrong_key`.
    why: Option<&'static str>,
    /// The ticket, where the text verifies.
    #[schema(value_type = Option<String>)]
    ticket: Option<TicketId>,
    /// When it opened the door, if it did.
    #[schema(value_type = Option<String>, format = DateTime)]
    used_at: Option<Timestamp>,
    /// Where.
    used_device: Option<String>,
    /// Whether more than one went in with it, or one who should not.
    conflict: bool,
}

/// `POST /v1/organizer/sales/{sale}/checkins`
pub(crate) async fn check_in(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = keeper(app, request).await?;
    let body: CheckInBody = request.json()?;
    check(&body)?;
    let (mut said, mut known, mut scans) = (Vec::new(), Vec::new(), Vec::new());
    for scan in &body.scans {
        match app.ticket_signer.verify(&scan.text) {
            Ok(read) if read.payload.sale == sale.id() => {
                known.push(said.len());
                scans.push(scan.of(&read));
                said.push(scan.judged("void", None, Some(read.payload.ticket)));
            }
            Ok(read) => said.push(scan.judged("wrong_sale", None, Some(read.payload.ticket))),
            Err(why) => said.push(scan.judged("forged", Some(word(why)), None)),
        }
        // A full batch takes some ten milliseconds to verify: others come in between.
        tokio::task::yield_now().await;
    }
    if !scans.is_empty() {
        let checked = checkins_apply(&app.ledger, sale.id(), &body.device, body.sent_at, &scans).await?;
        for (index, checked) in known.into_iter().zip(checked) {
            said[index].tell(checked);
        }
    }
    for verdict in &said {
        metrics::checked_in(sale.id(), verdict.verdict);
    }
    Ok(json(StatusCode::OK, &CheckedInBody { data: said }))
}

fn check(body: &CheckInBody) -> Result<(), Problem> {
    let named = (1..=DEVICE_CHARS_MAX).contains(&body.device.chars().count())
        && !body.device.trim().is_empty()
        && !body.device.chars().any(char::is_control);
    if !named {
        let rule = format!("must be 1 to {DEVICE_CHARS_MAX} characters, none of them a control character");
        return Err(Problem::invalid_at("/device", rule));
    }
    if !(1..=SCANS_MAX).contains(&body.scans.len()) {
        return Err(Problem::invalid_at("/scans", format!("must be 1 to {SCANS_MAX} scans")));
    }
    clock_shows("/sent_at", body.sent_at)?;
    body.scans.iter().enumerate().try_for_each(|(index, scan)| clock_shows(&format!("/scans/{index}/at"), scan.at))
}

/// Clocks are wrong, by years when a battery was empty; what no clock shows is a fault of whoever wrote it, and too far for the database.
fn clock_shows(pointer: &str, at: Timestamp) -> Result<(), Problem> {
    if (CLOCK_MIN_S..CLOCK_MAX_S).contains(&at.as_second()) {
        return Ok(());
    }
    Err(Problem::invalid_at(pointer, "must be in the years 1970 to 2099"))
}

const fn word(why: TicketError) -> &'static str {
    match why {
        TicketError::Shape => "shape",
        TicketError::UnknownKey => "unknown_key",
        TicketError::Forged => "forged",
    }
}

/// A verdict of the ledger and, where it is `forged`, why.
const fn said(verdict: Verdict) -> (&'static str, Option<&'static str>) {
    match verdict {
        Verdict::Valid => ("valid", None),
        Verdict::AlreadyUsed => ("already_used", None),
        Verdict::Void => ("void", None),
        Verdict::Forged => ("forged", Some("not_issued")),
        Verdict::WrongKey => ("forged", Some("wrong_key")),
        Verdict::IdTaken => ("id_taken", None),
    }
}

impl ScanBody {
    /// It, once its text was verified.
    const fn of(&self, read: &Verified) -> Scan {
        let door = if self.admitted { Door::Opened } else { Door::Closed };
        let Verified { payload, kid } = *read;
        Scan { id: self.id, ticket: payload.ticket, rotation: payload.rotation, kid, at: self.at, door }
    }

    /// Whoever was let in with what opens no door is a conflict, whatever else is known of it.
    const fn judged(&self, verdict: &'static str, why: Option<&'static str>, ticket: Option<TicketId>) -> VerdictBody {
        VerdictBody { id: self.id, verdict, why, ticket, used_at: None, used_device: None, conflict: self.admitted }
    }
}

impl VerdictBody {
    fn tell(&mut self, checked: Checked) {
        (self.verdict, self.why) = said(checked.verdict);
        self.conflict = checked.conflict == Conflict::Reported;
        (self.used_at, self.used_device) = checked.used.map(|used| (used.at, used.device)).unzip();
    }
}
