//! The calls Onsale makes to Stripe.
//!
//! | call | Stripe | repeated with its key |
//! |---|---|---|
//! | [`Stripe::create_and_confirm`] | `POST /v1/payment_intents` with `confirm` | the same intent |
//! | [`Stripe::fetch`] | `GET /v1/payment_intents/{id}` | – |
//! | [`Stripe::capture`] | `POST …/capture`, the whole amount | the same capture |
//! | [`Stripe::cancel`] | `POST …/cancel` | the same cancellation |
//! | [`Stripe::refund`] | `POST /v1/refunds` | the same refund |
//! | [`Stripe::refunds_of`] | `GET /v1/refunds`, page by page | – |
//! | [`Stripe::undelivered_events`] | `GET /v1/events`, a page | – |
//! | [`Stripe::find`] | `GET /v1/payment_intents/search` | – |
//! | [`Stripe::made_between`] | `GET /v1/payment_intents`, page by page | – |
//! | [`Stripe::events`] | `GET /v1/events`, delivered or not, of some kinds, a page | – |
//! | [`Stripe::refunds`] | `GET /v1/refunds`, of the whole account, a page | – |
//! | [`Stripe::balance_transactions`] | `GET /v1/balance_transactions`, a page | – |
//! | [`Stripe::account`], [`Stripe::endpoints`] and what else there is of the account | see [`account`] | – |
//!
//! Keys are the caller's and must be durable before the call: `{operation}:{order}:{attempt}`. Parameters under one key
//! must not change; they are made from the arguments alone. Two calls on one intent at the same time are the caller's to
//! prevent; Stripe answers the second with [`StripeError::InUse`].

use std::collections::HashMap;
use std::time::Duration;

use domain::sale::CaptureMode;
use domain::{Money, OrderId, RefundId, SaleId};
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentPaymentMethodOptions, CreatePaymentIntentPaymentMethodOptionsCard,
    CreatePaymentIntentPaymentMethodOptionsCardCaptureMethod, CreatePaymentIntentPaymentMethodOptionsLink,
    CreatePaymentIntentPaymentMethodOptionsLinkCaptureMethod, RetrievePaymentIntent,
};
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_shared::PaymentIntentExcludedPaymentMethodTypes as Method;

use crate::error::{StripeError, UnknownOutcome};
use crate::intent::{ATTEMPT_KEY, Intent, ORDER_KEY, SALE_KEY};
use crate::refund::{REFUND_KEY, Refund};
use crate::wire::Wire;

pub(crate) mod account;
pub(crate) mod lists;

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// Base URL of the API, without `/v1`.
    pub api_base: Uri,
    /// The longest a call may take, from first byte out to last byte in.
    pub timeout: Duration,
}

/// Why a configuration is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStripeConfig {
    /// The base is not an absolute `http` or `https` URL.
    #[error("the API base must be an absolute http or https URL")]
    Base,
    /// A live key would cross the network in the clear.
    #[error("a live key needs https")]
    LiveKeyInTheClear,
    /// The key has bytes no header takes.
    #[error("the secret key is not a key")]
    Key,
}

/// A payment to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIntent {
    /// The sale it is for.
    pub sale: SaleId,
    /// The order it pays.
    pub order: OrderId,
    /// The number of the attempt to pay that order.
    pub attempt: u32,
    /// The whole price.
    pub amount: Money,
    /// `ctoken_…`, made by the buyer's browser.
    pub confirmation_token: String,
    /// Where 3-D Secure sends the buyer back to.
    pub return_url: String,
    /// When the money is taken.
    pub capture: CaptureMode,
    /// What the seller reads in Stripe's dashboard; no personal data.
    pub description: String,
    /// What it says of its order beside its id ([`domain::memo`]): more metadata, the same for every repetition.
    pub memo: Vec<(String, String)>,
}

/// Money to send back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundIntent {
    /// Our own id of the refund.
    pub id: RefundId,
    /// The captured intent, `pi_…`.
    pub intent: String,
    /// The sale it is for.
    pub sale: SaleId,
    /// The order it is for.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Of which units it gives tickets back ([`domain::memo`]): more metadata, the same for every repetition.
    pub memo: Vec<(String, String)>,
}

/// For how long a key surely stands for what was done under it. Stripe keeps keys for a day at least; an hour of it is left for
/// clocks that differ and calls under way. Whatever may be older is looked for, not sent again.
pub const KEY_LIFE_S: u64 = 23 * 3600;

