//! Idempotency keys: the same key and parameters get the same answer.
//! Source: <https://docs.stripe.com/api/idempotent_requests>. Bound: [`KEYS_MAX`] answers, the oldest forgotten first, as
//! Stripe forgets them after a day.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use http::StatusCode;

use super::form::Form;
use super::refusal::Refusal;

/// Answers kept, of about 3 KiB each.
const KEYS_MAX: usize = 20_000;

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) path: String,
    pub(super) form: Form,
}

/// An answer that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// The `request-id` of the first time.
    pub(super) request: String,
}

/// The keys in use and the answers remembered.
#[derive(Debug, Default)]
pub(super) struct Keys {
    uses: HashMap<String, Use>,
    answered: VecDeque<String>,
}

#[derive(Debug)]
struct Use {
    fingerprint: Fingerprint,
    answer: Option<Remembered>,
}

impl Keys {
    /// Takes `key` into use; `Some` when it already has its answer.
    pub(super) fn begin(&mut self, key: &str, fingerprint: &Fingerprint) -> Result<Option<Remembered>, Refusal> {
        match self.uses.get(key) {
            Some(used) if used.fingerprint != *fingerprint => Err(Refusal::KeyReused { key: key.to_owned() }),
            Some(Use { answer: Some(answer), .. }) => Ok(Some(answer.clone())),
            Some(Use { answer: None, .. }) => Err(Refusal::KeyInUse { key: key.to_owned() }),
            None => {
                self.uses.insert(key.to_owned(), Use { fingerprint: fingerprint.clone(), answer: None });
                Ok(None)
            }
        }
    }

    /// The call is over; without an answer to remember the key is free again.
    pub(super) fn finish(&mut self, key: &str, answer: Option<Remembered>) {
        let Some(answer) = answer else {
            self.uses.remove(key);
            return;
        };
        if let Some(used) = self.uses.get_mut(key) {
            used.answer = Some(answer);
            self.answered.push_back(key.to_owned());
        }
        if self.answered.len() > KEYS_MAX
            && let Some(oldest) = self.answered.pop_front()
        {
            self.uses.remove(&oldest);
        }
    }
}
