//! Charges and refunds: what moved, as opposed to what was intended.

use std::collections::BTreeMap;

use super::card::{Card, Decline};
use super::page::Row;

/// One try to take money from a card.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) method: String,
    pub(super) card: &'static Card,
    pub(super) fingerprint: String,
    pub(super) created: i64,
    /// When an authorisation lapses.
    pub(super) capture_before: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) captured: i64,
    /// Authorised money let go without ever being captured.
    pub(super) released: i64,
    /// Captured money given back.
    pub(super) refunded: i64,
    pub(super) failure: Option<Decline>,
    /// The balance transaction of what was captured.
    pub(super) movement: Option<String>,
    /// Its disputes, the oldest first.
    pub(super) disputes: Vec<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Captured money given back.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) charge: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reason: Option<String>,
    pub(super) status: RefundStatus,
    /// Its balance transaction.
    pub(super) movement: String,
    /// The one that brought the money back.
    pub(super) failure_movement: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Stripe's statuses of a card's refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

/// How a refund ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundOutcome {
    /// The buyer has the money.
    Succeeds,
    /// The money came back; so it may even after it had succeeded.
    Fails,
}

impl RefundStatus {
    /// As Stripe writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "succeeded",
            RefundStatus::Failed => "failed",
        }
    }
}

impl Charge {
    /// Stripe's `amount_refunded`, which counts what was let go as well.
    pub(super) fn returned(&self) -> i64 {
        self.released + self.refunded
    }

    /// What can still be refunded.
    pub(super) fn refundable(&self) -> i64 {
        self.captured - self.refunded
    }

    /// `amount` is taken, the rest of the authorisation is let go.
    pub(super) fn settle(&mut self, amount: i64) {
        self.captured = amount;
        self.released = self.amount - amount;
    }
}

impl Row for Charge {
    const WHAT: &'static str = "charge";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Row for Refund {
    const WHAT: &'static str = "refund";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}
