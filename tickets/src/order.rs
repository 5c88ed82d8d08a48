//! What of a sale and an order goes onto tickets and into a calendar, so that a file fetched from the gateway and one that came by mail
//! are the same bytes.

use domain::keyring::Kid;
use domain::sale::{SaleConfig, Seating};
use domain::ticket::{TicketPayload, TicketSigner};
use domain::{OrderId, SaleId, TicketId, TierId, UnitNo};
use jiff::Timestamp;

use crate::calendar::{Standing, Visit};
use crate::dates;
use crate::pdf::Sheet;

/// A ticket that opens the door, as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Issued<'a> {
    /// Its id.
    pub id: TicketId,
    /// The tier of its unit.
    pub tier: &'a TierId,
    /// Its unit.
    pub unit: UnitNo,
    /// How often it was replaced.
    pub rotation: u16,
    /// The key its code is signed with.
    pub kid: Kid,
}

/// An order whose tickets are written.
#[derive(Debug, Clone, Copy)]
pub struct Bought<'a> {
    /// The sale.
    pub sale: SaleId,
    /// How often the sale was changed.
    pub version: u64,
    /// What the organizer configured.
    pub config: &'a SaleConfig,
    /// The order.
    pub order: OrderId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whose it is; none when the name was erased.
    pub holder: Option<&'a str>,
}

/// How many tickets an order has, and had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Those that are its buyer's, used or not.
    pub open: usize,
    /// Those that went back.
    pub void: usize,
}

impl Held {
    /// Of tickets that each are open or not.
    #[must_use]
    pub fn of(are_open: impl Iterator<Item = bool>) -> Self {
        let (open, void): (Vec<_>, Vec<_>) = are_open.partition(|is_open| *is_open);
        Self { open: open.len(), void: void.len() }
    }
}

/// The key of a ticket is not among ours any more, so nobody can draw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ticket key {0} is gone")]
pub struct KeyGone(pub Kid);

impl Bought<'_> {
    /// The text of a ticket's code.
    ///
    /// # Errors
    /// [`KeyGone`].
    pub fn qr_text(&self, issued: &Issued<'_>, signer: &TicketSigner) -> Result<String, KeyGone> {
        let payload = TicketPayload { ticket: issued.id, sale: self.sale, rotation: issued.rotation };
        signer.qr_text(&payload, issued.kid).ok_or(KeyGone(issued.kid))
    }

    /// The page of a ticket.
    ///
    /// # Errors
    /// [`KeyGone`].
    pub fn sheet(&self, issued: &Issued<'_>, signer: &TicketSigner) -> Result<Sheet, KeyGone> {
        let tier = self.config.tier(issued.tier);
        let starts_at = self.config.performance().map(|performance| performance.starts_at);
        Ok(Sheet {
            sale: self.title(),
            when: starts_at.map(|at| dates::spoken(at, &self.config.time_zone)),
            venue: self.config.place().to_owned(),
            tier: tier.map_or_else(|| issued.tier.to_string(), |tier| tier.name.clone()),
            seat: tier.and_then(|tier| Seating::of(tier)?.seat(issued.unit)),
            holder: self.holder.map(str::to_owned),
            order: self.order.to_string(),
            ticket: issued.id.to_string(),
            qr_text: self.qr_text(issued, signer)?,
            terms: self.config.terms.clone(),
        })
    }

    /// The entry of a calendar, where the sale has a date; `host` makes its name one in the whole world.
    #[must_use]
    pub fn visit(&self, held: Held, standing: Standing, host: &str) -> Option<Visit> {
        let performance = self.config.performance()?;
        let Held { open, void } = held;
        let tickets = if open == 1 { "1 ticket".to_owned() } else { format!("{open} tickets") };
        // Both only grow, and so does their sum; the number has a sign (RFC 5545, 3.3.8).
        let changes = self.version.saturating_add(u64::try_from(void).unwrap_or(u64::MAX));
        Some(Visit {
            uid: format!("{}@{host}", self.order),
            sequence: i32::try_from(changes).unwrap_or(i32::MAX).unsigned_abs(),
            written_at: self.created_at,
            sale: self.title(),
            starts_at: performance.starts_at,
            ends_at: performance.ends_at,
            zone: self.config.time_zone.clone(),
            venue: self.config.place().to_owned(),
            about: format!("{tickets}, order {}", self.order),
            standing,
        })
    }

    fn title(&self) -> String {
        match self.config.performance().map(|performance| performance.name.as_str()) {
            Some(name) if !name.is_empty() => format!("{}: {name}", self.config.name),
            _ => self.config.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
