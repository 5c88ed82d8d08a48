//! What a buyer wants to hold, tier by tier: so many units, these seats, or so many side by side.
//!
//! | `items[…]`                                     | gives                                                              |
//! |------------------------------------------------|--------------------------------------------------------------------|
//! | `"quantity": 2`                                | the lowest free units; in a tier of rows, the front                |
//! | `"seats": ["A-1", "A-2"]`                      | these seats or nothing (`seat_taken` names those that are not free) |
//! | `"quantity": 2, "together": true`              | side by side: the first row that has so many, near its middle, or `none_together` |
//! | `"quantity": 2, "together": true, "or_apart": true` | the same, and as by quantity alone where no row has so many  |
//!
//! Everything that is wrong is named at once, each fault where it is, before Redis is asked: nothing is held.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use admission::UnitsWish;
use domain::sale::{Fault, PER_BUYER_LIMIT_MAX, Seating, TIERS_MAX, TierConfig};
use domain::{TierId, UnitNo};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::json;
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// What to hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeBody {
    /// What of which tier; each tier once.
    #[serde(deserialize_with = "json::objects")]
    #[schema(min_items = 1, max_items = 32)]
    items: Vec<ItemBody>,
}

/// What of a tier: a quantity, or seats by name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemBody {
    /// The tier.
    #[schema(value_type = String)]
    tier: TierId,
    /// How many of its units; left out when seats are named.
    #[schema(required = false, minimum = 1, maximum = 20)]
    quantity: Option<u32>,
    /// Which of its seats, by name; left out when a quantity is given.
    #[schema(required = false, value_type = Vec<String>, min_items = 1, max_items = 20, example = json!(["A-1", "A-2"]))]
    seats: Option<Vec<String>>,
    /// Whether they must be side by side in one row: the first that has so many, as near to its middle as they are free.
    #[serde(default)]
    #[schema(required = false)]
    together: bool,
    /// Whether units that are apart will do where no row has so many side by side.
    #[serde(default)]
    #[schema(required = false)]
    or_apart: bool,
}

