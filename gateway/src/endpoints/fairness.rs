//! How the order of a prequeue came about: the file that anybody can recompute it from, and each visitor's proof of having
//! been in it.
//!
//! The file ([`domain::fairness::FairnessFile`]) says of every draw what is public at its stage: first the hash of the
//! seed, then the frozen registrations with their root and the beacon round to come, at last the seed. It is made once
//! for each stage ([`published`]) and handed out from memory; once everything is drawn it never changes again, and caches
//! are told so.
//!
//! A proof shows its holder alone what their leaf was made of and the way from it to the published root. Leaves are salted,
//! so without it nobody learns from the file who was there, and an index is worth nothing to somebody else.

use std::sync::Arc;

use domain::fairness::leaf;
use domain::sale::PhaseNo;
use domain::token::{PlaceToken, Spot};
use domain::{PhaseId, PlaceNumber};
use http::{HeaderValue, StatusCode, header};
use ledger::draws::{Draw, DrawState};
use ledger::registrations::{registration_salt, registrations_find};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, With as _, empty, json, json_bytes};
use crate::app::App;
use crate::config::GatewayConfig;
use crate::draws::SaleDraws;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

mod published;

pub(crate) use published::FairnessFiles;

/// That a registration was in a draw. Hashes are lower-case hex.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProofBody {
    /// The phase whose prequeue it was.
    #[schema(value_type = String, example = "general")]
    phase: PhaseId,
    /// The phase's index.
    #[schema(value_type = u8)]
    phase_no: PhaseNo,
    /// How many had registered before.
    index: u32,
    /// How many registered in all.
    count: u32,
    /// What makes the leaf say nothing to others.
    salt: String,
    /// The thumbprint of the visitor's secret.
    holder: String,
    /// SHA-256 of `0x00 ‖ salt ‖ index (4 bytes, big-endian) ‖ holder`.
    leaf: String,
    /// The neighbours on the way from the leaf to the root, from below.
    path: Vec<String>,
    /// The Merkle root that was published.
    root: String,
    /// The place in the order, from 0; null before the draw.
    rank: Option<u32>,
    /// The number in the queue; null before the draw.
    #[schema(value_type = Option<u64>)]
    number: Option<PlaceNumber>,
}

/// How the order of the prequeue that matters now comes about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fairness {
    /// The phase whose prequeue it is.
    #[schema(value_type = String, example = "general")]
    phase: PhaseId,
    /// SHA-256 of the seed, published with the sale.
    seed_hash: String,
    /// Whether public randomness is going to be mixed in, or was meant to be; without, the order is the operator's word.
    beacon_configured: bool,
    /// The public randomness that is mixed in; null when none is configured, or not chosen yet.
    beacon: Option<BeaconBody>,
    /// The seed, once drawn.
    seed: Option<String>,
    /// `collecting`, `frozen` or `drawn`.
    #[schema(example = "collecting")]
    state: &'static str,
    /// Why no public randomness was mixed in: the order is the operator's word then.
    self_attested: Option<String>,
}

/// The round of a public beacon.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Beacon)]
pub(crate) struct BeaconBody {
    /// Where it is asked.
    url: String,
    /// Which chain.
    chain_hash: String,
    /// Which round.
    round: u64,
    /// Its value, once it came out.
    randomness: Option<String>,
}

impl Fairness {
    /// The draw that matters now: the first that is not held, else the last one; none for a sale without a prequeue.
    pub(crate) fn of(config: &GatewayConfig, sale: &Sale, draws: &SaleDraws) -> Option<Self> {
        let not_held = |draw: &&Draw| draw.state != DrawState::Drawn;
        let draw = draws.all().find(not_held).or_else(|| draws.all().last())?;
        let beacon = draw.beacon.as_ref().map(|beacon| BeaconBody {
            url: beacon.url.clone(),
            chain_hash: beacon.chain_hash.clone(),
            round: beacon.round,
            randomness: beacon.randomness.map(hex::encode),
        });
        Some(Self {
            phase: phase_id(sale, draw.phase)?,
            seed_hash: hex::encode(draw.seed_hash),
            // It is decided, and recorded, with the root.
            beacon_configured: draw.root.map_or(config.beacon_configured, |_| beacon.is_some()),
            beacon,
            seed: draw.seed.as_ref().map(|seed| hex::encode(seed.0)),
            state: draw.state.word(),
            self_attested: draw.self_attested.clone(),
        })
    }
}

/// `GET /v1/sales/{sale}/fairness`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let draws = app.draws.find(app, &sale).await?;
    let final_word = draws.all().all(|draw| draw.state == DrawState::Drawn);
    let published = app.fairness.of(app, &sale, &draws).await?;
    let etag = published.etag();
    let answer = if request.has_etag(etag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        json_bytes(StatusCode::OK, published.text())
    };
    let kept = if final_word { "public, max-age=31536000, immutable" } else { "public, max-age=1" };
    Ok(answer.with_text(header::ETAG, etag).with(header::CACHE_CONTROL, HeaderValue::from_static(kept)))
}

/// `GET /v1/sales/{sale}/queue/place/proof`
pub(crate) async fn proof(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let place = identity::place(request, sale.id(), &app.signer, &app.cookies)?;
    app.count(Limit::Place, Client::Holder(place.holder))?;
    let draws = app.draws.find(app, &sale).await?;
    let (phase, index) = registration(app, &sale, &draws, &place).await?;
    let (salt, holder) = registration_salt(&app.ledger, sale.id(), phase, index).await?.ok_or(Code::NotFound)?;
    if holder != place.holder {
        return Err(Code::PlaceInvalid.into());
    }
    let published = app.fairness.of(app, &sale, &draws).await?;
    let Some((draw, tree)) = published.draw(phase) else {
        let early = "The proof is there once the registrations are frozen, when the sale opens.";
        return Err(Problem::new(Code::SaleNotOpen).detail(early));
    };
    let rank = tree.rank(index);
    let body = ProofBody {
        phase: draw.phase.clone(),
        phase_no: phase,
        index,
        count: draw.count,
        salt: hex::encode(salt),
        holder: hex::encode(holder.0),
        leaf: hex::encode(leaf(salt, index, holder)),
        path: tree.path(index).into_iter().map(hex::encode).collect(),
        root: draw.root.map(hex::encode).unwrap_or_default(),
        rank,
        number: rank.zip(draw.first_number).map(|(rank, first)| PlaceNumber(first.0 + u64::from(rank))),
    };
    Ok(json(StatusCode::OK, &body))
}

/// The registration behind a place: its own, or the one of its holder that was drawn its number.
async fn registration(
    app: &App,
    sale: &Sale,
    draws: &SaleDraws,
    place: &PlaceToken,
) -> Result<(PhaseNo, u32), Problem> {
    let number = match place.spot {
        Spot::Registration { phase, index } => return Ok((phase, index)),
        Spot::Number(number) => number,
    };
    let found = registrations_find(&app.ledger, sale.id(), &[place.holder]).await?;
    let was_drawn = |(phase, index): &(PhaseNo, u32)| draws.number(*phase, *index) == Some(number);
    let none = || Problem::new(Code::NotFound).detail("The place came first come, first served: it was in no draw.");
    found.into_iter().flatten().find(was_drawn).ok_or_else(none)
}

fn phase_id(sale: &Sale, phase: PhaseNo) -> Option<PhaseId> {
    sale.config().phases().into_iter().find_map(|known| (known.no == phase).then_some(known.id))
}
