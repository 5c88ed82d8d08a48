//! A seller's till: our client, the fake Stripe it talks to, and buyers' cards.

use std::time::Duration;

use bytes::Bytes;
use domain::sale::CaptureMode;
use domain::{Currency, Money, OrderId, SaleId};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use payments::{CreateIntent, Intent, Stripe, StripeConfig, StripeError};
use sandbox::{FakeStripe, FakeStripeOptions};
use secrecy::SecretString;

pub(crate) const VISA: &str = "pm_card_visa";
pub(crate) const DECLINED: &str = "pm_card_chargeDeclined";
pub(crate) const NEEDS_3DS: &str = "pm_card_authenticationRequired";

pub(crate) const SALE: &str = "sale_0192f0a1b2c37d4e8f90a1b2c3d4e5f6";
pub(crate) const ORDER: &str = "ord_0192f0a1b2c37d4e8f90a1b2c3d4e5f7";

/// Long enough for a busy two-core machine, short enough for a test of it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Till {
    pub(crate) fake: FakeStripe,
    pub(crate) stripe: Stripe,
}

impl Till {
    pub(crate) async fn open() -> Till {
        Till::open_with(TIMEOUT).await
    }

    pub(crate) async fn open_with(timeout: Duration) -> Till {
        let fake = FakeStripe::start(FakeStripeOptions::default()).await.expect("a free port");
        let stripe = client(&fake.base_url(), timeout);
        Till { fake, stripe }
    }

    /// What a browser would make of a card.
    pub(crate) async fn token(&self, card: &str) -> String {
        let request = Request::post(format!("{}/v1/test_helpers/confirmation_tokens", self.fake.base_url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", "Bearer sk_test_1")
            .body(Full::new(Bytes::from(format!("payment_method={card}"))))
            .expect("a request");
        let browser = Client::builder(TokioExecutor::new()).build_http();
        let answer = browser.request(request).await.expect("the fake answers");
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        let token: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        token["id"].as_str().expect("a token has an id").to_owned()
    }

    /// A payment of 43.50 € with that card.
    pub(crate) async fn payment(&self, card: &str, capture: CaptureMode) -> CreateIntent {
        CreateIntent {
            sale: sale(),
            order: order(),
            attempt: 1,
            amount: price(),
            confirmation_token: self.token(card).await,
            return_url: "https://tickets.example/s/night/orders/x".to_owned(),
            capture,
            description: "2 tickets & a fee, 100 %".to_owned(),
            memo: Vec::new(),
        }
    }

    /// Pays with a card; the key is unique to the call.
    pub(crate) async fn pay(&self, card: &str, capture: CaptureMode) -> Result<Intent, StripeError> {
        let payment = self.payment(card, capture).await;
        self.stripe.create_and_confirm(&payment, &format!("create:{}", payment.confirmation_token)).await
    }

    /// An authorised payment.
    pub(crate) async fn authorised(&self) -> Intent {
        self.pay(VISA, CaptureMode::Manual).await.expect("the card works")
    }
}

pub(crate) fn client(base: &str, timeout: Duration) -> Stripe {
    let config = StripeConfig {
        secret_key: SecretString::from("sk_test_onsale"),
        api_base: base.parse().expect("a URL"),
        timeout,
    };
    Stripe::new(config).expect("a good configuration")
}

pub(crate) fn sale() -> SaleId {
    SALE.parse().expect("an id")
}

pub(crate) fn order() -> OrderId {
    ORDER.parse().expect("an id")
}

pub(crate) fn price() -> Money {
    Money::new(4_350, Currency::EUR)
}
