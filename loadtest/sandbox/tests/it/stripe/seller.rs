//! A seller's server: speaks Stripe's API with a secret key.

use http::{Method, StatusCode};
use sandbox::FakeStripe;
use serde_json::Value;

use crate::web::{Answer, HttpClient, client, send};

/// A server with a secret key.
#[derive(Clone)]
pub(super) struct Seller {
    base: String,
    client: HttpClient,
}

/// What the tests sell for.
pub(super) const PRICE: i64 = 4_500;

impl Seller {
    pub(super) fn of(stripe: &FakeStripe) -> Seller {
        Seller { base: stripe.base_url(), client: client() }
    }

    /// Sends a form; an error is a connection that broke.
    pub(super) async fn try_post(&self, path: &str, form: &[(&str, &str)], key: Option<&str>) -> Option<Answer> {
        let mut headers =
            vec![("authorization", "Bearer sk_test_sandbox"), ("content-type", "application/x-www-form-urlencoded")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        send(&self.client, Method::POST, &format!("{}{path}", self.base), &headers, encode(form)).await.ok()
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)], key: Option<&str>) -> Answer {
        self.try_post(path, form, key).await.expect("the fake answers")
    }

    /// Posts what must be accepted.
    pub(super) async fn posts(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.post(path, form, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// Posts what must be refused, and says with which status and code.
    pub(super) async fn is_refused(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let answer = self.post(path, form, None).await;
        let error = answer.json()["error"].clone();
        (answer.status.as_u16(), error["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Gets with a user name, as curl does it.
    pub(super) async fn get(&self, path: &str) -> Answer {
        let headers = [("authorization", "Basic c2tfdGVzdF9zYW5kYm94Og==")];
        send(&self.client, Method::GET, &format!("{}{path}", self.base), &headers, String::new()).await.unwrap()
    }

    /// A confirmation token of a buyer with this card.
    pub(super) async fn token(&self, card: &str) -> String {
        let token = self.posts("/v1/test_helpers/confirmation_tokens", &[("payment_method", card)]).await;
        token["id"].as_str().unwrap().to_owned()
    }

    /// The call a gateway makes, with the answer whatever it is.
    pub(super) async fn pays(&self, card: &str, capture: &str, key: Option<&str>) -> Answer {
        let token = self.token(card).await;
        self.pays_with(&token, capture, key).await.expect("the fake answers")
    }

    pub(super) async fn pays_with(&self, token: &str, capture: &str, key: Option<&str>) -> Option<Answer> {
        let form = [
            ("amount", "4500"),
            ("currency", "eur"),
            ("confirm", "true"),
            ("confirmation_token", token),
            ("capture_method", capture),
            ("automatic_payment_methods[enabled]", "true"),
            ("return_url", "http://localhost/s/rock/orders/ord_1?x=1"),
            ("metadata[order]", "ord_1"),
            ("metadata[sale]", "sale_1"),
        ];
        self.try_post("/v1/payment_intents", &form, key).await
    }

    /// An authorised payment, not captured.
    pub(super) async fn authorised(&self) -> String {
        let answer = self.pays("pm_card_visa", "manual", None).await;
        assert_eq!(answer.json()["status"], "requires_capture", "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

fn encode(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}
