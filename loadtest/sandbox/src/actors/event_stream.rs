//! The live frames of a sale as server-sent events, as a browser reads them when WebSockets are blocked.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;
use serde_json::Value;

use super::edge::{ActorError, Edge, bearer};
use super::frames::{self, Frames, Incoming};

/// The largest event read; a frame is at most 1 KiB.
const EVENT_BYTES_MAX: usize = 16 * 1024;

/// An open event stream.
#[derive(Debug)]
pub struct EventStream {
    body: Body,
    buffer: BytesMut,
    events: VecDeque<Event>,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id, when it has one; a browser sends it back when it connects again.
    pub id: Option<String>,
    /// Its type, when it names one.
    pub kind: Option<String>,
    /// Its data.
    pub data: String,
}

impl EventStream {
    /// Opens the stream of a sale, showing a place token.
    ///
    /// # Errors
    /// It does not open, or is no event stream.
    pub async fn open(edge: &Edge, sale: &str, address: &str, place: &str) -> Result<Self, ActorError> {
        let authorization = bearer(place);
        let headers =
            [("accept", "text/event-stream"), ("authorization", authorization.as_str()), ("x-forwarded-for", address)];
        let answer = edge.open(Method::GET, &format!("/v1/sales/{sale}/live"), &headers).await?;
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if answer.status() == StatusCode::OK && kind.starts_with("text/event-stream") {
            return Ok(Self { body: answer.into_body(), buffer: BytesMut::new(), events: VecDeque::new() });
        }
        Err(ActorError::Socket(format!("no event stream but {} {kind}", answer.status())))
    }

    /// The next event; none when the gateway ended the stream. Comments are passed over, as browsers do.
    ///
    /// # Errors
    /// The stream broke, or sent more than an event may have.
    pub async fn next_event(&mut self) -> Result<Option<Event>, ActorError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| ActorError::Socket(error.to_string()))?;
            self.take(&frame.into_data().unwrap_or_default())?;
        }
    }

    /// The next frame or the end.
    ///
    /// # Errors
    /// The stream broke, or sent something that is no frame.
    pub async fn next(&mut self) -> Result<Incoming, ActorError> {
        let Some(event) = self.next_event().await? else { return Ok(Incoming::Closed(None)) };
        let frame = serde_json::from_str(&event.data).map_err(|error| ActorError::Socket(error.to_string()))?;
        Ok(Incoming::Frame(frame))
    }

    /// The next frame of a type, others passed over.
    ///
    /// # Errors
    /// It does not come within the bound, or the stream ends first.
    pub async fn waits_for(&mut self, kind: &'static str, bound: Duration) -> Result<Value, ActorError> {
        self.waits_until(kind, bound, |frame| frame["type"] == kind).await
    }

    /// The next frame that is wanted, others passed over.
    ///
    /// # Errors
    /// It does not come within the bound, or the stream ends first.
    pub async fn waits_until(
        &mut self,
        what: &'static str,
        bound: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, ActorError> {
        frames::wanted(what, bound, wanted, self).await
    }

    /// Takes in what arrived and cuts whole events off.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ActorError> {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
            let text = self.buffer.split_to(end + 2);
            let text = String::from_utf8_lossy(&text);
            self.events.extend(event(&text));
        }
        if self.buffer.len() > EVENT_BYTES_MAX {
            return Err(ActorError::Socket(format!("an event of more than {EVENT_BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

impl Frames for EventStream {
    fn bring(&mut self) -> impl Future<Output = Result<Incoming, ActorError>> + Send {
        self.next()
    }
}

/// The event of a block of lines; none when the block has no data, as a comment or a retry time has none.
fn event(text: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut data: Vec<&str> = Vec::new();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.push(value),
            "id" => event.id = Some(value.to_owned()),
            "event" => event.kind = Some(value.to_owned()),
            // Comments have an empty field name; the retry time is for browsers.
            _ => {}
        }
    }
    event.data = data.join("\n");
    (!data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::{Event, event};

    #[test]
    fn an_event_is_read_as_browsers_read_it() {
        let read = event("id: 7\nevent: position\ndata: {\"a\":\ndata: 1}\n\n").unwrap();
        let expected =
            Event { id: Some("7".to_owned()), kind: Some("position".to_owned()), data: "{\"a\":\n1}".into() };
        assert_eq!(read, expected);
        assert_eq!(event("data:bare\n\n").unwrap().data, "bare");
    }

    #[test]
    fn comments_and_retry_times_are_no_events() {
        assert_eq!(event(": still here\n\n"), None);
        assert_eq!(event("retry: 3000\n\n"), None);
    }
}
