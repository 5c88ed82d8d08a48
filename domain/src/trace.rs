//! Which trace a piece of work belongs to: W3C Trace Context, version 00.
//!
//! ```text
//!  caller ──traceparent──► gateway ──row of a payment, a job, an event──► workers
//! ```
//!
//! A [`Traceparent`] is what goes along each arrow: the trace, the span that the next piece of work is below, and whether its spans
//! are recorded. Whoever gets one goes on with it ([`Traceparent::below`]); whoever gets none, or none that can be read, begins
//! one ([`Traceparent::begin`]). Ids name nobody: they are random, or a caller's, and mean nothing beyond the trace.
//!
//! Text of another version than 00 is not read, although a later one may be readable as 00: then a trace begins here.
//! `tracestate` is not kept.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The random bytes that [`Traceparent::begin`] needs: those of a trace and of a span.
pub const BEGIN_BYTES: usize = 24;
/// Those that [`Traceparent::below`] needs.
pub const BELOW_BYTES: usize = 8;

/// The text of a traceparent: `00-{trace}-{span}-{flags}`.
const TEXT_BYTES: usize = 55;
/// The flag that says that the caller records its spans.
const SAMPLED: u8 = 1;

/// The text is no traceparent of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no traceparent of version 00")]
pub struct BadTraceparent;

/// Names a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// Names a span of a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: TraceId,
    /// The span that what comes next is below.
    pub span: SpanId,
    /// Whether its spans are recorded.
    pub sampled: bool,
}

/// Which of the traces that begin here are recorded. Of one that came from outside its caller decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// None.
    #[default]
    Nothing,
    /// One in so many, by its id: whoever asks, the answer is the same.
    OneIn(NonZeroU32),
}

impl Sampling {
    fn takes(self, trace: TraceId) -> bool {
        match self {
            Self::Nothing => false,
            Self::OneIn(many) => trace.low().is_multiple_of(many.get().into()),
        }
    }
}

impl TraceId {
    fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The half that other versions of the standard also promise to be random.
    fn low(self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl SpanId {
    fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }
}

impl Traceparent {
    /// A trace that begins here.
    #[must_use]
    pub fn begin(random: [u8; BEGIN_BYTES], sampling: Sampling) -> Self {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&random[..16]);
        span.copy_from_slice(&random[16..]);
        let trace = TraceId(or_one(trace));
        Self { trace, span: SpanId(or_one(span)), sampled: sampling.takes(trace) }
    }

    /// A span below it.
    #[must_use]
    pub fn below(self, random: [u8; BELOW_BYTES]) -> Self {
        Self { span: SpanId(or_one(random)), ..self }
    }
}

/// Zero is no id; that it is drawn will not happen.
fn or_one<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes == [0; N] {
        bytes[N - 1] = 1;
    }
    bytes
}

impl FromStr for Traceparent {
    type Err = BadTraceparent;

    fn from_str(text: &str) -> Result<Self, BadTraceparent> {
        let fits = text.len() == TEXT_BYTES && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let mut parts = text.split('-').filter(|_| fits);
        let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
        if version != Some("00") || parts.next().is_some() {
            return Err(BadTraceparent);
        }
        let trace = bytes(trace).and_then(TraceId::from_bytes).ok_or(BadTraceparent)?;
        let span = bytes(span).and_then(SpanId::from_bytes).ok_or(BadTraceparent)?;
        let [flags] = bytes(flags).ok_or(BadTraceparent)?;
        Ok(Self { trace, span, sampled: flags & SAMPLED != 0 })
    }
}

fn bytes<const N: usize>(digits: Option<&str>) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits?, &mut bytes).ok().map(|()| bytes)
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.sampled { SAMPLED } else { 0 };
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

macro_rules! hex_text {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

hex_text!(TraceId, SpanId);

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
