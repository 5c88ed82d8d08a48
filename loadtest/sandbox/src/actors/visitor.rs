//! Someone in the queue.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::buyer::Buyer;
use super::edge::{ActorError, Answer, Edge, bearer, text};
use super::socket::LiveSocket;

/// Someone who wants in. Keeps the place token as a script would: in memory, presented as a bearer token.
#[derive(Debug, Clone)]
pub struct Visitor {
    edge: Edge,
    sale: String,
    address: String,
    place: Option<String>,
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

impl Visitor {
    /// Someone new, with an address of their own.
    #[must_use]
    pub fn new(edge: &Edge, sale: &str) -> Self {
        Self { edge: edge.clone(), sale: sale.to_owned(), address: Edge::address(), place: None }
    }

    /// The place token, once joined.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Joins the queue, presenting the place token if there is one, and keeps the one in the answer.
    ///
    /// # Errors
    /// No answer.
    pub async fn joins(&mut self) -> Result<Answer, ActorError> {
        let answer = self.ask(Method::POST, "queue").await?;
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

    /// Opens the live socket and shows the place.
    ///
    /// # Errors
    /// The socket does not open.
    pub async fn watches(&self) -> Result<LiveSocket, ActorError> {
        let mut socket = LiveSocket::open(self.edge.base(), &self.sale, &self.address).await?;
        socket.shows_place(self.place.as_deref().unwrap_or_default()).await?;
        Ok(socket)
    }

    /// Watches the socket until the turn comes.
    ///
    /// # Errors
    /// The turn does not come within the bound.
    pub async fn waits_for_turn(&self, bound: Duration) -> Result<Buyer, ActorError> {
        let mut socket = self.watches().await?;
        let frame = socket.waits_for("admitted", bound).await?;
        self.admitted(&frame["data"])
    }

    /// Watches the socket until the turn comes, or until the sale is over for those who wait.
    ///
    /// # Errors
    /// Neither happens within the bound.
    pub async fn waits_for_turn_or_end(&self, bound: Duration) -> Result<Turn, ActorError> {
        let mut socket = self.watches().await?;
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
            let poll_after = Duration::from_millis(position["poll_after_ms"].as_u64().unwrap_or_default());
            tokio::time::sleep(poll_after.min(POLL_AFTER_MAX)).await;
        }
    }

    fn admitted(&self, data: &Value) -> Result<Buyer, ActorError> {
        Ok(Buyer::new(&self.edge, &self.sale, &self.address, &text(data, "pass")?))
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer, ActorError> {
        let path = format!("/v1/sales/{}/{path}", self.sale);
        let authorization = self.place.as_deref().map(bearer);
        let mut headers = vec![("x-forwarded-for", self.address.as_str())];
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.edge.ask(method, &path, &headers, &Value::Null).await
    }
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
