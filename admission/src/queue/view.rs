//! One moment of a sale, from which a gateway answers every visitor without asking Redis again.
//!
//! A visitor's *live people ahead* is the number of set bits before the visitor's own in `line AND live`. The view counts
//! the bits before each 64-bit word once, so that a place costs one look-up and one popcount. The cohort of a draw is in
//! line from the freeze on, but nobody of it can be heard before the draw: until it was greeted all of it counts, so that
//! who joins meanwhile sees the number fall and never rise.
//!
//! A view may *follow* another one ([`super::Queue::view_after`]): then Redis says only who moved inside since ([`super::inside`]).

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{PlaceNumber, TierId};
use fred::types::Value;
use jiff::Timestamp;

use super::inside::{Deadlines, Inside, Moves};
use super::{text, timestamp};
use crate::AdmissionError;
use crate::bitmap::CountedBitmap;
use crate::pacer::Standstill;
use crate::scripts::Reply;

/// A sale at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// The epoch that was loaded.
    pub epoch: u32,
    /// When, by the clock of Redis.
    pub now: Timestamp,
    /// The number that the next new visitor gets.
    pub next_number: u64,
    /// Turns granted in this epoch; lapsed ones count each time.
    pub admitted_total: u64,
    /// Whether the sale's clocks stand still.
    pub paused: crate::Pause,
    /// Why they do.
    pub standstill: Option<Standstill>,
    /// The share of the configured rate at which the line moves, in thousandths.
    pub factor_milli: u32,
    /// What that, and the charge for a turn, follow from.
    pub pacing: Pacing,
    /// Numbers handed out, draws included. At every moment it is [`View::in_line`] + [`View::shoppers`] + left + expired.
    pub joined_total: u64,
    /// Numbers that left by themselves.
    pub left_total: u64,
    /// Numbers whose session is over, or that were silent for too long.
    pub expired_total: u64,
    /// Events that were too many to be kept for Postgres.
    pub unrecorded_total: u64,
    /// What each tier has.
    pub stock: BTreeMap<TierId, TierStock>,
    /// How often seats changed hands in this epoch; see [`crate::SeatsView`].
    pub seat_changes: u64,
    line: CountedBitmap,
    live_line: CountedBitmap,
    /// Those, and cohorts that were not greeted yet.
    expected_line: CountedBitmap,
    left: CountedBitmap,
    granted: HashSet<u64>,
    inside: Inside,
    /// How many moves `inside` has.
    moves: u64,
}

/// Units of a tier that Redis has; ordered and sold ones are in Postgres only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierStock {
    /// Units anyone may hold.
    pub free: u32,
    /// Units in live holds.
    pub held: u32,
    /// Units that are not withheld: those, and ordered and sold ones.
    pub all: u32,
}

/// What was measured of payments ([`crate::Pulse`]) and of turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// The share of turns that nobody uses, in thousandths, as it is charged in advance.
    pub no_show_milli: u32,
    /// Payment calls of the last seconds, over all gateways.
    pub payments: u32,
    /// Of them, bad.
    pub bad: u32,
    /// How long they took on average, in milliseconds; 0 when there were none.
    pub mean_ms: u64,
}

impl Pacing {
    /// From the fields that the view script names, in its order.
    fn of(fields: &[u64]) -> Option<Self> {
        let [_factor, no_show, resolved, payments, bad, sum_ms] = *fields else { return None };
        let no_show = if resolved < NO_SHOW_COUNTS_FROM { 0 } else { no_show.min(NO_SHOW_MAX) };
        Some(Self {
            no_show_milli: narrowed(no_show / 1_000)?,
            payments: narrowed(payments)?,
            bad: narrowed(bad)?,
            mean_ms: sum_ms.checked_div(payments).unwrap_or(0),
        })
    }
}

fn narrowed(value: u64) -> Option<u32> {
    u32::try_from(value).ok()
}

/// Resolved turns from which on their no-show share counts, as in `turn.lua`.
const NO_SHOW_COUNTS_FROM: u64 = 20;
/// The highest share that is charged, in millionths, as in `turn.lua`.
const NO_SHOW_MAX: u64 = 900_000;

/// Where a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceView {
    /// In line.
    Waiting {
        /// Live visitors with a smaller number, and whoever of a new draw may be one.
        ahead: u64,
        /// Whether the visitor itself counts as live.
        live: bool,
    },
    /// It is the visitor's turn.
    Turn {
        /// Until when to use it.
        claim_by: Timestamp,
    },
    /// Inside.
    Shopping {
        /// The end of the session.
        until: Timestamp,
    },
    /// Gave up the place.
    Left,
    /// Was inside and is not any more, or was silent for too long.
    Expired,
    /// Nobody has that number.
    Unknown,
}

