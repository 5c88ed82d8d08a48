//! Someone whose turn came.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::edge::{ActorError, Answer, Edge, bearer, idempotency_key, text};

/// Someone with a pass.
#[derive(Debug, Clone)]
pub struct Buyer {
    edge: Edge,
    sale: String,
    address: String,
    pass: String,
}

/// The cards that Stripe's test mode and the fake know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// Works at once.
    Visa,
    /// The same one, whoever pays with it: Ada's, which the fake knows and Stripe does not.
    AdasVisa,
    /// Is declined.
    Declined,
    /// Needs 3-D Secure.
    AuthenticationRequired,
}

impl Card {
    const fn payment_method(self) -> &'static str {
        match self {
            Self::Visa => "pm_card_visa",
            Self::AdasVisa => "pm_card_visa_of_ada",
            Self::Declined => "pm_card_chargeDeclined",
            Self::AuthenticationRequired => "pm_card_authenticationRequired",
        }
    }
}

/// Units held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// The signed proof of it.
    pub receipt: String,
}

impl Hold {
    /// The hold that an answer gives.
    ///
    /// # Errors
    /// It gives none.
    pub fn of(answer: Answer) -> Result<Self, ActorError> {
        let body = answer.expect(StatusCode::CREATED)?;
        Ok(Self { id: text(&body, "id")?, receipt: text(&body, "receipt")? })
    }
}

/// Units being paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// The buyer's token.
    pub token: String,
}

