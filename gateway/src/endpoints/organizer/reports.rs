//! What a sale's books say, for its organizer and for the support: `docs/money.md` describes all of them.
//!
//! Read from Postgres at the moment they are asked for. No report has a buyer's name or address in it.

pub(crate) mod audit;
pub(crate) mod export;
pub(crate) mod ledger;
pub(crate) mod orders;
pub(crate) mod statement;
