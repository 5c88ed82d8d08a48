//! What the gateway pushes, by socket or by event stream: frames of the same protocol, and the wait for one of them.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::edge::ActorError;

/// What comes out of a socket or a stream.
#[derive(Debug)]
pub enum Incoming {
    /// A frame of the protocol.
    Frame(Value),
    /// The gateway ended it; a socket may say why.
    Closed(Option<CloseFrame>),
}

/// What brings frames.
pub(super) trait Frames {
    /// The next frame or the end.
    fn bring(&mut self) -> impl Future<Output = Result<Incoming, ActorError>> + Send;
}

/// The next frame that is wanted, others passed over. Errors when it does not come within the bound, or when what brings
/// the frames breaks or ends first.
pub(super) async fn wanted(
    what: &'static str,
    bound: Duration,
    wanted: impl Fn(&Value) -> bool,
    frames: &mut impl Frames,
) -> Result<Value, ActorError> {
    let deadline = Instant::now() + bound;
    let mut last = Value::Null;
    loop {
        match tokio::time::timeout_at(deadline, frames.bring()).await {
            Err(_) => return Err(ActorError::Late { what, waited_s: bound.as_secs(), last }),
            Ok(Ok(Incoming::Frame(frame))) if wanted(&frame) => return Ok(frame),
            Ok(Ok(Incoming::Frame(frame))) => last = frame,
            Ok(Ok(Incoming::Closed(why))) => return Err(ActorError::Socket(format!("closed: {why:?}"))),
            Ok(Err(error)) => return Err(error),
        }
    }
}
