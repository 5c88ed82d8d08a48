//! The dates a sale sells for: what a ticket and a calendar say about when and where.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::PerformanceId;

/// The most performances of one sale: tiers belong to a sale still, not to one of its dates.
pub const PERFORMANCES_MAX: usize = 1;

/// The longest small print: about what fits under the code of a ticket.
pub const TERMS_CHARS_MAX: usize = 2_000;

/// A date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerformanceConfig {
    /// Its name in URLs.
    #[serde(default = "only")]
    pub id: PerformanceId,
    /// What people call it; nothing where the sale's name is enough.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Where, when that is not the sale's venue.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub venue: String,
}

fn only() -> PerformanceId {
    "main".parse().expect("it fits the rule for names")
}
