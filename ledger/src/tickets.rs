//! Tickets as they are stored; their ids and bytes are the domain's.

use domain::keyring::Kid;
use domain::{TicketId, TierId, UnitNo};

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
