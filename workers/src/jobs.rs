//! The work itself, one file for each kind. Every job is harmless when it runs twice.
//!
//! | job | does | repeated |
//! |---|---|---|
//! | [`apply_payment`] | merges what a Stripe event says into its payment | the second time it is old news |
//! | [`apply_dispute`] | books what moved for a dispute | each balance transaction once |
//! | [`capture_payment`] | takes an authorised amount, applies the answer | same key, or *already captured* |
//! | [`cancel_payment`] | lets an authorisation go, applies the answer | same key, or *already cancelled* |
//! | [`check_payment`] | fetches an intent, applies it | reads only |
//! | [`refund_payment`] | sends money back, applies the answer | same key, or found |
//! | [`return_units`] | puts freed units back on sale in Redis | idempotent by request id |
//! | [`send_entry_mail`] | tells somebody on a waitlist | the same |
//! | [`send_mail`] | tells the buyer | one more mail with the same Message-ID, which clients fold into one |

pub(crate) mod apply_dispute;
pub(crate) mod apply_payment;
pub(crate) mod cancel_payment;
pub(crate) mod capture_payment;
mod card_limit;
pub(crate) mod check_payment;
pub(crate) mod payment_news;
pub(crate) mod refund_payment;
pub(crate) mod return_units;
pub(crate) mod send_entry_mail;
pub(crate) mod send_mail;

mod failure;
