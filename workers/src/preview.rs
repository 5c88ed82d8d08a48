//! A letter as its reader will see it, before anybody does: of a made-up order of two units, or a made-up wish for them.
//!
//! Written by the code that writes real ones, with keys of its own: its codes open no door anywhere.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::order::{Finality, OrderState};
use domain::price::lines_of;
use domain::sale::{LetterKind, SaleConfig, StoredState};
use domain::ticket::{TicketSigner, ticket_id};
use domain::token::Signer;
use domain::{HoldId, Money, OrderId, OrganizerId, PlaceNumber, RefundId, SaleId, UnitNo};
use ledger::orders::{Contact, OrderRow};
use ledger::outbox::{EntryMailKind, MailKind};
use ledger::refunds::{RefundOrigin, RefundRow, RefundState};
use ledger::sales::SaleRow;
use ledger::tickets::{TicketRow, TicketState};
use lettre::message::Mailbox;
use secrecy::SecretString;
use uuid::Uuid;

use crate::jobs::send_entry_mail;
use crate::jobs::send_mail::{self, Desk, Told};

mod entry;

/// How many units the order has.
const UNITS: u32 = 2;

/// Who reads it.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

/// A letter as it goes over the wire.
///
/// # Errors
/// Why it cannot be written, in words for people.
pub fn preview(kind: LetterKind, config: &SaleConfig, reader: &Reader) -> Result<Vec<u8>, String> {
    let keys = SecretString::from(format!("preview:{}", STANDARD.encode([0x50; 32])));
    let told_of = |fault: domain::keyring::KeyringError| fault.to_string();
    let (signer, tickets) = (Signer::new(&keys).map_err(told_of)?, TicketSigner::new(&keys).map_err(told_of)?);
    let from: Mailbox = "Tickets <tickets@example.com>".parse().expect("a mailbox");
    let desk =
        Desk { signer: &signer, ticket_signer: &tickets, public_url: "https://tickets.example.com", from: &from };
    let letter = match kind_of(kind) {
        Kind::Order(kind) => {
            let told = told(kind, config, reader, &tickets)?;
            let sheets = send_mail::sheets(&desk, kind, &told).map_err(|gone| gone.to_string())?;
            let drawn = send_mail::draw(&sheets).map_err(|fault| fault.to_string())?;
            send_mail::compose(&desk, kind, &told, drawn).map_err(|fault| fault.to_string())?
        }
        Kind::Entry(kind) => send_entry_mail::compose(&desk, kind, &entry::told(kind, config, reader)?)?,
    };
    Ok(letter.formatted())
}

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Order(MailKind),
    Entry(EntryMailKind),
}

const fn kind_of(kind: LetterKind) -> Kind {
    match kind {
        LetterKind::OrderPaid => Kind::Order(MailKind::OrderPaid),
        LetterKind::OrderExpired => Kind::Order(MailKind::OrderExpired),
        LetterKind::PaymentReleased => Kind::Order(MailKind::PaymentReleased),
        LetterKind::PaymentRefunded => Kind::Order(MailKind::PaymentRefunded),
        LetterKind::RefundMade => Kind::Order(MailKind::RefundMade(RefundId::from_uuid(Uuid::nil()))),
        LetterKind::RefundFailed => Kind::Order(MailKind::RefundFailed(RefundId::from_uuid(Uuid::nil()))),
        LetterKind::TicketsAgain => Kind::Order(MailKind::TicketsAgain(Uuid::nil())),
        LetterKind::SaleCancelled => Kind::Order(MailKind::SaleCancelled(Some(RefundId::from_uuid(Uuid::nil())))),
        LetterKind::WaitlistJoined => Kind::Entry(EntryMailKind::Joined),
        LetterKind::WaitlistOffer => Kind::Entry(EntryMailKind::Offer),
        LetterKind::WaitlistLapsed => Kind::Entry(EntryMailKind::Lapsed),
        LetterKind::WaitlistCancelled => Kind::Entry(EntryMailKind::Cancelled),
    }
}

fn told(kind: MailKind, config: &SaleConfig, reader: &Reader, signer: &TicketSigner) -> Result<Told, String> {
    let tier = config.tiers.first().ok_or("the sale has no tier")?;
    let quantity = NonZeroU32::new(UNITS.min(tier.capacity())).ok_or("the first tier has no unit")?;
    let lines = lines_of(config, tier, quantity).map_err(|fault| fault.to_string())?;
    let total = Money::new(lines.iter().map(|line| line.amount.minor).sum(), config.currency);
    let (sale, order) = (sale_of(config), OrderId::from_uuid(Uuid::nil()));
    let ticket = |unit: u32| TicketRow {
        id: ticket_id("preview", &tier.id, UnitNo(unit)),
        reference: "preview".to_owned(),
        tier: tier.id.clone(),
        unit: UnitNo(unit),
        rotation: 0,
        qr_kid: signer.kid(),
        state: TicketState::Valid,
    };
    let tickets: Vec<_> = (0..quantity.get()).map(ticket).collect();
    let of_refund = matches!(kind, MailKind::RefundMade(_) | MailKind::RefundFailed(_) | MailKind::SaleCancelled(_));
    let refund = of_refund.then(|| RefundRow {
        id: RefundId::from_uuid(Uuid::nil()),
        state: if matches!(kind, MailKind::RefundFailed(_)) { RefundState::Failed } else { RefundState::Succeeded },
        origin: RefundOrigin::Onsale,
        reason: "preview".to_owned(),
        amount: total,
        parts: None,
        tickets: tickets.first().map(|ticket| ticket.id).into_iter().collect(),
        created_at: config.opens_at,
    });
    let units = tickets.iter().map(|ticket| (ticket.tier.clone(), ticket.unit)).collect();
    let order = OrderRow {
        id: order,
        sale: sale.id,
        hold: HoldId::from_uuid(Uuid::nil()),
        number: PlaceNumber(1),
        state: OrderState::Paid,
        finality: Finality::Final,
        total,
        lines,
        units,
        created_at: config.opens_at,
        expires_at: config.opens_at,
        payment: None,
        tickets,
    };
    Ok(Told { sale, order, contact: Contact { email: reader.email.clone(), name: reader.name.clone() }, refund })
}

/// The sale as it would be stored.
fn sale_of(config: &SaleConfig) -> SaleRow {
    SaleRow {
        id: SaleId::from_uuid(Uuid::nil()),
        organizer: OrganizerId::from_uuid(Uuid::nil()),
        slug: config.slug_or_from_name(),
        config: config.clone(),
        state: StoredState::Published,
        epoch: 1,
        version: 1,
        published_at: Some(config.opens_at),
        notice: None,
        payment_latency: None,
    }
}

#[cfg(test)]
mod tests;