/// What is asked for, checked.
pub(super) fn read(sale: &Sale, body: &TakeBody) -> Result<BTreeMap<TierId, UnitsWish>, Problem> {
    let mut faults = Vec::new();
    if !(1..=TIERS_MAX).contains(&body.items.len()) {
        faults.push(fault("/items".to_owned(), format!("must be 1 to {TIERS_MAX} items")));
    }
    let mut wishes = BTreeMap::new();
    for (index, item) in body.items.iter().take(TIERS_MAX).enumerate() {
        let mut check = ItemCheck { sale, item, at: format!("/items/{index}"), faults: &mut faults };
        let wish = check.wish();
        if body.items[..index].iter().any(|other| other.tier == item.tier) {
            check.fault("tier", "must be different from the other items' tiers");
        }
        if let Some(wish) = wish {
            wishes.insert(item.tier.clone(), wish);
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    within_limits(sale, body, &wishes)?;
    Ok(wishes)
}

/// What one buyer may have, of each tier and of all together. The script would refuse the latter too; this says where.
fn within_limits(sale: &Sale, body: &TakeBody, wishes: &BTreeMap<TierId, UnitsWish>) -> Result<(), Problem> {
    let of_tier = |(index, item): (usize, &ItemBody)| {
        let limit = sale.config().tier(&item.tier)?.per_buyer_limit?;
        let field = if item.seats.is_some() { "seats" } else { "quantity" };
        let beyond = wishes.get(&item.tier)?.quantity() > limit;
        beyond.then(|| (format!("/items/{index}/{field}"), format!("at most {limit} of {}", item.tier)))
    };
    let mut beyond: Vec<_> = body.items.iter().enumerate().filter_map(of_tier).collect();
    let limit = sale.config().per_buyer_limit;
    if wishes.values().map(UnitsWish::quantity).sum::<u32>() > limit {
        beyond.push(("/items".to_owned(), format!("at most {limit} together")));
    }
    let Some((_, most)) = beyond.last() else {
        return Ok(());
    };
    let detail = format!("One buyer may have {most}.");
    let faults = beyond.into_iter().map(|(pointer, most)| fault(pointer, format!("must be {most}")));
    Err(Problem::new(Code::LimitReached).detail(detail).errors(faults.collect()))
}

/// The seats that were named of a tier.
pub(super) fn named(sale: &Sale, body: &TakeBody, tier: &TierId) -> Vec<UnitNo> {
    let of_tier = body.items.iter().filter(|item| item.tier == *tier);
    let names = of_tier.flat_map(|item| item.seats.iter().flatten());
    names.filter_map(|seat| sale.seating(tier)?.unit(seat)).collect()
}

/// Seats that were named and are not free, each where the body names it.
pub(super) fn taken(sale: &Sale, body: &TakeBody, tier: &TierId, units: &[UnitNo]) -> Problem {
    let taken: BTreeSet<_> = units.iter().filter_map(|unit| sale.seat(tier, *unit)).collect();
    let named = |(index, item): (usize, &ItemBody)| {
        let of_tier = item.seats.iter().flatten().enumerate().filter(|_| item.tier == *tier);
        let taken = of_tier.filter(|(_, seat)| taken.contains(*seat));
        let told =
            |(seat, name): (usize, &String)| fault(format!("/items/{index}/seats/{seat}"), format!("{name} is taken"));
        taken.map(told).collect::<Vec<_>>()
    };
    let errors = body.items.iter().enumerate().flat_map(named).collect();
    let names = taken.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Problem::new(Code::SeatTaken).detail(format!("Not free in {tier} any more: {names}.")).errors(errors)
}

fn fault(pointer: String, detail: String) -> Fault {
    Fault { pointer, detail }
}

/// One item being checked.
struct ItemCheck<'a> {
    sale: &'a Sale,
    item: &'a ItemBody,
    at: String,
    faults: &'a mut Vec<Fault>,
}

impl ItemCheck<'_> {
    fn fault(&mut self, field: &str, detail: impl Into<String>) {
        self.faults.push(fault(format!("{}/{field}", self.at), detail.into()));
    }

    /// What the item wishes, or nothing and at least one fault.
    fn wish(&mut self) -> Option<UnitsWish> {
        let Some(tier) = self.sale.config().tier(&self.item.tier) else {
            self.fault("tier", "must be a tier of this sale");
            return None;
        };
        self.check_flags(tier);
        match (&self.item.seats, self.item.quantity) {
            (Some(_), Some(_)) => {
                self.fault("seats", "must be left out beside a quantity");
                None
            }
            (Some(seats), None) => self.seats(tier, seats).map(UnitsWish::Seats),
            (None, quantity) => self.quantity(quantity),
        }
    }

    fn check_flags(&mut self, tier: &TierConfig) {
        let ItemBody { together, or_apart, seats, .. } = self.item;
        if *together && seats.is_some() {
            self.fault("together", "must be left out beside seats");
        } else if *together && tier.rows.is_empty() {
            self.fault("together", format!("must be left out: {} has no rows", tier.id));
        }
        if *or_apart && !together {
            self.fault("or_apart", "must be left out where together is not asked for");
        }
    }

    fn quantity(&mut self, quantity: Option<u32>) -> Option<UnitsWish> {
        let known = quantity.filter(|quantity| *quantity <= PER_BUYER_LIMIT_MAX).and_then(NonZeroU32::new);
        let Some(quantity) = known else {
            self.fault("quantity", format!("must be 1 to {PER_BUYER_LIMIT_MAX}, or seats be named"));
            return None;
        };
        Some(match (self.item.together, self.item.or_apart) {
            (false, _) => UnitsWish::Any(quantity),
            (true, false) => UnitsWish::Together(quantity),
            (true, true) => UnitsWish::TogetherOrAny(quantity),
        })
    }

    fn seats(&mut self, tier: &TierConfig, seats: &[String]) -> Option<BTreeSet<UnitNo>> {
        let Some(seating) = self.sale.seating(&tier.id) else {
            self.fault("seats", format!("must be left out: {} has no seats with names", tier.id));
            return None;
        };
        let most = usize::try_from(PER_BUYER_LIMIT_MAX).expect("a limit of some units fits");
        if !(1..=most).contains(&seats.len()) {
            self.fault("seats", format!("must be 1 to {most} seats"));
            return None;
        }
        let before = self.faults.len();
        let mut units = BTreeSet::new();
        for (index, seat) in seats.iter().enumerate() {
            match seating.unit(seat) {
                None => self.fault(&format!("seats/{index}"), self.no_seat(tier, seat)),
                Some(unit) if !units.insert(unit) => {
                    self.fault(&format!("seats/{index}"), "must be different from the other seats");
                }
                Some(_) => {}
            }
        }
        (self.faults.len() == before).then_some(units)
    }

    /// Why a name is no seat: most often it is one of another tier.
    fn no_seat(&self, tier: &TierConfig, seat: &str) -> String {
        let has_it = |seating: &Seating| seating.unit(seat).is_some();
        let mut others = self.sale.config().tiers.iter().map(|other| &other.id);
        match others.find(|other| self.sale.seating(other).is_some_and(has_it)) {
            Some(other) => format!("must be a seat of {}; this one is of {other}", tier.id),
            None => format!("must be a seat of {}, like A-1", tier.id),
        }
    }
}
