//! Every script, with its keys in order, and how its answer is read.
//!
//! A script is one file in `lua/`, behind the few lines it includes. It answers a list that begins with a word; the
//! header of the file names the words, and the caller turns them into an enum. `not_loaded` is one word for all.

use std::collections::VecDeque;
use std::sync::OnceLock;

use fred::types::Value;

use crate::AdmissionError;
use crate::keys::Key::{self, *};

/// A script and the keys it takes.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) parts: &'static [&'static str],
    text: OnceLock<Text>,
}

#[derive(Debug)]
struct Text {
    source: String,
    sha1: String,
}

impl Script {
    /// The script as Redis gets it.
    pub(crate) fn source(&self) -> &str {
        &self.text().source
    }

    /// The name under which Redis keeps it.
    pub(crate) fn sha1(&self) -> &str {
        &self.text().sha1
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| {
            let source = self.parts.concat();
            Text { sha1: fred::util::sha1_hash(&source), source }
        })
    }
}

const TIME: &str = include_str!("../lua/include/time.lua");
const LOADED: &str = include_str!("../lua/include/loaded.lua");
const SLOT: &str = include_str!("../lua/include/slot.lua");
const UNITS: &str = include_str!("../lua/include/units.lua");
const HOLD: &str = include_str!("../lua/include/hold.lua");

macro_rules! scripts {
    ($($constant:ident $name:literal [$($include:ident)*] [$($key:expr),*];)+) => {
        $(pub(crate) static $constant: Script = Script {
            name: $name,
            keys: &[Epoch, ClockOffset, $($key),*],
            parts: &[TIME, $($include,)* include_str!(concat!("../lua/", $name, ".lua"))],
            text: OnceLock::new(),
        };)+

        /// Every script.
        #[cfg(test)]
        pub(crate) static ALL: &[&Script] = &[$(&$constant),+];
    };
}

scripts! {
    QUEUE_JOIN "queue_join" [LOADED] [
        Next, Reserved, Visitors, Line, Live, Heard(0), Heard(1), Heard(2), Heard(3), Pace, Granted, Turns, Shopping
    ];
    QUEUE_RESERVE "queue_reserve" [LOADED] [Reserved];
    QUEUE_HEARD "queue_heard" [LOADED] [Pace, Live, Heard(0), Heard(1), Heard(2), Heard(3), Scratch];
    QUEUE_ADMIT "queue_admit" [LOADED SLOT] [
        Pace, Line, Live, Heard(0), Heard(1), Heard(2), Heard(3), Kept, Scratch, Granted, Turns, Shopping, Stock, Paused
    ];
    QUEUE_CONFIRM "queue_confirm" [LOADED] [Granted, Turns];
    QUEUE_LEAVE "queue_leave" [LOADED] [Visitors, Line, Left, Granted, Turns, Shopping];
    QUEUE_END "queue_end" [LOADED] [Turns, Shopping];
    QUEUE_VIEW "queue_view" [LOADED] [Next, Pace, Line, Live, Left, Granted, Turns, Shopping, Stock, Paused];
    HOLD_TAKE "hold_take" [LOADED UNITS HOLD] [
        Holds, Due, Claims, Free, Tiers, Stock, Paused, Next, Turns, Shopping, Request
    ];
    HOLD_LOOK "hold_look" [LOADED] [Holds];
    HOLD_RELEASE "hold_release" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock];
    HOLD_FREEZE "hold_freeze" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock, Paused, Shopping];
    HOLD_COMMIT "hold_commit" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock];
    HOLD_LOSE "hold_lose" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock];
    HOLD_EXPIRE "hold_expire" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock, Paused];
    UNITS_RETURN "units_return" [LOADED UNITS] [Free, Tiers, Stock, Request];
    SALE_LOAD "sale_load" [SLOT UNITS] [
        Next, Reserved, Line, Live, Heard(0), Heard(1), Heard(2), Heard(3), Kept, Left, Granted, Turns, Shopping, Pace,
        Holds, Due, Claims, Free, Tiers, Stock
    ];
    SALE_PAUSE "sale_pause" [LOADED UNITS HOLD] [Holds, Due, Claims, Free, Tiers, Stock, Paused, Turns, Shopping];
}

/// What a script answered: a word, and values behind it.
#[derive(Debug)]
pub(crate) struct Reply {
    script: &'static str,
    word: String,
    values: VecDeque<Value>,
}

impl Reply {
    pub(crate) fn parse(script: &'static str, answer: Value) -> Result<Self, AdmissionError> {
        let mut values = VecDeque::from(answer.into_array());
        let word = values.pop_front().and_then(Value::into_string).unwrap_or_default();
        if word == "not_loaded" {
            return Err(AdmissionError::NotLoaded);
        }
        Ok(Self { script, word, values })
    }

    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The word is none that the caller knows.
    pub(crate) fn unexpected<T>(&self) -> Result<T, AdmissionError> {
        Err(self.odd("a word nobody waits for"))
    }

    pub(crate) fn value(&mut self) -> Result<Value, AdmissionError> {
        self.values.pop_front().ok_or_else(|| self.odd("too few values"))
    }

    pub(crate) fn text(&mut self) -> Result<String, AdmissionError> {
        self.value()?.into_string().ok_or_else(|| self.odd("no text"))
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, AdmissionError> {
        self.text()?.parse().map_err(|_| self.odd("a text that does not parse"))
    }

    pub(crate) fn integers(&mut self) -> Result<Vec<u64>, AdmissionError> {
        let values = self.value()?.into_array();
        values.iter().map(|value| value.as_u64().ok_or_else(|| self.odd("no integer"))).collect()
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<String>, AdmissionError> {
        let values = self.value()?.into_array();
        values.into_iter().map(|value| value.into_string().ok_or_else(|| self.odd("no text"))).collect()
    }

    pub(crate) fn odd(&self, what: &str) -> AdmissionError {
        AdmissionError::Script(format!("{} answered {}: {what}", self.script, self.word))
    }
}

#[cfg(test)]
mod tests;
