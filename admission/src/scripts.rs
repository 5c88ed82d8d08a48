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
    /// The key of which it takes any number behind the others, if it does.
    #[cfg_attr(not(test), expect(dead_code, reason = "the header says it, and a test compares"))]
    pub(crate) rest: &'static [Key],
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

    /// The same script with one piece of its text replaced: what a test runs to see its own checks go red.
    #[cfg(test)]
    pub(crate) fn mutant(&self, guard: &str, without: &str) -> Self {
        assert_eq!(self.source().matches(guard).count(), 1, "the guard is there once: {guard}");
        let source = self.source().replace(guard, without);
        let text = OnceLock::from(Text { sha1: fred::util::sha1_hash(&source), source });
        Self { name: self.name, keys: self.keys, rest: self.rest, parts: self.parts, text }
    }

    /// One line of Lua by which the script calls its keys by name: `local K = {epoch = KEYS[1], …}`.
    fn names(&self) -> String {
        let names = self.keys.iter().enumerate();
        let names = names.map(|(index, key)| format!("{} = KEYS[{}]", key.to_string().replace(':', "_"), index + 1));
        format!("local K = {{{}}}\n", names.collect::<Vec<_>>().join(", "))
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| {
            let source = self.names() + &self.parts.concat();
            Text { sha1: fred::util::sha1_hash(&source), source }
        })
    }
}

const TIME: &str = include_str!("../lua/include/time.lua");
const LOADED: &str = include_str!("../lua/include/loaded.lua");
const CLOCK: &str = include_str!("../lua/include/clock.lua");
const LIVENESS: &str = include_str!("../lua/include/liveness.lua");
const RANGE: &str = include_str!("../lua/include/range.lua");
const PAST: &str = include_str!("../lua/include/past.lua");
const DRAW: &str = include_str!("../lua/include/draw.lua");
const EVENT: &str = include_str!("../lua/include/event.lua");
const TURN: &str = include_str!("../lua/include/turn.lua");
const INSIDE: &str = include_str!("../lua/include/inside.lua");
const REASON: &str = include_str!("../lua/include/reason.lua");
const STANDSTILL: &str = include_str!("../lua/include/standstill.lua");
const PACER: &str = include_str!("../lua/include/pacer.lua");
const UNITS: &str = include_str!("../lua/include/units.lua");
pub(crate) const ROWS: &str = include_str!("../lua/include/rows.lua");
const MOVED: &str = include_str!("../lua/include/moved.lua");
const HANDOVER: &str = include_str!("../lua/include/handover.lua");
const FINDING: &str = include_str!("../lua/include/finding.lua");
const HOLD: &str = include_str!("../lua/include/hold.lua");
const CLAIMS: &str = include_str!("../lua/include/claims.lua");
const ENDING: &str = include_str!("../lua/include/ending.lua");
const BUDGET: &str = include_str!("../lua/include/budget.lua");

macro_rules! scripts {
    ($($constant:ident $name:literal [$($include:ident)*] [$($key:expr),*] $($rest:ident)?;)+) => {
        $(pub(crate) static $constant: Script = Script {
            name: $name,
            keys: &[Epoch, ClockOffset, $($key),*],
            rest: &[$($rest)?],
            parts: &[TIME, $($include,)* include_str!(concat!("../lua/", $name, ".lua"))],
            text: OnceLock::new(),
        };)+

        /// Every script.
        pub(crate) static ALL: &[&Script] = &[$(&$constant),+];
    };
}

