//! The waitlist: who waits for units of a tier that is sold out, and whose turn it is when one comes back.
//!
//! An *entry* is one person's wish: one of some tiers, so many units, one address. It stands in the line of each of its tiers from
//! the moment it is confirmed. A unit that is freed (an order expired or was cancelled, tickets were given back, withheld units were
//! released) goes to the line in the transaction that frees it, and there to the first who may have it, as an *offer*. An entry has
//! one offer, ever.
//!
//! ```text
//!            confirm             freed unit              claim
//! unconfirmed ─────► waiting ─────────────► offered ──────────────► claimed: an order
//!      │ leave, 1 h     │ leave, sale over      │ time, leave, sale over
//!      ▼                ▼                       ▼
//! left, expired     left, over      lapsed, declined, over: its units go to the next
//! ```
//!
//! | state of | owner | the atomic step |
//! |---|---|---|
//! | an entry, an offer | Postgres, under the lock of the sale's line | one call of this module |
//! | a freed unit | Postgres: `offered`, kept for the line or in one offer; never free while somebody waits for its tier | the call that frees it |
//! | what Redis sells | nothing of it: it is told of units only when they are free | a job, when nobody waits any more |
//!
//! When the answer is lost, the same call again answers what is: a join of the same entry, a confirmation, a leaving; a claim finds
//! its order. The sweep's calls end or tend one thing each, and find nothing to do the second time.
//!
//! Guarantees (I11): first come, first served, by rank. The rank is the number in the queue for whoever comes from there within
//! five minutes of the first who asked; everybody else is behind, in the order of joining. One live offer an entry and a unit. While
//! somebody waits for a tier, no unit of it is free, so nothing leaks past the line. Whoever wants more units than there are is
//! passed over by who wants fewer, three times in a line at most: then units are kept until they are enough, or as long as an offer
//! lives and for half an hour at most, and go to the first in line in any case. The clock of that begins when a look finds nobody
//! who may have them, and stands while the sale is paused.
//!
//! Bounds: an offer lives as its sale says, never shorter than a hold may last nor beyond the end of selling, and its clock stands
//! while the sale is paused. An entry that nobody confirms within an hour is over. Lines are served one call at a time for each sale.
//!
//! Whose address an entry names is known when its mail was answered. Until then wishes of one address stand side by side, none is
//! displaced, nothing is said of what the address has, and it gets three letters an hour at most; afterwards there is one an address.
//!
//! What it does not do: no mail (a job), no Redis. Whether a tier is sold out when somebody joins is the caller's to look at; what
//! counts is what the confirmation finds.

use domain::email::buyer_of;
use domain::{EntryId, OfferId, OrderId, PlaceNumber, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::numbers::fit;
use crate::{Ledger, LedgerError, documents};

pub mod claims;
pub mod figures;
pub mod tending;
pub mod watching;

/// What somebody waits for.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its id: the same again is the same entry.
    pub id: EntryId,
    /// The sale.
    pub sale: SaleId,
    /// Units of one of these, the best liked first.
    pub tiers: Vec<TierId>,
    /// How many.
    pub quantity: u32,
    /// Where offers go. Kept apart, so that it can be erased.
    pub email: String,
    /// The number of who is still in the queue.
    pub number: Option<PlaceNumber>,
}

/// What came of joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Join {
    /// It is there, to be confirmed by mail.
    Joined(EntryRow),
    /// The place in the queue waits already or has an offer. Of the address nothing is said: nobody knows whose it is.
    AlreadyWaiting,
    /// Nothing of this tier is offered any more.
    Over(TierId),
    /// The sale does not sell.
    SaleNotOpen,
}

