//! Taking units, for many at once: one script for everybody who came to a gateway within a moment.
//!
//! What a call costs Redis and the gateway beside the work itself, naming some twenty keys and parsing them above all, is
//! shared by the batch, and so are almost all commands: what Redis has of all requests is read at once, and what they take is
//! written at once. The requests of a batch are carried out in their order and each has an answer of its own, so a batch
//! is nothing that anybody can tell from as many calls.

use std::collections::BTreeMap;

use domain::{HoldId, PlaceNumber, TierId, UnitNo};
use fred::types::Value;

use super::{HoldView, REQUEST_KEPT_S, RequestId, UnitsWish, unit_numbers};
use crate::AdmissionError;
use crate::queue::{expect_word, text};
use crate::scripts::Reply;

/// The most requests of one batch: one to two milliseconds of Redis.
pub const TAKE_BATCH_MAX: usize = 64;

/// A wish to hold units.
#[derive(Debug, Clone)]
pub struct TakeHold {
    /// The id of the hold if it comes to one.
    pub hold: HoldId,
    /// Which request this is; repeating it gives its first answer.
    pub request: RequestId,
    /// What the request asks for, hashed: a request with another content is not the same.
    pub fingerprint: [u8; 32],
    /// Whose pass.
    pub number: PlaceNumber,
    /// Which units of which tiers.
    pub items: BTreeMap<TierId, UnitsWish>,
    /// How many units of a tier may be held, ordered or sold, these included; no bound when a tier is not named.
    pub allowed: BTreeMap<TierId, u32>,
    /// How long the units are held.
    pub ttl_s: u32,
    /// The most units in the hold.
    pub per_buyer_limit: u32,
    /// How long the session is that a first hold begins.
    pub session_s: u32,
}

/// What taking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The units are held.
    Taken(HoldView),
    /// The request was answered before; the hold as it is now.
    Replayed(HoldView),
    /// The request was made before, with another content.
    RequestReused,
    /// No unit of the tier is free or held.
    SoldOut {
        /// The tier.
        tier: TierId,
    },
    /// Some units of the tier are free or held and may be had now, but fewer than asked for.
    TooFewLeft {
        /// The tier.
        tier: TierId,
        /// How many are free.
        free: u32,
        /// How many are held.
        held: u32,
    },
    /// There are enough, but too many of them are held: some come back.
    AllHeld {
        /// The tier.
        tier: TierId,
    },
    /// Seats that were asked for by name are not free.
    SeatTaken {
        /// Their tier.
        tier: TierId,
        /// Which they are.
        units: Vec<UnitNo>,
    },
    /// There are enough free, but no row has so many side by side.
    NoneTogether {
        /// The tier.
        tier: TierId,
    },
    /// There are some, but as many are ordered or sold as may be gone of the tier now.
    AllocationSoldOut {
        /// The tier.
        tier: TierId,
    },
    /// More units than one hold may have.
    LimitReached {
        /// How many it may have.
        limit: u32,
    },
    /// The pass has a live hold.
    PassInUse,
    /// The number is not inside any more.
    PassExpired,
    /// Nobody has that number.
    PassUnknown,
    /// The sale is paused.
    Paused,
    /// Redis was lost: for so long only receipts are honoured ([`Holds::reclaim`](crate::Holds::reclaim)).
    Reclaiming {
        /// How long still.
        left_s: u32,
    },
}

/// What the script is told of a batch.
pub(super) fn arguments(wishes: &[TakeHold]) -> Vec<Value> {
    assert!(wishes.len() <= TAKE_BATCH_MAX, "the caller collects no more than {TAKE_BATCH_MAX} wishes");
    let mut arguments = vec![text(REQUEST_KEPT_S)];
    for wish in wishes {
        arguments.extend([
            text(wish.hold),
            Value::from(wish.fingerprint.as_slice()),
            text(wish.number),
            text(u64::from(wish.ttl_s) * 1_000),
            text(u64::from(wish.session_s) * 1_000),
            text(wish.per_buyer_limit),
            text(wish.items.len()),
        ]);
        arguments.extend(wish.items.iter().flat_map(|(tier, units)| units.arguments(tier, wish.allowed.get(tier))));
    }
    arguments
}

/// The answers of the script, one for each wish.
pub(super) fn answers(
    mut reply: Reply,
    wishes: &[TakeHold],
) -> Result<Vec<Result<Take, AdmissionError>>, AdmissionError> {
    expect_word(&reply, "answered")?;
    let answers: Result<Vec<_>, AdmissionError> = wishes.iter().map(|wish| Ok(answer(reply.inner()?, wish))).collect();
    if reply.is_empty() { answers } else { Err(reply.odd("more answers than wishes")) }
}

fn answer(mut reply: Reply, wish: &TakeHold) -> Result<Take, AdmissionError> {
    match reply.word() {
        "taken" => Ok(Take::Taken(HoldView::parse(&mut reply)?)),
        "replayed" => Ok(Take::Replayed(HoldView::parse(&mut reply)?)),
        "request_reused" => Ok(Take::RequestReused),
        "sold_out" => Ok(Take::SoldOut { tier: reply.parsed()? }),
        "too_few_left" => Ok(Take::TooFewLeft { tier: reply.parsed()?, free: reply.parsed()?, held: reply.parsed()? }),
        "all_held" => Ok(Take::AllHeld { tier: reply.parsed()? }),
        "seat_taken" => Ok(Take::SeatTaken { tier: reply.parsed()?, units: unit_numbers(&mut reply)? }),
        "none_together" => Ok(Take::NoneTogether { tier: reply.parsed()? }),
        "allocation_sold_out" => Ok(Take::AllocationSoldOut { tier: reply.parsed()? }),
        "limit_reached" => Ok(Take::LimitReached { limit: wish.per_buyer_limit }),
        "pass_in_use" => Ok(Take::PassInUse),
        "pass_expired" => Ok(Take::PassExpired),
        "pass_unknown" => Ok(Take::PassUnknown),
        "paused" => Ok(Take::Paused),
        "reclaiming" => Ok(Take::Reclaiming { left_s: reply.parsed()? }),
        "broken" => {
            let why = reply.text()?;
            Err(reply.odd(&why))
        }
        _ => reply.unexpected(),
    }
}
