//! `/v1/sales/{sale}/waitlist`: where those ask whom a sold-out sale could give nothing.
//!
//! ```text
//! join ─► (mail) confirm ─► in line ─► offered ─► claim: an order
//! ```
//!
//! What an entry is, whose turn it is and what becomes of lost answers is the ledger's ([`ledger::waitlist`]); here is who may ask.
//! A tier's waitlist is open while none of its units is free or held, by a view that is at most half a second old; what counts is
//! what the confirmation finds in Postgres. Whoever still has a place in the queue joins by its number.
//!
//! Nothing is confirmed, left or claimed by a GET: links in mails are followed by programs. Whoever joins gets a token that looks and
//! takes the wish back while it is one; all else needs the token that came by mail, because anybody may type anybody's address. For the
//! same reason joining says nothing about an address; confirming does.
//!
//! Whoever leaves the page open is told without asking: [`crate::entries`], [`crate::socket`].

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::order::OrderState;
use domain::sale::{Fault, SaleState};
use domain::token::{EntryProof, EntryToken, PlaceToken};
use domain::{EntryId, OrderId, PlaceNumber, TierId};
use http::StatusCode;
use jiff::Timestamp;
use ledger::orders::{CancelOrder, order_cancel};
use ledger::waitlist::{
    Confirm, EntryRow, EntryState, Join, NewEntry, OfferRow, waitlist_confirm, waitlist_fetch, waitlist_join,
    waitlist_leave, waitlist_withdraw,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, empty, json};
use crate::app::App;
use crate::endpoints::orders::email_fault;
use crate::floor::Seen;
use crate::identity;
use crate::limits::{Client, Limit};
use crate::position::{PlaceState, Standing};
use crate::problem::{Code, Problem};
use crate::request::Request;
use crate::sale::Sale;

pub(crate) mod claim;

/// How often a page that waits asks again, and how much later for each who is ahead: it is told by mail, and who is far back has
/// time. So the pages of fifty thousand ask about 160 times a second together.
const POLL_AFTER_MS: u64 = 5_000;
const POLL_AFTER_EACH_MS: u64 = 50;
const POLL_AFTER_MAX_MS: u64 = 600_000;

/// What somebody waits for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WishBody {
    /// Units of one of these, the best liked first.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 32, example = json!(["ga"]))]
    tiers: Vec<TierId>,
    /// How many.
    #[schema(minimum = 1, maximum = 20)]
    quantity: u32,
    /// Where the offer goes.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
}

/// An entry of the waitlist.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WaitlistEntry)]
pub(crate) struct EntryBody {
    /// Its id.
    #[schema(value_type = String, example = "wle_0190c5a0b0c07abc8def0123456789ab")]
    id: EntryId,
    /// Proves who waits; told when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Where it is: `unconfirmed`, `waiting`, `offered`, `claimed`, `lapsed`, `declined`, `left`, `expired` or `over`.
    #[schema(example = "waiting")]
    state: &'static str,
    /// Units of one of these.
    #[schema(value_type = Vec<String>)]
    tiers: Vec<TierId>,
    /// How many.
    quantity: u32,
    /// 1 and how many are ahead; none when it is not in line.
    position: Option<u64>,
    /// Until then those of the queue may come in ahead, in its order; none when that is over, and the position only falls.
    #[schema(value_type = Option<String>, format = DateTime)]
    gathers_until: Option<Timestamp>,
    /// What it was offered.
    offer: Option<OfferBody>,
    /// Whether the token came by mail: confirming, taking and leaving need that.
    is_proved: bool,
    /// When to ask again, while it waits.
    poll_after_ms: u64,
}

/// What an entry was offered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Offer)]
pub(crate) struct OfferBody {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// How many units; fewer than were asked for when there were no more for long.
    quantity: usize,
    /// Which seats; none for general admission.
    seats: Vec<String>,
    /// When it ends; later when the sale is paused meanwhile.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// The order that it became.
    #[schema(value_type = Option<String>)]
    order: Option<OrderId>,
}

