//! Who is asking: tokens in `Authorization`, and the cookies of the pages.
//!
//! A bearer token proves its holder; a cookie only when the request comes from our own pages ([`same_site`]), because
//! browsers send cookies along with anybody's requests. Two cookies: the visitor's secret, whose thumbprint places are
//! bound to, and one place token for each sale joined. Both are HttpOnly: scripts never see them.
//!
//! Every token is checked against the sale in the path: a pass of another sale is no pass.

use std::net::IpAddr;

use domain::token::{EntryToken, Holder, PassToken, PlaceToken, Receipt, Signer};
use domain::{EntryId, HoldId, OrderId, SaleId};
use http::{HeaderName, HeaderValue, header};
use uuid::Uuid;

use crate::problem::{Code, Problem};
use crate::public_url::PublicUrl;
use crate::request::Request;

mod cookie;

pub(crate) use cookie::Cookies;

/// A visitor who may not have a place yet.
pub(crate) struct Visitor {
    /// Whose places they are.
    pub(crate) holder: Holder,
    /// The place that a token proves, when one is shown.
    pub(crate) place: Option<PlaceToken>,
    /// Whose limits count.
    pub(crate) address: IpAddr,
    /// The cookie to set, for a browser that has none.
    pub(crate) new_cookie: Option<HeaderValue>,
}

/// Recognises a visitor: by a presented place token, by cookie, or makes a new one.
///
/// # Errors
/// The token is not ours or of another sale, or another site's page is asking.
pub(crate) fn visitor(request: &Request, sale: SaleId, signer: &Signer, cookies: &Cookies) -> Result<Visitor, Problem> {
    let known = |holder: Holder, place: Option<PlaceToken>| Visitor {
        holder,
        place,
        address: request.client,
        new_cookie: None,
    };
    if let Some(token) = request.bearer() {
        let place = verified_place(token, sale, signer)?;
        return Ok(known(place.holder, Some(place)));
    }
    require_same_site(request, cookies.public_url())?;
    if let Some(secret) = cookies.visitor(&request.parts.headers) {
        let holder = Holder::of_secret(&secret);
        let place =
            cookies.place(&request.parts.headers, sale).and_then(|token| verified_place(token, sale, signer).ok());
        return Ok(known(holder, place.filter(|place| place.holder == holder)));
    }
    let secret = Uuid::new_v4().into_bytes();
    Ok(Visitor { new_cookie: Some(cookies.set_visitor(&secret)), ..known(Holder::of_secret(&secret), None) })
}

/// The place that a request comes from: a token, else the cookie.
///
/// # Errors
/// There is none, it is not ours or of another sale, or another site's page is asking.
pub(crate) fn place(
    request: &Request,
    sale: SaleId,
    signer: &Signer,
    cookies: &Cookies,
) -> Result<PlaceToken, Problem> {
    if let Some(token) = request.bearer() {
        return verified_place(token, sale, signer);
    }
    let token = cookies.place(&request.parts.headers, sale).ok_or(Code::Unauthorized)?;
    require_same_site(request, cookies.public_url())?;
    verified_place(token, sale, signer)
}

/// The place that a token proves.
///
/// # Errors
/// The token is not ours, or of another sale.
pub(crate) fn verified_place(token: &str, sale: SaleId, signer: &Signer) -> Result<PlaceToken, Problem> {
    let place = signer.verify_place(token).map_err(|_| Code::PlaceInvalid)?;
    if place.sale == sale { Ok(place) } else { Err(Code::PlaceInvalid.into()) }
}

/// The pass that a request presents.
///
/// # Errors
/// There is none, or it is not ours or of another sale. Whether its turn is over, Redis says.
pub(crate) fn pass(request: &Request, sale: SaleId, signer: &Signer) -> Result<PassToken, Problem> {
    let token = request.bearer().ok_or(Code::Unauthorized)?;
    let pass = signer.verify_pass(token).map_err(|_| Code::PassInvalid)?;
    if pass.sale == sale { Ok(pass) } else { Err(Code::PassInvalid.into()) }
}

