//! Where a piece of work belongs, and what its log lines are found by.
//!
//! Each try of a job and of an event has one span, named `job`, from its claim until it is settled. It is in the trace of the
//! request that made the work necessary, as its row says; of work that no request asked for, one begins here.
//!
//! | field | is |
//! |---|---|
//! | `trace_id` | the trace |
//! | `queue`, `kind`, `job` | where it was claimed, what it is, and its id; Stripe's kind and id of an event |
//! | `sale`, `order` | what it is about, as soon as that is known |
//!
//! News of several payments shares a call, and what that call has to say is said by the one who makes it.

use domain::trace::{BEGIN_BYTES, TraceId, Traceparent};
use domain::{OrderId, SaleId};
use tracing::Span;
use tracing::field::display;

/// What a piece of work is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The trace of the request that it is for.
    pub(crate) trace: Option<TraceId>,
    /// What it is.
    pub(crate) kind: &'a str,
    /// The sale.
    pub(crate) sale: Option<SaleId>,
    /// The order.
    pub(crate) order: Option<OrderId>,
}

impl About<'_> {
    /// The span of a try.
    pub(crate) fn span(&self, queue: &'static str, job: &str) -> Span {
        let trace = self.trace.unwrap_or_else(|| Traceparent::begin(random()).trace);
        // Of the highest level: no filter that lets a line through leaves it without its span.
        tracing::error_span!(
            "job",
            trace_id = %trace,
            queue,
            kind = self.kind,
            job,
            sale = self.sale.map(display),
            order = self.order.map(display),
        )
    }
}

/// The work under way turned out to be about these.
pub(crate) fn is_about(sale: Option<SaleId>, order: Option<OrderId>) {
    let span = Span::current();
    span.record("sale", sale.map(display));
    span.record("order", order.map(display));
}

fn random() -> [u8; BEGIN_BYTES] {
    let mut bytes = [0; BEGIN_BYTES];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
