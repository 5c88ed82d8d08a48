//! Where in a list of Stripe's a round is: a span of time, and in it the object behind which the next page begins.
//!
//! Lists begin with the newest. A round that is through says `until`, where the next one begins; one that has had enough in the
//! middle says `since until after`, and the next one goes on there.

use std::time::Duration;

use jiff::Timestamp;
use payments::Span;

/// Looked at twice: lists and clocks may be a little behind.
const OVERLAP: Duration = Duration::from_secs(3_600);

/// Where in the list a round is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The end of the span before.
    pub(super) since: Option<Timestamp>,
    pub(super) until: Timestamp,
    pub(super) after: Option<String>,
}

impl Place {
    /// Where a round begins: behind the last good one, and never nearer to now than `grace`.
    pub(super) fn of(resume: Option<&str>, now: Timestamp, grace: Duration) -> Self {
        let second = |word: &str| Timestamp::from_second(word.parse().ok()?).ok();
        let words: Vec<_> = resume.unwrap_or_default().split(' ').collect();
        if let [since, until, after] = words[..]
            && let Some(until) = second(until)
        {
            return Self { since: second(since), until, after: Some(after.to_owned()) };
        }
        let until = now.checked_sub(grace).unwrap_or(now);
        Self { since: words.first().and_then(|word| second(word)), until, after: None }
    }

    /// What Stripe is asked for.
    pub(super) fn span(&self) -> Span {
        let since = self.since.and_then(|since| since.checked_sub(OVERLAP).ok());
        Span { since, until: self.until, after: self.after.clone() }
    }

    /// How far the round came, for the next one to read.
    pub(super) fn in_words(&self) -> String {
        if self.after.is_none() {
            return self.until.as_second().to_string();
        }
        let since = self.since.map_or("-".to_owned(), |since| since.as_second().to_string());
        format!("{since} {} {}", self.until.as_second(), self.after.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
