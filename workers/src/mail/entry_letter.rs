//! What somebody on a waitlist reads: the text and the HTML of each kind of letter, begun by our words or the organizer's
//! ([`letters`](domain::sale::letters)). What must be known stands below theirs: what is offered and until when, and that a press
//! confirms.
//!
//! No letter does anything by being opened, nor does any link in it: mail programs and their guards follow links. The page that a
//! link leads to has a button.

use askama::Template;
use domain::sale::letters::Placeholder;
use domain::sale::{LetterConfig, LetterKind};
use ledger::outbox::EntryMailKind;

use super::letter::{Filled, Letter};

/// What a letter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryFacts {
    /// What people call the sale.
    pub(crate) sale: String,
    /// Where it takes place; may be empty.
    pub(crate) venue: String,
    /// When it begins; empty when that is not known.
    pub(crate) when: String,
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
    /// The organizer's words in place of ours, a paragraph each.
    pub(crate) opening: Option<Vec<String>>,
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

/// Writes a letter with the organizer's words, where there are any.
pub(crate) fn write_with(kind: EntryMailKind, facts: &EntryFacts, words: Option<&LetterConfig>) -> Letter {
    let Some(words) = words else {
        return write(kind, facts);
    };
    let Filled { subject, opening } = Filled::of(words, |placeholder| value(placeholder, facts));
    write(kind, &EntryFacts { opening, ..facts.clone() }).about(subject)
}

fn value(placeholder: Placeholder, facts: &EntryFacts) -> String {
    match placeholder {
        Placeholder::Sale => facts.sale.clone(),
        Placeholder::Venue => facts.venue.clone(),
        Placeholder::When => facts.when.clone(),
        Placeholder::Wish => facts.wish.clone(),
        Placeholder::Offer => facts.offered.clone(),
        Placeholder::Until => facts.until.clone(),
        Placeholder::Name | Placeholder::Order | Placeholder::Total | Placeholder::Amount => String::new(),
    }
}

/// Which letter of a configuration a kind is.
pub(crate) const fn kind_in_config(kind: EntryMailKind) -> LetterKind {
    match kind {
        EntryMailKind::Joined => LetterKind::WaitlistJoined,
        EntryMailKind::Offer => LetterKind::WaitlistOffer,
        EntryMailKind::Lapsed => LetterKind::WaitlistLapsed,
        EntryMailKind::Cancelled => LetterKind::WaitlistCancelled,
    }
}

fn write(kind: EntryMailKind, facts: &EntryFacts) -> Letter {
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
