//! Balance transactions and the balance as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Shape;
use crate::stripe::movement::{Movement, MovementKind};

impl Shape {
    pub(in crate::stripe) fn movement(&self, movement: &Movement, now: i64) -> Value {
        json!({
            "id": movement.id,
            "object": "balance_transaction",
            "amount": movement.amount,
            "available_on": movement.available_on,
            "balance_type": "payments",
            "created": movement.created,
            "currency": movement.currency,
            "description": movement.description,
            "exchange_rate": null,
            "fee": movement.fee,
            "fee_details": fee_details(movement),
            "net": movement.net(),
            "reporting_category": movement.kind.category(),
            "source": movement.source,
            "status": if movement.available_on <= now { "available" } else { "pending" },
            "type": movement.kind.as_str(),
        })
    }

    /// From the available and the pending sum of each currency.
    pub(in crate::stripe) fn balance(&self, sums: &BTreeMap<&str, (i64, i64)>) -> Value {
        let all = |part: fn(&(i64, i64)) -> i64| -> Vec<Value> {
            sums.iter().map(|(currency, sum)| entry(currency, part(sum))).collect()
        };
        json!({
            "object": "balance",
            "available": all(|sum| sum.0),
            "livemode": self.livemode(),
            "pending": all(|sum| sum.1),
            "refund_and_dispute_prefunding": { "available": [], "pending": [] },
        })
    }
}

fn entry(currency: &str, amount: i64) -> Value {
    json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
}

fn fee_details(movement: &Movement) -> Vec<Value> {
    if movement.fee == 0 {
        return Vec::new();
    }
    let description = match movement.kind {
        MovementKind::Dispute | MovementKind::DisputeReversal => "Dispute fee",
        _ => "Stripe processing fees",
    };
    vec![json!({
        "amount": movement.fee,
        "application": null,
        "currency": movement.currency,
        "description": description,
        "type": "stripe_fee",
    })]
}
