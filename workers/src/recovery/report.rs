//! What a recovery came to, and what none can do.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// What a recovery came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// From when on it heard again.
    pub since: Timestamp,
    /// How long it took, in thousandths of a second.
    pub took_ms: u64,
    /// Live sales.
    pub sales: u64,
    /// Of them, those that Redis does not have: of these turns and numbers are not known.
    pub not_in_redis: u64,
    /// Turns and places that Redis told of.
    pub places: u64,
    /// Payments of sales that Stripe told of.
    pub intents: u64,
    /// Of them, known already.
    pub known: u64,
    /// Orders that were written again and have their units.
    pub orders_rebuilt: u64,
    /// Orders that were there, and whose payment was not.
    pub payments_rebuilt: u64,
    /// Tickets that were issued again.
    pub tickets_rebuilt: u64,
    /// Orders whose units are gone or not known: captured, their money goes back.
    pub orders_refunded: u64,
    /// The same, authorised only: they are cancelled, and nothing is charged.
    pub orders_cancelled: u64,
    /// Payments of nobody's: tried and declined, or never finished, and cancelled at Stripe.
    pub abandoned: u64,
    /// Orders that wait for their payment in the restored database, and were ended in the time that is lost.
    pub orders_ended: u64,
    /// Refunds of ours that were written again.
    pub refunds_rebuilt: u64,
    /// Refunds that were made at Stripe, or cannot be told from such.
    pub refunds_at_stripe: u64,
    /// Refunds that were there.
    pub refunds_known: u64,
    /// Disputes that were heard of again.
    pub disputes: u64,
    /// Data lost: units that were ordered when Redis was last told, and are free again. Their orders were free of charge, not
    /// paid yet, or paid and are refunded.
    pub units_lost: u64,
    /// Data lost: holds that were under way.
    pub holds_lost: u64,
    /// What people must look at.
    pub told: Vec<String>,
}

/// What cannot be told again by anybody, in words.
pub const NOT_REBUILT: [&str; 8] = [
    "orders that cost nothing, and orders that were not paid: their units are free again",
    "holds: their buyers choose again",
    "registrations for a draw, and draws, made in that time: visitors join again",
    "entries of waitlists, offers and who left a waitlist in that time",
    "sales, prices, notices, access codes, API keys and decisions of organizers made in that time",
    "tickets whose code was replaced in that time: the code before opens the door again",
    "check-ins that no scanner uploads again",
    "lines of the admission log and of the audit log, and seals, of that time",
];

impl Report {
    /// How long it took.
    #[must_use]
    pub const fn took(&self) -> Duration {
        Duration::from_millis(self.took_ms)
    }
}
