//! The line of a sale: numbers, liveness, turns.
//!
//! | a number is | in Redis                     | comes there by                                   | leaves by |
//! |-------------|------------------------------|--------------------------------------------------|-----------|
//! | waiting     | bit in `line`                | [`Queue::join`], a lapsed turn                    | a grant, leaving, 30 min of silence |
//! | granted     | in `granted`                 | [`Queue::admit`]                                  | [`Queue::confirm`], leaving |
//! | its turn    | in `turns`, until claimed by | [`Queue::confirm`]                                | its first hold, a lapse, leaving, [`Queue::end_session`] |
//! | shopping    | in `shopping`, until its end | its first hold                                    | the end, leaving, [`Queue::end_session`] |
//! | gone        | bit in `left`, or nowhere    |                                                  | – |
//!
//! Guarantees. Numbers are unique, never reused, and only handed out below a mark that Postgres has. Admission is strictly
//! by number among the live (I7), at most `rate × window + burst` in every window and never more inside than the cap (I8),
//! for any number of callers: each tick is one script on one clock. A turn is shown only after Postgres has its grant; a
//! gateway that dies between the two loses nothing, because every tick delivers what is not confirmed yet.
//!
//! Bounds: a tick grants, lapses and ends at most 500 each; a view costs bytes in proportion to the numbers behind the
//! first waiting one. Redis works per gateway and tick, never per visitor waiting, save for the join itself.
//!
//! What it does not do: no prequeue and no shuffle yet; it does not know prices, buyers or sockets.

use domain::token::Holder;
use domain::{PlaceNumber, SaleId};
use fred::types::Value;
use jiff::Timestamp;

use crate::bitmap;
use crate::keys::{self, SaleKeys};
use crate::scripts::{self, Reply};
use crate::{AdmissionError, Store};

pub(crate) mod view;

use view::View;

/// The queues of all sales.
#[derive(Debug, Clone)]
pub struct Queue {
    store: Store,
}

/// What a join came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// A new place at the end of the line.
    New(PlaceNumber),
    /// The holder has a live place already: waiting, with a turn, or shopping.
    Existing(PlaceNumber),
    /// Every reserved number is handed out: reserve a block in Postgres, call [`Queue::raise_reserved`], join again.
    ReserveNumbers,
}

/// Whether a tick admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceState {
    /// As fast as the pace allows.
    Admitting,
    /// Nobody; turns and sessions still end.
    Paused,
}

/// How visitors are let in: the sale's [`domain::sale::AdmissionConfig`], and whether they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Turns per second.
    pub rate_per_s: u32,
    /// Turns at once after a lull.
    pub burst: u32,
    /// The most shoppers inside, unused turns included.
    pub max_shoppers: u32,
    /// How long a session lasts from its first hold.
    pub session_s: u32,
    /// How long a turn waits to be used.
    pub claim_window_s: u32,
    /// Whether anyone is admitted.
    pub state: PaceState,
}

/// A turn that was granted but not confirmed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whose turn.
    pub number: PlaceNumber,
    /// In which epoch.
    pub epoch: u32,
    /// When, by the clock of Redis.
    pub granted_at: Timestamp,
}

/// What a tick did and left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Turns to write to Postgres and then confirm, oldest first; some may be of an earlier tick or another gateway's.
    pub unconfirmed: Vec<Grant>,
    /// Turns that lapsed in this tick.
    pub lapsed: u32,
    /// Sessions whose time was over in this tick.
    pub ended: u32,
}

/// What leaving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The place is given up, now or before.
    Left,
    /// There was no place to give up.
    NotHere,
}

/// How long a holder's number is remembered after the join; places live far shorter.
const VISITORS_KEPT_S: u32 = 24 * 60 * 60;
/// Numbers confirmed in one script: as many as a tick delivers.
const CONFIRM_MAX: usize = 500;

