//! Every Redis key, and the only place that formats one.
//!
//! All keys of a sale are `onsale:{<sale>}:<key>`: the hash tag puts a sale in one slot, so a script may touch all of its
//! keys, and spreads sales over a cluster.
//!
//! | key              | type   | holds                                             | written by                | read by |
//! |------------------|--------|---------------------------------------------------|---------------------------|---------|
//! | `epoch`          | string | the epoch Redis was loaded with; absent = lost    | load                      | every script |
//! | `clock_offset`   | string | ms added to Redis TIME, or `@` and a time instead of it; only a sandbox sets it | nobody here               | every script |
//! | `paused`         | string | since when the sale stands still (ms)             | load, pause, admit        | admit, confirm, bypass, view, take, extend, freeze, expire |
//! | `standstill`     | hash   | why: the organizer's word and its version, incidents | load, pause, admit     | pause, admit, view |
//! | `next`           | string | the last number handed out                        | load, join, cohort        | join, cohort, allow, view, take |
//! | `reserved`       | string | up to which number Postgres reserved              | load, reserve, cohort     | join |
//! | `visitors:<nnn>` | hash   | holder → number, in [`VISITOR_BUCKETS`] buckets; 24 h | join, leave           | join, leave |
//! | `line`           | bitmap | number waits                                      | load, join, cohort, admit, bypass, leave | join, heard, admit, view |
//! | `age:0…2`        | bitmap | three bits a number: slots of 2.5 s until it is silent | load, join, heard, admit | join, heard, admit, view |
//! | `kept`           | bitmap | number was live since the last weeding            | load, join, cohort, heard, admit | admit |
//! | `left`           | bitmap | number left by itself                             | load, leave               | leave, view |
//! | `patient`        | bitmap | number was given more time                        | join, allow               | admit, confirm |
//! | `granted`        | zset   | number → when its turn was granted (ms), unconfirmed | load, admit, bypass, confirm, leave | join, admit, confirm, bypass, view |
//! | `turns`          | zset   | number → until when to use the turn (ms)          | load, confirm, admit, take, leave, end, pause | join, admit, bypass, take, view |
//! | `shopping`       | zset   | number → end of its session (ms)                  | load, take, freeze, admit, leave, end, pause | join, admit, bypass, take, extend, view |
//! | `moved`          | zset   | number → the last move in which its turn or session began, ended or got another deadline | load, confirm, admit, take, freeze, reclaim, leave, end, pause | view |
//! | `charges`        | hash   | number → what its unused turn cost the bucket, if less than one turn | admit, bypass, take, leave, end | the same |
//! | `pace`           | hash   | the tick's own: slot, bucket, factor, no-show share, draws, who came back; moves; the reclaim window; the server that was loaded | load, join, cohort, heard, admit, confirm, bypass, take, freeze, reclaim, leave, end, pause | the same, view |
//! | `totals`         | hash   | joined, admitted, left, expired, unrecorded       | load, join, cohort, admit, bypass, leave, end | view |
//! | `pulses`         | hash   | gateway → its last pulse                          | load, admit               | admit |
//! | `events`         | zset   | what happened and Postgres does not know yet      | load, admit, bypass, leave, end, confirm | admit |
//! | `scratch:0…1`    | bitmap | nothing between calls                             | join, heard, admit, view  | the same |
//! | `free`           | bitmap | unit is free, each tier in its own range          | load, hold scripts, return | take, seats |
//! | `held`           | bitmap | unit is in a live hold, in the same ranges        | load, hold scripts, return | seats |
//! | `tiers`          | hash   | tier → its first bit in `free` and `held`         | load                      | hold scripts, return, seats |
//! | `rows`           | hash   | tier → where its rows begin, packed; no entry for general admission | load         | hold scripts, return |
//! | `runs`           | bitmap | row has n free seats side by side, for each tier and n in its own range | load, hold scripts, return | hold scripts, return |
//! | `stock`          | hash   | `free:<tier>`, `held:<tier>` → count; `all:<tier>` → units that are not withheld; `changes`, in how many calls seats changed hands in this epoch | load, hold scripts, return | admit, bypass, view, take, seats |
//! | `holds`          | hash   | hold → record (see [`crate::HoldView`]), for 24 h after its end | hold scripts, pause, admit | the same, return |
//! | `due`            | zset   | hold → when the sweep must look at it (ms), with its hold | hold scripts, pause, admit | expire, return |
//! | `claims`         | hash   | number → its one live hold                        | hold scripts              | take, pause, admit, return |
//! | `request:<hex>`  | string | what a request was answered with; 24 h, 7 d for returns | take, withhold, extend, return | the same |
//!
//! What the hold scripts keep, `stock_look` reads, for an audit.
//!
//! What may be written to Stripe belongs to no sale but to the account: its keys are `onsale:{stripe-<hex>}:<key>`, the hex
//! naming the account's environment ([`crate::StripeBudget`]). They have no epoch: whoever finds none begins anew.
//!
//! | key              | type   | holds                                             | written by                | read by |
//! |------------------|--------|---------------------------------------------------|---------------------------|---------|
//! | `budget`         | hash   | writes that are there and when that was (µs), the share of the limit that is spent, pause and cut; 1 h | take, slow | take, slow, look |
//! | `spenders`       | zset   | process → when it looked last (ms); 1 h           | look                      | look |
//!
//! (`take`, `slow` and `look` are the scripts `stripe_budget_…`.)
//!
//! Without a TTL in the table a key lives until the sale is unloaded ([`crate::Loader::unload`]).
//!
//! One bitmap serves all tiers, and one hash all holds, so that every script's keys are known before it runs: a sweep
//! cannot know beforehand which holds, of which tiers, are due. `visitors` is cut into buckets that Redis stores as packed
//! lists: about 24 bytes a visitor at a million visitors instead of about 100 in one hash. Beside it a number costs seven bits
//! at most (`line`, `age`, `kept`, `left`, `patient`), trimmed to their exact length in each slot.

