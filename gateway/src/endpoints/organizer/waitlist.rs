//! `GET /v1/organizer/sales/{sale}/waitlist`: how many wait, and what became of what they were offered.
//!
//! From joining to paying, tier by tier: joined, confirmed, made, claimed, paid. Counts alone: who waits is nobody's business but theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::TierId;
use http::StatusCode;
use ledger::waitlist::figures::{LineFigures, entries_by_state, lines_of_sale};
use serde::Serialize;
use utoipa::ToSchema;

use super::readable;
use crate::answer::{Answer, json};
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;

/// The waitlist of a sale as its organizer sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnWaitlistBody {
    /// How many entries are where.
    #[schema(value_type = Object, example = json!({ "waiting": 120, "offered": 3, "claimed": 17 }))]
    entries: BTreeMap<&'static str, u64>,
    /// The line of each tier.
    lines: Vec<WaitlistLineBody>,
}

/// The line of a tier.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaitlistLineBody {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// Entries that ever asked for it; one that asked for several tiers is in each.
    joined: u64,
    /// Of those, how many were confirmed.
    confirmed: u64,
    /// Entries that wait for it; one that waits for several is in each.
    waiting: u64,
    /// Units they ask for.
    wanted: u64,
    /// Units kept for them that nobody was offered yet.
    kept: u64,
    /// What became of its offers.
    offers: OffersBody,
}

/// What became of offers.
#[derive(Serialize, ToSchema)]
pub(crate) struct OffersBody {
    /// How many were made: one an entry, ever.
    made: u64,
    /// They live.
    live: u64,
    /// They became orders.
    claimed: u64,
    /// Of those, how many were paid.
    paid: u64,
    /// Their time ran out.
    lapsed: u64,
    /// They were given back.
    declined: u64,
    /// Of a hundred that are over, how many were paid; none while none is over.
    #[schema(maximum = 100)]
    conversion_percent: Option<u64>,
}

/// `GET /v1/organizer/sales/{sale}/waitlist`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let entries = entries_by_state(&app.ledger, sale.id).await?;
    let lines = lines_of_sale(&app.ledger, sale.id).await?;
    let body = OwnWaitlistBody {
        entries: entries.into_iter().map(|(state, count)| (state.word(), count)).collect(),
        lines: lines.into_iter().map(|(tier, figures)| line(tier, figures)).collect(),
    };
    Ok(json(StatusCode::OK, &body))
}

fn line(tier: TierId, figures: LineFigures) -> WaitlistLineBody {
    let LineFigures { joined, confirmed, offered: made, waiting, wanted, kept, .. } = figures;
    let LineFigures { live, claimed, paid, lapsed, declined, .. } = figures;
    let over = claimed + lapsed + declined;
    let conversion_percent = (paid * 100).checked_div(over);
    let offers = OffersBody { made, live, claimed, paid, lapsed, declined, conversion_percent };
    WaitlistLineBody { tier, joined, confirmed, waiting, wanted, kept, offers }
}