scripts! {
    QUEUE_JOIN "queue_join" [LOADED PAST LIVENESS RANGE DRAW] [
        Next, Reserved, Line, Age(0), Age(1), Age(2), Kept, Patient, Granted, Turns, Shopping, Pace, Totals, Scratch(0)
    ] Visitors;
    QUEUE_COHORT "queue_cohort" [LOADED RANGE DRAW] [Next, Reserved, Line, Kept, Pace, Totals];
    QUEUE_RESERVE "queue_reserve" [LOADED] [Reserved];
    QUEUE_HEARD "queue_heard" [LOADED LIVENESS] [Line, Age(0), Age(1), Age(2), Kept, Pace, Scratch(0), Scratch(1)];
    QUEUE_ALLOW "queue_allow" [LOADED] [Next, Patient];
    QUEUE_ADMIT "queue_admit" [
        LOADED PAST CLOCK LIVENESS DRAW HOLD REASON EVENT MOVED STANDSTILL TURN INSIDE PACER
    ] [
        Holds, Due, Claims, Paused, Standstill, Next, Line, Age(0), Age(1), Age(2), Kept, Left, Patient, Granted, Turns,
        Shopping, Charges, Pace, Totals, Pulses, Events, Stock, Moved, Scratch(0)
    ];
    QUEUE_CONFIRM "queue_confirm" [LOADED CLOCK MOVED] [Paused, Patient, Granted, Turns, Pace, Events, Moved];
    QUEUE_BYPASS "queue_bypass" [LOADED EVENT TURN INSIDE] [
        Paused, Line, Granted, Turns, Shopping, Charges, Pace, Totals, Events, Stock
    ];
    QUEUE_LEAVE "queue_leave" [LOADED EVENT TURN MOVED] [
        Line, Left, Granted, Turns, Shopping, Charges, Pace, Totals, Events, Moved, Visitors
    ];
    QUEUE_END "queue_end" [LOADED EVENT TURN MOVED] [Turns, Shopping, Charges, Pace, Totals, Events, Moved];
    QUEUE_VIEW "queue_view" [LOADED LIVENESS REASON] [
        Next, Line, Age(0), Age(1), Age(2), Left, Granted, Turns, Shopping, Pace, Totals, Stock, Paused, Standstill, Kept,
        Moved, Scratch(0)
    ];
    HOLD_TAKE "hold_take" [LOADED CLOCK UNITS ROWS HANDOVER FINDING HOLD TURN MOVED] [
        Holds, Due, Claims, Free, Tiers, Stock, Paused, Next, Turns, Shopping, Charges, Pace, Rows, Runs, Held, Moved
    ] Request;
    HOLD_WITHHOLD "hold_withhold" [LOADED UNITS ROWS HANDOVER HOLD] [
        Holds, Due, Free, Tiers, Stock, Pace, Request, Rows, Runs, Held
    ];
    HOLD_LOOK "hold_look" [LOADED] [Holds];
    STOCK_LOOK "stock_look" [LOADED HOLD CLAIMS] [Holds, Due, Claims, Free, Tiers, Stock, Rows, Runs, Held];
    HOLD_RELEASE "hold_release" [LOADED UNITS ROWS HANDOVER HOLD ENDING] [
        Holds, Due, Claims, Free, Tiers, Stock, Rows, Runs, Held
    ];
    HOLD_EXTEND "hold_extend" [LOADED CLOCK HOLD] [Holds, Due, Paused, Shopping, Pace, Request];
    HOLD_FREEZE "hold_freeze" [LOADED CLOCK HOLD MOVED] [Holds, Due, Paused, Shopping, Pace, Moved];
    HOLD_COMMIT "hold_commit" [LOADED UNITS ROWS HANDOVER HOLD ENDING] [
        Holds, Due, Claims, Free, Tiers, Stock, Rows, Runs, Held
    ];
    HOLD_LOSE "hold_lose" [LOADED UNITS ROWS HANDOVER HOLD ENDING] [
        Holds, Due, Claims, Free, Tiers, Stock, Rows, Runs, Held
    ];
    HOLD_EXPIRE "hold_expire" [LOADED CLOCK UNITS ROWS HANDOVER HOLD ENDING] [
        Holds, Due, Claims, Free, Tiers, Stock, Paused, Pace, Rows, Runs, Held
    ];
    HOLD_RECLAIM "hold_reclaim" [LOADED CLOCK UNITS ROWS HANDOVER HOLD MOVED] [
        Holds, Due, Claims, Free, Tiers, Stock, Paused, Shopping, Pace, Rows, Runs, Held, Moved
    ];
    SEATS_VIEW "seats_view" [LOADED] [Free, Held, Tiers, Stock];
    UNITS_RETURN "units_return" [LOADED UNITS ROWS HANDOVER HOLD CLAIMS] [
        Holds, Due, Claims, Free, Tiers, Stock, Request, Rows, Runs, Held
    ];
    SALE_LOAD "sale_load" [PAST LIVENESS DRAW UNITS ROWS] [
        Paused, Standstill, Next, Reserved, Line, Age(0), Age(1), Age(2), Kept, Left, Granted, Turns, Shopping, Charges, Pace,
        Totals, Pulses, Events, Free, Tiers, Stock, Holds, Due, Claims, Rows, Runs, Held, Moved
    ];
    SALE_PAUSE "sale_pause" [LOADED HOLD REASON EVENT MOVED STANDSTILL] [
        Holds, Due, Claims, Paused, Standstill, Turns, Shopping, Totals, Events, Pace, Moved
    ];
    STRIPE_BUDGET_TAKE "stripe_budget_take" [BUDGET] [Budget];
    STRIPE_BUDGET_SLOW "stripe_budget_slow" [BUDGET] [Budget];
    STRIPE_BUDGET_LOOK "stripe_budget_look" [BUDGET] [Budget, Spenders];
    SALE_UNLOAD "sale_unload" [] [
        Paused, Standstill, Next, Reserved, Line, Age(0), Age(1), Age(2), Kept, Left, Patient, Granted, Turns, Shopping, Charges,
        Pace, Totals, Pulses, Events, Free, Tiers, Stock, Holds, Due, Claims, Rows, Runs, Held, Moved
    ];
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

    /// The answer to one of several requests: again a word, and values behind it.
    pub(crate) fn inner(&mut self) -> Result<Self, AdmissionError> {
        Self::parse(self.script, self.value()?)
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

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, AdmissionError> {
        self.value()?.into_owned_bytes().ok_or_else(|| self.odd("no bytes"))
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<String>, AdmissionError> {
        let values = self.value()?.into_array();
        values.into_iter().map(|value| value.into_string().ok_or_else(|| self.odd("no text"))).collect()
    }

    pub(crate) fn bytes_each(&mut self) -> Result<Vec<Vec<u8>>, AdmissionError> {
        let values = self.value()?.into_array();
        values.into_iter().map(|value| value.into_owned_bytes().ok_or_else(|| self.odd("no bytes"))).collect()
    }

    pub(crate) fn odd(&self, what: &str) -> AdmissionError {
        AdmissionError::Script(format!("{} answered {}: {what}", self.script, self.word))
    }
}

#[cfg(test)]
mod tests;
