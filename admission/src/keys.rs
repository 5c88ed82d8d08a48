//! Every Redis key, and the only place that formats one.
//!
//! All keys of a sale are `onsale:{<sale>}:<key>`: the hash tag puts a sale in one slot, so a script may touch all of its
//! keys, and spreads sales over a cluster. Unless a TTL is given a key lives as long as the sale is loaded.
//!
//! | key              | type   | holds                                             | TTL  | written by                | read by |
//! |------------------|--------|---------------------------------------------------|------|---------------------------|---------|
//! | `epoch`          | string | the epoch Redis was loaded with; absent = lost    | –    | load                      | every script |
//! | `clock_offset`   | string | ms added to Redis TIME; only a sandbox sets it    | –    | nobody here               | every script |
//! | `paused`         | string | since when the sale is paused (ms)                | –    | pause                     | admit, view, take, freeze, expire |
//! | `next`           | string | the last number handed out                        | –    | load, join                | join, view, take |
//! | `reserved`       | string | up to which number Postgres reserved              | –    | load, reserve             | join |
//! | `visitors:<nnn>` | hash   | holder → number, in [`VISITOR_BUCKETS`] buckets   | 24 h | join, leave               | join, leave |
//! | `line`           | bitmap | number waits                                      | –    | load, join, admit, leave  | join, admit, view |
//! | `live`           | bitmap | number was heard in one of the four slots         | –    | load, join, heard, admit  | admit, view |
//! | `heard:0…3`      | bitmap | number was heard in that slot of 5 s, a ring      | –    | load, join, heard, admit  | admit |
//! | `kept`           | bitmap | number was live since the last weeding            | –    | load, admit               | admit |
//! | `left`           | bitmap | number left by itself                             | –    | load, leave               | leave, view |
//! | `granted`        | zset   | number → when its turn was granted (ms), unconfirmed | – | load, admit, confirm, leave | join, admit, view |
//! | `turns`          | zset   | number → until when to use the turn (ms)          | –    | load, confirm, admit, take, leave, end, pause | join, admit, take, view |
//! | `shopping`       | zset   | number → end of its session (ms)                  | –    | load, take, freeze, admit, leave, end, pause | join, admit, take, view |
//! | `pace`           | hash   | slot, bucket, counters of the tick                | –    | load, admit               | join, heard, admit, view |
//! | `scratch`        | bitmap | nothing between calls                             | –    | heard, admit              | heard, admit |
//! | `free`           | bitmap | unit is free, each tier in its own range          | –    | load, hold scripts, return | take |
//! | `tiers`          | hash   | tier → its first bit in `free`                    | –    | load                      | hold scripts, return |
//! | `stock`          | hash   | `free:<tier>`, `held:<tier>` → count              | –    | load, hold scripts, return | admit, view, take |
//! | `holds`          | hash   | hold → record (see [`crate::HoldView`])           | 24 h after its end, by the sweep | hold scripts, pause | hold scripts, pause |
//! | `due`            | zset   | hold → when the sweep must look at it (ms)        | with its hold | hold scripts, pause | expire |
//! | `claims`         | hash   | number → its one live hold                        | –    | hold scripts              | take, pause |
//! | `request:<hex>`  | string | what a request was answered with                  | 24 h; 7 d for returns | take, return | take, return |
//!
//! One bitmap serves all tiers, and one hash all holds, so that every script's keys are known before it runs: a sweep
//! cannot know beforehand which holds, of which tiers, are due. `visitors` is cut into buckets that Redis stores as packed
//! lists: about 24 bytes a visitor at a million visitors instead of about 100 in one hash.

use std::fmt;

use domain::SaleId;
use domain::token::Holder;

use crate::RequestId;

/// Buckets of `visitors`: 64 visitors in each at a million, below the 128 up to which Redis packs a hash.
pub const VISITOR_BUCKETS: u16 = 1 << 14;

/// A key of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Epoch,
    ClockOffset,
    Paused,
    Next,
    Reserved,
    Visitors,
    Line,
    Live,
    Heard(u8),
    Kept,
    Left,
    Granted,
    Turns,
    Shopping,
    Pace,
    Scratch,
    Free,
    Tiers,
    Stock,
    Holds,
    Due,
    Claims,
    Request,
}

/// The one part of a sale's keys that is not known from the sale alone.
#[derive(Debug, Clone, Copy)]
enum Own {
    Nothing,
    Holder(Holder),
    Request(RequestId),
}

/// The keys of a sale.
#[derive(Debug, Clone, Copy)]
pub struct SaleKeys {
    sale: SaleId,
    own: Own,
}

impl SaleKeys {
    /// The keys of that sale.
    #[must_use]
    pub const fn new(sale: SaleId) -> Self {
        Self { sale, own: Own::Nothing }
    }

    /// The key that a sandbox sets to move the clock of this sale's scripts, in milliseconds.
    #[must_use]
    pub fn clock_offset(&self) -> String {
        self.name(Key::ClockOffset)
    }

    /// The key that is there while Redis has the sale. Removing it is how a test loses a sale.
    #[must_use]
    pub fn epoch(&self) -> String {
        self.name(Key::Epoch)
    }

    pub(crate) const fn of_holder(self, holder: Holder) -> Self {
        Self { own: Own::Holder(holder), ..self }
    }

    pub(crate) const fn of_request(self, request: RequestId) -> Self {
        Self { own: Own::Request(request), ..self }
    }

    pub(crate) fn names(&self, keys: &[Key]) -> Vec<String> {
        keys.iter().map(|key| self.name(*key)).collect()
    }

    pub(crate) fn name(&self, key: Key) -> String {
        let Self { sale, own } = self;
        match (key, own) {
            (Key::Visitors, Own::Holder(holder)) => format!("onsale:{{{sale}}}:{key}:{}", visitor_bucket(*holder)),
            (Key::Request, Own::Request(request)) => format!("onsale:{{{sale}}}:{key}:{}", hex::encode(request.0)),
            _ => format!("onsale:{{{sale}}}:{key}"),
        }
    }
}

/// The holder's bucket of `visitors`.
fn visitor_bucket(holder: Holder) -> u16 {
    u16::from_be_bytes([holder.0[0], holder.0[1]]) % VISITOR_BUCKETS
}

/// The holder's field in its bucket: all of the thumbprint that the bucket does not say, so two holders never share one.
pub(crate) fn visitor_field(holder: &Holder) -> Vec<u8> {
    let bucket_rest = holder.0[0] >> 6;
    std::iter::once(bucket_rest).chain(holder.0[2..].iter().copied()).collect()
}

/// The key's own part, as the scripts' headers name it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Heard(slot) => return write!(f, "heard:{slot}"),
            Self::Epoch => "epoch",
            Self::ClockOffset => "clock_offset",
            Self::Paused => "paused",
            Self::Next => "next",
            Self::Reserved => "reserved",
            Self::Visitors => "visitors",
            Self::Line => "line",
            Self::Live => "live",
            Self::Kept => "kept",
            Self::Left => "left",
            Self::Granted => "granted",
            Self::Turns => "turns",
            Self::Shopping => "shopping",
            Self::Pace => "pace",
            Self::Scratch => "scratch",
            Self::Free => "free",
            Self::Tiers => "tiers",
            Self::Stock => "stock",
            Self::Holds => "holds",
            Self::Due => "due",
            Self::Claims => "claims",
            Self::Request => "request",
        };
        f.write_str(word)
    }
}

#[cfg(test)]
mod tests;
