//! As much of MIME as a mail reader needs: headers, encoded words, nested parts, base64 and quoted-printable.
//! Sources: RFC 5322, 2045, 2046, 2047. Bounds: [`DEPTH_MAX`] levels, [`PARTS_MAX`] parts a level. What is malformed is
//! shown as it is rather than refused: a sink is there to see what was sent.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// Levels of parts within parts; `mixed > related > alternative > text` has four.
const DEPTH_MAX: usize = 8;
/// Parts of one level.
const PARTS_MAX: usize = 100;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An attached file or an inline image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name; empty when it has none.
    pub name: String,
    /// `image/png`, …
    pub content_type: String,
    /// What HTML refers to as `cid:…`.
    pub content_id: Option<String>,
    /// The decoded bytes.
    pub content: Bytes,
}

/// A message or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    headers: Vec<(String, String)>,
    content: Bytes,
    parts: Vec<Part>,
}

impl Part {
    pub(super) fn parse(raw: &[u8]) -> Part {
        Part::parse_at(raw, 0)
    }

    fn parse_at(raw: &[u8], depth: usize) -> Part {
        let (head, body) = split_head(raw);
        let mut part = Part { headers: parse_headers(head), content: Bytes::new(), parts: Vec::new() };
        let boundary = part.parameter("content-type", "boundary").filter(|_| depth < DEPTH_MAX);
        match boundary {
            Some(boundary) if part.content_type().starts_with("multipart/") => {
                part.parts = split_parts(body, &boundary).map(|raw| Part::parse_at(raw, depth + 1)).collect();
            }
            _ => part.content = decode(body, &part.raw_header("content-transfer-encoding").unwrap_or_default()),
        }
        part
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.raw_header(name).map(|value| decode_words(&value))
    }

    pub(super) fn text_of(&self, content_type: &str) -> Option<String> {
        let is_it = self.parts.is_empty() && !self.is_attachment() && self.content_type() == content_type;
        let own = is_it.then(|| String::from_utf8_lossy(&self.content).replace("\r\n", "\n"));
        own.or_else(|| self.parts.iter().find_map(|part| part.text_of(content_type)))
    }

    pub(super) fn attachments(&self) -> Vec<Attachment> {
        let own = (self.parts.is_empty() && self.is_attachment()).then(|| Attachment {
            name: self
                .parameter("content-disposition", "filename")
                .or_else(|| self.parameter("content-type", "name"))
                .unwrap_or_default(),
            content_type: self.content_type(),
            content_id: self.raw_header("content-id").map(|id| id.trim_matches(['<', '>']).to_owned()),
            content: self.content.clone(),
        });
        own.into_iter().chain(self.parts.iter().flat_map(Part::attachments)).collect()
    }

    fn is_attachment(&self) -> bool {
        let disposition = self.raw_header("content-disposition").unwrap_or_default().to_ascii_lowercase();
        disposition.starts_with("attachment")
            || disposition.starts_with("inline") && !self.content_type().starts_with("text/")
            || self.raw_header("content-id").is_some()
    }

    fn content_type(&self) -> String {
        let value = self.raw_header("content-type").unwrap_or_else(|| "text/plain".to_owned());
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn raw_header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    /// A parameter such as `boundary` in `multipart/mixed; boundary="x"`.
    fn parameter(&self, header: &str, name: &str) -> Option<String> {
        let value = self.raw_header(header)?;
        let found = value.split(';').skip(1).find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })?;
        Some(decode_words(&found))
    }
}

/// Splits at the first empty line.
fn split_head(raw: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = raw.strip_prefix(b"\r\n") {
        return (&[], body);
    }
    match find(raw, b"\r\n\r\n") {
        Some(end) => (&raw[..end], &raw[end + 4..]),
        None => (raw, &[]),
    }
}

/// Names and unfolded values, in order.
fn parse_headers(head: &[u8]) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(head).split("\r\n") {
        match headers.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => headers.extend(line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))),
        }
    }
    headers
}

