//! Why Redis gave no answer that counts. Expected refusals are not errors; they are values of the calls.

use fred::error::{Error, ErrorKind};

/// A failure of Redis, or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Redis answers but does not have the sale: it was emptied, or the sale was never loaded. A worker loads it.
    #[error("the sale is not loaded in Redis")]
    NotLoaded,
    /// Redis did not answer in time. Whether the script ran is unknown; repeating the call is safe.
    #[error("Redis is not available")]
    Unavailable(#[source] Error),
    /// A script failed, or answered something its header does not name: a defect, or a server that is too old.
    #[error("unexpected answer from Redis: {0}")]
    Script(String),
}

/// What a server answers that cannot do its work now but will again.
const PASSING_CODES: [&str; 9] =
    ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "BUSY", "NOREPLICAS", "OOM"];

impl AdmissionError {
    pub(crate) fn from_redis(error: Error) -> Self {
        let server_says_no = server_code(error.details()).is_some_and(|code| !PASSING_CODES.contains(&code));
        let unreadable = matches!(error.kind(), ErrorKind::Parse | ErrorKind::Protocol | ErrorKind::InvalidArgument);
        if server_says_no || unreadable { Self::Script(error.to_string()) } else { Self::Unavailable(error) }
    }

    /// Whether the call used up its time: another one would, too, for as long as whatever holds Redis up goes on. All other
    /// errors come at once.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(error) if *error.kind() == ErrorKind::Timeout)
    }

    /// Every [`Self::word`].
    pub(crate) const WORDS: [&str; 3] = ["not_loaded", "unavailable", "script"];

    /// The error as a metric label.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::NotLoaded => "not_loaded",
            Self::Unavailable(_) => "unavailable",
            Self::Script(_) => "script",
        }
    }
}

/// The word in capitals with which an error of the server begins; the client's own errors have none.
fn server_code(details: &str) -> Option<&str> {
    let code = details.split(' ').next().unwrap_or_default();
    (code.len() > 2 && code.bytes().all(|b| b.is_ascii_uppercase())).then_some(code)
}

#[cfg(test)]
mod tests;
