//! The balance of the account: every movement, written once and never changed, and what they add up to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Books, Cause, new_id};
use crate::stripe::form::Form;
use crate::stripe::movement::{Movement, MovementKind, Tally};
use crate::stripe::page::{PAGE_PARAMETERS, Page};
use crate::stripe::refusal::Refusal;

const MOVEMENT_PARAMETERS: [&str; 4] = ["currency", "payout", "source", "type"];

/// A movement to be written.
#[derive(Debug)]
pub(super) struct Moved<'a> {
    pub(super) kind: MovementKind,
    pub(super) amount: i64,
    pub(super) fee: i64,
    pub(super) currency: &'a str,
    pub(super) source: Option<&'a str>,
    pub(super) intent: Option<&'a str>,
    pub(super) description: Option<String>,
}

impl Books {
    /// Writes a movement and says its id.
    pub(super) fn moves(&mut self, moved: Moved<'_>, cause: &Cause) -> String {
        let id = new_id("txn_3");
        let Moved { kind, amount, fee, currency, source, intent, description } = moved;
        self.movements.insert(Movement {
            id: id.clone(),
            kind,
            amount,
            fee,
            currency: currency.to_owned(),
            source: source.map(str::to_owned),
            intent: intent.map(str::to_owned),
            created: cause.now,
            available_on: kind.available_on(cause.now),
            description,
        });
        id
    }

    /// The captured money of a charge comes in; the charge remembers the movement.
    pub(super) fn charge_moves(&mut self, charge: &str, cause: &Cause) {
        let of = self.charges[charge].clone();
        let moved = Moved {
            kind: MovementKind::Charge,
            amount: of.captured,
            fee: self.fees.of_charge(of.captured),
            currency: &of.currency,
            source: Some(&of.id),
            intent: Some(&of.intent),
            description: None,
        };
        self.charges.change(charge).movement = Some(self.moves(moved, cause));
    }

    /// Stripe takes `amount` for itself.
    pub(in crate::stripe) fn take_fee(&mut self, currency: &str, amount: i64, why: &str, cause: &Cause) -> String {
        let moved = Moved {
            kind: MovementKind::Fee,
            amount: -amount,
            fee: 0,
            currency,
            source: None,
            intent: None,
            description: Some(why.to_owned()),
        };
        self.moves(moved, cause)
    }

    pub(super) fn get_movement(&self, id: &str, now: i64) -> Result<Value, Refusal> {
        Ok(self.shape.movement(self.movements.find(id)?, now))
    }

    pub(super) fn list_movements(&self, form: &Form, now: i64) -> Result<Value, Refusal> {
        form.knows_only(&[&PAGE_PARAMETERS[..], &MOVEMENT_PARAMETERS].concat())?;
        let (kind, source, currency) = (form.text("type"), form.text("source"), form.text("currency"));
        let found = Page::of(form)?.cut(&self.movements, |movement| {
            kind.is_none_or(|kind| movement.kind.as_str() == kind)
                && source.is_none_or(|source| movement.source.as_deref() == Some(source))
                && currency.is_none_or(|currency| movement.currency == currency)
                // Nothing was ever paid out here.
                && form.text("payout").is_none()
        })?;
        Ok(found.list("/v1/balance_transactions", |movement| self.shape.movement(movement, now)))
    }

    pub(super) fn get_balance(&self, now: i64) -> Value {
        let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for movement in self.movements.iter() {
            let (available, pending) = sums.entry(&movement.currency).or_default();
            *(if movement.available_on <= now { available } else { pending }) += movement.net();
        }
        self.shape.balance(&sums)
    }

    /// What the account has in each currency, available or not.
    pub(in crate::stripe) fn balance(&self) -> BTreeMap<String, i64> {
        self.movements.iter().fold(BTreeMap::new(), |mut sums, movement| {
            *sums.entry(movement.currency.clone()).or_default() += movement.net();
            sums
        })
    }

    /// What moved for each payment intent.
    pub(in crate::stripe) fn tallies(&self) -> BTreeMap<String, Tally> {
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for movement in self.movements.iter() {
            if let Some(intent) = &movement.intent {
                tallies.entry(intent.clone()).or_default().add(movement);
            }
        }
        tallies
    }

    /// Every movement, the oldest first.
    pub(in crate::stripe) fn movements(&self) -> Vec<Movement> {
        self.movements.iter().cloned().collect()
    }
}
