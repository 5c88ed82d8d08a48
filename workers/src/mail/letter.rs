//! What a buyer reads: the text and the HTML of each kind of letter, begun by our words or the organizer's ([`letters`]).

use askama::Template;
use domain::sale::letters::{self, Placeholder};
use domain::sale::{LetterConfig, LetterKind};
use ledger::outbox::MailKind;

/// A letter without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// What it is about.
    pub(crate) subject: String,
    /// For people who read text.
    pub(crate) text: String,
    /// For everybody else.
    pub(crate) html: String,
}

/// What a letter is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The buyer's name.
    pub(crate) name: String,
    /// What people call the sale.
    pub(crate) sale: String,
    /// Where it takes place; may be empty.
    pub(crate) venue: String,
    /// When it begins, if that is known.
    pub(crate) when: Option<String>,
    /// The order, `ord_…`.
    pub(crate) order: String,
    /// What is charged, line by line.
    pub(crate) lines: Vec<Line>,
    /// The sum, `43.50 EUR`.
    pub(crate) total: String,
    /// The tickets that open the door.
    pub(crate) tickets: Vec<Ticket>,
    /// What went back, in a letter about that.
    pub(crate) back: Option<Back>,
    /// Why there are no tickets, in a letter about that.
    pub(crate) why: Why,
    /// The page of the order.
    pub(crate) url: String,
    /// The organizer's words in place of ours, a paragraph each.
    pub(crate) opening: Option<Vec<String>>,
}

/// Why an order that was being paid brought no tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It came too late, or came to nothing.
    TooLate,
    /// The bank waited for its customer's word until the time to pay was over.
    Unconfirmed,
    /// The card has paid for as many as one buyer may have.
    CardLimit,
}

/// A line of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// `2 × Standing`.
    pub(crate) label: String,
    /// `40.00 EUR`.
    pub(crate) amount: String,
}

/// A ticket in a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// `tkt_…`; also the Content-ID of its picture.
    pub(crate) id: String,
    /// What the tier is called.
    pub(crate) tier: String,
    /// Its seat; none for general admission.
    pub(crate) seat: Option<String>,
    /// Its number among the letter's tickets, from 1.
    pub(crate) number: usize,
}

/// What went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Back {
    /// `40.00 EUR`; none where only tickets did.
    pub(crate) amount: Option<String>,
    /// The tickets that are void for it.
    pub(crate) tickets: Vec<Ticket>,
}

macro_rules! templates {
    ($($name:ident $path:tt;)+) => {$(
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            facts: &'a Facts,
        }
    )+};
}

templates! {
    OrderPaidText "order_paid.txt";
    OrderPaidHtml "order_paid.html";
    OrderExpiredText "order_expired.txt";
    OrderExpiredHtml "order_expired.html";
    PaymentReleasedText "payment_released.txt";
    PaymentReleasedHtml "payment_released.html";
    PaymentRefundedText "payment_refunded.txt";
    PaymentRefundedHtml "payment_refunded.html";
    RefundMadeText "refund_made.txt";
    RefundMadeHtml "refund_made.html";
    RefundFailedText "refund_failed.txt";
    RefundFailedHtml "refund_failed.html";
    TicketsAgainText "tickets_again.txt";
    TicketsAgainHtml "tickets_again.html";
    SaleCancelledText "sale_cancelled.txt";
    SaleCancelledHtml "sale_cancelled.html";
}

/// Writes a letter with the organizer's words, where there are any.
pub(crate) fn write_with(kind: MailKind, facts: &Facts, words: Option<&LetterConfig>) -> Letter {
    let Some(words) = words else {
        return write(kind, facts);
    };
    let Filled { subject, opening } = Filled::of(words, |placeholder| value(placeholder, facts));
    let letter = write(kind, &Facts { opening, ..facts.clone() });
    letter.about(subject)
}

/// An organizer's words for one reader.
pub(super) struct Filled {
    pub(super) subject: String,
    /// A paragraph each; none where they left it to us.
    pub(super) opening: Option<Vec<String>>,
}

impl Filled {
    pub(super) fn of(words: &LetterConfig, value: impl Fn(Placeholder) -> String) -> Self {
        let filled = letters::filled(&words.opening, &value);
        let paragraphs = filled.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
        let opening: Vec<String> = paragraphs.collect();
        Self { subject: letters::filled(&words.subject, &value), opening: (!opening.is_empty()).then_some(opening) }
    }
}