/// `POST /v1/sales/{sale}/waitlist`
pub(crate) async fn join(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let visitor = identity::visitor(request, sale.id(), &app.signer, &app.cookies)?;
    let wish: WishBody = request.json()?;
    wish.check(&sale)?;
    let id = wish.entry_id(request, &sale)?;
    require_selling(app.state_of(&sale))?;
    let (_, seen) = app.live(&sale).await?;
    if let Some(tier) = wish.tiers.iter().find(|tier| is_on_sale(&seen, tier)) {
        return Err(not_open(tier));
    }
    let number = visitor.place.and_then(|place| number_in_queue(&seen, &place));
    let WishBody { tiers, quantity, email } = wish;
    let entry = NewEntry { id, sale: sale.id(), tiers, quantity, email, number };
    match waitlist_join(&app.ledger.traced(request.trace.here), &entry).await? {
        Join::Joined(row) => {
            let token = EntryToken { sale: sale.id(), entry: id, proof: EntryProof::Joined };
            let token = Some(app.signer.sign_entry(&token));
            Ok(json(StatusCode::CREATED, &EntryBody { token, ..body(&sale, row, EntryProof::Joined) }))
        }
        Join::AlreadyWaiting => Err(Code::AlreadyOnWaitlist.into()),
        Join::Over(tier) => Err(over(&tier)),
        Join::SaleNotOpen => Err(Code::SaleClosed.into()),
    }
}

/// `GET /v1/sales/{sale}/waitlist/{entry}`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, token) = entry(app, request, Limit::Place).await?;
    let row = waitlist_fetch(&app.ledger, sale.id(), token.entry).await?.ok_or(Code::NotFound)?;
    Ok(json(StatusCode::OK, &body(&sale, row, token.proof)))
}

/// `POST /v1/sales/{sale}/waitlist/{entry}/confirm`
pub(crate) async fn confirm(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, token) = entry(app, request, Limit::Order).await?;
    require_mailed(&token)?;
    match waitlist_confirm(&app.ledger.traced(request.trace.here), sale.id(), token.entry).await? {
        Confirm::Confirmed(row) => Ok(json(StatusCode::OK, &body(&sale, row, token.proof))),
        Confirm::OnSale(tier) => Err(not_open(&tier)),
        Confirm::Over(tier) => Err(over(&tier)),
        Confirm::AlreadyWaiting => Err(Code::AlreadyOnWaitlist.into()),
        Confirm::LimitReached { limit, tier } => Err(limit_reached(limit, tier)),
        Confirm::NotFound => Err(Code::NotFound.into()),
    }
}

/// `DELETE /v1/sales/{sale}/waitlist/{entry}`: out of the line, an offer given back, an order that is not paid given up.
pub(crate) async fn leave(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let (sale, token) = entry(app, request, Limit::Order).await?;
    let row = match token.proof {
        EntryProof::Mailed => waitlist_leave(&app.ledger, sale.id(), token.entry).await?,
        EntryProof::Joined => waitlist_withdraw(&app.ledger, sale.id(), token.entry).await?,
    };
    let row = row.ok_or(Code::NotFound)?;
    if matches!(row.state, EntryState::Waiting | EntryState::Offered | EntryState::Claimed) {
        require_mailed(&token)?;
    }
    if let Some(order) = row.offer.and_then(|offer| offer.order) {
        match order_cancel(&app.ledger.traced(request.trace.here), sale.id(), order).await? {
            CancelOrder::Cancelled(_)
            | CancelOrder::NotFound
            | CancelOrder::NotCancellable(OrderState::Cancelled | OrderState::Expired) => {}
            CancelOrder::NotCancellable(state) => {
                return Err(Problem::new(Code::OrderNotCancellable).detail(format!("The order is {}.", state.word())));
            }
        }
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The address of a sale's waitlist.
pub(crate) fn address(sale: &Sale) -> String {
    format!("/v1/sales/{}/waitlist", sale.id())
}

/// Whoever joined may have typed anybody's address.
fn require_mailed(token: &EntryToken) -> Result<(), Problem> {
    match token.proof {
        EntryProof::Mailed => Ok(()),
        EntryProof::Joined => Err(Problem::new(Code::Forbidden).detail("Go on with the link in the mail.")),
    }
}

/// The sale of a request, and the entry that it proves to be about.
async fn entry(app: &Arc<App>, request: &Request, limit: Limit) -> Result<(Arc<Sale>, EntryToken), Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let entry: EntryId = request.params.id("entry")?;
    let token = identity::entry(request, sale.id(), entry, &app.signer)?;
    app.count(limit, Client::Entry(entry))?;
    Ok((sale, token))
}

impl WishBody {
    /// The id of its entry: the same for the same wish under the same Idempotency-Key, so that who asks again because the answer was
    /// lost has one entry and one letter.
    fn entry_id(&self, request: &Request, sale: &Sale) -> Result<EntryId, Problem> {
        let Self { tiers, quantity, email } = self;
        let named =
            |key: &str| Uuid::new_v5(&sale.id().uuid(), format!("{key}\n{email}\n{quantity}\n{tiers:?}").as_bytes());
        Ok(EntryId::from_uuid(request.idempotency_key()?.map_or_else(Uuid::now_v7, named)))
    }

    fn check(&self, sale: &Sale) -> Result<(), Problem> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: String| faults.push(Fault { pointer, detail });
        if self.tiers.is_empty() {
            fault("/tiers".to_owned(), "must name a tier".to_owned());
        }
        let mut named = BTreeSet::new();
        for (index, tier) in self.tiers.iter().enumerate() {
            if sale.price(tier).is_none() {
                fault(format!("/tiers/{index}"), "must be a tier of the sale".to_owned());
            } else if !named.insert(tier) {
                fault(format!("/tiers/{index}"), "must be named once".to_owned());
            }
        }
        let most = sale.config().per_buyer_limit;
        if !(1..=most).contains(&self.quantity) {
            fault("/quantity".to_owned(), format!("must be 1 to {most}"));
        }
        if let Some(detail) = email_fault(&self.email) {
            fault("/email".to_owned(), detail);
        }
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }
}

