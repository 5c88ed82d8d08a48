//! `GET …/scanner-manifest`: what a scanner needs to judge tickets without a network.
//!
//! Public keys, and the tickets to refuse though they verify: all of them, or with `since` those that came since an answer before. It is
//! signed, names no person and no seat, and stays below 2 MB for the largest sale ([`domain::ticket::manifest`]).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::SaleId;
use domain::ticket::manifest::packed;
use http::{HeaderValue, StatusCode, header};
use ledger::checkins::{Cursor, Extent, tickets_closed};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::keeper;
use crate::answer::{Answer, With as _, json};
use crate::app::App;
use crate::problem::Problem;
use crate::request::Request;

/// A manifest and who signed it.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedManifest)]
pub(crate) struct SignedManifestBody {
    /// The manifest as JSON in a text, because the text is what is signed: `version` (1), `sale`, `cursor`, `since`, `keys` (`kid` and
    /// `public_key`) and `closed`, as docs/door.md says.
    manifest: String,
    /// By each key that verifies tickets.
    signatures: Vec<SignatureBody>,
}

/// A signature of a manifest.
#[derive(Serialize, ToSchema)]
#[schema(as = ManifestSignature)]
pub(crate) struct SignatureBody {
    /// The key.
    #[schema(example = "t1")]
    kid: String,
    /// Ed25519, of `onsale manifest 1`, a line end and the manifest; base64url without padding.
    signature: String,
}

#[derive(Serialize)]
struct Manifest {
    version: u8,
    sale: SaleId,
    cursor: String,
    since: Option<String>,
    keys: Vec<Key>,
    closed: String,
}

#[derive(Serialize)]
struct Key {
    kid: String,
    public_key: String,
}

/// `GET /v1/organizer/sales/{sale}/scanner-manifest`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = keeper(app, request).await?;
    let since = since(request)?;
    let closed = tickets_closed(&app.ledger, sale.id(), since.as_ref()).await?;
    let key = |(kid, key): (domain::keyring::Kid, _)| (kid.to_string(), URL_SAFE_NO_PAD.encode(key));
    let keys = app.ticket_signer.verifying_keys().map(key).map(|(kid, public_key)| Key { kid, public_key }).collect();
    let manifest = Manifest {
        version: 1,
        sale: sale.id(),
        cursor: closed.cursor.to_string(),
        since: since.filter(|_| closed.extent == Extent::Since).map(|since| since.to_string()),
        keys,
        closed: URL_SAFE_NO_PAD.encode(packed(closed.tickets)),
    };
    let manifest = serde_json::to_string(&manifest).expect("a manifest has string keys");
    let signed = app.ticket_signer.sign_manifest(&manifest);
    let signature = |(kid, signature): (domain::keyring::Kid, [u8; 64])| SignatureBody {
        kid: kid.to_string(),
        signature: URL_SAFE_NO_PAD.encode(signature),
    };
    let body = SignedManifestBody { manifest, signatures: signed.into_iter().map(signature).collect() };
    Ok(json(StatusCode::OK, &body).with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

/// The cursor of an answer before, if one is given.
fn since(request: &Request) -> Result<Option<Cursor>, Problem> {
    let mut since = None;
    for (name, value) in request.query() {
        match name.as_str() {
            "since" => {
                let cursor =
                    value.parse().map_err(|_| Problem::invalid_at("?since", "must be the cursor of a manifest"))?;
                since = Some(cursor);
            }
            _ => return Err(Problem::invalid_at(format!("?{name}"), "is no parameter of a manifest")),
        }
    }
    Ok(since)
}
