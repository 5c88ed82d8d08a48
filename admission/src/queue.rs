//! The line of a sale: numbers, liveness, turns.
//!
//! | a number is | in Redis                     | comes there by                                   | leaves by |
//! |-------------|------------------------------|--------------------------------------------------|-----------|
//! | waiting     | bit in `line`                | [`Queue::join_many`], [`Queue::cohort`], a lapsed turn | a grant, leaving, 30 min of silence |
//! | granted     | in `granted`                 | [`Queue::admit`], [`Queue::bypass`]               | [`Queue::confirm`], leaving |
//! | its turn    | in `turns`, until claimed by | [`Queue::confirm`]                                | its first hold, a lapse, leaving, [`Queue::end_session`] |
//! | shopping    | in `shopping`, until its end | its first hold                                    | the end, leaving, [`Queue::end_session`] |
//! | gone        | bit in `left`, or nowhere    |                                                  | – |
//!
//! Guarantees. Numbers are unique, never reused, grow in the order of the asks, and are only handed out below a mark that
//! Postgres has. Admission is strictly by number among the live (I7), at most `rate × window + burst` in every window and
//! never more inside than the cap (I8), for any number of callers: each tick is one script on one clock. A turn is shown only
//! after Postgres has that very grant; a gateway that dies between the two loses nothing, because every tick delivers what is
//! not confirmed yet, grants and events alike. At every moment joined = in line + inside + left + expired.
//!
//! Turns that nobody uses. A turn that lapses gives its cost back to the bucket, and the measured share of such turns is
//! charged less in advance, so that those who *arrive* meet the rate ([`tick`] has the rule). An admission in I8 is what the
//! bucket was charged for it; without no-shows that is one a grant.
//!
//! More time. Who asks for it when joining has a claim window [`domain::token::Allowance::factor`] times as long. Redis notes that as one
//! bit a number; the place and pass tokens are what lasts. A lost Redis has no such bits: they come back when the visitor
//! joins again, or at once for those whom a gateway names with [`Queue::allow_more_time`] in the new epoch. Until then a
//! turn has the usual window. Session and hold are the caller's to stretch: the pass says by how much.
//!
//! Bounds: a tick grants, lapses and ends at most 500 each and delivers at most 1,000 events; a join batch has at most
//! [`join::JOIN_BATCH_MAX`] asks; a view costs bytes in proportion to the numbers behind the first waiting one and, when it
//! follows another, to those inside who moved since. Redis works per gateway and tick, never per visitor waiting, save for the
//! join itself.
//!
//! Order: [`Queue::heard`], [`Queue::admit`], then Postgres, then [`Queue::confirm`], then [`Queue::view_after`].
//!
//! What it does not do: it does not draw lots (a draw's order is computed from what is published), and it does not know
//! prices, buyers or sockets.

use std::collections::BTreeMap;

use domain::token::Holder;
use domain::{PlaceNumber, SaleId, TierId};
use fred::types::Value;
use jiff::Timestamp;

use crate::bitmap;
use crate::keys::{self, SaleKeys};
use crate::scripts::{self, Reply};
use crate::{AdmissionError, Store};

pub(crate) mod event;
mod inside;
pub(crate) mod join;
pub(crate) mod mark;
pub(crate) mod tick;
pub(crate) mod view;

use join::{Join, JoinAsk};
use mark::Mark;
use view::View;

/// The queues of all sales.
#[derive(Debug, Clone)]
pub struct Queue {
    store: Store,
    mark: Mark,
    allowed: BTreeMap<TierId, u32>,
}

/// What leaving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The place is given up, now or before.
    Left,
    /// There was no place to give up.
    NotHere,
}

/// What letting somebody in out of turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// The number is granted its turn; the next tick delivers it.
    Granted,
    /// The number is not in line.
    NotWaiting,
    /// Nobody can be let in now: the cap is reached, nothing is free, or the sale stands still.
    Full,
}

/// Numbers given more time in one script.
const ALLOW_MAX: usize = 1_000;

