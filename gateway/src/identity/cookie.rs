//! The cookies of the pages: made and read here only.

use domain::SaleId;
use http::{HeaderMap, HeaderValue, header};

use crate::public_url::{PublicUrl, Transport};

/// How long a browser keeps them: longer than any queue, shorter than two sales of one organizer.
const COOKIE_MAX_AGE_S: u32 = 7 * 24 * 3_600;

/// A visitor's secret.
pub(crate) const SECRET_BYTES: usize = 16;

/// Names and attributes, which depend on how the outside reaches us: `__Host-` and Secure over https, neither over plain
/// http, where browsers would refuse them.
pub(crate) struct Cookies {
    public_url: PublicUrl,
}

impl Cookies {
    /// Cookies for pages under this URL.
    pub(crate) const fn new(public_url: PublicUrl) -> Self {
        Self { public_url }
    }

    /// The URL the pages are under.
    pub(crate) const fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The visitor's secret.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> Option<[u8; SECRET_BYTES]> {
        let mut secret = [0; SECRET_BYTES];
        hex::decode_to_slice(value(headers, &self.visitor_name())?, &mut secret).ok()?;
        Some(secret)
    }

    /// Gives a visitor a secret.
    pub(crate) fn set_visitor(&self, secret: &[u8; SECRET_BYTES]) -> HeaderValue {
        self.set(&self.visitor_name(), &hex::encode(secret))
    }

    /// The place token of a sale.
    pub(crate) fn place<'a>(&self, headers: &'a HeaderMap, sale: SaleId) -> Option<&'a str> {
        value(headers, &self.place_name(sale))
    }

    /// Gives a visitor a place token.
    pub(crate) fn set_place(&self, sale: SaleId, token: &str) -> HeaderValue {
        self.set(&self.place_name(sale), token)
    }

    /// Takes the place token of a sale back.
    pub(crate) fn clear_place(&self, sale: SaleId) -> HeaderValue {
        self.cookie(&self.place_name(sale), "", 0)
    }

    fn visitor_name(&self) -> String {
        format!("{}onsale_visitor", self.prefix())
    }

    fn place_name(&self, sale: SaleId) -> String {
        format!("{}onsale_place_{}", self.prefix(), sale.uuid().simple())
    }

    fn prefix(&self) -> &'static str {
        match self.public_url.transport() {
            Transport::Https => "__Host-",
            Transport::Http => "",
        }
    }

    fn set(&self, name: &str, value: &str) -> HeaderValue {
        self.cookie(name, value, COOKIE_MAX_AGE_S)
    }

    fn cookie(&self, name: &str, value: &str, max_age_s: u32) -> HeaderValue {
        let secure = match self.public_url.transport() {
            Transport::Https => "; Secure",
            Transport::Http => "",
        };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).expect("names and tokens are fit for a cookie")
    }
}

/// The value of a cookie. Over HTTP/2 a browser may send several Cookie headers.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    let mut pairs = lists.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}
