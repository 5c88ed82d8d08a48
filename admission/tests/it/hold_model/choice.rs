//! Which units a wish gets, found by trying everything.

use std::collections::BTreeSet;

use admission::UnitsWish;

/// What a wish comes to in a tier.
pub(super) enum Choice {
    Units(Vec<u32>),
    Taken(Vec<u32>),
    AllHeld,
    NoneTogether,
}

/// The units of a wish, of which so many are free; the tier's rows have so many seats each.
pub(super) fn choose(wish: &UnitsWish, free: &BTreeSet<u32>, rows: &[u32]) -> Choice {
    let quantity = wish.quantity();
    match wish {
        UnitsWish::Seats(seats) => {
            let (units, taken): (Vec<u32>, Vec<u32>) =
                seats.iter().map(|unit| unit.0).partition(|unit| free.contains(unit));
            if taken.is_empty() { Choice::Units(units) } else { Choice::Taken(taken) }
        }
        _ if quantity as usize > free.len() => Choice::AllHeld,
        UnitsWish::Any(_) => Choice::Units(lowest(free, quantity)),
        UnitsWish::Together(_) => side_by_side(free, rows, quantity).map_or(Choice::NoneTogether, Choice::Units),
        UnitsWish::TogetherOrAny(_) => {
            Choice::Units(side_by_side(free, rows, quantity).unwrap_or_else(|| lowest(free, quantity)))
        }
    }
}

fn lowest(free: &BTreeSet<u32>, quantity: u32) -> Vec<u32> {
    free.iter().copied().take(quantity as usize).collect()
}

/// In the first row that has them, whichever begin makes both ends of the row most alike.
fn side_by_side(free: &BTreeSet<u32>, rows: &[u32], quantity: u32) -> Option<Vec<u32>> {
    let mut first = 0;
    for seats in rows {
        let begins = (0..=seats.checked_sub(quantity).unwrap_or_default()).filter(|_| quantity <= *seats);
        let is_free = |begin: &u32| (first + begin..first + begin + quantity).all(|unit| free.contains(&unit));
        let lopsided = |begin: &u32| begin.abs_diff(seats - quantity - begin);
        if let Some(begin) = begins.filter(is_free).min_by_key(|begin| (lopsided(begin), *begin)) {
            return Some((first + begin..first + begin + quantity).collect());
        }
        first += seats;
    }
    None
}
