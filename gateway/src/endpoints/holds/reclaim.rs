//! `POST /v1/sales/{sale}/holds/{hold}/reclaim`: a hold given back after Redis was lost, on its receipt.
//!
//! ```text
//! hold_facts (Postgres: an order, a tombstone, or neither, in this epoch) ─► reclaim (Redis, in this epoch)
//! ```
//!
//! The receipt says it all: which hold, whose, until when, which units. It may be sent at any time and as often as one
//! likes: a hold that is there is answered as it is. In the window after a loss nothing else is held, so whoever comes back
//! within it has the same units; later they may be somebody else's by now. What makes this safe is in [`admission::Reclaim`].

use std::sync::Arc;

use admission::{HeldUnit, HoldView, Reclaim, ReclaimHold};
use domain::hold::HoldState;
use domain::token::{Allowance, Receipt};
use http::StatusCode;
use ledger::holds::{Settle, hold_facts};

use super::{body_of, hold_in, order_of};
use crate::answer::{Answer, json};
use crate::app::App;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::metrics;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

/// `POST /v1/sales/{sale}/holds/{hold}/reclaim`
pub(crate) async fn reclaim(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let receipt = identity::receipt(request, sale.id(), hold_in(request)?, &app.signer)?;
    app.count(Limit::Hold, Client::Order(order_of(receipt.hold)))?;
    if !sale.is_live() {
        return Err(Code::SaleClosed.into());
    }
    let (epoch, hold) = give_back(app, &sale, receipt).await?;
    // Who was given more time is in the pass, which need not be shown here.
    Ok(json(StatusCode::OK, &body_of(app, &sale, Allowance::Usual, epoch, hold)?))
}

/// The hold as it is now, and the epoch it is in.
async fn give_back(app: &App, sale: &Sale, receipt: Receipt) -> Result<(u32, HoldView), Problem> {
    let facts = hold_facts(&app.ledger, sale.id(), receipt.hold, &receipt.units).await?.ok_or(Code::NotFound)?;
    match facts.settled {
        Some(Settle::Ordered) => return Ok((facts.epoch, ordered(receipt))),
        Some(Settle::Tombstoned | Settle::Withheld) => return Err(Code::HoldExpired.into()),
        None if !facts.units_free => return Err(Code::SeatTaken.into()),
        None => {}
    }
    let reclaim = app.holds.reclaim(sale.id(), &wish(receipt, facts.epoch)).await?;
    metrics::hold_reclaimed(sale.id(), &reclaim);
    match reclaim {
        Reclaim::Reclaimed(hold) | Reclaim::Live(hold) => Ok((facts.epoch, hold)),
        Reclaim::Ended => Err(Code::HoldExpired.into()),
        Reclaim::PassInUse => Err(Code::PassInUse.into()),
        Reclaim::SeatTaken => Err(Code::SeatTaken.into()),
    }
}

fn wish(receipt: Receipt, epoch: u32) -> ReclaimHold {
    ReclaimHold {
        hold: receipt.hold,
        number: receipt.number,
        expires_at: receipt.expires_at,
        units: held_units(receipt.units),
        receipt_epoch: receipt.epoch,
        epoch,
    }
}

/// A hold whose order is in Postgres; Redis need not know it any more.
fn ordered(receipt: Receipt) -> HoldView {
    HoldView {
        id: receipt.hold,
        state: HoldState::Committed,
        number: receipt.number,
        units: held_units(receipt.units),
        expires_at: receipt.expires_at,
        extensions: 0,
    }
}

fn held_units(units: Vec<(domain::TierId, domain::UnitNo)>) -> Vec<HeldUnit> {
    units.into_iter().map(|(tier, unit)| HeldUnit { tier, unit }).collect()
}
