//! `PATCH /v1/organizer/sales/{sale}`: a JSON merge patch (RFC 7396) of a sale's configuration.
//!
//! `If-Match` names the version that the client saw, so of two who change the same one is told to look again, and a change whose
//! answer was lost is never made twice. Lists are replaced whole, as the RFC has it: who raises the capacity of one tier sends all
//! tiers. Whatever comes of the patch must be a valid configuration; what may differ from the one before depends on the state of
//! the sale, and the domain says it ([`SaleConfig::refused_changes`]). What changed acts in this gateway before it is answered, in
//! the others within a second. A patch that changes nothing is answered and leaves no trace.
//!
//! No letter tells buyers of it: the organizer does, who knows whether it matters. A calendar that is fetched again has the new date.

use std::sync::Arc;

use domain::sale::{SaleConfig, StoredState};
use ledger::sales::SaleRow;
use ledger::sales::change::{ChangeSale, sale_change};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{OwnSaleBody, conflict, decidable, decided, etag};
use crate::answer::Answer;
use crate::app::App;
use crate::json::MERGE_PATCH;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// A merge patch of what creating a sale takes: what is left out stays, what is null is as if it had been left out when the sale was
/// created, and lists are replaced whole.
#[derive(Deserialize, ToSchema)]
#[schema(as = SalePatch, value_type = Object)]
pub(crate) struct ChangeBody(Map<String, Value>);

/// `PATCH /v1/organizer/sales/{sale}`
pub(crate) async fn change(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, by) = decidable(app, request).await?;
    request.if_match(&etag(&sale))?;
    let ChangeBody(patch) = request.json_as(MERGE_PATCH)?;
    if sale.state == StoredState::Cancelled {
        return Err(conflict(sale.state));
    }
    let after = patched(&sale, patch)?;
    if after == sale.config {
        return decided(app, sale).await;
    }
    match sale_change(&app.ledger, sale.organizer, sale.id, sale.version, &after, &by).await? {
        ChangeSale::Changed(row) => decided(app, row).await,
        ChangeSale::Stale => Err(Code::PreconditionFailed.into()),
        ChangeSale::SlugTaken => Err(Code::SlugTaken.into()),
        ChangeSale::NotFound => Err(Code::NotFound.into()),
    }
}

/// What the configuration becomes.
fn patched(sale: &SaleRow, patch: Map<String, Value>) -> Result<SaleConfig, Problem> {
    let before = OwnSaleBody::from(sale.clone()).config;
    let document = serde_json::to_value(&before).expect("a configuration has string keys");
    let mut after: SaleConfig = crate::json::shaped(&merged(document, Value::Object(patch)))?;
    let faults = after.faults();
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let refused = before.refused_changes(&after, sale.state);
    if !refused.is_empty() {
        return Err(Problem::new(Code::NotChangeable).errors(refused));
    }
    if after.slug == before.slug {
        after.slug.clone_from(&sale.config.slug);
    }
    Ok(after)
}

/// RFC 7396, section 2.
fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut fields = if let Value::Object(fields) = target { fields } else { Map::new() };
    for (name, change) in changes {
        let before = fields.remove(&name).unwrap_or_default();
        if !change.is_null() {
            fields.insert(name, merged(before, change));
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests;
