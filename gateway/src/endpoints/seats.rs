//! `/v1/sales/{sale}/seats`: who may have which seat.
//!
//! The same for everybody, from memory, at most as old as any view. Who looks on without a socket asks with
//! `If-None-Match`, and is told in a few bytes when nothing changed.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use crate::answer::{Answer, With as _, empty, json_bytes};
use crate::app::App;
use crate::assets::GZIP;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// `GET /v1/sales/{sale}/seats`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = app.sale(request.params.text("sale")).await?;
    let (_, seen) = app.live(&sale).await?;
    let map = seen.seats().ok_or(Code::StoreUnavailable)?.latest();
    let text = map.text();
    let takes_gzip = request.accepts_coding(GZIP);
    let sent = if takes_gzip { &text.gzip } else { &text.whole };
    // Who has the map in either encoding has the map.
    let has_it = request.has_etag(&text.whole.etag) || request.has_etag(&text.gzip.etag);
    let answer = match (has_it, takes_gzip) {
        (true, _) => empty(StatusCode::NOT_MODIFIED),
        (false, false) => json_bytes(StatusCode::OK, sent.body.clone()),
        (false, true) => {
            json_bytes(StatusCode::OK, sent.body.clone()).with(header::CONTENT_ENCODING, HeaderValue::from_static(GZIP))
        }
    };
    Ok(answer
        .with_text(header::ETAG, &sent.etag)
        .with(header::VARY, HeaderValue::from_static("accept-encoding"))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}
