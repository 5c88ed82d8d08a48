//! What every job and sweep works with.

use std::sync::Arc;

use admission::{Holds, Loader, Queue, StripeBudget};
use domain::ticket::TicketSigner;
use domain::token::Signer;
use ledger::Ledger;
use payments::Stripe;

use crate::beacon::Beacon;
use crate::inbox::DoneEvents;
use crate::jobs::payment_news::PaymentNews;
use crate::mail::Mailer;
use crate::points::Points;

/// Shared by all pools; each part is cheap to use from many tasks.
pub(crate) struct Context {
    pub(crate) ledger: Ledger,
    pub(crate) payment_news: PaymentNews,
    pub(crate) done_events: DoneEvents,
    pub(crate) store: admission::Store,
    pub(crate) queue: Queue,
    pub(crate) holds: Holds,
    pub(crate) loader: Loader,
    pub(crate) stripe: Arc<Stripe>,
    pub(crate) stripe_budget: StripeBudget,
    pub(crate) ticket_signer: Arc<TicketSigner>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) beacon: Option<Beacon>,
    /// Where a test ends this process.
    pub(crate) points: Points,
    /// How the outside sees the gateway, without a slash at the end.
    pub(crate) public_url: String,
}