/// What came of confirming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirm {
    /// It waits, or went on from there before.
    Confirmed(EntryRow),
    /// Units of this tier are free or held: who wants one asks for it.
    OnSale(TierId),
    /// Nothing of this tier is offered any more.
    Over(TierId),
    /// Another entry of the address waits or has an offer.
    AlreadyWaiting,
    /// It would be more than one buyer may have.
    LimitReached {
        /// How many one buyer may have.
        limit: u32,
        /// Of which tier; none when it is of the whole sale.
        tier: Option<TierId>,
    },
    /// No such entry.
    NotFound,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Nobody knows yet whose address it is.
    Unconfirmed,
    /// It stands in line.
    Waiting,
    /// It has an offer.
    Offered,
    /// The offer became an order.
    Claimed,
    /// The offer's time ran out.
    Lapsed,
    /// The offer was given back.
    Declined,
    /// It was left, or gave way to another of the same place in the queue.
    Left,
    /// Nobody confirmed it.
    Expired,
    /// The sale was over, or too near to its end.
    Over,
}

impl EntryState {
    /// Every state, in the order of an entry's life.
    pub const ALL: [Self; 9] = [
        Self::Unconfirmed,
        Self::Waiting,
        Self::Offered,
        Self::Claimed,
        Self::Lapsed,
        Self::Declined,
        Self::Left,
        Self::Expired,
        Self::Over,
    ];

    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Claimed => "claimed",
            Self::Lapsed => "lapsed",
            Self::Declined => "declined",
            Self::Left => "left",
            Self::Expired => "expired",
            Self::Over => "over",
        }
    }
}

/// An entry as its holder may see it; the address is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its id.
    pub id: EntryId,
    /// Where it is.
    pub state: EntryState,
    /// Units of one of these, the best liked first.
    pub tiers: Vec<TierId>,
    /// How many it asks for.
    pub quantity: u32,
    /// When it joined.
    pub joined_at: Timestamp,
    /// 1 and how many are ahead, while it waits.
    pub position: Option<u64>,
    /// Until then those of the queue may still come in ahead, in its order; none when that is over.
    pub gathers_until: Option<Timestamp>,
    /// What it was offered.
    pub offer: Option<OfferRow>,
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferRow {
    /// Its id.
    pub id: OfferId,
    /// The tier.
    pub tier: TierId,
    /// Its units; fewer than were asked for when there were no more for long.
    pub units: Vec<UnitNo>,
    /// When it ends, as long as the sale is not paused meanwhile.
    pub until: Timestamp,
    /// What it became.
    pub order: Option<OrderId>,
}

pub(crate) const STATEMENTS: &[&str] = &[JOIN, CONFIRM, WITHDRAW, LEAVE, FETCH, EMAIL];

const JOIN: &str = "SELECT waitlist_join($1, $2, $3, $4, $5, $6, $7) FROM set_config('onsale.trace', $8, true)";
const CONFIRM: &str = "SELECT waitlist_confirm($1, $2) FROM set_config('onsale.trace', $3, true)";
const WITHDRAW: &str = "SELECT waitlist_withdraw($1, $2)";
const LEAVE: &str = "SELECT waitlist_leave($1, $2)";
const FETCH: &str = "SELECT waitlist_document($1, $2)";
const EMAIL: &str = "SELECT email FROM waitlist_contacts WHERE sale_id = $1 AND entry_id = $2";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum JoinDocument {
    Joined { entry: EntryDocument },
    AlreadyWaiting,
    Over { tier: TierId },
    SaleNotOpen,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ConfirmDocument {
    Confirmed,
    OnSale { tier: TierId },
    Over { tier: TierId },
    AlreadyWaiting,
    LimitReached { limit: u32, tier: Option<TierId> },
    NotFound,
}

#[derive(Deserialize)]
struct EntryDocument {
    id: Uuid,
    state: EntryState,
    tiers: Vec<TierId>,
    quantity: u32,
    joined_at: Timestamp,
    #[serde(default)]
    position: Option<u64>,
    gathers_until: Option<Timestamp>,
    offer: Option<OfferDocument>,
}

#[derive(Deserialize)]
struct OfferDocument {
    id: Uuid,
    tier: TierId,
    units: Vec<UnitNo>,
    until: Timestamp,
    order: Option<Uuid>,
}

impl EntryDocument {
    fn row(self) -> EntryRow {
        EntryRow {
            id: EntryId::from_uuid(self.id),
            state: self.state,
            tiers: self.tiers,
            quantity: self.quantity,
            joined_at: self.joined_at,
            position: self.position,
            gathers_until: self.gathers_until,
            offer: self.offer.map(|offer| OfferRow {
                id: OfferId::from_uuid(offer.id),
                tier: offer.tier,
                units: offer.units,
                until: offer.until,
                order: offer.order.map(OrderId::from_uuid),
            }),
        }
    }
}

/// Joins. The entry waits for nothing before it is confirmed.
///
/// # Errors
/// The database is away or refuses: a tier that the sale does not have.
pub async fn waitlist_join(ledger: &Ledger, entry: &NewEntry) -> Result<Join, LedgerError> {
    let tiers: Vec<&str> = entry.tiers.iter().map(TierId::as_str).collect();
    let number = entry.number.map(|number| fit::<_, i64>(number.0)).transpose()?;
    let (quantity, buyer) = (fit::<_, i32>(entry.quantity)?, buyer_of(&entry.email));
    let (sale, id) = (entry.sale.uuid(), entry.id.uuid());
    let row = ledger.one_traced(JOIN, &[&sale, &id, &tiers, &quantity, &entry.email, &buyer, &number]).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        JoinDocument::Joined { entry } => Join::Joined(entry.row()),
        JoinDocument::AlreadyWaiting => Join::AlreadyWaiting,
        JoinDocument::Over { tier } => Join::Over(tier),
        JoinDocument::SaleNotOpen => Join::SaleNotOpen,
    })
}