impl Letter {
    /// The same with another subject, unless that says nothing.
    pub(super) fn about(self, subject: String) -> Self {
        if subject.trim().is_empty() { self } else { Self { subject, ..self } }
    }
}

fn value(placeholder: Placeholder, facts: &Facts) -> String {
    match placeholder {
        Placeholder::Name => facts.name.clone(),
        Placeholder::Sale => facts.sale.clone(),
        Placeholder::Venue => facts.venue.clone(),
        Placeholder::When => facts.when.clone().unwrap_or_default(),
        Placeholder::Order => facts.order.clone(),
        Placeholder::Total => facts.total.clone(),
        Placeholder::Amount => facts.back.as_ref().and_then(|back| back.amount.clone()).unwrap_or_default(),
        Placeholder::Wish | Placeholder::Offer | Placeholder::Until => String::new(),
    }
}

/// Which letter of a configuration a kind is.
pub(crate) const fn kind_in_config(kind: MailKind) -> LetterKind {
    match kind {
        MailKind::OrderPaid => LetterKind::OrderPaid,
        MailKind::OrderExpired => LetterKind::OrderExpired,
        MailKind::PaymentReleased => LetterKind::PaymentReleased,
        MailKind::PaymentRefunded => LetterKind::PaymentRefunded,
        MailKind::RefundMade(_) => LetterKind::RefundMade,
        MailKind::RefundFailed(_) => LetterKind::RefundFailed,
        MailKind::TicketsAgain(_) => LetterKind::TicketsAgain,
        MailKind::SaleCancelled(_) => LetterKind::SaleCancelled,
    }
}

fn write(kind: MailKind, facts: &Facts) -> Letter {
    let sale = &facts.sale;
    match kind {
        MailKind::OrderPaid => {
            letter(format!("Your tickets for {sale}"), &OrderPaidText { facts }, &OrderPaidHtml { facts })
        }
        MailKind::OrderExpired => {
            letter(format!("Your order for {sale} ran out"), &OrderExpiredText { facts }, &OrderExpiredHtml { facts })
        }
        MailKind::PaymentReleased => letter(
            format!("Nothing was charged for {sale}"),
            &PaymentReleasedText { facts },
            &PaymentReleasedHtml { facts },
        ),
        MailKind::PaymentRefunded => letter(
            format!("Your payment for {sale} goes back to you"),
            &PaymentRefundedText { facts },
            &PaymentRefundedHtml { facts },
        ),
        MailKind::RefundMade(_) => {
            letter(format!("Your refund for {sale}"), &RefundMadeText { facts }, &RefundMadeHtml { facts })
        }
        MailKind::RefundFailed(_) => letter(
            format!("Your refund for {sale} did not arrive"),
            &RefundFailedText { facts },
            &RefundFailedHtml { facts },
        ),
        MailKind::TicketsAgain(_) => letter(
            format!("Your tickets for {sale}, once more"),
            &TicketsAgainText { facts },
            &TicketsAgainHtml { facts },
        ),
        MailKind::SaleCancelled(_) => {
            letter(format!("{sale} was called off"), &SaleCancelledText { facts }, &SaleCancelledHtml { facts })
        }
    }
}

fn letter(subject: String, text: &impl Template, html: &impl Template) -> Letter {
    let write = |template: Result<String, askama::Error>| template.expect("a String takes every byte of a template");
    Letter { subject, text: write(text.render()), html: write(html.render()) }
}

/// What distinguishes a letter from the others about its order: part of its Message-ID.
pub(crate) fn word(kind: MailKind) -> String {
    match kind {
        MailKind::OrderPaid => "order_paid".to_owned(),
        MailKind::OrderExpired => "order_expired".to_owned(),
        MailKind::PaymentReleased => "payment_released".to_owned(),
        MailKind::PaymentRefunded => "payment_refunded".to_owned(),
        MailKind::RefundMade(refund) => format!("refund_made.{refund}"),
        MailKind::RefundFailed(refund) => format!("refund_failed.{refund}"),
        MailKind::TicketsAgain(letter) => format!("tickets_again.{}", letter.simple()),
        MailKind::SaleCancelled(_) => "sale_cancelled".to_owned(),
    }
}

#[cfg(test)]
mod tests;