/// What is told of an entry, whoever asks.
pub(crate) fn body(sale: &Sale, row: EntryRow, proof: EntryProof) -> EntryBody {
    EntryBody {
        id: row.id,
        token: None,
        state: row.state.word(),
        tiers: row.tiers,
        quantity: row.quantity,
        position: row.position,
        gathers_until: row.gathers_until,
        offer: row.offer.map(|offer| offered(sale, offer)),
        is_proved: proof == EntryProof::Mailed,
        poll_after_ms: poll_after_ms(row.position),
    }
}

/// When a page asks again that nothing is told.
pub(crate) fn poll_after_ms(position: Option<u64>) -> u64 {
    let ahead = position.unwrap_or(1).saturating_sub(1);
    POLL_AFTER_MS.saturating_add(ahead.saturating_mul(POLL_AFTER_EACH_MS)).min(POLL_AFTER_MAX_MS)
}

fn offered(sale: &Sale, offer: OfferRow) -> OfferBody {
    let seats = offer.units.iter().filter_map(|unit| sale.seat(&offer.tier, *unit)).collect();
    OfferBody { quantity: offer.units.len(), seats, tier: offer.tier, until: offer.until, order: offer.order }
}

/// Whether anything of a tier is free or held. What another phase may sell is nobody's yet, so it counts.
fn is_on_sale(seen: &Seen, tier: &TierId) -> bool {
    seen.view.stock.get(tier).is_none_or(|stock| stock.free > 0 || stock.held > 0)
}

/// The number of who is still in the queue, inside it or in line.
fn number_in_queue(seen: &Seen, place: &PlaceToken) -> Option<PlaceNumber> {
    match Standing::of(seen, place).state() {
        PlaceState::Waiting | PlaceState::Admitted => seen.number_of(place.spot),
        PlaceState::Prequeue | PlaceState::Left | PlaceState::Expired => None,
    }
}

/// A waitlist is for what is sold, also while that stands still.
fn require_selling(state: SaleState) -> Result<(), Problem> {
    match state {
        SaleState::Open | SaleState::SoldOut | SaleState::Paused => Ok(()),
        SaleState::Draft => Err(Code::NotFound.into()),
        SaleState::Scheduled | SaleState::Prequeue => Err(Code::WaitlistNotOpen.into()),
        SaleState::Closed | SaleState::Cancelled => Err(Code::SaleClosed.into()),
    }
}

fn not_open(tier: &TierId) -> Problem {
    Problem::new(Code::WaitlistNotOpen).detail(format!("Units of {tier} are free or held: who wants one asks for it."))
}

fn over(tier: &TierId) -> Problem {
    Problem::new(Code::SaleClosed).detail(format!("It is too late for an offer of {tier}."))
}

fn limit_reached(limit: u32, tier: Option<TierId>) -> Problem {
    let of_tier = tier.map(|tier| format!(" of {tier}")).unwrap_or_default();
    let detail = format!("At most {limit}{of_tier} for one buyer, over all orders of this sale.");
    Problem::new(Code::LimitReached).detail(detail)
}

/// Why there is nothing to claim.
fn not_offered(state: EntryState) -> Problem {
    let detail = match state {
        EntryState::Unconfirmed => "The entry was never confirmed.",
        EntryState::Waiting => "It is not your turn yet.",
        EntryState::Offered | EntryState::Claimed => "The offer is being taken.",
        EntryState::Lapsed => "The time to take it ran out.",
        EntryState::Declined => "The offer was given back.",
        EntryState::Left => "The line was left.",
        EntryState::Expired => "The entry was not confirmed in time.",
        EntryState::Over => "The sale was over.",
    };
    Problem::new(Code::OfferNotLive).detail(detail)
}
