//! A refund as Onsale sees it.

use domain::memo::read_units;
use domain::{Money, OrderId, RefundId, SaleId, TierId, UnitNo};
use jiff::Timestamp;

use crate::intent::{IntentFault, ORDER_KEY, SALE_KEY, currency, id_in, time};

/// Metadata key of our own id of a refund.
pub(crate) const REFUND_KEY: &str = "refund";

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Stripe's id, `re_…`.
    pub id: String,
    /// Where it is.
    pub status: RefundStatus,
    /// How much goes back.
    pub amount: Money,
    /// The intent that is refunded, `pi_…`.
    pub payment_intent: Option<String>,
    /// Our own id of it; absent when someone refunds in Stripe's dashboard.
    pub refund: Option<RefundId>,
    /// The sale it says it is for.
    pub sale: Option<SaleId>,
    /// The order it says it is for.
    pub order: Option<OrderId>,
    /// The units whose tickets it gives back, if it says so ([`domain::memo`]).
    pub units: Vec<(TierId, UnitNo)>,
    /// When it was made.
    pub created: Timestamp,
}

/// Where a refund is, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The buyer has to say where to.
    RequiresAction,
    /// Sent.
    Succeeded,
    /// It came back: the money is ours again.
    Failed,
    /// Given up.
    Canceled,
}

impl RefundStatus {
    /// The status of Stripe's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "pending" => Some(Self::Pending),
            "requires_action" => Some(Self::RequiresAction),
            "succeeded" => Some(Self::Succeeded),
            "failed" => Some(Self::Failed),
            "canceled" => Some(Self::Canceled),
            _ => None,
        }
    }

    /// Stripe's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl Refund {
    pub(crate) fn read(json: &str) -> Result<Refund, IntentFault> {
        let generated = miniserde::json::from_str(json).map_err(|_| IntentFault::Shape)?;
        Self::from_generated(&generated)
    }

    pub(crate) fn from_generated(refund: &stripe_shared::Refund) -> Result<Refund, IntentFault> {
        let metadata = refund.metadata.as_ref();
        Ok(Refund {
            id: refund.id.to_string(),
            // Absent only for payment methods that refund at once.
            status: RefundStatus::from_word(refund.status.as_deref().unwrap_or("succeeded"))
                .ok_or(IntentFault::Status)?,
            amount: Money::new(refund.amount, currency(&refund.currency)?),
            payment_intent: refund.payment_intent.as_ref().map(|intent| intent.id().to_string()),
            refund: metadata.and_then(|metadata| id_in(metadata, REFUND_KEY)),
            sale: metadata.and_then(|metadata| id_in(metadata, SALE_KEY)),
            order: metadata.and_then(|metadata| id_in(metadata, ORDER_KEY)),
            units: metadata.and_then(read_units).unwrap_or_default(),
            created: time(refund.created)?,
        })
    }
}
