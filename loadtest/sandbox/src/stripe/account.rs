//! The seller's account, its webhook endpoints and its payment methods, as far as somebody looks at them before a sale.
//!
//! Shapes: <https://docs.stripe.com/api/accounts/object>, <https://docs.stripe.com/api/webhook_endpoints/object>,
//! <https://docs.stripe.com/api/country_specs/object>, <https://docs.stripe.com/api/payment_method_configurations/object>.
//! An endpoint's API version is given when it is made and never changes, as at Stripe; its secret is told once. An endpoint that is
//! made by a call is listed, and gets no deliveries: where events go is [`Webhook`](super::Webhook)'s to say.

use serde_json::{Value, json};

use super::options::Mode;
use super::shape::API_VERSION;

/// What the account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whether it may take money.
    pub charges_enabled: bool,
    /// Two upper-case letters.
    pub country: String,
    /// What it is paid out in.
    pub default_currency: String,
    /// What its country may charge in.
    pub payment_currencies: Vec<String>,
    /// Payment methods that are shown to buyers, by Stripe's words; others are off.
    pub methods: Vec<String>,
    /// What Stripe still wants to know of the seller.
    pub currently_due: Vec<String>,
}

impl Default for Account {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            charges_enabled: true,
            country: "DE".to_owned(),
            default_currency: "eur".to_owned(),
            payment_currencies: words(&["chf", "eur", "gbp", "jpy", "sek", "usd"]),
            methods: words(&["card", "link"]),
            currently_due: Vec::new(),
        }
    }
}

/// An endpoint as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// `we_…`
    pub id: String,
    /// Where its events go.
    pub url: String,
    /// Whether they go there.
    pub enabled: bool,
    /// What they are written in; the account's own version when `None`.
    pub api_version: Option<String>,
    /// Which; `*` for all but a few.
    pub events: Vec<String>,
}

impl WebhookEndpoint {
    /// One that hears everything, in the version of the fake.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self {
            id: super::books::new_id("we_1"),
            url: url.to_owned(),
            enabled: true,
            api_version: Some(API_VERSION.to_owned()),
            events: vec!["*".to_owned()],
        }
    }

    pub(super) fn shape(&self, mode: Mode) -> Value {
        json!({
            "id": self.id, "object": "webhook_endpoint", "api_version": self.api_version, "application": null,
            "created": 0, "description": null, "enabled_events": self.events, "livemode": mode == Mode::Live, "metadata": {},
            "status": if self.enabled { "enabled" } else { "disabled" }, "url": self.url,
        })
    }
}

impl Account {
    pub(super) fn shape(&self) -> Value {
        let capability = if self.charges_enabled { "active" } else { "inactive" };
        json!({
            "id": "acct_1Sandbox", "object": "account", "business_type": "company",
            "capabilities": { "card_payments": capability, "transfers": capability },
            "charges_enabled": self.charges_enabled, "country": self.country,
            "default_currency": self.default_currency, "details_submitted": true, "email": null,
            "payouts_enabled": self.charges_enabled, "type": "standard",
            "requirements": { "currently_due": self.currently_due, "past_due": [], "disabled_reason": null },
        })
    }

    pub(super) fn country_shape(&self) -> Value {
        json!({
            "id": self.country, "object": "country_spec", "default_currency": self.default_currency,
            "supported_payment_currencies": self.payment_currencies, "supported_payment_methods": ["card", "stripe"],
            "supported_transfer_countries": [self.country], "supported_bank_account_currencies": {},
        })
    }

    /// The one configuration, which payments use that name none.
    pub(super) fn methods_shape(&self, mode: Mode) -> Value {
        let mut object = json!({
            "id": "pmc_1Sandbox", "object": "payment_method_configuration", "active": true, "application": null,
            "is_default": true, "livemode": mode == Mode::Live, "name": "Default", "parent": null,
        });
        for method in ["card", "link", "klarna", "paypal", "sepa_debit"] {
            let on = self.methods.iter().any(|shown| shown == method);
            let word = if on { "on" } else { "off" };
            object[method] = json!({
                "available": on,
                "display_preference": { "overridable": null, "preference": word, "value": word },
            });
        }
        object
    }
}