/// The receipt that a request presents for a hold.
///
/// # Errors
/// There is none, or it is not ours, or of another hold.
pub(crate) fn receipt(request: &Request, sale: SaleId, hold: HoldId, signer: &Signer) -> Result<Receipt, Problem> {
    let token = request.bearer().ok_or(Code::Unauthorized)?;
    let receipt = signer.verify_receipt(token).map_err(|_| Code::TokenInvalid)?;
    if (receipt.sale, receipt.hold) == (sale, hold) { Ok(receipt) } else { Err(Code::TokenInvalid.into()) }
}

/// Lets the buyer of an order through.
///
/// # Errors
/// There is no token, or it is not ours or of another order.
pub(crate) fn order(request: &Request, sale: SaleId, order: OrderId, signer: &Signer) -> Result<(), Problem> {
    let token = request.bearer().ok_or(Code::Unauthorized)?;
    let proof = signer.verify_order(token).map_err(|_| Code::TokenInvalid)?;
    if (proof.sale, proof.order) == (sale, order) { Ok(()) } else { Err(Code::TokenInvalid.into()) }
}

/// The entry of a waitlist that a request proves to be about.
///
/// # Errors
/// There is no token, or it is not ours or of another entry.
pub(crate) fn entry(request: &Request, sale: SaleId, entry: EntryId, signer: &Signer) -> Result<EntryToken, Problem> {
    let token = request.bearer().ok_or(Code::Unauthorized)?;
    verified_entry(token, sale, signer).and_then(|proof| of_entry(proof, entry))
}

/// The entry of a waitlist that a token proves.
///
/// # Errors
/// The token is not ours, or of another sale.
pub(crate) fn verified_entry(token: &str, sale: SaleId, signer: &Signer) -> Result<EntryToken, Problem> {
    let proof = signer.verify_entry(token).map_err(|_| Code::TokenInvalid)?;
    if proof.sale == sale { Ok(proof) } else { Err(Code::TokenInvalid.into()) }
}

/// The same proof, if it is of that entry.
///
/// # Errors
/// It is of another one.
pub(crate) fn of_entry(proof: EntryToken, entry: EntryId) -> Result<EntryToken, Problem> {
    if proof.entry == entry { Ok(proof) } else { Err(Code::TokenInvalid.into()) }
}

/// Lets the buyer of an order through, and who has a link to its artefacts: the token is in the query, because an `<img>`
/// sends no headers.
///
/// # Errors
/// There is no token, or it is not ours or of another order.
pub(crate) fn artefact(request: &Request, sale: SaleId, order: OrderId, signer: &Signer) -> Result<(), Problem> {
    let Some(token) = request.query_value("token") else {
        return self::order(request, sale, order, signer);
    };
    let proof = signer.verify_artefact(&token).map_err(|_| Code::TokenInvalid)?;
    if (proof.sale, proof.order) == (sale, order) { Ok(()) } else { Err(Code::TokenInvalid.into()) }
}

/// Refuses what another site's page made a browser send.
fn require_same_site(request: &Request, public_url: &PublicUrl) -> Result<(), Problem> {
    if same_site(request, public_url) {
        Ok(())
    } else {
        Err(Problem::new(Code::Forbidden).detail("The request comes from another site."))
    }
}

/// Whether a request comes from our own pages, or from no page at all.
///
/// Fetch Metadata decides where the browser sends it. Older browsers, and all of them for a WebSocket, send `Origin`,
/// which must be ours: the public one, or the host asked for (a page reached by another name of this host; no foreign page
/// can claim that one). Programs send neither and have no cookies that anybody else could abuse.
pub(crate) fn same_site(request: &Request, public_url: &PublicUrl) -> bool {
    match request.header(&HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    let Some(origin) = request.parts.headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().unwrap_or_default();
    let host =
        request.header(&header::HOST).or_else(|| request.parts.uri.authority().map(http::uri::Authority::as_str));
    let of_host = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    origin == public_url.origin() || of_host
}

#[cfg(test)]
mod tests;
