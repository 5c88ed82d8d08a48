//! A dispute and the steps it goes.
//!
//! | step | from | to | balance | events, `charge.dispute.…` |
//! |---|---|---|---|---|
//! | opened as an inquiry | | `warning_needs_response` | | `created` |
//! | opened as a chargeback | | `needs_response` | | `created` |
//! | funds withdrawn, once | an inquiry that is open | `needs_response` | the amount and the fee out | `updated`, `funds_withdrawn` |
//! | | `needs_response` `under_review` | the same | the amount and the fee out | `funds_withdrawn` |
//! | updated | any `…needs_response` | `…under_review` | | `updated` |
//! | | anything else | the same | | `updated` |
//! | won | `needs_response` `under_review` | `won` | both back, if they were withdrawn | `funds_reinstated`, `closed` |
//! | lost | `needs_response` `under_review` | `lost` | | `closed` |
//! | warning closed | an inquiry that is open | `warning_closed` | | `closed` |
//!
//! A bank is not bound by what was refunded, so a dispute may be of money that is given back already.
//! Source: <https://docs.stripe.com/disputes/how-disputes-work>.

use super::page::Row;

/// What a dispute begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeKind {
    /// The bank asks a question; no money moves.
    Inquiry,
    /// The bank takes the money back; [`DisputeStep::FundsWithdrawn`] says when.
    Chargeback,
}

/// What happens to a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeStep {
    /// The money and a fee are taken; an inquiry becomes a chargeback by that.
    FundsWithdrawn,
    /// Evidence was sent in, or the bank said something.
    Updated,
    /// The seller is right.
    Won,
    /// The buyer is right.
    Lost,
    /// The bank asks no more.
    WarningClosed,
}

/// Stripe's statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DisputeStatus {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

/// A dispute.
#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) charge: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: DisputeStatus,
    /// The balance transaction that took the money.
    pub(super) withdrawn: Option<String>,
    /// The one that gave it back.
    pub(super) reinstated: Option<String>,
    /// Times evidence was sent in.
    pub(super) submissions: u32,
}

impl DisputeStatus {
    pub(super) fn of(kind: DisputeKind) -> DisputeStatus {
        match kind {
            DisputeKind::Inquiry => DisputeStatus::WarningNeedsResponse,
            DisputeKind::Chargeback => DisputeStatus::NeedsResponse,
        }
    }

    /// The status after `step`, if it can be taken.
    pub(super) fn after(self, step: DisputeStep) -> Option<DisputeStatus> {
        use DisputeStatus::{
            Lost, NeedsResponse, UnderReview, WarningClosed, WarningNeedsResponse, WarningUnderReview, Won,
        };
        match (step, self) {
            (DisputeStep::FundsWithdrawn, WarningNeedsResponse | WarningUnderReview) => Some(NeedsResponse),
            (DisputeStep::FundsWithdrawn, NeedsResponse | UnderReview) => Some(self),
            (DisputeStep::Updated, WarningNeedsResponse) => Some(WarningUnderReview),
            (DisputeStep::Updated, NeedsResponse) => Some(UnderReview),
            (DisputeStep::Updated, WarningUnderReview | WarningClosed | UnderReview | Won | Lost) => Some(self),
            (DisputeStep::Won, NeedsResponse | UnderReview) => Some(Won),
            (DisputeStep::Lost, NeedsResponse | UnderReview) => Some(Lost),
            (DisputeStep::WarningClosed, WarningNeedsResponse | WarningUnderReview) => Some(WarningClosed),
            (DisputeStep::FundsWithdrawn, WarningClosed | Won | Lost)
            | (
                DisputeStep::Won | DisputeStep::Lost,
                WarningNeedsResponse | WarningUnderReview | WarningClosed | Won | Lost,
            )
            | (DisputeStep::WarningClosed, WarningClosed | NeedsResponse | UnderReview | Won | Lost) => None,
        }
    }

    /// As Stripe writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            DisputeStatus::WarningNeedsResponse => "warning_needs_response",
            DisputeStatus::WarningUnderReview => "warning_under_review",
            DisputeStatus::WarningClosed => "warning_closed",
            DisputeStatus::NeedsResponse => "needs_response",
            DisputeStatus::UnderReview => "under_review",
            DisputeStatus::Won => "won",
            DisputeStatus::Lost => "lost",
        }
    }

    /// Whether the charge cannot be refunded because of it: the bank has the money or may keep it.
    pub(super) fn bars_refunds(self) -> bool {
        match self {
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | DisputeStatus::Lost => true,
            DisputeStatus::WarningNeedsResponse
            | DisputeStatus::WarningUnderReview
            | DisputeStatus::WarningClosed
            | DisputeStatus::Won => false,
        }
    }
}

impl Row for Dispute {
    const WHAT: &'static str = "dispute";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

#[cfg(test)]
mod tests {
    use super::DisputeStatus::{
        Lost, NeedsResponse, UnderReview, WarningClosed, WarningNeedsResponse, WarningUnderReview, Won,
    };
    use super::DisputeStep;

    /// From, then the status after funds withdrawn, updated, won, lost, warning closed.
    #[test]
    fn every_status_knows_every_step() {
        let table = [
            (WarningNeedsResponse, [Some(NeedsResponse), Some(WarningUnderReview), None, None, Some(WarningClosed)]),
            (WarningUnderReview, [Some(NeedsResponse), Some(WarningUnderReview), None, None, Some(WarningClosed)]),
            (WarningClosed, [None, Some(WarningClosed), None, None, None]),
            (NeedsResponse, [Some(NeedsResponse), Some(UnderReview), Some(Won), Some(Lost), None]),
            (UnderReview, [Some(UnderReview), Some(UnderReview), Some(Won), Some(Lost), None]),
            (Won, [None, Some(Won), None, None, None]),
            (Lost, [None, Some(Lost), None, None, None]),
        ];
        let steps = [
            DisputeStep::FundsWithdrawn,
            DisputeStep::Updated,
            DisputeStep::Won,
            DisputeStep::Lost,
            DisputeStep::WarningClosed,
        ];
        for (from, expected) in table {
            assert_eq!(steps.map(|step| from.after(step)), expected, "{from:?}");
        }
    }
}
