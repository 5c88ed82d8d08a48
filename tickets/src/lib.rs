//! What a ticket looks like. The text in a QR code is `domain`'s business; drawing it is ours.
//!
//! A leaf crate: bytes in, bytes out, no clock, no store, no network, so that the gateway and the workers draw the same
//! ticket. Drawing is deterministic: the same text gives the same bytes, however often a ticket is sent.

pub mod qr;
