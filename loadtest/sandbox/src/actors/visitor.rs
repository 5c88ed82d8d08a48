//! Someone in the queue.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::buyer::Buyer;
use super::edge::{ActorError, Answer, Edge, bearer, text};
use super::event_stream::EventStream;
use super::puzzle;
use super::socket::LiveSocket;

/// Someone who wants in. Keeps the place token as a script would: in memory, presented as a bearer token.
#[derive(Debug, Clone)]
pub struct Visitor {
    edge: Edge,
    sale: String,
    address: String,
    place: Option<String>,
    /// What is said when joining; nothing is said while it is empty.
    wish: Map<String, Value>,
    /// The visitor's cookie, kept from the challenge to the join that it is solved for.
    cookie: Option<String>,
}

/// How waiting ends.
#[derive(Debug, Clone)]
pub enum Turn {
    /// The visitor is in.
    Comes(Box<Buyer>),
    /// The sale is over for those who wait: the state it is in.
    NeverComes(String),
}

/// The states in which nobody waiting gets in any more.
const OVER: [&str; 3] = ["sold_out", "closed", "cancelled"];

/// The answer to a poll says when to come back; an actor never waits longer, so that it stays alive in the queue.
const POLL_AFTER_MAX: Duration = Duration::from_secs(5);
/// An actor never polls without a rest, whatever the answer says.
const POLL_AFTER_MIN: Duration = Duration::from_millis(20);

impl Visitor {
    /// Someone new, with an address of their own.
    #[must_use]
    pub fn new(edge: &Edge, sale: &str) -> Self {
        Self {
            edge: edge.clone(),
            sale: sale.to_owned(),
            address: Edge::address(),
            place: None,
            wish: Map::new(),
            cookie: None,
        }
    }

    /// Has an access code, and says it when joining.
    #[must_use]
    pub fn with_access_code(mut self, code: &str) -> Self {
        self.wish.insert("access_code".to_owned(), code.into());
        self
    }

    /// Needs more time, and says so when joining.
    #[must_use]
    pub fn needing_more_time(mut self) -> Self {
        self.wish.insert("more_time".to_owned(), true.into());
        self
    }

    /// The place token, once joined.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Takes over a place from elsewhere: another device's, or one from a link.
    pub fn shows(&mut self, place: &str) {
        self.place = Some(place.to_owned());
    }