/// Refunds asked for at once, which is the most that Stripe tells.
const REFUNDS_PAGE: i64 = 100;
/// The most pages looked through. A payment given back in more pieces than this is for people to look at.
const REFUND_PAGES_MAX: u32 = 100;

/// Payment methods that tell days later whether they worked. A ticket cannot wait for that, and a unit held so long is
/// lost to the sale.
const DELAYED_NOTIFICATION: [Method; 12] = [
    Method::AcssDebit,
    Method::AuBecsDebit,
    Method::BacsDebit,
    Method::Boleto,
    Method::CustomerBalance,
    Method::Konbini,
    Method::Multibanco,
    Method::NzBankAccount,
    Method::Oxxo,
    Method::Payto,
    Method::SepaDebit,
    Method::UsBankAccount,
];

/// Stripe, for as long as the process lives. Owns its connections.
pub struct Stripe {
    wire: Wire,
    livemode: bool,
    api_base: String,
}

impl Stripe {
    /// Checks the configuration; connects on the first call.
    ///
    /// # Errors
    /// [`BadStripeConfig`].
    pub fn new(config: StripeConfig) -> Result<Stripe, BadStripeConfig> {
        let key = config.secret_key.expose_secret();
        let livemode = key.starts_with("sk_live_") || key.starts_with("rk_live_");
        match config.api_base.scheme_str() {
            Some("https") => {}
            Some("http") if livemode => return Err(BadStripeConfig::LiveKeyInTheClear),
            Some("http") => {}
            _ => return Err(BadStripeConfig::Base),
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| BadStripeConfig::Key)?;
        authorization.set_sensitive(true);
        let api_base = config.api_base.to_string();
        Ok(Stripe { wire: Wire::new(&api_base, authorization, config.timeout), livemode, api_base })
    }

    /// What limits of Stripe are of: where its API is, and live or test. The key is not part of it, so that a process with the
    /// next key shares the limits of those with the last one.
    #[must_use]
    pub fn environment(&self) -> String {
        format!("{} {}", if self.livemode { "live" } else { "test" }, self.api_base)
    }

    /// Whether the key moves real money. An event that says otherwise is not about us.
    #[must_use]
    pub const fn livemode(&self) -> bool {
        self.livemode
    }

    /// Creates an intent and confirms it with the buyer's confirmation token, in one call.
    ///
    /// # Errors
    /// [`StripeError`]; after [`StripeError::Unknown`] the same arguments and key find out.
    pub async fn create_and_confirm(&self, intent: &CreateIntent, key: &str) -> Result<Intent, StripeError> {
        self.call_intent(&create_request(intent), Some(key)).await
    }