fn split_parts<'a>(body: &'a [u8], boundary: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut rest = find(body, &delimiter).map(|start| &body[start + delimiter.len()..]);
    std::iter::from_fn(move || {
        let from = rest?;
        if from.starts_with(b"--") {
            return None;
        }
        let end = find(from, &delimiter)?;
        rest = Some(&from[end + delimiter.len()..]);
        let part = &from[..end];
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        Some(part.strip_suffix(b"\r\n").unwrap_or(part))
    })
    .take(PARTS_MAX)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|part| part == needle)
}

fn decode(body: &[u8], encoding: &str) -> Bytes {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => {
            let packed: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            BASE64.decode(&packed).map_or_else(|_| Bytes::copy_from_slice(body), Bytes::from)
        }
        "quoted-printable" => decode_quoted(body).into(),
        _ => Bytes::copy_from_slice(body),
    }
}

/// Quoted-printable: `=C3=A9` is a byte each, `=` at the end of a line joins it with the next.
fn decode_quoted(body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            decoded.push(byte);
        } else if let Some(joined) = after.strip_prefix(b"\r\n") {
            rest = joined;
        } else if let Some(value) = after.get(..2).and_then(hex_byte) {
            decoded.push(value);
            rest = &after[2..];
        } else {
            decoded.push(byte);
        }
    }
    decoded
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Encoded words, `=?utf-8?b?…?=` and `=?utf-8?q?…?=`; blanks between two of them belong to neither.
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from) = rest.split_at(start);
        let Some((word, after)) = encoded_word(from) else {
            decoded.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            after_word = false;
            continue;
        };
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&word);
        rest = after;
        after_word = true;
    }
    decoded + rest
}

fn encoded_word(text: &str) -> Option<(String, &str)> {
    let mut parts = text.strip_prefix("=?")?.splitn(3, '?');
    let (_charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (content, after) = rest.split_once("?=")?;
    let bytes = match encoding {
        "b" | "B" => BASE64.decode(content).ok()?,
        "q" | "Q" => decode_quoted(content.replace('_', " ").as_bytes()),
        _ => return None,
    };
    Some((String::from_utf8_lossy(&bytes).into_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::{Part, decode_words};

    const MAIL: &str = "Subject: =?utf-8?b?RMOpasOg?= =?utf-8?q?_vu=21?=\r\nX-Folded: one\r\n two\r\n\
        Content-Type: multipart/mixed;\r\n boundary=\"out\"\r\n\r\npreamble\r\n--out\r\n\
        Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nCaf=C3=A9 and a long =\r\nline\r\n--in\r\nContent-Type: text/html\r\n\r\n\
        <p>Hi</p>\r\n--in--\r\n--out\r\nContent-Type: image/png\r\nContent-ID: <qr@onsale>\r\nContent-Disposition: inline; filename=\"qr.png\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\niVBO\r\nRw==\r\n--out--\r\n";

    #[test]
    fn a_nested_mail_is_taken_apart() {
        let part = Part::parse(MAIL.as_bytes());
        assert_eq!(part.header("subject").unwrap(), "Déjà vu!");
        assert_eq!(part.header("X-FOLDED").unwrap(), "one two");
        assert_eq!(part.text_of("text/plain").unwrap(), "Café and a long line");
        assert_eq!(part.text_of("text/html").unwrap(), "<p>Hi</p>");
        let attachments = part.attachments();
        assert_eq!(attachments.len(), 1);
        assert_eq!((attachments[0].name.as_str(), attachments[0].content_type.as_str()), ("qr.png", "image/png"));
        assert_eq!(attachments[0].content_id.as_deref(), Some("qr@onsale"));
        assert_eq!(attachments[0].content.as_ref(), b"\x89PNG");
    }

    #[test]
    fn what_is_malformed_is_shown_as_it_is() {
        assert_eq!(decode_words("=?utf-8?x?abc?= =?broken"), "=?utf-8?x?abc?= =?broken");
        let part = Part::parse(b"no colon\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nnever closed");
        assert!(part.attachments().is_empty());
        assert_eq!(Part::parse(b"\r\nonly a body = that").text_of("text/plain").unwrap(), "only a body = that");
    }
}
