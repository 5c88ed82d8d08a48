//! A map as it is sent, and its gzip: it says nothing of the one who asks, so there is nothing to learn from its length.

use flate2::Compression;

use super::{Bytes, SeatMap, Text};
use crate::assets::{Encoded, GZIP, gzip};

/// Maps live for a tick while people buy, so they are compressed quickly: rows of equal letters get small all the same.
const COMPRESSION: Compression = Compression::fast();

pub(super) fn write(map: &SeatMap) -> Text {
    let body = serde_json::to_vec(&map.body()).expect("a map has string keys");
    let compressed = gzip(&body, COMPRESSION).expect("reading from memory does not fail");
    let version = map.version();
    Text {
        whole: Encoded { body: Bytes::from(body), etag: format!("\"{version}\"") },
        gzip: Encoded { body: Bytes::from(compressed), etag: format!("\"{version}-{GZIP}\"") },
    }
}
