use bytes::Bytes;
use domain::PlaceNumber;
use domain::token::{Allowance, Spot};
use jiff::Timestamp;
use secrecy::SecretString;

use super::*;
use crate::request::Params;
use crate::trace::tests::any;

const SALE: SaleId = SaleId::from_uuid(Uuid::from_u128(1));
const OTHER_SALE: SaleId = SaleId::from_uuid(Uuid::from_u128(2));

fn signer() -> Signer {
    Signer::new(&SecretString::from("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).unwrap()
}

fn cookies(url: &str) -> Cookies {
    Cookies::new(url.parse().unwrap())
}

fn request(headers: &[(&str, &str)]) -> Request {
    let mut builder = http::Request::builder().uri("/v1/sales/x/queue");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    let client = std::net::IpAddr::from([127, 0, 0, 1]);
    Request { parts, body: Bytes::new(), params: Params::default(), client, trace: any(), upgrade: None }
}

fn place_token(sale: SaleId) -> String {
    let holder = Holder::of_secret(b"somebody");
    let (spot, allowance) = (Spot::Number(PlaceNumber(7)), Allowance::Usual);
    signer().sign_place(&PlaceToken { sale, epoch: 1, spot, allowance, holder })
}

fn code<T>(result: Result<T, Problem>) -> Code {
    result.err().expect("it is refused").code()
}

#[test]
fn a_new_visitor_gets_a_cookie_and_is_recognised_by_it() {
    let cookies = cookies("https://tickets.example");
    let new = visitor(&request(&[]), SALE, &signer(), &cookies).unwrap();
    let set = new.new_cookie.unwrap();
    let set = set.to_str().unwrap();
    assert!(set.starts_with("__Host-onsale_visitor=") && set.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{set}");
    let pair = set.split(';').next().unwrap();
    let again = visitor(&request(&[("cookie", pair)]), SALE, &signer(), &cookies).unwrap();
    assert_eq!(again.holder, new.holder);
    assert!(again.new_cookie.is_none());
}

#[test]
fn on_plain_http_the_cookie_is_one_that_browsers_take() {
    let new = visitor(&request(&[]), SALE, &signer(), &cookies("http://127.0.0.1:8080")).unwrap();
    let set = new.new_cookie.unwrap();
    assert!(set.to_str().unwrap().starts_with("onsale_visitor=") && !set.to_str().unwrap().contains("Secure"));
}

#[test]
fn a_place_counts_in_its_own_sale_only() {
    let (signer, cookies) = (signer(), cookies("http://127.0.0.1"));
    let bearer = format!("Bearer {}", place_token(SALE));
    let with_bearer = request(&[("authorization", &bearer)]);
    assert_eq!(place(&with_bearer, SALE, &signer, &cookies).unwrap().spot, Spot::Number(PlaceNumber(7)));
    assert_eq!(code(place(&with_bearer, OTHER_SALE, &signer, &cookies)), Code::PlaceInvalid);
    assert_eq!(code(visitor(&with_bearer, OTHER_SALE, &signer, &cookies)), Code::PlaceInvalid);
    assert_eq!(code(place(&request(&[]), SALE, &signer, &cookies)), Code::Unauthorized);
    let forged = request(&[("authorization", "Bearer plc_AAAA")]);
    assert_eq!(code(place(&forged, SALE, &signer, &cookies)), Code::PlaceInvalid);
}

#[test]
fn a_cookie_counts_from_our_own_pages_only() {
    let (signer, cookies) = (signer(), cookies("https://tickets.example"));
    let set = cookies.set_place(SALE, &place_token(SALE));
    let pair = set.to_str().unwrap().split(';').next().unwrap();
    let from = |name, value| place(&request(&[("cookie", pair), (name, value)]), SALE, &signer, &cookies);
    assert!(from("sec-fetch-site", "same-origin").is_ok());
    assert!(from("origin", "https://tickets.example").is_ok());
    assert!(from("accept", "*/*").is_ok(), "a program sends neither");
    assert_eq!(code(from("sec-fetch-site", "cross-site")), Code::Forbidden);
    assert_eq!(code(from("sec-fetch-site", "same-site")), Code::Forbidden);
    assert_eq!(code(from("origin", "https://evil.example")), Code::Forbidden);
    assert_eq!(code(from("origin", "null")), Code::Forbidden);
}

#[test]
fn a_pass_is_no_place_and_a_place_no_pass() {
    let (signer, holder) = (signer(), Holder::of_secret(b"somebody"));
    let granted_at = Timestamp::from_millisecond(1_000).unwrap();
    let token = signer.sign_pass(&PassToken {
        sale: SALE,
        number: PlaceNumber(7),
        allowance: Allowance::Usual,
        holder,
        granted_at,
    });
    let with_pass = request(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(pass(&with_pass, SALE, &signer).unwrap().number, PlaceNumber(7));
    assert_eq!(code(pass(&with_pass, OTHER_SALE, &signer)), Code::PassInvalid);
    assert_eq!(code(place(&with_pass, SALE, &signer, &cookies("http://127.0.0.1"))), Code::PlaceInvalid);
    let with_place = request(&[("authorization", &format!("Bearer {}", place_token(SALE)))]);
    assert_eq!(code(pass(&with_place, SALE, &signer)), Code::PassInvalid);
}

#[test]
fn an_order_is_its_buyers() {
    use domain::token::{ArtefactToken, OrderToken};
    let signer = signer();
    let (mine, other) = (OrderId::from_uuid(Uuid::from_u128(5)), OrderId::from_uuid(Uuid::from_u128(6)));
    let bearer = format!("Bearer {}", signer.sign_order(&OrderToken { sale: SALE, order: mine }));
    let asking = request(&[("authorization", &bearer)]);
    assert!(order(&asking, SALE, mine, &signer).is_ok() && artefact(&asking, SALE, mine, &signer).is_ok());
    assert_eq!(code(order(&asking, SALE, other, &signer)), Code::TokenInvalid);
    let art = signer.sign_artefact(&ArtefactToken { sale: SALE, order: mine });
    let link = format!("Bearer {art}");
    assert_eq!(code(order(&request(&[("authorization", &link)]), SALE, mine, &signer)), Code::TokenInvalid);
}