impl Queue {
    /// The queues in that store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, mark: Mark::default(), allowed: BTreeMap::new() }
    }

    /// The same queues, for a caller that saw so much of the sale: a Redis that knows less has lost writes, and joins and
    /// ticks answer that it does not have the sale.
    #[must_use]
    pub fn after(&self, mark: Mark) -> Self {
        Self { store: self.store.clone(), mark, allowed: self.allowed.clone() }
    }

    /// The same queues, for a caller of whose sale no more units of some tiers may be held, ordered or sold than so many:
    /// ticks give no more turns than there are units left within that.
    #[must_use]
    pub fn within(&self, allowed: BTreeMap<TierId, u32>) -> Self {
        Self { store: self.store.clone(), mark: self.mark, allowed }
    }

    /// Gives each asker a place, or finds the one there is, in the order of the asks; at most [`join::JOIN_BATCH_MAX`] of
    /// them. Counts as a sign of life. `cohorts` is how many draws have opened: while Redis has fewer, nobody new gets a
    /// number.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn join_many(&self, sale: SaleId, asks: &[JoinAsk], cohorts: u32) -> Result<Vec<Join>, AdmissionError> {
        let keys = SaleKeys::new(sale);
        let batch = join::Batch::of(asks, cohorts, self.mark);
        let buckets = keys.buckets(&batch.buckets);
        let reply = self.store.run_with(&scripts::QUEUE_JOIN, &keys, buckets, batch.arguments).await?;
        join::answers(reply, asks.len())
    }

    /// Puts the numbers `first` to `last` of a draw in line, in one step; none when `last` is below `first`. `ordinal` counts
    /// the draws of the sale from 1, in the order they open; a draw that is there already changes nothing.
    ///
    /// # Errors
    /// Redis is away, does not have the sale, or does not have the draw before this one; or numbers of the draw were handed
    /// out before, and nothing was changed.
    pub async fn cohort(&self, sale: SaleId, ordinal: u32, first: u64, last: u64) -> Result<(), AdmissionError> {
        let arguments = vec![text(ordinal), text(first), text(last)];
        let reply = self.store.run(&scripts::QUEUE_COHORT, &SaleKeys::new(sale), arguments).await?;
        match reply.word() {
            "placed" | "known" => Ok(()),
            "early" => Err(reply.odd("an earlier draw is not in Redis")),
            _ => reply.unexpected(),
        }
    }

    /// Lets numbers up to `high_water` be handed out. Postgres has reserved them.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn raise_reserved(&self, sale: SaleId, high_water: u64) -> Result<(), AdmissionError> {
        let keys = SaleKeys::new(sale);
        let reply = self.store.run(&scripts::QUEUE_RESERVE, &keys, vec![text(high_water)]).await?;
        expect_word(&reply, "raised")
    }

    /// Marks numbers as live: everyone a gateway heard from since its last call. Numbers nobody has are harmless.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn heard(&self, sale: SaleId, numbers: &[PlaceNumber]) -> Result<(), AdmissionError> {
        for patch in bitmap::patches(numbers) {
            let arguments = vec![text(patch.first_byte), bytes(patch.bytes)];
            let reply = self.store.run(&scripts::QUEUE_HEARD, &SaleKeys::new(sale), arguments).await?;
            expect_word(&reply, "heard")?;
        }
        Ok(())
    }

    /// Says again who was given more time: a lost Redis has forgotten it, the place tokens have not.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn allow_more_time(&self, sale: SaleId, numbers: &[PlaceNumber]) -> Result<(), AdmissionError> {
        for chunk in numbers.chunks(ALLOW_MAX) {
            let arguments = chunk.iter().map(text).collect();
            let reply = self.store.run(&scripts::QUEUE_ALLOW, &SaleKeys::new(sale), arguments).await?;
            expect_word(&reply, "allowed")?;
        }
        Ok(())
    }

    /// Lets somebody in before the turn, within cap and stock. The caller writes down who decided so; the tick delivers the
    /// grant, and the event.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn bypass(&self, sale: SaleId, number: PlaceNumber) -> Result<Bypass, AdmissionError> {
        let reply = self.store.run(&scripts::QUEUE_BYPASS, &SaleKeys::new(sale), vec![text(number)]).await?;
        match reply.word() {
            "granted" => Ok(Bypass::Granted),
            "not_waiting" => Ok(Bypass::NotWaiting),
            "full" => Ok(Bypass::Full),
            _ => reply.unexpected(),
        }
    }

    /// Gives up a place, a turn or a session; the slot is free at once. Release the session's live hold first: until it
    /// is due its units stay held.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn leave(&self, sale: SaleId, number: PlaceNumber, holder: Holder) -> Result<Leave, AdmissionError> {
        let keys = SaleKeys::new(sale).of_holder(holder);
        let field = bytes(keys::visitor_field(&holder));
        let reply = self.store.run(&scripts::QUEUE_LEAVE, &keys, vec![text(number), field]).await?;
        match reply.word() {
            "left" => Ok(Leave::Left),
            "not_here" => Ok(Leave::NotHere),
            _ => reply.unexpected(),
        }
    }

    /// Ends a turn or a session before its time, if there is one; the slot is free at once.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn end_session(&self, sale: SaleId, number: PlaceNumber) -> Result<(), AdmissionError> {
        let reply = self.store.run(&scripts::QUEUE_END, &SaleKeys::new(sale), vec![text(number)]).await?;
        match reply.word() {
            "ended" | "not_inside" => Ok(()),
            _ => reply.unexpected(),
        }
    }

    /// Everything a gateway needs to answer all visitors of a sale by itself until its next tick.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn view(&self, sale: SaleId) -> Result<View, AdmissionError> {
        let view = self.view_following(sale, None).await?;
        view.ok_or_else(|| AdmissionError::Script("queue_view names other people inside than it counts".to_owned()))
    }

    /// The same for a caller that may have an earlier view, of any epoch. Of the people inside Redis says only who moved
    /// since: with many inside that costs much less.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn view_after(&self, sale: SaleId, last: Option<&View>) -> Result<View, AdmissionError> {
        match self.view_following(sale, last).await? {
            Some(view) => Ok(view),
            None => self.view(sale).await,
        }
    }

    /// None when what moved since does not add up.
    async fn view_following(&self, sale: SaleId, last: Option<&View>) -> Result<Option<View>, AdmissionError> {
        let reply = self.store.run(&scripts::QUEUE_VIEW, &SaleKeys::new(sale), View::arguments(last)).await?;
        expect_word(&reply, "viewed")?;
        View::parse(reply, last)
    }
}

/// A moment of the clock of Redis.
pub(crate) fn timestamp(reply: &Reply, ms: u64) -> Result<Timestamp, AdmissionError> {
    let ms = i64::try_from(ms).map_err(|_| reply.odd("no moment"))?;
    Timestamp::from_millisecond(ms).map_err(|_| reply.odd("no moment"))
}

pub(crate) fn expect_word(reply: &Reply, word: &str) -> Result<(), AdmissionError> {
    if reply.word() == word { Ok(()) } else { reply.unexpected() }
}

pub(crate) fn text(value: impl ToString) -> Value {
    Value::from(value.to_string())
}

pub(crate) fn bytes(bytes: Vec<u8>) -> Value {
    Value::from(bytes.into_boxed_slice())
}