    /// The intent as it is now.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn fetch(&self, intent: &str) -> Result<Intent, StripeError> {
        self.call_intent(&RetrievePaymentIntent::new(intent).expand(expand()), None).await
    }

    /// Takes the whole authorised amount.
    ///
    /// # Errors
    /// [`StripeError`]; [`StripeError::UnexpectedState`] when it is already captured, or cancelled.
    pub async fn capture(&self, intent: &str, key: &str) -> Result<Intent, StripeError> {
        self.call_intent(&CapturePaymentIntent::new(intent).expand(expand()), Some(key)).await
    }

    /// Gives an intent up; an authorisation is let go.
    ///
    /// # Errors
    /// [`StripeError`]; [`StripeError::UnexpectedState`] when it is already cancelled, or captured.
    pub async fn cancel(&self, intent: &str, key: &str) -> Result<Intent, StripeError> {
        self.call_intent(&CancelPaymentIntent::new(intent).expand(expand()), Some(key)).await
    }

    /// Sends back an amount of a captured intent.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn refund(&self, refund: &RefundIntent, key: &str) -> Result<Refund, StripeError> {
        let names = [
            (REFUND_KEY.to_owned(), refund.id.to_string()),
            (SALE_KEY.to_owned(), refund.sale.to_string()),
            (ORDER_KEY.to_owned(), refund.order.to_string()),
        ];
        let request = CreateRefund::new()
            .payment_intent(refund.intent.as_str())
            .amount(refund.amount.minor)
            .metadata(metadata(&refund.memo, names));
        let generated = self.call(&request, Some(key)).await?;
        Refund::from_generated(&generated).map_err(unreadable)
    }

    /// All refunds that were made of an intent, ours and others, also those that failed.
    ///
    /// # Errors
    /// [`StripeError`]; [`UnknownOutcome::Unreadable`] when there are too many to look through.
    pub async fn refunds_of(&self, intent: &str) -> Result<Vec<Refund>, StripeError> {
        let mut request = ListRefund::new().payment_intent(intent).limit(REFUNDS_PAGE);
        let mut made = Vec::new();
        for _ in 0..REFUND_PAGES_MAX {
            let page = self.call(&request, None).await?;
            for generated in &page.data {
                made.push(Refund::from_generated(generated).map_err(unreadable)?);
            }
            match page.data.last() {
                Some(last) if page.has_more => request = request.starting_after(last.id.to_string()),
                _ => return Ok(made),
            }
        }
        Err(StripeError::Unknown(UnknownOutcome::Unreadable(format!(
            "more refunds of {intent} than are looked through"
        ))))
    }

    async fn call_intent<R>(&self, request: &R, key: Option<&str>) -> Result<Intent, StripeError>
    where
        R: StripeRequest<Output = stripe_shared::PaymentIntent>,
    {
        Intent::from_generated(self.call(request, key).await?).map_err(unreadable)
    }

    async fn call<R>(&self, request: &R, key: Option<&str>) -> Result<R::Output, StripeError>
    where
        R: StripeRequest,
        R::Output: miniserde::Deserialize,
    {
        let strategy = match key {
            Some(key) => RequestStrategy::Idempotent(IdempotencyKey::new(key).map_err(|fault| bad_key(&fault))?),
            None => RequestStrategy::Once,
        };
        request.customize().request_strategy(strategy).send(&self.wire).await
    }
}

fn create_request(intent: &CreateIntent) -> CreatePaymentIntent {
    let currency: stripe_types::Currency =
        intent.amount.currency.as_str().parse().expect("parsing a Stripe currency is infallible");
    let request = CreatePaymentIntent::new(intent.amount.minor, currency)
        .confirm(true)
        .confirmation_token(intent.confirmation_token.as_str())
        .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
        .excluded_payment_method_types(DELAYED_NOTIFICATION)
        .return_url(intent.return_url.as_str())
        .description(intent.description.as_str())
        .metadata(metadata(
            &intent.memo,
            [
                (SALE_KEY.to_owned(), intent.sale.to_string()),
                (ORDER_KEY.to_owned(), intent.order.to_string()),
                (ATTEMPT_KEY.to_owned(), intent.attempt.to_string()),
            ],
        ))
        .expand(expand());
    match intent.capture {
        CaptureMode::Manual => request.payment_method_options(manual_where_possible()),
        CaptureMode::Automatic => request,
    }
}

/// What names the object wins over what it says beside that.
fn metadata(memo: &[(String, String)], names: [(String, String); 3]) -> HashMap<String, String> {
    memo.iter().cloned().chain(names).collect()
}

/// Manual capture for the methods that have it, automatic for the others: a manual capture method on the intent itself
/// would hide the others from the buyer.
fn manual_where_possible() -> CreatePaymentIntentPaymentMethodOptions {
    let mut card = CreatePaymentIntentPaymentMethodOptionsCard::new();
    card.capture_method = Some(CreatePaymentIntentPaymentMethodOptionsCardCaptureMethod::Manual);
    let mut link = CreatePaymentIntentPaymentMethodOptionsLink::new();
    link.capture_method = Some(CreatePaymentIntentPaymentMethodOptionsLinkCaptureMethod::Manual);
    let mut options = CreatePaymentIntentPaymentMethodOptions::new();
    options.card = Some(card);
    options.link = Some(link);
    options
}

/// The charge comes along: it knows when the authorisation lapses.
fn expand() -> Vec<String> {
    vec!["latest_charge".to_owned()]
}

fn unreadable(fault: crate::intent::IntentFault) -> StripeError {
    StripeError::Unknown(UnknownOutcome::Unreadable(fault.to_string()))
}

fn bad_key(fault: &stripe_client_core::IdempotentKeyError) -> StripeError {
    StripeError::Refused { status: 400, code: "idempotency_key_invalid".to_owned(), message: fault.to_string() }
}

mod find;

#[cfg(test)]
mod tests;