/// Whoever reads mail to its address says that the entry is hers.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_confirm(ledger: &Ledger, sale: SaleId, entry: EntryId) -> Result<Confirm, LedgerError> {
    let row = ledger.one_traced(CONFIRM, &[&sale.uuid(), &entry.uuid()]).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        // Asked for apart, because counting who is ahead takes long and everybody else waits at the door.
        ConfirmDocument::Confirmed => {
            waitlist_fetch(ledger, sale, entry).await?.map_or(Confirm::NotFound, Confirm::Confirmed)
        }
        ConfirmDocument::OnSale { tier } => Confirm::OnSale(tier),
        ConfirmDocument::Over { tier } => Confirm::Over(tier),
        ConfirmDocument::AlreadyWaiting => Confirm::AlreadyWaiting,
        ConfirmDocument::LimitReached { limit, tier } => Confirm::LimitReached { limit, tier },
        ConfirmDocument::NotFound => Confirm::NotFound,
    })
}

/// Takes back a wish that nobody confirmed, and nothing else. The entry as it is then; nothing when there is none.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_withdraw(ledger: &Ledger, sale: SaleId, entry: EntryId) -> Result<Option<EntryRow>, LedgerError> {
    entry_of(ledger, WITHDRAW, sale, entry).await
}

/// Leaves the line, or gives an offer back. The entry as it is then; nothing when there is none.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_leave(ledger: &Ledger, sale: SaleId, entry: EntryId) -> Result<Option<EntryRow>, LedgerError> {
    entry_of(ledger, LEAVE, sale, entry).await
}

/// An entry.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_fetch(ledger: &Ledger, sale: SaleId, entry: EntryId) -> Result<Option<EntryRow>, LedgerError> {
    entry_of(ledger, FETCH, sale, entry).await
}

/// Where an entry's mail goes; nothing when it was erased.
///
/// # Errors
/// The database is away or refuses.
pub async fn waitlist_email(ledger: &Ledger, sale: SaleId, entry: EntryId) -> Result<Option<String>, LedgerError> {
    let row = ledger.row(EMAIL, &[&sale.uuid(), &entry.uuid()]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

async fn entry_of(
    ledger: &Ledger,
    statement: &'static str,
    sale: SaleId,
    entry: EntryId,
) -> Result<Option<EntryRow>, LedgerError> {
    let row = ledger.one(statement, &[&sale.uuid(), &entry.uuid()]).await?;
    let document: Option<_> = row.try_get(0)?;
    document.map(|document| documents::read::<EntryDocument>(document).map(EntryDocument::row)).transpose()
}
