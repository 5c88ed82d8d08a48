//! Disputes as JSON.

use serde_json::{Map, Value, json};

use super::Shape;
use crate::stripe::dispute::{Dispute, DisputeStatus};
use crate::stripe::movement::Movement;

/// How long evidence is taken.
const EVIDENCE_S: i64 = 7 * 24 * 3_600;

const NO_EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

impl Shape {
    /// With the movements of the dispute, the oldest first.
    pub(in crate::stripe) fn dispute(&self, dispute: &Dispute, movements: &[&Movement], now: i64) -> Value {
        let moved: Vec<Value> = movements.iter().map(|movement| self.movement(movement, now)).collect();
        json!({
            "id": dispute.id,
            "object": "dispute",
            "amount": dispute.amount,
            "balance_transactions": moved,
            "charge": dispute.charge,
            "created": dispute.created,
            "currency": dispute.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence(),
            "evidence_details": {
                "due_by": waits_for_response(dispute.status).then_some(dispute.created + EVIDENCE_S),
                "enhanced_eligibility": {},
                "has_evidence": dispute.submissions > 0,
                "past_due": false,
                "submission_count": dispute.submissions,
            },
            "is_charge_refundable": !dispute.status.bars_refunds(),
            "livemode": self.livemode(),
            "metadata": {},
            "network_reason_code": "10.4",
            "payment_intent": dispute.intent,
            "payment_method_details": {
                "card": { "brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4" },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": dispute.status.as_str(),
        })
    }
}

fn evidence() -> Value {
    let mut evidence: Map<String, Value> = NO_EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    evidence.insert("enhanced_evidence".to_owned(), json!({}));
    evidence.into()
}

fn waits_for_response(status: DisputeStatus) -> bool {
    matches!(status, DisputeStatus::WarningNeedsResponse | DisputeStatus::NeedsResponse)
}
