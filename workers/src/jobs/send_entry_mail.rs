//! Tells somebody on a waitlist something by mail.
//!
//! What it says is read from the ledger when it is sent: of an offer that is over by then, or of a place that was confirmed or left,
//! nothing is said. The address lives in a table of its own; when it was erased there is nobody to tell.

use domain::sale::{SaleConfig, Seating};
use domain::token::{EntryProof, EntryToken};
use domain::{EntryId, SaleId, TierId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::LedgerError;
use ledger::outbox::EntryMailKind;
use ledger::sales::{SaleName, SaleRow, sale_fetch};
use ledger::waitlist::{EntryRow, EntryState, OfferRow, waitlist_email, waitlist_fetch};
use lettre::Message;

use super::send_mail::{Desk, host};
use crate::context::Context;
use crate::mail::SendError;
use crate::mail::entry_letter::{self, EntryFacts};
use crate::mail::message::{self, Enclosed, Envelope};
use crate::outbox::entry_mail_kind;
use crate::points::Point;
use crate::runner::Outcome;

/// Writes and sends one letter.
pub(crate) async fn run(context: &Context, sale: SaleId, entry: EntryId, kind: EntryMailKind) -> Outcome {
    let Some(mailer) = &context.mailer else {
        return Outcome::Away("no mail server is configured".to_owned());
    };
    let told = match read(context, sale, entry).await {
        Ok(Some(told)) => told,
        Ok(None) => return Outcome::Done("the address was erased"),
        Err(error) => return error.into(),
    };
    if told.entry.state != state_of(kind) {
        return Outcome::Done("it is not so any more");
    }
    let desk = Desk {
        signer: &context.signer,
        ticket_signer: &context.ticket_signer,
        public_url: &context.public_url,
        from: mailer.from(),
    };
    let message = match compose(&desk, kind, &told) {
        Ok(message) => message,
        Err(why) => return Outcome::Park(why),
    };
    let sent = mailer.send(message).await;
    context.points.pass(entry_mail_kind(kind), Point::Between).await;
    match sent {
        Ok(()) => Outcome::Done("sent"),
        Err(error @ SendError::Refused(_)) => Outcome::Park(error.to_string()),
        Err(error @ SendError::Failed(_)) => Outcome::Retry(error.to_string()),
        Err(error @ SendError::Away(_)) => Outcome::Away(error.to_string()),
    }
}

/// Whom to tell about what.
pub(crate) struct Told {
    pub(crate) sale: SaleRow,
    pub(crate) entry: EntryRow,
    pub(crate) email: String,
}

/// Writes a letter and puts it into its envelope.
pub(crate) fn compose(desk: &Desk<'_>, kind: EntryMailKind, told: &Told) -> Result<Message, String> {
    let words = told.sale.config.letters.get(&entry_letter::kind_in_config(kind));
    let letter = entry_letter::write_with(kind, &facts(desk, told), words);
    let message_id = format!("{}.{}@{}", entry_letter::word(kind), told.entry.id, host(desk));
    let envelope = Envelope { from: desk.from, email: &told.email, name: "", message_id };
    message::seal(&letter, &envelope, Enclosed::default()).map_err(|fault| fault.to_string())
}

/// Of what state a letter tells.
const fn state_of(kind: EntryMailKind) -> EntryState {
    match kind {
        EntryMailKind::Joined => EntryState::Unconfirmed,
        EntryMailKind::Offer => EntryState::Offered,
        EntryMailKind::Lapsed => EntryState::Lapsed,
        EntryMailKind::Cancelled => EntryState::Over,
    }
}

async fn read(context: &Context, sale: SaleId, entry: EntryId) -> Result<Option<Told>, LedgerError> {
    let ledger = &context.ledger;
    let Some(email) = waitlist_email(ledger, sale, entry).await? else {
        return Ok(None);
    };
    let missing = |what: &str| LedgerError::Corrupt(format!("a mail about {entry}, but no {what}"));
    let sale_row = sale_fetch(ledger, SaleName::Id(sale)).await?.ok_or_else(|| missing("sale"))?;
    let entry_row = waitlist_fetch(ledger, sale, entry).await?.ok_or_else(|| missing("entry"))?;
    Ok(Some(Told { sale: sale_row, entry: entry_row, email }))
}

fn facts(desk: &Desk<'_>, told: &Told) -> EntryFacts {
    let Told { sale, entry, email: _ } = told;
    let config = &sale.config;
    let names: Vec<String> = entry.tiers.iter().map(|tier| name_of(config, tier)).collect();
    let offer = entry.offer.as_ref();
    EntryFacts {
        sale: config.name.clone(),
        venue: config.place().to_owned(),
        when: config
            .performance()
            .map(|performance| tickets::dates::spoken(performance.starts_at, &config.time_zone))
            .unwrap_or_default(),
        entry: entry.id.to_string(),
        wish: format!("{} × {}", entry.quantity, names.join(" or ")),
        offered: offer.map(|offer| offered(config, offer)).unwrap_or_default(),
        count: offer.map_or(0, |offer| offer.units.len()),
        is_part: offer.is_some_and(|offer| offer.units.len() < usize::try_from(entry.quantity).unwrap_or(usize::MAX)),
        until: offer.map(|offer| local(config, offer.until)).unwrap_or_default(),
        url: page(desk, told),
        opening: None,
    }
}

fn name_of(config: &SaleConfig, tier: &TierId) -> String {
    config.tier(tier).map_or_else(|| tier.to_string(), |tier| tier.name.clone())
}

fn offered(config: &SaleConfig, offer: &OfferRow) -> String {
    let seating = config.tier(&offer.tier).and_then(Seating::of);
    let seats: Vec<String> =
        offer.units.iter().filter_map(|unit| seating.as_ref().and_then(|seating| seating.seat(*unit))).collect();
    let named = format!("{} × {}", offer.units.len(), name_of(config, &offer.tier));
    if seats.is_empty() { named } else { format!("{named} ({})", seats.join(", ")) }
}

/// A time as people at the sale's place read it.
fn local(config: &SaleConfig, time: Timestamp) -> String {
    let zone = TimeZone::get(&config.time_zone).unwrap_or(TimeZone::UTC);
    time.to_zoned(zone).strftime("%A, %-d %B %Y at %H:%M %Z").to_string()
}

/// The page of the entry. The token is in the fragment: it is in no log and no Referer on the way. That it came by mail is in it.
fn page(desk: &Desk<'_>, told: &Told) -> String {
    let Told { sale, entry, .. } = told;
    let token = EntryToken { sale: sale.id, entry: entry.id, proof: EntryProof::Mailed };
    let token = desk.signer.sign_entry(&token);
    format!("{}/s/{}/waitlist/{}#token={token}", desk.public_url, sale.slug, entry.id)
}
