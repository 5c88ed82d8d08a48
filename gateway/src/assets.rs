//! The files of the pages, inside the binary, as they are and compressed.
//!
//! They are the same for everybody and do not change while a gateway runs, so each is compressed once, before the gateway
//! listens ([`prepare`]), as small as it gets: when a sale opens and a crowd loads the page, sending it costs no computing.
//! Of answers only the [seat map](crate::seat_map) is compressed, which is the same for everybody, too.
//! Answers that are about one visitor are never compressed: beside text that somebody else chose, the length of a
//! compressed answer tells about what else is in it.

use std::collections::HashMap;
use std::io::{Read as _, Result};
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

/// How compressed files are called in `Accept-Encoding` and `Content-Encoding`: what every browser takes, also over plain
/// http.
pub(crate) const GZIP: &str = "gzip";

#[derive(RustEmbed)]
#[folder = "web/"]
struct Web;

static FILES: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| Web::iter().filter_map(|path| read(&path)).collect());

/// A file.
pub(crate) struct Asset {
    /// What it is.
    pub(crate) media_type: &'static str,
    /// As it is.
    pub(crate) whole: Encoded,
    /// Compressed; none when that would not make it smaller.
    pub(crate) gzip: Option<Encoded>,
}

/// The bytes of a file as they are sent.
pub(crate) struct Encoded {
    /// The bytes.
    pub(crate) body: Bytes,
    /// Their version: a digest of the file, and what was done to it.
    pub(crate) etag: String,
}

impl Asset {
    /// A file of such bytes.
    pub(crate) fn new(body: Bytes, media_type: &'static str) -> Self {
        let digest = hex::encode(&Sha256::digest(&body)[..16]);
        let compressed = gzip(&body, Compression::best()).expect("reading from memory does not fail");
        let gzip = (compressed.len() < body.len())
            .then(|| Encoded { body: compressed.into(), etag: format!("\"{digest}-{GZIP}\"") });
        Self { media_type, whole: Encoded { body, etag: format!("\"{digest}\"") }, gzip }
    }
}

/// The file at a path under `web/`.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    FILES.get(path)
}

/// Compresses every file, so that nobody waits for it later.
pub(crate) fn prepare() {
    LazyLock::force(&FILES);
}

fn read(path: &str) -> Option<(String, Asset)> {
    let body = match Web::get(path)?.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some((path.to_owned(), Asset::new(body, media_type(path))))
}

/// The gzip of some bytes.
pub(crate) fn gzip(bytes: &[u8], compression: Compression) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    GzEncoder::new(bytes, compression).read_to_end(&mut compressed)?;
    Ok(compressed)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_file_has_a_type_and_a_version_of_each_encoding() {
        let page = find("sale.html").unwrap();
        assert_eq!(page.media_type, "text/html; charset=utf-8");
        let gzip = page.gzip.as_ref().unwrap();
        assert_eq!(page.whole.etag.len(), 34);
        assert_ne!(page.whole.etag, gzip.etag);
        assert!(gzip.body.len() < page.whole.body.len() / 2, "{} of {}", gzip.body.len(), page.whole.body.len());
    }

    #[test]
    fn what_was_compressed_is_the_file_again() {
        for (path, asset) in &*FILES {
            let Some(gzip) = &asset.gzip else { continue };
            let mut whole = Vec::new();
            GzDecoder::new(&*gzip.body).read_to_end(&mut whole).unwrap();
            assert!(whole == asset.whole.body, "{path}");
        }
    }

    #[test]
    fn what_compressing_makes_longer_is_left_alone() {
        assert!(Asset::new(Bytes::from_static(b"{}"), "application/json").gzip.is_none());
    }

    #[test]
    fn nothing_else_is_served() {
        for path in ["../Cargo.toml", "assets/../../Cargo.toml", "assets", "nothing.html"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
