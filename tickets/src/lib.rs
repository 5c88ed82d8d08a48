//! What a ticket looks like: codes, PDF, an entry of a calendar. The text in a QR code is `domain`'s business; drawing it is ours.
//!
//! Bytes in, bytes out, no clock, no store, no network, so that the gateway and the workers draw the same ticket. Drawing is
//! deterministic: the same facts give the same bytes, however often a ticket is sent.

pub mod order;

pub mod calendar;
pub mod dates;
pub mod pdf;
pub mod qr;

mod fonts;
mod text;
