//! A PaymentIntent as Onsale sees it: what decides, and what the buyer's browser needs.
//!
//! Read through the generated type, so a change of shape is an error here and not a surprise later.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use domain::payment::{CardPrint, IntentFacts, IntentStatus, PaidWith};
use domain::{Currency, Money, OrderId, SaleId};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// Metadata key of the sale on every intent and refund we make.
pub(crate) const SALE_KEY: &str = "sale";
/// Metadata key of the order.
pub(crate) const ORDER_KEY: &str = "order";
/// Metadata key of the number of the attempt to pay it.
pub(crate) const ATTEMPT_KEY: &str = "attempt";

/// A PaymentIntent.
#[derive(Clone, PartialEq)]
pub struct Intent {
    /// Stripe's id, `pi_…`.
    pub id: String,
    /// Where it is.
    pub status: IntentStatus,
    /// What was asked for.
    pub amount: Money,
    /// What may still be captured, in minor units.
    pub amount_capturable: i64,
    /// What was captured, in minor units.
    pub amount_received: i64,
    /// Real money or a test.
    pub livemode: bool,
    /// Lets the buyer's browser go on with this intent and no other; never stored, never logged.
    pub client_secret: Option<String>,
    /// What the buyer has to do: `type`, and `redirect_to_url` where it is a redirect. Stripe.js finds the rest itself
    /// with the client secret.
    pub next_action: Option<serde_json::Value>,
    /// The sale it says it is for.
    pub sale: Option<SaleId>,
    /// The order it says it is for.
    pub order: Option<OrderId>,
    /// The number of the attempt it says it is.
    pub attempt: Option<u32>,
    /// Why the last try to pay it failed, in Stripe's words; an intent that was never tried has none.
    pub failure: Option<String>,
    /// The charge behind it, `ch_…`.
    pub latest_charge: Option<String>,
    /// When an authorisation lapses; known only when the charge came with the intent, as it does in answers, not events.
    pub capture_before: Option<Timestamp>,
    /// What pays, once a bank said yes; known only when the charge came with the intent. The fingerprint itself is not kept.
    pub paid_with: Option<PaidWith>,
    /// All metadata, for what it says of its order ([`domain::memo`]).
    pub metadata: HashMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

/// Why something is no intent to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IntentFault {
    #[error("not the shape of a payment intent")]
    Shape,
    #[error("a status this version does not know")]
    Status,
    #[error("not a currency")]
    Currency,
    #[error("a time out of range")]
    Time,
}

impl Intent {
    /// What decides: the part the ledger merges.
    #[must_use]
    pub fn facts(&self) -> IntentFacts {
        IntentFacts {
            id: self.id.clone(),
            status: self.status,
            amount: self.amount,
            amount_capturable: self.amount_capturable,
            amount_received: self.amount_received,
            livemode: self.livemode,
            sale: self.sale,
            order: self.order,
            attempt: self.attempt,
            created: self.created,
            paid_with: self.paid_with,
            capture_before: self.capture_before.filter(|_| self.status == IntentStatus::RequiresCapture),
        }
    }

    pub(crate) fn read(json: &str) -> Result<Intent, IntentFault> {
        let generated = miniserde::json::from_str(json).map_err(|_| IntentFault::Shape)?;
        Self::from_generated(generated)
    }

    pub(crate) fn from_generated(intent: stripe_shared::PaymentIntent) -> Result<Intent, IntentFault> {
        let currency = currency(&intent.currency)?;
        let charge = intent.latest_charge;
        let status = IntentStatus::from_word(intent.status.as_str()).ok_or(IntentFault::Status)?;
        let sale = id_in(&intent.metadata, SALE_KEY);
        // The charge of a failed try has a card too, and the next try may be made with another.
        let said_yes = matches!(status, IntentStatus::RequiresCapture | IntentStatus::Succeeded);
        let paid_with = sale.zip(charge.as_ref()).filter(|_| said_yes);
        Ok(Intent {
            id: intent.id.to_string(),
            status,
            amount: Money::new(intent.amount, currency),
            amount_capturable: intent.amount_capturable,
            amount_received: intent.amount_received,
            livemode: intent.livemode,
            client_secret: intent.client_secret,
            next_action: intent.next_action.as_ref().map(next_action),
            sale,
            order: id_in(&intent.metadata, ORDER_KEY),
            attempt: id_in(&intent.metadata, ATTEMPT_KEY),
            failure: intent.last_payment_error.as_deref().map(failure),
            paid_with: paid_with.and_then(|(sale, charge)| paid_with_in(sale, charge)),
            capture_before: charge.as_ref().and_then(capture_before),
            latest_charge: charge.map(|charge| charge.id().to_string()),
            metadata: intent.metadata,
            created: time(intent.created)?,
        })
    }
}

/// The bank's reason where it gives one, else Stripe's code, else the type of the error.
fn failure(error: &stripe_shared::ApiErrors) -> String {
    let code = || error.code.as_ref().map_or(error.type_.as_str(), |code| code.as_str()).to_owned();
    error.decline_code.clone().unwrap_or_else(code)
}

/// Without the client secret, and without what only the browser needs.
impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intent")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("amount", &self.amount)
            .field("order", &self.order)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

fn next_action(action: &stripe_shared::PaymentIntentNextAction) -> serde_json::Value {
    match &action.redirect_to_url {
        Some(redirect) => serde_json::json!({
            "type": action.type_,
            "redirect_to_url": { "url": redirect.url, "return_url": redirect.return_url },
        }),
        None => serde_json::json!({ "type": action.type_ }),
    }
}

fn capture_before(charge: &stripe_types::Expandable<stripe_shared::Charge>) -> Option<Timestamp> {
    let card = charge.as_object()?.payment_method_details.as_ref()?.card.as_ref()?;
    time(card.capture_before?).ok()
}

fn paid_with_in(sale: SaleId, charge: &stripe_types::Expandable<stripe_shared::Charge>) -> Option<PaidWith> {
    let card = charge.as_object()?.payment_method_details.as_ref().and_then(|details| details.card.as_ref());
    let fingerprint = card.and_then(|card| card.fingerprint.as_deref());
    Some(fingerprint.map_or(PaidWith::Other, |fingerprint| PaidWith::Card(CardPrint::of(sale, fingerprint))))
}

/// An id in metadata. Metadata can be edited in Stripe's dashboard, so one that does not read is simply not there; the
/// ledger refuses an intent without the right ones.
pub(crate) fn id_in<T: FromStr>(metadata: &HashMap<String, String>, key: &str) -> Option<T> {
    metadata.get(key)?.parse().ok()
}

pub(crate) fn currency(currency: &stripe_types::Currency) -> Result<Currency, IntentFault> {
    currency.to_string().parse().map_err(|_| IntentFault::Currency)
}

pub(crate) fn time(unix_s: i64) -> Result<Timestamp, IntentFault> {
    Timestamp::from_second(unix_s).map_err(|_| IntentFault::Time)
}

/// For serde: a time as Stripe writes it, in Unix seconds.
pub(crate) fn unix_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let unix_s = i64::deserialize(deserializer)?;
    time(unix_s).map_err(serde::de::Error::custom)
}