impl View {
    /// Where a number is. O(1).
    #[must_use]
    pub fn place(&self, number: PlaceNumber) -> PlaceView {
        let PlaceNumber(bit) = number;
        if let Some(claim_by) = self.inside.turns.get(&bit) {
            return PlaceView::Turn { claim_by: *claim_by };
        }
        if let Some(until) = self.inside.shopping.get(&bit) {
            return PlaceView::Shopping { until: *until };
        }
        if self.granted.contains(&bit) {
            return PlaceView::Waiting { ahead: self.expected_line.count_below(bit), live: true };
        }
        if self.line.contains(bit) {
            return PlaceView::Waiting {
                ahead: self.expected_line.count_below(bit),
                live: self.live_line.contains(bit),
            };
        }
        match bit {
            _ if bit == 0 || bit >= self.next_number => PlaceView::Unknown,
            _ if self.left.contains(bit) => PlaceView::Left,
            _ => PlaceView::Expired,
        }
    }

    /// Live visitors in line, and whoever of a new draw may be one.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.expected_line.count()
    }

    /// Everyone in line, the silent too.
    #[must_use]
    pub fn in_line(&self) -> u64 {
        self.line.count()
    }

    /// Shoppers inside: granted, with a turn, or shopping.
    #[must_use]
    pub fn shoppers(&self) -> u32 {
        let shoppers = self.granted.len() + self.inside.turns.len() + self.inside.shopping.len();
        u32::try_from(shoppers).expect("shoppers are bounded by max_shoppers, a u32")
    }

    /// Turns that were given and not used yet.
    #[must_use]
    pub fn unused_turns(&self) -> u64 {
        let turns = self.granted.len() + self.inside.turns.len();
        u64::try_from(turns).expect("shoppers are bounded by max_shoppers, a u32")
    }

    /// What the view script is asked for.
    pub(super) fn arguments(last: Option<&Self>) -> Vec<Value> {
        last.map_or_else(|| vec![text(0), text(0)], |last| vec![text(last.epoch), text(last.moves)])
    }

    /// The view that follows `last`; none when it can not.
    pub(super) fn parse(mut reply: Reply, last: Option<&Self>) -> Result<Option<Self>, AdmissionError> {
        let mut values = Values::read(&mut reply)?;
        let nobody = Inside::default();
        let Some(inside) = last.map_or(&nobody, |last| &last.inside).after(values.moves()?) else { return Ok(None) };
        let line_from = values.integer("line_from")?;
        let line = CountedBitmap::new(line_from, &values.bytes("line")?);
        let live = CountedBitmap::new(line_from, &values.bytes("live")?);
        let left = CountedBitmap::new(values.integer("left_from")?, &values.bytes("left")?);
        let now_ms = values.integer("now_ms")?;
        let standstill = Standstill::of_word(&values.text("standstill")?).map_err(|()| odd("standstill"))?;
        let totals = values.counts("totals")?;
        let total = |name: &str| totals.get(name).copied().unwrap_or(0);
        let pacing = values.integers_or_0("pace")?;
        let stock = values.stock()?;
        let live_line = line.and(&live);
        let expected_line = match values.integer("ungreeted_from")? {
            0 => live_line.clone(),
            from => line.and_or_from(&live, from),
        };
        Ok(Some(Self {
            epoch: values.narrow("epoch")?,
            now: timestamp(&reply, now_ms)?,
            next_number: values.integer("next")? + 1,
            admitted_total: total("admitted"),
            paused: if values.integer("paused")? == 0 { crate::Pause::Running } else { crate::Pause::Paused },
            seat_changes: stock.seat_changes,
            stock: stock.tiers,
            standstill,
            factor_milli: pacing.first().map(|factor| factor / 1_000).and_then(narrowed).ok_or_else(|| odd("pace"))?,
            pacing: Pacing::of(&pacing).ok_or_else(|| odd("pace"))?,
            joined_total: total("joined"),
            left_total: total("left"),
            expired_total: total("expired"),
            unrecorded_total: total("unrecorded"),
            live_line,
            expected_line,
            line,
            left,
            granted: values.integers("granted")?.into_iter().collect(),
            inside,
            moves: values.integer("moves")?,
        }))
    }
}

