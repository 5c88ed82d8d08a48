//! `/v1/sales/{sale}/queue/challenge`: proof of work before joining, where the sale asks for one.
//!
//! The visitor is given a signed challenge, looks for a nonce ([`domain::proof_of_work`]) and joins with both. Nothing is
//! stored: the challenge says itself whose it is, for which sale, how hard and until when, so checking costs one
//! signature and one hash, and what expires needs no sweep. It is bound to the visitor's cookie: solved once, it opens one
//! place, and nobody else's.
//!
//! How hard: the sale's bits, and one more for each doubling of the joins that this gateway is asked for over the rate at
//! which the sale admits ([`Pressure`]); at most [`PROOF_OF_WORK_BITS_MAX`]. A sale of 0 bits asks for nothing. Nor is
//! anything asked of who wants more time, for whom a wait before the wait is a barrier; nor of who has a place: both are
//! the join's to know, which asks [`verify`] only of the others.

use std::sync::Arc;
use std::time::Instant;

use domain::proof_of_work;
use domain::sale::PROOF_OF_WORK_BITS_MAX;
use domain::token::{ChallengeToken, Holder};
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, With as _, json};
use crate::app::App;
use crate::identity;
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

mod pressure;

pub(crate) use pressure::Pressure;

/// How long a challenge may take: the hardest one takes a slow phone some twenty seconds, and people look away.
const CHALLENGE_LIFE: SignedDuration = SignedDuration::from_mins(2);

/// Work to do before joining.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChallengeBody {
    /// The challenge, to be sent back as it is.
    #[schema(example = "chl_AQZr…")]
    challenge: String,
    /// SHA-256 of `challenge:nonce` must begin with so many zero bits; 0 when the sale asks for no proof.
    #[schema(minimum = 0, maximum = 24)]
    bits: u8,
    /// From when it is worth nothing.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A solved challenge.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    /// The challenge, as it was given.
    #[schema(example = "chl_AQZr…")]
    pub(crate) challenge: String,
    /// The nonce that solves it: at most 64 bytes.
    #[schema(max_length = 64, example = "48213")]
    pub(crate) nonce: String,
}

/// `GET /v1/sales/{sale}/queue/challenge`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    if !sale.is_live() {
        return Err(Code::SaleClosed.into());
    }
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    let now = app.time_of(&sale);
    let challenge = ChallengeToken {
        sale: sale.id(),
        holder: visitor.holder,
        bits: bits(app, &sale),
        expires_at: now.checked_add(CHALLENGE_LIFE).unwrap_or(now),
        salt: Uuid::new_v4().into_bytes(),
    };
    let body = ChallengeBody {
        challenge: app.signer.sign_challenge(&challenge),
        bits: challenge.bits,
        expires_at: challenge.expires_at,
    };
    let answer = json(StatusCode::OK, &body);
    Ok(visitor.new_cookie.into_iter().fold(answer, |answer, cookie| answer.with(header::SET_COOKIE, cookie)))
}

/// Lets a join through that did the work its sale asks for.
///
/// # Errors
/// It shows no proof, or one that is not ours, not this visitor's, too late or too easy.
pub(crate) fn verify(app: &Arc<App>, sale: &Arc<Sale>, holder: Holder, proof: Option<&Proof>) -> Result<(), Problem> {
    if sale.config().join.proof_of_work_bits == 0 {
        return Ok(());
    }
    app.floor(sale).pressure.count(Instant::now());
    let proof = proof.ok_or(Code::ProofRequired)?;
    let refused = |why: &'static str| Problem::new(Code::ProofRequired).detail(why);
    let Ok(challenge) = app.signer.verify_challenge(&proof.challenge) else {
        return Err(refused("The challenge is not one of ours."));
    };
    if (challenge.sale, challenge.holder) != (sale.id(), holder) {
        return Err(refused("The challenge was given to somebody else."));
    }
    if challenge.expires_at <= app.time_of(sale) {
        return Err(refused("The challenge has expired. Ask for another one."));
    }
    if !proof_of_work::verify(&proof.challenge, &proof.nonce, challenge.bits) {
        return Err(refused("The nonce does not solve the challenge."));
    }
    Ok(())
}

/// How much work a challenge given now asks for.
fn bits(app: &Arc<App>, sale: &Arc<Sale>) -> u8 {
    let configured = sale.config().join.proof_of_work_bits;
    if configured == 0 {
        return 0;
    }
    let per_s = app.floor(sale).pressure.per_s(Instant::now());
    configured
        .saturating_add(pressure::doublings(per_s, sale.config().admission.rate_per_s))
        .min(PROOF_OF_WORK_BITS_MAX)
}

#[cfg(test)]
mod tests;
