//! `expand[]`: an id in an answer gives way to the object it names, along a path such as `data.charge.balance_transaction`.
//! Source: <https://docs.stripe.com/api/expanding_objects>; four steps at most, as there.

use serde_json::Value;

use super::Books;
use crate::stripe::form::Form;
use crate::stripe::refusal::Refusal;

/// Stripe follows a path this far.
const STEPS_MAX: usize = 4;
/// What can be followed.
const FIELDS: [&str; 6] =
    ["balance_transaction", "charge", "failure_balance_transaction", "latest_charge", "payment_intent", "source"];

/// Refuses what can never be followed, before anything is carried out.
pub(super) fn check(form: &Form) -> Result<(), Refusal> {
    for wanted in form.list("expand") {
        let mut steps = wanted.split('.').enumerate();
        let known = |(at, step)| at < STEPS_MAX && (FIELDS.contains(&step) || (step == "data" && at == 0));
        if !steps.all(known) {
            return Err(cannot(&wanted));
        }
    }
    Ok(())
}

fn cannot(wanted: &str) -> Refusal {
    Refusal::invalid("expand", format!("This property cannot be expanded ({wanted})."))
}

impl Books {
    /// `object` with everything followed that `form` wants.
    pub(super) fn expanded(&self, mut object: Value, form: &Form, now: i64) -> Result<Value, Refusal> {
        for wanted in form.list("expand") {
            let path: Vec<&str> = wanted.split('.').collect();
            if !self.follow(&mut object, &path, now) {
                return Err(cannot(&wanted));
            }
        }
        Ok(object)
    }

    /// Whether the path leads somewhere; where an object has nothing at a step, that is its end.
    fn follow(&self, object: &mut Value, path: &[&str], now: i64) -> bool {
        let Some((&step, rest)) = path.split_first() else { return true };
        if step == "data" {
            let Some(rows) = object["data"].as_array_mut() else { return false };
            return !rest.is_empty() && rows.iter_mut().all(|row| self.follow(row, rest, now));
        }
        let Some(field) = object.get_mut(step) else { return false };
        if let Some(found) = field.as_str().map(|id| self.object(id, now)) {
            let Some(found) = found else { return false };
            *field = found;
        }
        field.is_null() || self.follow(field, rest, now)
    }

    fn object(&self, id: &str, now: i64) -> Option<Value> {
        Some(match id.split_once('_')?.0 {
            "pi" => self.shape.intent(self.intents.get(id)?),
            "ch" => self.shape.charge(self.charges.get(id)?),
            "re" => self.shape.refund(self.refunds.get(id)?),
            "du" => self.show_dispute(self.disputes.get(id)?, now),
            "txn" => self.shape.movement(self.movements.get(id)?, now),
            _ => return None,
        })
    }
}