/// The named values of a `viewed` reply.
struct Values(HashMap<String, Value>);

impl Values {
    fn read(reply: &mut Reply) -> Result<Self, AdmissionError> {
        let mut values = HashMap::new();
        while !reply.is_empty() {
            values.insert(reply.text()?, reply.value()?);
        }
        Ok(Self(values))
    }

    fn take(&mut self, name: &str) -> Result<Value, AdmissionError> {
        self.0.remove(name).ok_or_else(|| odd(name))
    }

    fn integer(&mut self, name: &str) -> Result<u64, AdmissionError> {
        self.take(name)?.as_u64().ok_or_else(|| odd(name))
    }

    fn narrow(&mut self, name: &str) -> Result<u32, AdmissionError> {
        u32::try_from(self.integer(name)?).map_err(|_| odd(name))
    }

    fn text(&mut self, name: &str) -> Result<String, AdmissionError> {
        self.take(name)?.into_string().ok_or_else(|| odd(name))
    }

    /// Integers, of which those that are not there are 0.
    fn integers_or_0(&mut self, name: &str) -> Result<Vec<u64>, AdmissionError> {
        let values = self.take(name)?.into_array();
        let integer = |value: &Value| if value.is_null() { Some(0) } else { value.as_u64() };
        values.iter().map(|value| integer(value).ok_or_else(|| odd(name))).collect()
    }

    fn counts(&mut self, name: &str) -> Result<HashMap<String, u64>, AdmissionError> {
        let fields = self.take(name)?.into_array();
        let count = |pair: &[Value]| Some((pair[0].as_string()?, pair[1].as_u64()?));
        fields.chunks_exact(2).map(|pair| count(pair).ok_or_else(|| odd(name))).collect()
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, AdmissionError> {
        self.take(name)?.into_owned_bytes().ok_or_else(|| odd(name))
    }

    fn integers(&mut self, name: &str) -> Result<Vec<u64>, AdmissionError> {
        let values = self.take(name)?.into_array();
        values.iter().map(|value| value.as_u64().ok_or_else(|| odd(name))).collect()
    }

    fn moves(&mut self) -> Result<Moves, AdmissionError> {
        let everybody = self.0.get("moved").is_some_and(Value::is_null);
        let [turns, shopping] = self.integers("inside")?[..] else { return Err(odd("inside")) };
        let count = |count: u64| usize::try_from(count).map_err(|_| odd("inside"));
        Ok(Moves {
            moved: if everybody { None } else { Some(self.integers("moved")?) },
            turns: self.deadlines("turns")?,
            shopping: self.deadlines("shopping")?,
            counts: (count(turns)?, count(shopping)?),
        })
    }

    fn deadlines(&mut self, name: &str) -> Result<Deadlines, AdmissionError> {
        let moment = |ms: u64| i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let pairs = self.integers(name)?;
        pairs.chunks_exact(2).map(|pair| Ok((pair[0], moment(pair[1]).ok_or_else(|| odd(name))?))).collect()
    }

    fn stock(&mut self) -> Result<Stock, AdmissionError> {
        let fields = self.take("stock")?.into_array();
        let mut stock = Stock::default();
        for pair in fields.chunks_exact(2) {
            stock.count(pair).ok_or_else(|| odd("stock"))?;
        }
        Ok(stock)
    }
}

/// The fields of `stock`.
#[derive(Default)]
struct Stock {
    tiers: BTreeMap<TierId, TierStock>,
    seat_changes: u64,
}

impl Stock {
    /// Notes `changes`, or `free:<tier>`, `held:<tier>` or `all:<tier>`, and its count.
    fn count(&mut self, pair: &[Value]) -> Option<()> {
        let (field, count) = (pair[0].as_string()?, pair[1].as_string()?);
        let Some((state, tier)) = field.split_once(':') else {
            self.seat_changes = count.parse().ok().filter(|_| field == "changes")?;
            return Some(());
        };
        let of_tier = self.tiers.entry(tier.parse().ok()?).or_default();
        match state {
            "free" => of_tier.free = count.parse().ok()?,
            "held" => of_tier.held = count.parse().ok()?,
            // Below 0 where a build that knew of no `all` loaded the sale and units were withheld since.
            "all" => of_tier.all = count.parse::<i64>().ok()?.max(0).try_into().ok()?,
            _ => return None,
        }
        Some(())
    }
}

fn odd(name: &str) -> AdmissionError {
    AdmissionError::Script(format!("queue_view answered viewed: odd {name}"))
}

#[cfg(test)]
mod tests;
