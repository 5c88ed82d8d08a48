//! Where a piece of work belongs, and what its log lines are found by.
//!
//! Each try of a job and of an event has one span, named `job`, from its claim until it is settled. It is in the trace of the
//! request that made the work necessary, below that request's span, as the row says; of work that no request asked for, one
//! begins here.
//!
//! | field | is |
//! |---|---|
//! | `trace_id` | the trace |
//! | `span_id`, `parent_span_id` | only of a trace that is recorded: this try, and the request |
//! | `queue`, `kind`, `job` | where it was claimed, what it is, and its id; Stripe's kind and id of an event |
//! | `sale`, `order` | what it is about, as soon as that is known |
//! | `outcome`, `failed` | at the end: what the queue writes down, and whether that is a failure |
//!
//! News of several payments shares a call, and what that call has to say is said by the one who makes it.

use domain::trace::{BEGIN_BYTES, BELOW_BYTES, Sampling, Traceparent};
use domain::{OrderId, SaleId};
use tracing::Span;
use tracing::field::{Empty, display};

use crate::runner::Verdict;

/// What a piece of work is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The trace of the request that it is for, and the request's span.
    pub(crate) trace: Option<Traceparent>,
    /// What it is.
    pub(crate) kind: &'a str,
    /// The sale.
    pub(crate) sale: Option<SaleId>,
    /// The order.
    pub(crate) order: Option<OrderId>,
}

impl About<'_> {
    /// The span of a try.
    pub(crate) fn span(&self, queue: &'static str, job: &str, sampling: Sampling) -> Span {
        let here = match self.trace {
            Some(request) => request.below(random::<BELOW_BYTES>()),
            None => Traceparent::begin(random::<BEGIN_BYTES>(), sampling),
        };
        let recorded = here.sampled.then_some(here.span);
        let parent = self.trace.filter(|request| request.sampled).map(|request| request.span);
        // Of the highest level: no filter that lets a line through leaves it without its span.
        tracing::error_span!(
            "job",
            trace_id = %here.trace,
            span_id = recorded.map(display),
            parent_span_id = parent.map(display),
            queue,
            kind = self.kind,
            job,
            sale = self.sale.map(display),
            order = self.order.map(display),
            outcome = Empty,
            failed = Empty,
        )
    }
}

/// The work under way turned out to be about these.
pub(crate) fn is_about(sale: Option<SaleId>, order: Option<OrderId>) {
    let span = Span::current();
    span.record("sale", sale.map(display));
    span.record("order", order.map(display));
}

/// The work under way came to this.
pub(crate) fn ended(verdict: &Verdict) {
    let span = Span::current();
    span.record("outcome", verdict.word());
    span.record("failed", verdict.is_failure());
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
