//! Someone who does not give up: the same wish, until it is had or cannot be had.
//!
//! What an honest client does when things break: it repeats what got no answer, under the same idempotency key; it begins
//! again where an answer says that what it had is gone; and it never takes a 500 for an answer, because a fault of a store
//! is a 503. Its requests go to all gateways in turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Edge};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// One shopper, start to end, every fault of a test included.
const SHOPPING_MAX: Duration = Duration::from_secs(90);
/// Every answer, also that there is none now: what the gateway waits for itself, and a margin.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// The wait before something is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(150);
/// The states in which nobody waiting gets in any more.
const OVER: [&str; 3] = ["sold_out", "closed", "cancelled"];

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// With tickets, of this order.
    Paid(String),
    /// With a refusal, by its code or by the state of the sale.
    Refused(String),
}

/// How the whole run ended.
pub(crate) struct Crowd {
    pub(crate) told: Vec<Told>,
    /// Every number that somebody was given.
    pub(crate) numbers: Vec<u64>,
    pub(crate) answers: Answers,
}

/// What all of them were answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    /// The holds that somebody was given.
    pub(crate) holds: Vec<String>,
    /// The orders that somebody was given.
    pub(crate) orders: Vec<String>,
    /// How often what somebody had was gone.
    pub(crate) gone: usize,
    /// Requests that were told to come later.
    pub(crate) declined: usize,
    /// Requests without any answer.
    pub(crate) unanswered: Vec<String>,
}

/// Someone who wants one unit.
pub(crate) struct Shopper {
    edges: Vec<Edge>,
    sale: String,
    stripe: String,
    number: usize,
    address: String,
    asked: AtomicUsize,
    started: Instant,
    place: Option<String>,
    numbers: Vec<u64>,
    /// How many units the order is to have.
    units: usize,
    answers: Arc<Mutex<Answers>>,
}

/// How a step ended for someone who goes on.
pub(crate) enum Step {
    /// Begin again with a new hold.
    Again,
    /// The end.
    End(Told),
}

/// Sends so many shoppers at once; `meanwhile` is what happens to the installation while they shop.
pub(crate) async fn crowd(
    edges: &[Edge],
    sale: &str,
    stripe: &str,
    shoppers: usize,
    meanwhile: impl Future<Output = ()>,
) -> Crowd {
    let mut shopping = JoinSet::new();
    let answers = Arc::new(Mutex::new(Answers::default()));
    for number in 0..shoppers {
        let mut shopper = Shopper::new(edges, sale, stripe, number);
        shopper.answers = Arc::clone(&answers);
        shopping.spawn(shopper.shops());
    }
    meanwhile.await;
    let mut crowd = Crowd { told: Vec::new(), numbers: Vec::new(), answers: Answers::default() };
    while let Some(shopped) = shopping.join_next().await {
        let (told, numbers) = shopped.unwrap();
        crowd.told.push(told);
        crowd.numbers.extend(numbers);
    }
    crowd.answers = answers.lock().unwrap().clone();
    crowd
}

impl Crowd {
    /// How many were told that they have tickets.
    pub(crate) fn paid(&self) -> usize {
        self.told.iter().filter(|told| matches!(told, Told::Paid(_))).count()
    }
}

impl Shopper {
    pub(crate) fn new(edges: &[Edge], sale: &str, stripe: &str, number: usize) -> Self {
        Self {
            edges: edges.to_vec(),
            sale: sale.to_owned(),
            stripe: stripe.to_owned(),
            number,
            address: Edge::address(),
            asked: AtomicUsize::new(number),
            started: Instant::now(),
            place: None,
            numbers: Vec::new(),
            units: 1,
            answers: Arc::default(),
        }
    }

    /// The same, with an order of so many units.
    pub(crate) fn of_units(self, units: usize) -> Self {
        Self { units, ..self }
    }

