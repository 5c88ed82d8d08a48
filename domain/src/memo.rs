//! What a payment says of its order, so that the order can be written again from the payment alone.
//!
//! A database that is restored to an earlier moment has forgotten the orders made since, while Stripe has their money. So each
//! payment intent carries, as metadata, what an order is made of beside its id; prices follow from the sale and the units.
//!
//! | key | says |
//! |---|---|
//! | `hold` | the hold it came from, or the offer that stood in its place |
//! | `number` | the buyer's number in the queue |
//! | `units` | `ga:0-3,7;stalls:12`: tiers, and in each the numbers of units, in order |
//! | `contact` | name and address, sealed ([`crate::token::Signer::seal_contact`]): Stripe cannot read them |
//!
//! A refund carries the `units` whose tickets it gives back. A value that is longer than Stripe takes goes on under `units_1`,
//! `units_2`, … So an order of [`PER_BUYER_LIMIT_MAX`] units has at most [`PIECES_MAX`] pieces of each, far below the fifty keys
//! that an object may have (<https://docs.stripe.com/api/metadata>).
//!
//! The same order gives the same text, always: it is part of a call that may be made again under its idempotency key.
//!
//! [`PER_BUYER_LIMIT_MAX`]: crate::sale::PER_BUYER_LIMIT_MAX

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use crate::ids::{HoldId, OrderId, PlaceNumber, TierId, UnitNo};
use crate::keyring::Kid;
use crate::token::Signer;

/// Who bought, and where letters go.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The address.
    pub email: String,
    /// The name.
    pub name: String,
}

/// Neither name nor address gets into a log.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact")
    }
}

/// What an order is made of, beside its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    /// The hold it came from, or the offer.
    pub hold: HoldId,
    /// The buyer's number in the queue.
    pub number: PlaceNumber,
    /// Its units.
    pub units: Vec<(TierId, UnitNo)>,
    /// Whose it is; none once that was erased, or when no key opens it.
    pub contact: Option<Contact>,
}

/// The longest value of a key that Stripe takes.
pub const VALUE_CHARS_MAX: usize = 500;
/// The most pieces one value is cut into.
pub const PIECES_MAX: usize = 8;

const HOLD: &str = "hold";
const NUMBER: &str = "number";
const UNITS: &str = "units";
const CONTACT: &str = "contact";

impl Memo {
    /// Its keys and values, the contact sealed with that key if the signer has it.
    #[must_use]
    pub fn fields(&self, order: OrderId, signer: &Signer, kid: Kid) -> Vec<(String, String)> {
        let Self { hold, number, units, contact } = self;
        let mut fields = vec![(HOLD.to_owned(), hold.to_string()), (NUMBER.to_owned(), number.0.to_string())];
        fields.extend(unit_fields(units));
        if let Some(sealed) = contact.as_ref().and_then(|contact| signer.seal_contact(kid, order, contact)) {
            fields.extend(pieces(CONTACT, &sealed));
        }
        fields
    }

    /// Reads it from all metadata of an object; none where it is not whole, because people can edit it at Stripe.
    #[must_use]
    pub fn read(metadata: &HashMap<String, String>, order: OrderId, signer: &Signer) -> Option<Self> {
        let contact = joined(metadata, CONTACT).and_then(|sealed| signer.open_contact(order, &sealed));
        Some(Self {
            hold: metadata.get(HOLD)?.parse().ok()?,
            number: PlaceNumber(metadata.get(NUMBER)?.parse().ok().filter(|number| *number > 0)?),
            units: read_units(metadata)?,
            contact,
        })
    }
}

/// Units as keys and values; nothing of none.
#[must_use]
pub fn unit_fields(units: &[(TierId, UnitNo)]) -> Vec<(String, String)> {
    if units.is_empty() { Vec::new() } else { pieces(UNITS, &units_text(units)) }
}

/// The units in the metadata of an object; none where it names none.
#[must_use]
pub fn read_units(metadata: &HashMap<String, String>) -> Option<Vec<(TierId, UnitNo)>> {
    units_of(&joined(metadata, UNITS)?)
}

fn units_text(units: &[(TierId, UnitNo)]) -> String {
    let mut tiers: BTreeMap<&TierId, BTreeSet<u32>> = BTreeMap::new();
    for (tier, unit) in units {
        tiers.entry(tier).or_default().insert(unit.0);
    }
    let mut text = String::new();
    for (tier, units) in tiers {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for unit in units {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(unit) => *last = unit,
                _ => runs.push((unit, unit)),
            }
        }
        let runs: Vec<_> = runs.into_iter().map(run_text).collect();
        let between = if text.is_empty() { "" } else { ";" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{between}{tier}:{}", runs.join(","));
    }
    text
}

fn run_text((first, last): (u32, u32)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// No order has as many units as a text may name, so a text that was edited cannot ask for millions.
const UNITS_READ_MAX: usize = 1_000;

fn units_of(text: &str) -> Option<Vec<(TierId, UnitNo)>> {
    let mut units = Vec::new();
    for part in text.split(';') {
        let (tier, runs) = part.split_once(':')?;
        let tier: TierId = tier.parse().ok()?;
        for run in runs.split(',') {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            if first > last || units.len() + usize::try_from(last - first).ok()? >= UNITS_READ_MAX {
                return None;
            }
            units.extend((first..=last).map(|unit| (tier.clone(), UnitNo(unit))));
        }
    }
    Some(units)
}

/// All of it is ASCII.
fn pieces(key: &str, value: &str) -> Vec<(String, String)> {
    let pieces = value.as_bytes().chunks(VALUE_CHARS_MAX).map(String::from_utf8_lossy);
    pieces.enumerate().map(|(index, piece)| (piece_key(key, index), piece.into_owned())).collect()
}

fn piece_key(key: &str, index: usize) -> String {
    if index == 0 { key.to_owned() } else { format!("{key}_{index}") }
}

fn joined(metadata: &HashMap<String, String>, key: &str) -> Option<String> {
    let mut value = metadata.get(key)?.clone();
    for index in 1..PIECES_MAX {
        let Some(piece) = metadata.get(&piece_key(key, index)) else { break };
        value.push_str(piece);
    }
    Some(value)
}

#[cfg(test)]
mod tests;
