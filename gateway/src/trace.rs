//! Where a request belongs, and what its log lines are found by.
//!
//! Each request, the handshake of a socket too, has one span, named `request`, from its head to its answer. What its trace is,
//! its caller says (`traceparent`, W3C Trace Context); where nobody does, or not readably, it begins here. A header that comes
//! twice says nothing.
//!
//! | field | is |
//! |---|---|
//! | `trace_id` | the trace; problems name it, too |
//! | `span_id`, `parent_span_id` | only of a trace that is recorded: this span, and the caller's |
//! | `method`, `route` | the method if it is a usual one, and the path as a template: never the path itself, which may be anything |
//! | `sale`, `order` | the ids that the path names, or that the request came to, as far as they can be read as ids |
//! | `status`, `failed` | only of a trace that is recorded, at the end: what was answered, and whether the fault is ours |
//!
//! What goes on after the answer (events and frames, an export) is outside of the span; a socket's problems name the trace of its
//! handshake. Nothing of a body, a header or a query is a field.

use domain::trace::{BEGIN_BYTES, BELOW_BYTES, Sampling, SpanId, Traceparent};
use domain::{OrderId, SaleId};
use http::{HeaderMap, Method, StatusCode};
use tracing::Span;
use tracing::field::{Empty, display};

use crate::metrics;
use crate::request::Params;
use crate::route::Route;

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// The trace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Of what the request does: in its trace, below its span.
    pub(crate) here: Traceparent,
    /// The caller's span; none where the trace begins.
    parent: Option<SpanId>,
}

impl Trace {
    /// The caller's, or one that begins.
    pub(crate) fn of(headers: &HeaderMap, sampling: Sampling) -> Self {
        match callers(headers) {
            Some(caller) => Self { here: caller.below(random::<BELOW_BYTES>()), parent: Some(caller.span) },
            None => Self { here: Traceparent::begin(random::<BEGIN_BYTES>(), sampling), parent: None },
        }
    }

    /// The span of a request.
    pub(crate) fn span(&self, method: &Method, route: Option<Route>, params: &Params) -> Span {
        // Of the highest level: no filter that lets a line through leaves it without its span.
        tracing::error_span!(
            "request",
            trace_id = %self.here.trace,
            span_id = self.recorded(Some(self.here.span)).map(display),
            parent_span_id = self.recorded(self.parent).map(display),
            method = metrics::method_word(method),
            route = route.map_or("_OTHER", Route::path),
            sale = params.named::<SaleId>("sale").map(display),
            order = params.named::<OrderId>("order").map(display),
            status = Empty,
            failed = Empty,
        )
    }

    /// The request came to this answer.
    pub(crate) fn ended(&self, span: &Span, status: StatusCode) {
        if self.here.sampled {
            span.record("status", status.as_u16());
            span.record("failed", status.is_server_error());
        }
    }

    fn recorded(&self, span: Option<SpanId>) -> Option<SpanId> {
        span.filter(|_| self.here.sampled)
    }
}

/// The request under way is about that sale, which its path calls by another name.
pub(crate) fn is_about_sale(sale: SaleId) {
    Span::current().record("sale", display(sale));
}

/// The request under way made that order.
pub(crate) fn is_about_order(order: OrderId) {
    Span::current().record("order", display(order));
}

fn callers(headers: &HeaderMap) -> Option<Traceparent> {
    let mut said = headers.get_all(TRACEPARENT).iter();
    let text = said.next().filter(|_| said.next().is_none())?;
    text.to_str().ok()?.parse().ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use http::HeaderValue;

    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Any trace, for tests of what names one.
    pub(crate) fn any() -> Trace {
        Trace::of(&HeaderMap::new(), Sampling::Nothing)
    }

    fn of(said: &[&'static str]) -> Trace {
        let mut headers = HeaderMap::new();
        for text in said {
            headers.append(TRACEPARENT, HeaderValue::from_static(text));
        }
        Trace::of(&headers, Sampling::Nothing)
    }

    #[test]
    fn a_request_goes_on_with_the_trace_of_its_caller_in_a_span_of_its_own() {
        let caller: Traceparent = CALLER.parse().unwrap();
        let Trace { here, parent } = of(&[CALLER]);
        assert_eq!((here.trace, here.sampled, parent), (caller.trace, true, Some(caller.span)));
        assert!(here.span != caller.span && here.span != of(&[CALLER]).here.span);
    }

    #[test]
    fn what_cannot_be_read_or_is_said_twice_begins_a_trace_that_is_new_each_time() {
        let caller: Traceparent = CALLER.parse().unwrap();
        for said in [&[][..], &["rubbish"], &[CALLER, CALLER], &[CALLER, "rubbish"]] {
            let Trace { here, parent } = of(said);
            assert_eq!((here.sampled, parent), (false, None), "{said:?}");
            assert!(here.trace != caller.trace && here.trace != of(said).here.trace, "{said:?}");
        }
    }
}
