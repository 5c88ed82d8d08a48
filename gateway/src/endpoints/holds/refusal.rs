//! Refusals that need no Redis: what the last view of the sale says of a wish.
//!
//! Once a tier is gone, everybody who still comes wants some of it, and every gateway knows better than to ask Redis each
//! time: the view it answers all visitors from says what is free. A refusal is taken from it when it is sure of three
//! things; else Redis is asked, as for every wish that may succeed.
//!
//! - The view was asked for at most [`AGE_MAX`] ago, so whoever asks a second after a unit came back is not refused for the
//!   want of it, however slow or stuck Redis is.
//! - By the view the pass has a *turn* that is still unused and will be for that long. It never held anything, so no
//!   earlier request of it has a hold for its answer that a repetition would have to find again. (A hold taken since the
//!   view by a request whose answer was lost is found by the repetition after the next view.)
//! - No clock of the sale stands still; and, unless the tier is sold out, no phase bounds how much of it may be sold: then
//!   Redis may have another answer.
//!
//! What it does not do: say which seats are taken, or whether a row has so many side by side. Redis says that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use admission::{Pause, PlaceView, Take, TierStock, UnitsWish, View};
use domain::{PlaceNumber, TierId};

use crate::alternatives;
use crate::app::App;
use crate::endpoints::waitlist;
use crate::floor::Seen;
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// How old a view may be that somebody is refused by: two ticks, and half of the second within which units that come back
/// must be had.
const AGE_MAX: Duration = Duration::from_millis(500);

/// The refusal that Redis would give, if the last view is sure of it.
pub(super) fn foreseen(
    seen: &Seen,
    sale: &Sale,
    number: PlaceNumber,
    wishes: &BTreeMap<TierId, UnitsWish>,
) -> Option<Take> {
    if seen.age() > AGE_MAX || seen.view.paused == Pause::Paused || !has_unused_turn(&seen.view, number) {
        return None;
    }
    let is_sure = |take: &Take| match take {
        Take::SoldOut { .. } => true,
        Take::TooFewLeft { tier, .. } | Take::AllHeld { tier } => sale.allowed_of(tier, seen.view.now).is_none(),
        _ => false,
    };
    wishes.iter().find_map(|(tier, wish)| refused(*seen.view.stock.get(tier)?, tier, wish).filter(is_sure))
}

/// Whether the number has a turn until after the view is too old to be used.
fn has_unused_turn(view: &View, number: PlaceNumber) -> bool {
    match view.place(number) {
        PlaceView::Turn { claim_by } => {
            Duration::try_from(claim_by.duration_since(view.now)).is_ok_and(|left| left > AGE_MAX)
        }
        _ => false,
    }
}

/// Why so many units of a tier cannot be had, in the words of `hold_take`.
fn refused(stock: TierStock, tier: &TierId, wish: &UnitsWish) -> Option<Take> {
    let TierStock { free, held, .. } = stock;
    let (quantity, left) = (wish.quantity(), free.saturating_add(held));
    match wish {
        _ if left == 0 => Some(Take::SoldOut { tier: tier.clone() }),
        // Whether the very seats are among the taken ones, Redis says.
        UnitsWish::Seats(_) => None,
        UnitsWish::Any(_) | UnitsWish::Together(_) | UnitsWish::TogetherOrAny(_) => match quantity {
            _ if quantity > left => Some(Take::TooFewLeft { tier: tier.clone(), free, held }),
            _ if quantity > free => Some(Take::AllHeld { tier: tier.clone() }),
            _ => None,
        },
    }
}

/// What whoever wants more than there is is told: how many there are, and what may be had of it now.
pub(super) fn too_few_left(app: &Arc<App>, sale: &Arc<Sale>, tier: &TierId, free: u32, held: u32) -> Problem {
    let (left, are) = match free.saturating_add(held) {
        1 => (1, "is"),
        more => (more, "are"),
    };
    let detail = format!("Only {left} of {tier} {are} left, or may come back.");
    Problem::new(Code::TooFewLeft).detail(detail).alternatives(alternatives::left(app, sale, tier, free))
}

/// What whoever wants more than is free now is told, where others hold enough; also when they hold what a phase may sell.
pub(super) fn all_held(tier: &TierId) -> Problem {
    Problem::new(Code::AllHeld)
        .detail(format!("Too few of {tier} are free at the moment: others hold more, and some of those come back."))
}

/// What whoever comes too late is told.
pub(super) fn sold_out(sale: &Sale, tier: &TierId) -> Problem {
    let detail = format!("Nothing of {tier} is left.");
    Problem::new(Code::SoldOut).detail(detail).waitlist(waitlist::address(sale))
}

#[cfg(test)]
mod tests;
