//! What somebody on a waitlist reads: the text and the HTML of each kind of letter.
//!
//! No letter does anything by being opened, nor does any link in it: mail programs and their guards follow links. The page that a
//! link leads to has a button.

use askama::Template;
use ledger::outbox::EntryMailKind;

use super::letter::Letter;

/// What a letter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryFacts {
    /// What people call the sale.
    pub(crate) sale: String,
    /// The entry, `wle_…`.
    pub(crate) entry: String,
    /// What was asked for: `2 × Standing or Balcony`.
    pub(crate) wish: String,
    /// What is offered: `2 × Standing`, or with seats `2 × Stalls (A-1, A-2)`; empty when nothing is.
    pub(crate) offered: String,
    /// How many units that are.
    pub(crate) count: usize,
    /// Whether it is fewer than was asked for.
    pub(crate) is_part: bool,
    /// When the offer ends, in the zone of the sale; empty when there is none.
    pub(crate) until: String,
    /// The page of the entry.
    pub(crate) url: String,
}

macro_rules! templates {
    ($($name:ident $path:tt;)+) => {$(
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            facts: &'a EntryFacts,
        }
    )+};
}

templates! {
    JoinedText "waitlist_joined.txt";
    JoinedHtml "waitlist_joined.html";
    OfferText "waitlist_offer.txt";
    OfferHtml "waitlist_offer.html";
    LapsedText "waitlist_lapsed.txt";
    LapsedHtml "waitlist_lapsed.html";
    CancelledText "waitlist_cancelled.txt";
    CancelledHtml "waitlist_cancelled.html";
}

/// Writes a letter.
pub(crate) fn write(kind: EntryMailKind, facts: &EntryFacts) -> Letter {
    let sale = &facts.sale;
    match kind {
        EntryMailKind::Joined => letter(
            format!("Confirm your place on the waitlist for {sale}"),
            &JoinedText { facts },
            &JoinedHtml { facts },
        ),
        EntryMailKind::Offer => {
            letter(format!("Your turn: {} for {sale}", facts.offered), &OfferText { facts }, &OfferHtml { facts })
        }
        EntryMailKind::Lapsed => {
            letter(format!("Your offer for {sale} is over"), &LapsedText { facts }, &LapsedHtml { facts })
        }
        EntryMailKind::Cancelled => {
            letter(format!("{sale} was called off"), &CancelledText { facts }, &CancelledHtml { facts })
        }
    }
}

fn letter(subject: String, text: &impl Template, html: &impl Template) -> Letter {
    let write = |template: Result<String, askama::Error>| template.expect("a String takes every byte of a template");
    Letter { subject, text: write(text.render()), html: write(html.render()) }
}

/// What distinguishes a letter from the others about its entry: part of its Message-ID.
pub(crate) const fn word(kind: EntryMailKind) -> &'static str {
    match kind {
        EntryMailKind::Joined => "waitlist_joined",
        EntryMailKind::Offer => "waitlist_offer",
        EntryMailKind::Lapsed => "waitlist_lapsed",
        EntryMailKind::Cancelled => "waitlist_cancelled",
    }
}

#[cfg(test)]
mod tests;