/// The wait between two looks at an order.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Buyer {
    /// Someone with this pass.
    #[must_use]
    pub fn new(edge: &Edge, sale: &str, address: &str, pass: &str) -> Self {
        Self { edge: edge.clone(), sale: sale.to_owned(), address: address.to_owned(), pass: pass.to_owned() }
    }

    /// The pass.
    #[must_use]
    pub fn pass(&self) -> &str {
        &self.pass
    }

    /// Asks for units by tier and quantity.
    ///
    /// # Errors
    /// No answer.
    pub async fn asks_to_hold(&self, tier: &str, quantity: u32) -> Result<Answer, ActorError> {
        self.asks_to_hold_items(&json!([{ "tier": tier, "quantity": quantity }])).await
    }

    /// Asks for units as the items of a hold say it.
    ///
    /// # Errors
    /// No answer.
    pub async fn asks_to_hold_items(&self, items: &Value) -> Result<Answer, ActorError> {
        self.posts("holds", &self.pass, &idempotency_key(), &json!({ "items": items })).await
    }

    /// Holds units.
    ///
    /// # Errors
    /// They are not had.
    pub async fn holds(&self, tier: &str, quantity: u32) -> Result<Hold, ActorError> {
        Hold::of(self.asks_to_hold(tier, quantity).await?)
    }

    /// Gives a hold back.
    ///
    /// # Errors
    /// No answer.
    pub async fn gives_back(&self, hold: &Hold) -> Result<Answer, ActorError> {
        self.asks(Method::DELETE, &format!("holds/{}", hold.id), &self.pass).await
    }

    /// Asks for more time for a hold, under that key; the same key is the same press.
    ///
    /// # Errors
    /// No answer.
    pub async fn asks_for_more_time(&self, hold: &Hold, key: &str) -> Result<Answer, ActorError> {
        self.posts(&format!("holds/{}/extend", hold.id), &self.pass, key, &json!(null)).await
    }

    /// Shows the receipt of a hold, to have it back after Redis was lost.
    ///
    /// # Errors
    /// No answer.
    pub async fn reclaims(&self, hold: &Hold) -> Result<Answer, ActorError> {
        self.asks(Method::POST, &format!("holds/{}/reclaim", hold.id), &hold.receipt).await
    }

    /// Looks at a hold.
    ///
    /// # Errors
    /// No answer.
    pub async fn looks_at_hold(&self, hold: &Hold) -> Result<Answer, ActorError> {
        self.asks(Method::GET, &format!("holds/{}", hold.id), &self.pass).await
    }

    /// Asks for an order of a hold.
    ///
    /// # Errors
    /// No answer.
    pub async fn asks_to_order(&self, hold: &Hold, email: &str, name: &str) -> Result<Answer, ActorError> {
        let body = json!({ "hold": hold.id, "email": email, "name": name });
        self.posts("orders", &self.pass, &idempotency_key(), &body).await
    }

    /// Orders what is held.
    ///
    /// # Errors
    /// There is no order.
    pub async fn orders(&self, hold: &Hold, email: &str, name: &str) -> Result<Order, ActorError> {
        let answer = self.asks_to_order(hold, email, name).await?;
        let order = answer.expect_one_of(&[StatusCode::CREATED, StatusCode::OK])?;
        Ok(Order { id: text(&order, "id")?, token: text(&order, "token")? })
    }

    /// Pays with a card: makes a confirmation token at Stripe, as Stripe.js would, and presses Pay.
    ///
    /// # Errors
    /// No answer of Stripe or of the gateway.
    pub async fn pays(&self, order: &Order, card: Card, stripe_api_base: &str) -> Result<Answer, ActorError> {
        self.pays_at(order, card, &Edge::new(stripe_api_base)).await
    }

    /// The same over a pooled connection to Stripe: for a crowd, whose connections would cost more than what it buys.
    ///
    /// # Errors
    /// No answer of Stripe or of the gateway.
    pub async fn pays_at(&self, order: &Order, card: Card, stripe: &Edge) -> Result<Answer, ActorError> {
        let confirmation_token = confirmation_token(stripe, card).await?;
        let body = json!({ "confirmation_token": confirmation_token });
        self.posts(&format!("orders/{}/pay", order.id), &order.token, &idempotency_key(), &body).await
    }

    /// Pays, and presses Pay again as often as the gateway says that many are paying at this moment; answers how often.
    ///
    /// # Errors
    /// It is still so after the bound; any other answer than that the bank was asked; no answer.
    pub async fn pays_in_a_rush(
        &self,
        order: &Order,
        card: Card,
        stripe_api_base: &str,
        bound: Duration,
    ) -> Result<u32, ActorError> {
        let (started, mut told) = (Instant::now(), 0);
        loop {
            let answer = self.pays(order, card, stripe_api_base).await?;
            if answer.code() != Some("overloaded") || started.elapsed() > bound {
                return answer.expect(StatusCode::OK).map(|_| told);
            }
            told += 1;
            let after_s = answer.header("retry-after").and_then(|after| after.parse().ok());
            let Some(after_s) = after_s else {
                return Err(ActorError::Missing { field: "Retry-After", body: answer.body });
            };
            tokio::time::sleep(Duration::from_secs(after_s)).await;
        }
    }

    /// Presses Pay without a card, to go on with the payment that is under way.
    ///
    /// # Errors
    /// No answer.
    pub async fn goes_on_paying(&self, order: &Order) -> Result<Answer, ActorError> {
        self.posts(&format!("orders/{}/pay", order.id), &order.token, &idempotency_key(), &json!({})).await
    }

    /// Looks at an order.
    ///
    /// # Errors
    /// No answer.
    pub async fn looks_at_order(&self, order: &Order) -> Result<Answer, ActorError> {
        self.asks(Method::GET, &format!("orders/{}", order.id), &order.token).await
    }

    /// Looks at an order until it is in that state.
    ///
    /// # Errors
    /// It is not within the bound.
    pub async fn waits_until_order_is(
        &self,
        order: &Order,
        state: &'static str,
        bound: Duration,
    ) -> Result<Value, ActorError> {
        let started = Instant::now();
        loop {
            let seen = self.looks_at_order(order).await?.expect(StatusCode::OK)?;
            if seen["state"] == state {
                return Ok(seen);
            }
            if started.elapsed() > bound {
                return Err(ActorError::Late { what: state, waited_s: bound.as_secs(), last: seen });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn posts(&self, path: &str, token: &str, key: &str, body: &Value) -> Result<Answer, ActorError> {
        let authorization = bearer(token);
        let headers = [
            ("x-forwarded-for", self.address.as_str()),
            ("authorization", authorization.as_str()),
            ("idempotency-key", key),
        ];
        self.edge.ask(Method::POST, &format!("/v1/sales/{}/{path}", self.sale), &headers, body).await
    }

    async fn asks(&self, method: Method, path: &str, token: &str) -> Result<Answer, ActorError> {
        let authorization = bearer(token);
        let headers = [("x-forwarded-for", self.address.as_str()), ("authorization", authorization.as_str())];
        self.edge.ask(method, &format!("/v1/sales/{}/{path}", self.sale), &headers, &Value::Null).await
    }
}

async fn confirmation_token(stripe: &Edge, card: Card) -> Result<String, ActorError> {
    let form = format!("payment_method={}", card.payment_method());
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_of_an_actor")];
    let answer = stripe.send(Method::POST, "/v1/test_helpers/confirmation_tokens", &headers, Bytes::from(form)).await?;
    text(&answer.expect(StatusCode::OK)?, "id")
}
