//! What an organizer says in letters in place of our words.
//!
//! Only the subject and the opening are theirs. What must be said (codes, tickets, sums, the page of the order) stands below, in our form.
//! A text has placeholders, `{{name}}`; they are filled in once, so a buyer whose name looks like a placeholder keeps it, and what comes
//! out is text: the HTML of a letter is made of it by escaping. Nothing else is a template, so nothing an organizer writes can run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest opening.
pub const OPENING_CHARS_MAX: usize = 4_000;

macro_rules! letters {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// A letter that an organizer may begin otherwise.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum LetterKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl LetterKind {
            /// Every letter.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its word in configurations and on the command line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// The letter of that word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.word() == word)
            }
        }
    };
}

letters! {
    /// Paid: here are the tickets.
    OrderPaid = "order_paid";
    /// The time to pay ran out.
    OrderExpired = "order_expired";
    /// The payment came too late: nothing is charged.
    PaymentReleased = "payment_released";
    /// The payment came too late: the money goes back.
    PaymentRefunded = "payment_refunded";
    /// Money or tickets were given back.
    RefundMade = "refund_made";
    /// Money that was to go back did not arrive.
    RefundFailed = "refund_failed";
    /// The tickets once more.
    TicketsAgain = "tickets_again";
    /// The sale was called off: this goes back.
    SaleCancelled = "sale_cancelled";
    /// Somebody asked to wait: was it the owner of the address?
    WaitlistJoined = "waitlist_joined";
    /// What came back is theirs for a while.
    WaitlistOffer = "waitlist_offer";
    /// That time is over.
    WaitlistLapsed = "waitlist_lapsed";
    /// The sale was called off: there is nothing to wait for.
    WaitlistCancelled = "waitlist_cancelled";
}

impl LetterKind {
    /// What its words may refer to: who waits has no order and has given no name.
    #[must_use]
    pub const fn placeholders(self) -> &'static [Placeholder] {
        use Placeholder::{Amount, Name, Offer, Order, Sale, Total, Until, Venue, When, Wish};
        match self {
            Self::OrderPaid
            | Self::OrderExpired
            | Self::PaymentReleased
            | Self::PaymentRefunded
            | Self::RefundMade
            | Self::RefundFailed
            | Self::TicketsAgain
            | Self::SaleCancelled => &[Name, Sale, Venue, When, Order, Total, Amount],
            Self::WaitlistJoined | Self::WaitlistCancelled => &[Sale, Venue, When, Wish],
            Self::WaitlistOffer | Self::WaitlistLapsed => &[Sale, Venue, When, Wish, Offer, Until],
        }
    }
}

/// An organizer's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterConfig {
    /// The subject; ours when it is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What stands between the greeting and the facts, a paragraph a line; ours when it is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub opening: String,
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The buyer's name.
    Name,
    /// What people call the sale.
    Sale,
    /// Where it takes place.
    Venue,
    /// When it begins.
    When,
    /// The order.
    Order,
    /// What the order cost.
    Total,
    /// What went back, or should have.
    Amount,
    /// What somebody waits for.
    Wish,
    /// What they were offered.
    Offer,
    /// Until when.
    Until,
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Sale,
        Self::Venue,
        Self::When,
        Self::Order,
        Self::Total,
        Self::Amount,
        Self::Wish,
        Self::Offer,
        Self::Until,
    ];

    /// What stands between the braces.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Sale => "sale",
            Self::Venue => "venue",
            Self::When => "when",
            Self::Order => "order",
            Self::Total => "total",
            Self::Amount => "amount",
            Self::Wish => "wish",
            Self::Offer => "offer",
            Self::Until => "until",
        }
    }
}

/// Why a text is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadWords {
    /// Braces that are not closed.
    Open,
    /// A placeholder that stands for nothing in that letter.
    Unknown {
        /// What stands between the braces.
        name: String,
        /// What could.
        known: &'static [Placeholder],
    },
}

impl fmt::Display for BadWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("each {{ closed by }}"),
            Self::Unknown { name, known } => {
                let known: Vec<&str> = known.iter().map(|placeholder| placeholder.word()).collect();
                write!(f, "without {{{{{name}}}}}: there are {}", known.join(", "))
            }
        }
    }
}

enum Part<'a> {
    Text(&'a str),
    Filled(Placeholder),
}

fn parts<'a>(text: &'a str, known: &'static [Placeholder]) -> Result<Vec<Part<'a>>, BadWords> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").ok_or(BadWords::Open)?;
        let meant = known.iter().copied().find(|placeholder| placeholder.word() == name.trim());
        let placeholder = meant.ok_or_else(|| BadWords::Unknown { name: name.trim().to_owned(), known })?;
        parts.extend([Part::Text(before), Part::Filled(placeholder)]);
        rest = behind;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Whether a text may be used in that letter.
///
/// # Errors
/// [`BadWords`].
pub fn check(kind: LetterKind, text: &str) -> Result<(), BadWords> {
    parts(text, kind.placeholders()).map(drop)
}

/// A text with its placeholders filled in. One that was never checked is left as it is.
#[must_use]
pub fn filled(text: &str, value: impl Fn(Placeholder) -> String) -> String {
    let Ok(parts) = parts(text, &Placeholder::ALL) else {
        return text.to_owned();
    };
    let part = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Filled(placeholder) => value(*placeholder),
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests;
