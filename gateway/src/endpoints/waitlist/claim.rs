//! `POST /v1/sales/{sale}/waitlist/{entry}/claim`: an offer becomes an order, in one call of the ledger.
//!
//! The order's id is the offer's, so whoever asks again has the same one, with its token. Nothing of it is in Redis: its units were
//! never free. A refusal leaves the offer as it is.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::token::Allowance;
use domain::{EntryId, OrderId};
use http::StatusCode;
use ledger::waitlist::claims::{Claim, NewClaim, offer_claim};
use ledger::waitlist::{OfferRow, waitlist_fetch};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{entry, limit_reached, not_offered, require_mailed};
use crate::answer::{Answer, json_bytes};
use crate::app::App;
use crate::endpoints::holds::unknown_tier;
use crate::endpoints::orders::{name_fault, told};
use crate::limits::Limit;
use crate::metrics;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;
use crate::trace::is_about_order;

/// Who takes an offer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimBody {
    /// Whose tickets they are.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// `POST /v1/sales/{sale}/waitlist/{entry}/claim`
pub(crate) async fn claim(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, token) = entry(app, request, Limit::Order).await?;
    require_mailed(&token)?;
    let body: ClaimBody = request.json()?;
    if let Some(detail) = name_fault(&body.name) {
        return Err(Problem::invalid_at("/name", detail));
    }
    let row = waitlist_fetch(&app.ledger, sale.id(), token.entry).await?.ok_or(Code::NotFound)?;
    let offer = row.offer.ok_or_else(|| not_offered(row.state))?;
    let claim = new_claim(app, &sale, token.entry, &offer, body.name)?;
    is_about_order(claim.order);
    let (status, row) = match offer_claim(&app.ledger.traced(request.trace.here), &claim).await? {
        Claim::Created(row) => {
            metrics::order_created(sale.id(), row.state);
            (StatusCode::CREATED, row)
        }
        Claim::Existing(row) => (StatusCode::OK, row),
        Claim::NotOffered(state) => return Err(not_offered(state)),
        Claim::LimitReached { limit, tier } => return Err(limit_reached(limit, tier)),
        Claim::SalePaused => return Err(Code::SalePaused.into()),
        Claim::SaleNotOpen => return Err(Code::SaleClosed.into()),
        Claim::NotFound => return Err(Code::NotFound.into()),
        Claim::UnitsDiffer => {
            tracing::error!(sale = %sale.id(), entry = %token.entry, "an offer changed after it was read");
            return Err(Code::InternalError.into());
        }
    };
    Ok(json_bytes(status, told(app, &sale, row).into()))
}

fn new_claim(app: &App, sale: &Sale, entry: EntryId, offer: &OfferRow, name: String) -> Result<NewClaim, Problem> {
    let units = u32::try_from(offer.units.len()).ok().and_then(NonZeroU32::new).expect("an offer has a few units");
    let lines = sale.lines(&offer.tier, units).ok_or_else(|| unknown_tier(&offer.tier))?;
    let total = domain::price::total(sale.config(), &lines).expect("a stored configuration has prices in range");
    Ok(NewClaim {
        sale: sale.id(),
        entry,
        order: OrderId::from_uuid(offer.id.uuid()),
        name,
        tier: offer.tier.clone(),
        units: offer.units.clone(),
        lines,
        total,
        pay_within_s: sale.hold_ttl_s(Allowance::Usual),
        qr_kid: app.ticket_signer.kid(),
    })
}
