//! `POST /v1/sales/{sale}/holds/{hold}/extend`: more time for a hold.
//!
//! Each extension adds the TTL once more, up to the longest TTL of the sale from now on and never past the end of the
//! shopping session; who was given more time has more of all of it. One round trip to Redis. With an `Idempotency-Key` a
//! call whose answer was lost may be repeated, and extends once; without one each call is a wish of its own.

use std::sync::Arc;

use admission::{Extend, ExtendHold, RequestId};
use domain::HoldId;
use domain::token::PassToken;
use http::StatusCode;
use uuid::Uuid;

use super::{body, hold_in};
use crate::answer::{Answer, json};
use crate::app::App;
use crate::idempotency;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

/// `POST /v1/sales/{sale}/holds/{hold}/extend`
pub(crate) async fn extend(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let pass = identity::pass(request, sale.id(), &app.signer)?;
    app.count(Limit::Hold, Client::Holder(pass.holder))?;
    let wish = wish(&sale, &pass, hold_in(request)?, request.idempotency_key()?);
    match app.holds.extend(sale.id(), &wish).await? {
        Extend::Extended(hold) => Ok(json(StatusCode::OK, &body(app, &sale, &pass, hold).await?)),
        Extend::Replayed(hold) => {
            Ok(idempotency::replayed(json(StatusCode::OK, &body(app, &sale, &pass, hold).await?)))
        }
        Extend::UsedUp => {
            let times = wish.extensions_max;
            Err(Problem::new(Code::HoldNotExtendable).detail(format!("At most {times} times.")))
        }
        Extend::Longest => Err(Problem::new(Code::HoldNotExtendable).detail("It lasts as long as a hold may already.")),
        Extend::Committed => {
            Err(Problem::new(Code::HoldNotExtendable).detail("It is an order, which has a time of its own."))
        }
        Extend::Expired => Err(Code::HoldExpired.into()),
        Extend::NotFound => Err(Code::HoldNotFound.into()),
    }
}

fn wish(sale: &Sale, pass: &PassToken, hold: HoldId, key: Option<&str>) -> ExtendHold {
    let only_once = Uuid::now_v7();
    let key = key.map_or(only_once.as_bytes().as_slice(), str::as_bytes);
    ExtendHold {
        hold,
        number: pass.number,
        request: RequestId::of(&[b"extend", hold.uuid().as_bytes(), key]),
        ttl_s: sale.hold_ttl_s(pass.allowance),
        max_ttl_s: sale.config().hold.max_ttl_s.saturating_mul(pass.allowance.factor()),
        extensions_max: sale.config().hold.extensions_max,
    }
}
