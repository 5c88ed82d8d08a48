//! The made-up wish of somebody who waits, and what they are offered.

use domain::sale::SaleConfig;
use domain::{EntryId, OfferId, UnitNo};
use ledger::outbox::EntryMailKind;
use ledger::waitlist::{EntryRow, EntryState, OfferRow};
use uuid::Uuid;

use super::{Reader, UNITS, sale_of};
use crate::jobs::send_entry_mail::Told;

/// How long an offer lives that a sale says nothing of; only where a made-up one ends hangs on it.
const OFFER_TTL_S: u32 = 1_800;

/// What a letter tells. Its time is that of the opening, because a preview has no clock.
pub(super) fn told(kind: EntryMailKind, config: &SaleConfig, reader: &Reader) -> Result<Told, String> {
    let tier = config.tiers.first().ok_or("the sale has no tier")?;
    let quantity = UNITS.min(tier.capacity());
    let lives = jiff::SignedDuration::from_secs(config.offer_ttl_s.unwrap_or(OFFER_TTL_S).into());
    let offer = OfferRow {
        id: OfferId::from_uuid(Uuid::nil()),
        tier: tier.id.clone(),
        units: (0..quantity).map(UnitNo).collect(),
        until: config.opens_at.checked_add(lives).map_err(|fault| fault.to_string())?,
        order: None,
    };
    let (state, offer) = match kind {
        EntryMailKind::Joined => (EntryState::Unconfirmed, None),
        EntryMailKind::Offer => (EntryState::Offered, Some(offer)),
        EntryMailKind::Lapsed => (EntryState::Lapsed, Some(offer)),
        EntryMailKind::Cancelled => (EntryState::Over, None),
    };
    let entry = EntryRow {
        id: EntryId::from_uuid(Uuid::nil()),
        state,
        tiers: vec![tier.id.clone()],
        quantity,
        joined_at: config.opens_at,
        position: None,
        gathers_until: None,
        offer,
    };
    Ok(Told { sale: sale_of(config), entry, email: reader.email.clone() })
}