    /// Fetches the challenge that a join must answer, solves it, and shows the proof at the next join.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn solves_challenge(&mut self) -> Result<(), ActorError> {
        let answer = self.ask(Method::GET, "queue/challenge").await?;
        self.cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let body = answer.expect(StatusCode::OK)?;
        let challenge = text(&body, "challenge")?;
        let bits = body["bits"].as_u64().and_then(|bits| u32::try_from(bits).ok());
        let bits = bits.ok_or_else(|| ActorError::Missing { field: "bits", body: body.clone() })?;
        let nonce = puzzle::solve(challenge.clone(), bits).await;
        self.wish.insert("proof".to_owned(), json!({ "challenge": challenge, "nonce": nonce }));
        Ok(())
    }

    /// Joins the queue or registers in the prequeue, presenting the place token if there is one, and keeps the one in the
    /// answer.
    ///
    /// # Errors
    /// No answer.
    pub async fn joins(&mut self) -> Result<Answer, ActorError> {
        let wish = if self.wish.is_empty() { Value::Null } else { Value::Object(self.wish.clone()) };
        let answer = self.sends(Method::POST, "queue", &wish).await?;
        if let Some(token) = answer.body["place"]["token"].as_str() {
            self.place = Some(token.to_owned());
        }
        Ok(answer)
    }

    /// Asks for the position once.
    ///
    /// # Errors
    /// No answer.
    pub async fn polls(&self) -> Result<Answer, ActorError> {
        self.ask(Method::GET, "queue/place").await
    }

    /// Leaves the queue.
    ///
    /// # Errors
    /// No answer.
    pub async fn leaves(&self) -> Result<Answer, ActorError> {
        self.ask(Method::DELETE, "queue/place").await
    }

    /// Registers in the prequeue: joins, and expects no number yet.
    ///
    /// # Errors
    /// The join is refused, or gives a number at once.
    pub async fn registers(&mut self) -> Result<(), ActorError> {
        let body = self.joins().await?.expect_one_of(&[StatusCode::CREATED, StatusCode::OK])?;
        match body["place"]["state"].as_str() {
            Some("prequeue") => Ok(()),
            _ => Err(ActorError::Missing { field: "a place in the prequeue", body }),
        }
    }

    /// Polls until the draw has given the registration its number.
    ///
    /// # Errors
    /// There is none within the bound.
    pub async fn waits_for_number(&self, bound: Duration) -> Result<u64, ActorError> {
        let started = Instant::now();
        loop {
            let position = self.polls().await?.expect(StatusCode::OK)?;
            if let Some(number) = position["number"].as_u64() {
                return Ok(number);
            }
            if started.elapsed() > bound {
                return Err(ActorError::Late { what: "a number", waited_s: bound.as_secs(), last: position });
            }
            rests_after(&position).await;
        }
    }

    /// Fetches the proof that the registration is under the published root.
    ///
    /// # Errors
    /// No answer.
    pub async fn fetches_proof(&self) -> Result<Answer, ActorError> {
        self.ask(Method::GET, "queue/place/proof").await
    }

    /// Fetches what is needed to recompute the draws of the sale.
    ///
    /// # Errors
    /// No answer.
    pub async fn fetches_fairness(&self) -> Result<Answer, ActorError> {
        self.ask(Method::GET, "fairness").await
    }

    /// Opens the event stream with the place.
    ///
    /// # Errors
    /// The stream does not open.
    pub async fn streams(&self) -> Result<EventStream, ActorError> {
        let place = self.place.as_deref().unwrap_or_default();
        EventStream::open(&self.edge, &self.sale, &self.address, place).await
    }

    /// Opens the live socket and shows the place.
    ///
    /// # Errors
    /// The socket does not open.
    pub async fn watches(&self) -> Result<LiveSocket, ActorError> {
        self.shown_on(LiveSocket::open(self.edge.base(), &self.sale, &self.address).await?).await
    }

    /// The same, and again while the gateway is busy, as a page does.
    ///
    /// # Errors
    /// It is busy for longer than the bound, or the socket does not open for another reason.
    pub async fn watches_within(&self, bound: Duration) -> Result<LiveSocket, ActorError> {
        let socket = LiveSocket::open_within(bound, self.edge.base(), &self.sale, &self.address).await?;
        self.shown_on(socket).await
    }

    async fn shown_on(&self, mut socket: LiveSocket) -> Result<LiveSocket, ActorError> {
        socket.shows_place(self.place.as_deref().unwrap_or_default()).await?;
        Ok(socket)
    }

    /// Watches the socket until the turn comes.
    ///
    /// # Errors
    /// The turn does not come within the bound.
    pub async fn waits_for_turn(&self, bound: Duration) -> Result<Buyer, ActorError> {
        let mut socket = self.watches_within(bound).await?;
        let frame = socket.waits_for("admitted", bound).await?;
        self.admitted(&frame["data"])
    }

    /// Watches the socket until the turn comes, or until the sale is over for those who wait.
    ///
    /// # Errors
    /// Neither happens within the bound.
    pub async fn waits_for_turn_or_end(&self, bound: Duration) -> Result<Turn, ActorError> {
        let mut socket = self.watches_within(bound).await?;
        let frame = socket
            .waits_until("a turn or the end", bound, |frame| frame["type"] == "admitted" || over(frame).is_some())
            .await?;
        match over(&frame) {
            Some(state) => Ok(Turn::NeverComes(state.to_owned())),
            None => self.admitted(&frame["data"]).map(|buyer| Turn::Comes(Box::new(buyer))),
        }
    }

    /// Polls until the turn comes.
    ///
    /// # Errors
    /// The turn does not come within the bound.
    pub async fn polls_for_turn(&self, bound: Duration) -> Result<Buyer, ActorError> {
        let started = Instant::now();
        loop {
            let position = self.polls().await?.expect(StatusCode::OK)?;
            if position["pass"].is_string() {
                return self.admitted(&position);
            }
            if started.elapsed() > bound {
                return Err(ActorError::Late { what: "a turn", waited_s: bound.as_secs(), last: position });
            }
            rests_after(&position).await;
        }
    }

    fn admitted(&self, data: &Value) -> Result<Buyer, ActorError> {
        Ok(Buyer::new(&self.edge, &self.sale, &self.address, &text(data, "pass")?))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer, ActorError> {
        self.sends(method, path, &Value::Null).await
    }

    async fn sends(&self, method: Method, path: &str, body: &Value) -> Result<Answer, ActorError> {
        let path = format!("/v1/sales/{}/{path}", self.sale);
        let authorization = self.place.as_deref().map(bearer);
        let mut headers = vec![("x-forwarded-for", self.address.as_str())];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(self.cookie.as_deref().map(|value| ("cookie", value)));
        self.edge.ask(method, &path, &headers, body).await
    }
}

/// Waits as long as the answer to a poll asks, within what keeps a visitor alive.
async fn rests_after(position: &Value) {
    let poll_after = Duration::from_millis(position["poll_after_ms"].as_u64().unwrap_or_default());
    tokio::time::sleep(poll_after.clamp(POLL_AFTER_MIN, POLL_AFTER_MAX)).await;
}

/// The state in a frame, when it is one in which nobody waiting gets in any more.
fn over(frame: &Value) -> Option<&str> {
    let state = match frame["type"].as_str()? {
        "position" => &frame["data"]["sale_state"],
        "sale" => &frame["data"]["state"],
        _ => return None,
    };
    state.as_str().filter(|state| OVER.contains(state))
}
