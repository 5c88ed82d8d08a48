//! The account itself: what it may do and take, and where its events go. Looked at before a sale, never on the way of a payment.
//!
//! Read as JSON, field by field, and leniently: these objects have hundreds of fields, of which a handful matter here. Bounds:
//! one page of each list, which holds all of it: an account has 16 endpoints at most.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_client_core::VERSION;

use super::{DELAYED_NOTIFICATION, Stripe};
use crate::error::{StripeError, UnknownOutcome};
use crate::wire::Answered;

/// The API version that our types were made from, and that an endpoint's events are to be written in.
#[must_use]
pub fn api_version() -> &'static str {
    VERSION.as_str()
}

/// What the seller's account is and may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// Two upper-case letters; nothing while that is open.
    pub country: Option<String>,
    /// What it is paid out in.
    pub default_currency: Option<String>,
    /// Whether it may take money.
    #[serde(default)]
    pub charges_enabled: bool,
    /// Whether money may leave it.
    #[serde(default)]
    pub payouts_enabled: bool,
    /// What Stripe still wants to know.
    #[serde(default)]
    requirements: Option<Requirements>,
    /// When Stripe answered, by its clock, in whole seconds.
    #[serde(skip)]
    pub answered_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Requirements {
    #[serde(default)]
    currently_due: Option<Vec<String>>,
    disabled_reason: Option<String>,
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// `we_…`
    pub id: String,
    /// Where events go.
    pub url: String,
    /// Stripe's word: `enabled` or `disabled`.
    pub status: String,
    /// What they are written in; nothing means the account's own version.
    pub api_version: Option<String>,
    /// Which events; `*` for all but a few.
    #[serde(default)]
    pub enabled_events: Vec<String>,
    /// What they are signed with: told once, in the answer that made it.
    #[serde(default)]
    pub secret: Option<String>,
}

/// What country an account of it may charge in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Country {
    supported_payment_currencies: Vec<String>,
}

#[derive(Deserialize)]
struct Listed<T> {
    data: Vec<T>,
}

/// A set of payment methods; the one that is used unless a payment names another.
#[derive(Deserialize)]
struct MethodConfiguration {
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    application: Option<String>,
    #[serde(flatten)]
    methods: BTreeMap<String, Value>,
}

/// Payment methods that are on, by Stripe's words, and what becomes of a payment with them here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Methods {
    /// Authorised first and captured by us, where the sale wants it so.
    pub captured_later: Vec<String>,
    /// Captured by Stripe at once, whatever the sale wants.
    pub captured_at_once: Vec<String>,
    /// Never offered here: it takes days until they say whether they worked.
    pub left_out: Vec<String>,
}

/// What is paid through the card networks, whatever buyers call it, and Link.
const CAPTURED_LATER: [&str; 4] = ["apple_pay", "card", "google_pay", "link"];

impl Methods {
    fn of(set: BTreeMap<String, Value>) -> Self {
        let mut methods = Self::default();
        for (name, method) in set {
            if method["available"] != Value::Bool(true) || method["display_preference"]["value"] != "on" {
                continue;
            }
            let kind = if CAPTURED_LATER.contains(&name.as_str()) {
                &mut methods.captured_later
            } else if DELAYED_NOTIFICATION.iter().any(|delayed| delayed.as_str() == name) {
                &mut methods.left_out
            } else {
                &mut methods.captured_at_once
            };
            kind.push(name);
        }
        methods
    }
}

impl Account {
    /// What Stripe still wants to know, by its words.
    #[must_use]
    pub fn currently_due(&self) -> &[String] {
        self.requirements.as_ref().and_then(|wants| wants.currently_due.as_deref()).unwrap_or_default()
    }

    /// Why it may not take money, by Stripe's word.
    #[must_use]
    pub fn disabled_reason(&self) -> Option<&str> {
        self.requirements.as_ref()?.disabled_reason.as_deref()
    }
}

impl Endpoint {
    /// Whether events go there.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.status == "enabled"
    }

    /// Those of `wanted` that do not go there.
    #[must_use]
    pub fn lacks<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        let hears = |event: &&str| self.enabled_events.iter().any(|enabled| enabled == "*" || enabled == event);
        wanted.iter().copied().filter(|event| !hears(event)).collect()
    }
}

impl Stripe {
    /// The account of the key.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn account(&self) -> Result<Account, StripeError> {
        let Answered { body, at } = self.wire.get_dated("/account", "").await?;
        Ok(Account { answered_at: at, ..read(&body)? })
    }

    /// The currencies that an account of a country may charge in, in lower case.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn payment_currencies(&self, country: &str) -> Result<Vec<String>, StripeError> {
        let body = self.wire.get(&format!("/country_specs/{country}"), "").await?;
        Ok(read::<Country>(&body)?.supported_payment_currencies)
    }

    /// The payment methods that the account shows to buyers: of the default set, those that are available and switched on. None where
    /// there is no such set.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn payment_methods(&self) -> Result<Option<Methods>, StripeError> {
        let body = self.wire.get("/payment_method_configurations", "limit=100").await?;
        let sets = read::<Listed<MethodConfiguration>>(&body)?.data;
        Ok(sets.into_iter().find(|set| set.is_default && set.application.is_none()).map(|set| Methods::of(set.methods)))
    }

    /// The account's webhook endpoints.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StripeError> {
        let body = self.wire.get("/webhook_endpoints", "limit=100").await?;
        Ok(read::<Listed<Endpoint>>(&body)?.data)
    }

    /// Makes an endpoint in [`api_version`]. Its answer alone has the secret: where that is lost, Stripe's dashboard shows it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_endpoint(&self, url: &str, events: &[&str]) -> Result<Endpoint, StripeError> {
        let form = format!("url={}&api_version={}&{}", encoded(url), encoded(api_version()), listed(events));
        read(&self.wire.post("/webhook_endpoints", form).await?)
    }

    /// Lets an endpoint hear these events, and switches it on. Its version cannot be changed. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn update_endpoint(&self, endpoint: &str, events: &[&str]) -> Result<Endpoint, StripeError> {
        let form = format!("disabled=false&{}", listed(events));
        read(&self.wire.post(&format!("/webhook_endpoints/{endpoint}"), form).await?)
    }
}

fn listed(events: &[&str]) -> String {
    let one = |(index, event): (usize, &&str)| format!("enabled_events%5B{index}%5D={}", encoded(event));
    events.iter().enumerate().map(one).collect::<Vec<_>>().join("&")
}

/// A value of a form, with every byte that means something there escaped.
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    value.bytes().fold(String::new(), |text, byte| match plain(byte) {
        true => text + char::from(byte).encode_utf8(&mut [0; 4]),
        false => text + &format!("%{byte:02X}"),
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, StripeError> {
    serde_json::from_slice(body).map_err(|fault| StripeError::Unknown(UnknownOutcome::Unreadable(fault.to_string())))
}
