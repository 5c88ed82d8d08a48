//! Tickets as they are stored, sent again and replaced; their ids and bytes are the domain's.
//!
//! Both acts are one call each and bear being repeated: a letter has a name, and who replaces a text says which one. Bounds: a buyer
//! has an order's tickets sent again [`LETTERS_MAX`] times, and replaces texts as long as it has had no more letters than that and one
//! for each ticket; a text is replaced 65,534 times. What is not done here: tickets are issued with the payment
//! ([`crate::payments`]) and become void with a refund ([`crate::refunds`]).

use domain::keyring::Kid;
use domain::{OrderId, SaleId, TicketId, TierId, UnitNo};
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Ledger, LedgerError, documents};

/// How often a buyer has the tickets of an order sent again. Somebody else's address may be at the other end.
pub const LETTERS_MAX: u32 = 5;

/// Whether a ticket opens the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// It does, once.
    Valid,
    /// It did.
    Used,
    /// It does not any more.
    Void,
}

impl TicketState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Used, Self::Void];

    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Used => "used",
            Self::Void => "void",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A ticket as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    /// Its id.
    pub id: TicketId,
    /// What was paid for it: the payment intent, or the order when it was free.
    pub reference: String,
    /// The tier of its unit.
    pub tier: TierId,
    /// Its unit.
    pub unit: UnitNo,
    /// How often its QR was replaced.
    pub rotation: u16,
    /// The key its QR is signed with.
    pub qr_kid: Kid,
    /// Whether it opens the door.
    pub state: TicketState,
}

/// What came of asking for the tickets once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendAgain {
    /// A letter will be written, or was for this very request.
    Sent,
    /// No ticket of the order opens the door.
    NoTickets,
    /// It was asked for as often as it may be.
    TooOften,
    /// No such order, or nobody to write to.
    NotFound,
}

/// Who asks for a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Who has the order's token.
    Buyer,
    /// Who sells.
    Organizer,
}

impl Asker {
    const fn word(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Organizer => "organizer",
        }
    }
}

/// What came of replacing the text of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Rotate {
    /// It has this rotation now, and a letter with it will be written; or had it after this very request.
    Rotated {
        /// The rotation that opens the door.
        rotation: u16,
    },
    /// It was replaced otherwise meanwhile, or cannot be replaced any more.
    Stale {
        /// The rotation that opens the door.
        rotation: u16,
    },
    /// It opened the door.
    Used,
    /// It is void.
    Void,
    /// The buyer had as many letters as may be. Nothing changed.
    TooOften,
    /// No such ticket of that order.
    NotFound,
}

/// A text to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
    /// The ticket.
    pub ticket: TicketId,
    /// The rotation that is replaced.
    pub from: u16,
    /// The key that signs now.
    pub kid: Kid,
}

pub(crate) const STATEMENTS: &[&str] = &[SEND_AGAIN, ROTATE];

const SEND_AGAIN: &str = "SELECT tickets_send_again($1, $2, $3, $4, $5) FROM set_config('onsale.trace', $6, true)";
const ROTATE: &str = "SELECT ticket_rotate($1, $2, $3, $4, $5, $6, $7, $8) FROM set_config('onsale.trace', $9, true)";

/// Has the tickets of an order sent again; `letter` names the request.
///
/// # Errors
/// The database is away or refuses.
pub async fn tickets_send_again(
    ledger: &Ledger,
    sale: SaleId,
    order: OrderId,
    letter: Uuid,
    asker: Asker,
) -> Result<SendAgain, LedgerError> {
    let most: i32 = crate::numbers::fit(LETTERS_MAX)?;
    let row = ledger.one_traced(SEND_AGAIN, &[&sale.uuid(), &order.uuid(), &letter, &asker.word(), &most]).await?;
    match row.try_get(0)? {
        "sent" => Ok(SendAgain::Sent),
        "no_tickets" => Ok(SendAgain::NoTickets),
        "too_often" => Ok(SendAgain::TooOften),
        "not_found" => Ok(SendAgain::NotFound),
        other => Err(LedgerError::Corrupt(format!("sent again: {other}"))),
    }
}

/// Replaces the text of a ticket; `by` is for the audit log.
///
/// # Errors
/// The database is away or refuses.
pub async fn ticket_rotate(
    ledger: &Ledger,
    rotation: &Rotation,
    asker: Asker,
    by: &str,
) -> Result<Rotate, LedgerError> {
    let Rotation { sale, order, ticket, from, kid } = rotation;
    let (sale, order, ticket) = (sale.uuid(), order.uuid(), ticket.uuid());
    let (from, kid, asker) = (i32::from(*from), kid.to_string(), asker.word());
    let most: i32 = crate::numbers::fit(LETTERS_MAX)?;
    let params: [&(dyn ToSql + Sync); 8] = [&sale, &order, &ticket, &from, &kid, &asker, &by, &most];
    documents::read(ledger.one_traced(ROTATE, &params).await?.try_get(0)?)
}
