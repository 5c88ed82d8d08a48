//! What a failure of a store or of Stripe means for the job that met it.

use admission::AdmissionError;
use ledger::LedgerError;
use payments::StripeError;

use crate::runner::Outcome;

impl From<LedgerError> for Outcome {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unavailable(_) => Self::Away(error.to_string()),
            LedgerError::Database(_) | LedgerError::Corrupt(_) | LedgerError::Migration(_) => {
                Self::Retry(error.to_string())
            }
        }
    }
}

impl From<AdmissionError> for Outcome {
    fn from(error: AdmissionError) -> Self {
        match error {
            // Not loaded: a sweep is about to rebuild it, with an epoch that decides what is still true.
            AdmissionError::NotLoaded | AdmissionError::Unavailable(_) => Self::Away(error.to_string()),
            AdmissionError::Script(_) => Self::Retry(error.to_string()),
        }
    }
}

/// An error that a job has no better answer for. Unknown outcomes are counted: a call that never ends well, for one
/// payment only, must be seen by people in the end.
impl From<StripeError> for Outcome {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::RateLimited { .. } => Self::Away(error.to_string()),
            StripeError::InUse | StripeError::UnexpectedState(_) | StripeError::Unknown(_) => {
                Self::Retry(error.to_string())
            }
            StripeError::Declined { .. } | StripeError::Refused { .. } => Self::Park(error.to_string()),
        }
    }
}