impl Queue {
    /// The queues in that store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Gives a visitor a place, or finds the one the visitor has. Counts as a sign of life.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn join(&self, sale: SaleId, holder: Holder) -> Result<Join, AdmissionError> {
        self.find_or_give(sale, holder, String::new()).await
    }

    /// The same for a holder whose place token proves a number: that place is found also when Redis was lost and does not
    /// know any more whose it is.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn join_again(&self, sale: SaleId, holder: Holder, proven: PlaceNumber) -> Result<Join, AdmissionError> {
        self.find_or_give(sale, holder, proven.0.to_string()).await
    }

    async fn find_or_give(&self, sale: SaleId, holder: Holder, proven: String) -> Result<Join, AdmissionError> {
        let keys = SaleKeys::new(sale).of_holder(holder);
        let arguments = vec![field(&holder), text(VISITORS_KEPT_S), text(proven)];
        let mut reply = self.store.run(&scripts::QUEUE_JOIN, &keys, arguments).await?;
        match reply.word() {
            "joined" => Ok(Join::New(PlaceNumber(reply.parsed()?))),
            "existing" => Ok(Join::Existing(PlaceNumber(reply.parsed()?))),
            "reserve" => Ok(Join::ReserveNumbers),
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

    /// One tick: ends what is over and grants turns. To be called about five times a second for each open sale, by
    /// whoever likes; the answer says which grants to write to Postgres and confirm.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn admit(&self, sale: SaleId, pace: &Pace) -> Result<Admission, AdmissionError> {
        let state = match pace.state {
            PaceState::Admitting => "admitting",
            PaceState::Paused => "paused",
        };
        let arguments = vec![text(pace.rate_per_s), text(pace.burst), text(pace.max_shoppers), Value::from(state)];
        let mut reply = self.store.run(&scripts::QUEUE_ADMIT, &SaleKeys::new(sale), arguments).await?;
        expect_word(&reply, "ticked")?;
        let epoch = reply.parsed()?;
        Ok(Admission { ended: reply.parsed()?, lapsed: reply.parsed()?, unconfirmed: grants(&mut reply, epoch)? })
    }

    /// Starts the claim windows of grants that Postgres has. Numbers that are confirmed already are passed over.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale; then the next tick delivers the grants again.
    pub async fn confirm(&self, sale: SaleId, numbers: &[PlaceNumber], pace: &Pace) -> Result<(), AdmissionError> {
        let window_ms = u64::from(pace.claim_window_s) * 1_000;
        for chunk in numbers.chunks(CONFIRM_MAX) {
            let arguments = std::iter::once(text(window_ms)).chain(chunk.iter().map(text)).collect();
            let reply = self.store.run(&scripts::QUEUE_CONFIRM, &SaleKeys::new(sale), arguments).await?;
            expect_word(&reply, "confirmed")?;
        }
        Ok(())
    }

    /// Gives up a place, a turn or a session; the slot is free at once. Release the session's live hold first: until it
    /// is due its units stay held.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn leave(&self, sale: SaleId, number: PlaceNumber, holder: Holder) -> Result<Leave, AdmissionError> {
        let keys = SaleKeys::new(sale).of_holder(holder);
        let reply = self.store.run(&scripts::QUEUE_LEAVE, &keys, vec![text(number), field(&holder)]).await?;
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
        let reply = self.store.run(&scripts::QUEUE_VIEW, &SaleKeys::new(sale), Vec::new()).await?;
        expect_word(&reply, "viewed")?;
        View::parse(reply)
    }
}

fn grants(reply: &mut Reply, epoch: u32) -> Result<Vec<Grant>, AdmissionError> {
    let granted = reply.integers()?;
    let pairs = granted.chunks_exact(2);
    let grant =
        |pair: &[u64]| Ok(Grant { number: PlaceNumber(pair[0]), epoch, granted_at: timestamp(reply, pair[1])? });
    let mut grants = pairs.map(grant).collect::<Result<Vec<_>, AdmissionError>>()?;
    grants.sort_unstable_by_key(|grant| (grant.granted_at, grant.number));
    Ok(grants)
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

fn field(holder: &Holder) -> Value {
    bytes(keys::visitor_field(holder))
}
