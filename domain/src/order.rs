//! The states of an order.
//!
//! Postgres keeps an order and its functions move it; this is the same table as a pure function.
//!
//! | state              | `authorise` | `capture` | `give_up`  | `time_out` | `cancel`  | `refund_part` | `refund_all` | `dispute` |
//! |--------------------|-------------|-----------|------------|------------|-----------|---------------|--------------|-----------|
//! | awaiting_payment   | processing  | paid      | –          | expired    | cancelled | –             | –            | –         |
//! | processing         | processing  | paid      | cancelled  | –          | –         | –             | –            | –         |
//! | paid               | –           | paid      | –          | –          | –         | part. refunded| refunded     | disputed  |
//! | expired            | processing  | paid      | –          | expired    | –         | –             | –            | –         |
//! | cancelled          | –           | –         | cancelled  | –          | cancelled | –             | –            | –         |
//! | partially_refunded | –           | –         | –          | –          | –         | part. refunded| refunded     | disputed  |
//! | refunded           | –           | –         | –          | –          | –         | –             | refunded     | disputed  |
//! | disputed           | –           | –         | –          | –          | –         | disputed      | refunded     | disputed  |
//!
//! A refund that fails and a dispute that is won take an order back to what is left of it, which is Postgres' alone to know.
//!
//! `give_up` is an authorisation that lapsed or a capture that was refused. An expired order still takes `authorise` and
//! `capture`: a payment may arrive late, and when the units can be had again it counts. Whether it may still come is
//! what [`Finality`] says to the buyer.

use serde::{Deserialize, Serialize};

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Its clock runs; nothing is authorised.
    AwaitingPayment,
    /// Authorised; the units can no longer expire, the capture is under way.
    Processing,
    /// Captured, or free: there are tickets.
    Paid,
    /// Its clock ran out.
    Expired,
    /// Given up, by the buyer or because the money could not be had.
    Cancelled,
    /// Some of the money went back, or some of the tickets.
    PartiallyRefunded,
    /// All of the money went back, or all of the tickets, each for its price.
    Refunded,
    /// The card's holder disputes the payment.
    Disputed,
}

/// What may happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEvent {
    /// The bank promises the money.
    Authorise,
    /// The money is ours, or none is due.
    Capture,
    /// The promise lapsed or the capture was refused.
    GiveUp,
    /// The order's clock ran out.
    TimeOut,
    /// The buyer gives the order up.
    Cancel,
    /// Some of the money went back, or some of the tickets.
    RefundPart,
    /// All of the money went back, or all of the tickets, each for its price.
    RefundAll,
    /// The card's holder disputes the payment.
    Dispute,
}

/// Whether an expired order may still become paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// A payment may still be under way.
    Open,
    /// Nothing will change by itself.
    Final,
}

/// The event makes no sense in that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} does not take {event:?}", state.word())]
pub struct OrderRefusal {
    /// The state the order was in.
    pub state: OrderState,
    /// What should have happened.
    pub event: OrderEvent,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::AwaitingPayment,
        Self::Processing,
        Self::Paid,
        Self::Expired,
        Self::Cancelled,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Disputed,
    ];

    /// The word in the database, in JSON and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AwaitingPayment => "awaiting_payment",
            Self::Processing => "processing",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Where an event leads. Repeating the event that led here leads here again.
    ///
    /// # Errors
    /// The event makes no sense in this state.
    pub const fn apply(self, event: OrderEvent) -> Result<Self, OrderRefusal> {
        let next = match self {
            Self::AwaitingPayment => Self::after_awaiting_payment(event),
            Self::Processing => Self::after_processing(event),
            Self::Paid | Self::PartiallyRefunded => self.after_paid(event),
            Self::Expired => Self::after_expired(event),
            Self::Cancelled => Self::after_cancelled(event),
            Self::Refunded => Self::after_refunded(event),
            Self::Disputed => Self::after_disputed(event),
        };
        match next {
            Some(state) => Ok(state),
            None => Err(OrderRefusal { state: self, event }),
        }
    }

    const fn after_awaiting_payment(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::Authorise => Some(Self::Processing),
            OrderEvent::Capture => Some(Self::Paid),
            OrderEvent::TimeOut => Some(Self::Expired),
            OrderEvent::Cancel => Some(Self::Cancelled),
            OrderEvent::GiveUp | OrderEvent::RefundPart | OrderEvent::RefundAll | OrderEvent::Dispute => None,
        }
    }

    const fn after_processing(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::Authorise => Some(Self::Processing),
            OrderEvent::Capture => Some(Self::Paid),
            OrderEvent::GiveUp => Some(Self::Cancelled),
            OrderEvent::TimeOut
            | OrderEvent::Cancel
            | OrderEvent::RefundPart
            | OrderEvent::RefundAll
            | OrderEvent::Dispute => None,
        }
    }

    const fn after_paid(self, event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::Capture => match self {
                Self::Paid => Some(Self::Paid),
                _ => None,
            },
            OrderEvent::RefundPart => Some(Self::PartiallyRefunded),
            OrderEvent::RefundAll => Some(Self::Refunded),
            OrderEvent::Dispute => Some(Self::Disputed),
            OrderEvent::Authorise | OrderEvent::GiveUp | OrderEvent::TimeOut | OrderEvent::Cancel => None,
        }
    }

    const fn after_expired(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::Authorise => Some(Self::Processing),
            OrderEvent::Capture => Some(Self::Paid),
            OrderEvent::TimeOut => Some(Self::Expired),
            OrderEvent::GiveUp
            | OrderEvent::Cancel
            | OrderEvent::RefundPart
            | OrderEvent::RefundAll
            | OrderEvent::Dispute => None,
        }
    }

    const fn after_cancelled(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::GiveUp | OrderEvent::Cancel => Some(Self::Cancelled),
            OrderEvent::Authorise
            | OrderEvent::Capture
            | OrderEvent::TimeOut
            | OrderEvent::RefundPart
            | OrderEvent::RefundAll
            | OrderEvent::Dispute => None,
        }
    }

    const fn after_refunded(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::RefundAll => Some(Self::Refunded),
            OrderEvent::Dispute => Some(Self::Disputed),
            OrderEvent::Authorise
            | OrderEvent::Capture
            | OrderEvent::GiveUp
            | OrderEvent::TimeOut
            | OrderEvent::Cancel
            | OrderEvent::RefundPart => None,
        }
    }

    const fn after_disputed(event: OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::RefundPart | OrderEvent::Dispute => Some(Self::Disputed),
            OrderEvent::RefundAll => Some(Self::Refunded),
            OrderEvent::Authorise
            | OrderEvent::Capture
            | OrderEvent::GiveUp
            | OrderEvent::TimeOut
            | OrderEvent::Cancel => None,
        }
    }
}

#[cfg(test)]
mod tests;
