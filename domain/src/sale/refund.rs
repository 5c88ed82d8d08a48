//! What becomes of fees when money goes back.

use serde::{Deserialize, Serialize};

/// For each way of giving money back, whether the fees in it go back too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RefundConfig {
    /// When everything that is left goes back.
    pub whole: RefundedFees,
    /// When tickets are given back.
    pub tickets: RefundedFees,
    /// When an amount goes back and the tickets stay valid.
    pub amount: RefundedFees,
}

/// What becomes of fees when money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundedFees {
    /// They go back in the same proportion.
    #[default]
    ReturnFees,
    /// They stay with the platform, and the tax on them with the state: the tax in proportion to fee and base price, half a
    /// minor unit rounded up.
    KeepFees,
}
