//! A letter in its envelope: multipart, with the tickets' pictures inside and files beside it.
//!
//! Names come from buyers and organizers. They reach headers only through here, without control characters and through
//! the library's encoders, so no name can add a header or a recipient.

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::letter::Letter;

/// The longest name that goes into a header, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Where a letter goes.
pub(crate) struct Envelope<'a> {
    pub(crate) from: &'a Mailbox,
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
    /// Without the angle brackets; the same for the same letter.
    pub(crate) message_id: String,
}

/// A picture inside a letter.
pub(crate) struct Picture {
    /// What `cid:` in the HTML names.
    pub(crate) content_id: String,
    pub(crate) png: Vec<u8>,
}

/// A file beside a letter.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) content: Vec<u8>,
}

/// What goes into an envelope with a letter.
#[derive(Default)]
pub(crate) struct Enclosed {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) files: Vec<File>,
}

/// Why a letter has no envelope.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadEnvelope {
    #[error("the buyer's address is not one")]
    Address,
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
}

/// Puts a letter into its envelope.
pub(crate) fn seal(letter: &Letter, envelope: &Envelope<'_>, enclosed: Enclosed) -> Result<Message, BadEnvelope> {
    let address = address(envelope.email)?;
    let name = one_line(envelope.name);
    let to = Mailbox::new((!name.is_empty()).then_some(name), address);
    Ok(Message::builder()
        .from(envelope.from.clone())
        .to(to)
        .subject(one_line(&letter.subject))
        .message_id(Some(format!("<{}>", envelope.message_id)))
        .header(AutoSubmitted)
        .multipart(with_files(body(letter, enclosed.pictures), enclosed.files))?)
}

/// An address as every mail server takes it: a domain in letters of its own goes as it is looked up (RFC 5891). What is before the @
/// belongs to the receiver alone, and goes as it is.
fn address(email: &str) -> Result<Address, BadEnvelope> {
    let written: Address = email.parse().map_err(|_| BadEnvelope::Address)?;
    let domain = domain::email::ascii_domain(written.domain()).ok_or(BadEnvelope::Address)?;
    Address::new(written.user(), domain).map_err(|_| BadEnvelope::Address)
}

fn with_files(letter: MultiPart, files: Vec<File>) -> MultiPart {
    if files.is_empty() {
        return letter;
    }
    files.into_iter().fold(MultiPart::mixed().multipart(letter), |mixed, File { name, media_type, content }| {
        let media_type = ContentType::parse(media_type).expect("a content type");
        mixed.singlepart(Attachment::new(name).body(Body::new(content), media_type))
    })
}

fn body(letter: &Letter, pictures: Vec<Picture>) -> MultiPart {
    let html = SinglePart::html(letter.html.clone());
    let alternative = MultiPart::alternative().singlepart(SinglePart::plain(letter.text.clone()));
    if pictures.is_empty() {
        return alternative.singlepart(html);
    }
    let related = pictures.into_iter().fold(MultiPart::related().singlepart(html), |related, picture| {
        let png = ContentType::parse("image/png").expect("a content type");
        let name = format!("{}.png", picture.content_id);
        let inline = Attachment::new_inline_with_name(picture.content_id, name);
        related.singlepart(inline.body(Body::new(picture.png), png))
    });
    alternative.multipart(related)
}

/// A text fit for a header: no control characters, no line ends, not endless.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME_CHARS_MAX).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Auto-Submitted: auto-generated` (RFC 3834): holiday replies stay away.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests;
