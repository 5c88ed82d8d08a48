//! Stripe as Onsale uses it: the calls, the intents, the webhook.
//!
//! A leaf crate over `async-stripe`'s request builders and object types, which stay inside: what comes out are our own
//! words, so that the rest of the house is not rebuilt, nor rewritten, when Stripe's API moves. It holds no state, no
//! store and no policy: what to try again, when and how often is the caller's, who is told exactly what is known.

pub mod webhook;

mod dispute;
mod error;
mod intent;
pub mod metrics;
mod refund;
mod stripe;
mod wire;

pub use dispute::{Dispute, DisputeMovement};
pub use error::{StripeError, UnknownOutcome};
pub use intent::Intent;
pub use refund::{Refund, RefundStatus};
pub use stripe::account::{Account, Endpoint, Methods, api_version};
pub use stripe::lists::{BalanceObject, BalanceSource, BalanceTransaction, ListedEvent, Page, Span};
pub use stripe::{BadStripeConfig, CreateIntent, KEY_LIFE_S, RefundIntent, Stripe, StripeConfig};