    async fn shops(mut self) -> (Told, Vec<u64>) {
        loop {
            let pass = match self.turn().await {
                Ok(pass) => pass,
                Err(state) => return (Told::Refused(state), self.numbers),
            };
            if let Step::End(told) = self.buys(&pass).await {
                return (told, self.numbers);
            }
            self.answers.lock().unwrap().gone += 1;
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// The pass, or the state of a sale that is over for those who wait.
    pub(crate) async fn turn(&mut self) -> Result<String, String> {
        if self.place.is_none() {
            let joined = self.asks(Method::POST, "queue", None, None, &Value::Null).await;
            assert!(joined.status.is_success(), "{joined:?}");
            self.place = joined.body["place"]["token"].as_str().map(str::to_owned);
            self.numbers.push(joined.body["place"]["number"].as_u64().unwrap());
        }
        loop {
            let seen = self.asks(Method::GET, "queue/place", self.place.as_deref(), None, &Value::Null).await;
            assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
            if let Some(pass) = seen.body["pass"].as_str() {
                return Ok(pass.to_owned());
            }
            let state = seen.body["sale_state"].as_str().unwrap_or_default();
            if OVER.contains(&state) {
                return Err(state.to_owned());
            }
            self.pauses(&seen).await;
        }
    }

    async fn buys(&self, pass: &str) -> Step {
        let hold = match self.holds(pass).await {
            Ok(hold) => hold,
            Err(step) => return step,
        };
        self.buys_held(pass, &hold).await
    }

    /// Orders what is held and pays for it.
    pub(crate) async fn buys_held(&self, pass: &str, hold: &str) -> Step {
        let person = json!({ "hold": hold, "email": format!("b{}@example.com", self.number), "name": "A Buyer" });
        let ordered = self.insists("orders", pass, &person).await;
        match (ordered.status, ordered.code()) {
            (StatusCode::CREATED | StatusCode::OK, _) => {}
            (_, Some("hold_not_found" | "hold_expired" | "seat_taken" | "pass_expired")) => return Step::Again,
            _ => panic!("{ordered:?}"),
        }
        let (order, token) = (text(&ordered.body, "id"), text(&ordered.body, "token"));
        self.answers.lock().unwrap().orders.push(order.clone());
        let paid = self.pays(&order, &token).await;
        match (paid.status, paid.code()) {
            (StatusCode::OK, _) | (_, Some("order_not_payable")) => self.waits_for_end(&order, &token).await,
            (_, Some("order_expired")) => Step::Again,
            _ => panic!("{paid:?}"),
        }
    }

    async fn holds(&self, pass: &str) -> Result<String, Step> {
        let key = Uuid::new_v4().to_string();
        let wish = json!({ "items": [{ "tier": "ga", "quantity": 1 }] });
        loop {
            let held = self.asks(Method::POST, "holds", Some(pass), Some(&key), &wish).await;
            match (held.status, held.code()) {
                (StatusCode::CREATED, _) => {
                    let hold = text(&held.body, "id");
                    self.answers.lock().unwrap().holds.push(hold.clone());
                    return Ok(hold);
                }
                (_, Some("all_held" | "pass_in_use")) => self.pauses(&held).await,
                (_, Some("pass_expired" | "pass_invalid")) => return Err(Step::Again),
                (_, Some("sold_out")) => return Err(Step::End(Told::Refused("sold_out".to_owned()))),
                _ => panic!("{held:?}"),
            }
        }
    }

    async fn pays(&self, order: &str, token: &str) -> Answer {
        let confirmation = confirmation_token(&self.stripe).await;
        let body = json!({ "confirmation_token": confirmation });
        self.insists(&format!("orders/{order}/pay"), token, &body).await
    }

    async fn waits_for_end(&self, order: &str, token: &str) -> Step {
        loop {
            let seen = self.asks(Method::GET, &format!("orders/{order}"), Some(token), None, &Value::Null).await;
            match seen.body["state"].as_str() {
                Some("paid") => {
                    assert_eq!(seen.body["tickets"].as_array().map(Vec::len), Some(self.units), "{seen:?}");
                    return Step::End(Told::Paid(order.to_owned()));
                }
                Some("expired" | "cancelled") => return Step::Again,
                Some("awaiting_payment" | "processing") => self.pauses(&seen).await,
                _ => panic!("{seen:?}"),
            }
        }
    }

    /// Asks until the answer is not that the same is under way: then it is asked anew, as someone who presses again.
    async fn insists(&self, path: &str, token: &str, body: &Value) -> Answer {
        loop {
            let key = Uuid::new_v4().to_string();
            let answer = self.asks(Method::POST, path, Some(token), Some(&key), body).await;
            if answer.code() != Some("request_in_progress") {
                return answer;
            }
            self.pauses(&answer).await;
        }
    }

    /// Asks until there is an answer that is not a 503, each time another gateway.
    pub(crate) async fn asks(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: &Value,
    ) -> Answer {
        let path = format!("/v1/sales/{}/{path}", self.sale);
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("x-forwarded-for", self.address.as_str())];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(key.map(|key| ("idempotency-key", key)));
        loop {
            let edge = &self.edges[self.asked.fetch_add(1, Ordering::Relaxed) % self.edges.len()];
            let asked = Instant::now();
            let answer = edge.ask(method.clone(), &path, &headers, body).await;
            assert!(asked.elapsed() < ANSWERED_WITHIN, "{:?} for {method} {path}: {answer:?}", asked.elapsed());
            match answer {
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                    assert!(answer.header("retry-after").is_some(), "{answer:?}");
                    self.answers.lock().unwrap().declined += 1;
                    self.pauses(&answer).await;
                }
                Ok(answer) if answer.status.is_server_error() => panic!("{answer:?}"),
                Ok(answer) => return answer,
                Err(error) => {
                    self.answers.lock().unwrap().unanswered.push(format!("{error:?}"));
                    self.pauses(&error).await;
                }
            }
        }
    }

    async fn pauses(&self, last: &impl std::fmt::Debug) {
        assert!(self.started.elapsed() < SHOPPING_MAX, "shopper {} gave up: {last:?}", self.number);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// What Stripe.js makes of a card that works.
pub(crate) async fn confirmation_token(stripe: &str) -> String {
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_of_a_test")];
    let body = Bytes::from_static(b"payment_method=pm_card_visa");
    let made = Edge::new(stripe).send(Method::POST, "/v1/test_helpers/confirmation_tokens", &headers, body).await;
    text(&made.unwrap().expect(StatusCode::OK).unwrap(), "id")
}

/// A text that must be there.
pub(crate) fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned()
}
