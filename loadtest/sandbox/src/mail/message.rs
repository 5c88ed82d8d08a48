//! One message as it arrived.

use bytes::Bytes;

use super::mime::{Attachment, Part};

/// A message in the sink. Reading it parses it; nothing is lost of [`Mail::raw`].
#[derive(Debug, Clone)]
pub struct Mail {
    /// Its number in the sink, from 1.
    pub id: u64,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// When it arrived, in seconds since 1970.
    pub received_s: i64,
    /// The message, byte for byte.
    pub raw: Bytes,
}

impl Mail {
    /// A header of the message, decoded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.part().header(name)
    }

    /// The subject; empty when there is none.
    #[must_use]
    pub fn subject(&self) -> String {
        self.header("subject").unwrap_or_default()
    }

    /// The first plain text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.part().text_of("text/plain")
    }

    /// The first HTML.
    #[must_use]
    pub fn html(&self) -> Option<String> {
        self.part().text_of("text/html")
    }

    /// Attached files and inline images, in order.
    #[must_use]
    pub fn attachments(&self) -> Vec<Attachment> {
        self.part().attachments()
    }

    fn part(&self) -> Part {
        Part::parse(&self.raw)
    }
}