use std::fmt::{self, Write as _};

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
    Standstill,
    Next,
    Reserved,
    Visitors,
    Line,
    Age(u8),
    Kept,
    Left,
    Patient,
    Granted,
    Turns,
    Shopping,
    Charges,
    Pace,
    Totals,
    Pulses,
    Events,
    Scratch(u8),
    Free,
    Tiers,
    Stock,
    Holds,
    Due,
    Claims,
    Request,
    Rows,
    Runs,
    Held,
    Moved,
    Budget,
    Spenders,
}

/// Whose keys they are: what stands in the hash tag.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Sale(SaleId),
    Stripe([u8; 8]),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sale(sale) => sale.fmt(f),
            Self::Stripe(account) => write!(f, "stripe-{:016x}", u64::from_be_bytes(*account)),
        }
    }
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
    owner: Owner,
    own: Own,
}

/// The longest name, that of a request: a name is written without moving house.
const NAME_BYTES_MAX: usize = 128;
const FITS: &str = "a String takes any text";

impl SaleKeys {
    /// The keys of that sale.
    #[must_use]
    pub const fn new(sale: SaleId) -> Self {
        Self { owner: Owner::Sale(sale), own: Own::Nothing }
    }

    /// The keys of an account at Stripe, by the front of a hash of what it is called.
    pub(crate) const fn of_stripe(account: [u8; 8]) -> Self {
        Self { owner: Owner::Stripe(account), own: Own::Nothing }
    }

    /// The key that a sandbox sets to move the clock of this sale's scripts, in milliseconds, or to replace it: `@` and the
    /// milliseconds since 1970.
    #[must_use]
    pub fn clock_offset(&self) -> String {
        self.name(Key::ClockOffset)
    }

    /// The key that is there while Redis has the sale. Removing it is how a test loses a sale.
    #[must_use]
    pub fn epoch(&self) -> String {
        self.name(Key::Epoch)
    }

    /// The hash of what the tick remembers. Moving its `ticked_ms` back is how a test lets a time without ticks pass.
    #[must_use]
    pub fn pace(&self) -> String {
        self.name(Key::Pace)
    }

    /// The names of buckets of `visitors`.
    pub(crate) fn buckets(&self, buckets: &[u16]) -> Vec<String> {
        buckets.iter().map(|bucket| self.bucket(*bucket)).collect()
    }

    fn bucket(&self, bucket: u16) -> String {
        format!("onsale:{{{}}}:{}:{bucket}", self.owner, Key::Visitors)
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
        let Self { owner, own } = self;
        let mut name = String::with_capacity(NAME_BYTES_MAX);
        write!(name, "onsale:{{{owner}}}:{key}").expect(FITS);
        match (key, own) {
            (Key::Visitors, Own::Holder(holder)) => write!(name, ":{}", visitor_bucket(*holder)).expect(FITS),
            (Key::Request, Own::Request(request)) => {
                let mut digits = [0; 2 * size_of::<RequestId>()];
                hex::encode_to_slice(request.0, &mut digits).expect("two digits a byte");
                name.push(':');
                name.extend(digits.map(char::from));
            }
            _ => {}
        }
        name
    }
}

/// The holder's bucket of `visitors`.
pub(crate) fn visitor_bucket(holder: Holder) -> u16 {
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
            Self::Age(bit) => return write!(f, "age:{bit}"),
            Self::Scratch(which) => return write!(f, "scratch:{which}"),
            Self::Epoch => "epoch",
            Self::ClockOffset => "clock_offset",
            Self::Paused => "paused",
            Self::Standstill => "standstill",
            Self::Next => "next",
            Self::Reserved => "reserved",
            Self::Visitors => "visitors",
            Self::Line => "line",
            Self::Kept => "kept",
            Self::Left => "left",
            Self::Patient => "patient",
            Self::Granted => "granted",
            Self::Turns => "turns",
            Self::Shopping => "shopping",
            Self::Charges => "charges",
            Self::Pace => "pace",
            Self::Totals => "totals",
            Self::Pulses => "pulses",
            Self::Events => "events",
            Self::Free => "free",
            Self::Tiers => "tiers",
            Self::Stock => "stock",
            Self::Holds => "holds",
            Self::Due => "due",
            Self::Claims => "claims",
            Self::Request => "request",
            Self::Rows => "rows",
            Self::Runs => "runs",
            Self::Held => "held",
            Self::Moved => "moved",
            Self::Budget => "budget",
            Self::Spenders => "spenders",
        };
        f.write_str(word)
    }
}

#[cfg(test)]
mod tests;
