//! The files of the pages, inside the binary.

use bytes::Bytes;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Web;

/// A file.
pub(crate) struct Asset {
    /// Its bytes.
    pub(crate) body: Bytes,
    /// Its version: a digest.
    pub(crate) etag: String,
    /// What it is.
    pub(crate) media_type: &'static str,
}

/// The file at a path under `web/`.
pub(crate) fn find(path: &str) -> Option<Asset> {
    let file = Web::get(path)?;
    let digest = file.metadata.sha256_hash();
    let body = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Some(Asset { body, etag: format!("\"{}\"", hex::encode(&digest[..16])), media_type: media_type(path) })
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
    use super::*;

    #[test]
    fn a_file_has_a_type_and_a_version() {
        let page = find("sale.html").unwrap();
        assert_eq!(page.media_type, "text/html; charset=utf-8");
        assert_eq!(page.etag.len(), 34);
        assert_eq!(find("sale.html").unwrap().etag, page.etag);
    }

    #[test]
    fn nothing_else_is_served() {
        for path in ["../Cargo.toml", "assets/../../Cargo.toml", "assets", "nothing.html"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
