//! What a buyer may have instead of units that somebody else has, or of more than there are.
//!
//! For each tier of which something was missed: of rows, up to [`OFFERS_MAX`] times as many seats side by side, the nearest
//! to the missed ones first; where no row has so many, the nearest apart. Of general admission, how many are left. Where
//! fewer are left, or may be held in this phase of the sale, they are offered. An offer is fit to be an item of a hold.
//!
//! Offers are what was free at one look and are nobody's until they are held, so whoever takes one may be too late again.
//! They are a kindness: when nobody knows what is free, the refusal goes out without them.

use std::num::NonZeroU32;
use std::sync::Arc;

use admission::{SeatBits, SeatState};
use domain::{TierId, UnitNo};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::availability::Availability;
use crate::floor::Seen;
use crate::sale::Sale;

/// Offers of one tier: a glance's worth, and a kilobyte at most.
const OFFERS_MAX: usize = 3;

/// Units to have instead, as an item of a hold takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Alternative {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// How many there are in the offer: as many as were asked for, or all that are left.
    quantity: u32,
    /// Which seats; none for general admission.
    #[schema(example = json!(["A-3", "A-4"]))]
    seats: Option<Vec<String>>,
    /// Whether they are side by side in one row; a single seat is.
    together: bool,
    /// How many of the tier can be held now.
    remaining: u32,
}

/// What was asked for of a tier that does not have all of it.
pub(crate) struct Missed {
    /// The tier.
    pub(crate) tier: TierId,
    /// What was asked for.
    pub(crate) units: Vec<UnitNo>,
    /// What of it somebody else has, which a look at the seats may not know yet.
    pub(crate) taken: Vec<UnitNo>,
}

/// What may be had instead by the seat map that everybody is shown: asks no store.
pub(crate) fn seen(app: &Arc<App>, sale: &Arc<Sale>, missed: &Missed) -> Vec<Alternative> {
    let shown = app.floor(sale).glimpse(|seen| Some((Arc::clone(seen?.seats()?), room(seen, sale, &missed.tier))));
    // The search is made of a claim on the map, not in the glimpse: the next view waits for every glimpse.
    shown
        .and_then(|(maps, room)| Some(offers(sale, missed, room, maps.latest().of_tier(&missed.tier)?)))
        .unwrap_or_default()
}

/// What of a tier may be had, of which Redis or the last view says that so many are free: fewer than were asked for. Of
/// rows, the front.
pub(crate) fn left(app: &Arc<App>, sale: &Arc<Sale>, tier: &TierId, free: u32) -> Vec<Alternative> {
    if sale.seating(tier).is_some() {
        let missed = Missed { tier: tier.clone(), units: (0..free).map(UnitNo).collect(), taken: Vec::new() };
        return seen(app, sale, &missed);
    }
    let quantity = free.min(app.floor(sale).glimpse(|seen| room(seen, sale, tier)));
    let some = Alternative { tier: tier.clone(), quantity, seats: None, together: false, remaining: quantity };
    if quantity == 0 { Vec::new() } else { vec![some] }
}

/// What may be had instead by a look at Redis, for where the stores were found to disagree.
pub(crate) async fn look(app: &Arc<App>, sale: &Arc<Sale>, missed: &[Missed]) -> Vec<Alternative> {
    let capacity = |missed: &Missed| Some((missed.tier.clone(), sale.config().tier(&missed.tier)?.capacity()));
    let tiers: Vec<_> = missed.iter().filter_map(capacity).collect();
    match app.holds.seats(sale.id(), &tiers).await {
        Ok(seats) => {
            let room = |tier: &TierId| app.floor(sale).glimpse(|seen| room(seen, sale, tier));
            let of_tier =
                |missed: &Missed| Some(offers(sale, missed, room(&missed.tier), seats.tiers.get(&missed.tier)?));
            missed.iter().filter_map(of_tier).flatten().collect()
        }
        Err(error) => {
            tracing::debug!(sale = %sale.id(), %error, "a refusal goes out without alternatives");
            Vec::new()
        }
    }
}

/// How many more units of a tier may be held in this phase of the sale.
fn room(seen: Option<&Seen>, sale: &Sale, tier: &TierId) -> u32 {
    let of_phase = |seen: &Seen| {
        let allowed = sale.allowed_of(tier, seen.view.now)?;
        let stock = seen.view.stock.get(tier).copied().unwrap_or_default();
        Some(Availability::of(stock, Some(allowed)).remaining)
    };
    seen.and_then(of_phase).unwrap_or(u32::MAX)
}

/// What a tier, of which so many more may be held, has instead of those units.
fn offers(sale: &Sale, missed: &Missed, room: u32, seats: &SeatBits) -> Vec<Alternative> {
    let Missed { tier, units, taken } = missed;
    let looks_free = |unit: &UnitNo| seats.state(*unit) == SeatState::Free;
    let is_free = |unit| looks_free(&unit) && !taken.contains(&unit);
    let count = |units: usize| u32::try_from(units).expect("a hold has at most PER_BUYER_LIMIT_MAX units");
    let taken_since = count(taken.iter().filter(|unit| looks_free(unit)).count());
    let remaining = seats.free().saturating_sub(taken_since).min(room);
    let Some(quantity) = NonZeroU32::new(count(units.len()).min(remaining)) else {
        return Vec::new();
    };
    let offer =
        |seats, together| Alternative { tier: tier.clone(), quantity: quantity.get(), seats, together, remaining };
    let Some(seating) = sale.seating(tier) else {
        return vec![offer(None, false)];
    };
    let named = |units: &[UnitNo]| Some(units.iter().filter_map(|unit| seating.seat(*unit)).collect());
    let together = seating.together_near(units, quantity, OFFERS_MAX, is_free);
    if together.is_empty() {
        vec![offer(named(&seating.apart_near(units, quantity, is_free)), false)]
    } else {
        together.iter().map(|units| offer(named(units), true)).collect()
    }
}
