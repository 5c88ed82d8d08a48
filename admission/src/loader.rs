//! Fills an emptied Redis from what Postgres knows.
//!
//! A sale is loaded in one script, under an epoch that Postgres raised first: whoever still works with the Redis of before
//! is told so by the epoch. Until then every call on the sale answers [`AdmissionError::NotLoaded`].
//!
//! What comes back: free units; the numbers, which go on above everything reserved; every number that was never granted a
//! turn, or whose turn lapsed, waits again, in its old order, and is admitted once it is heard; who was inside is inside until
//! the end named in the snapshot; who left stays away. Holds without an order are free units here, and come back on their
//! receipts in the window that follows ([`crate::Reclaim`]). What is lost: how often those were extended, signs of life, who was given more time ([`crate::Queue::allow_more_time`]), the measured no-shows and the pacer's factor.

use domain::sale::{ROWS_MAX, UNITS_MAX};
use domain::{PlaceNumber, SaleId, TierId, UnitNo};
use fred::types::Value;
use jiff::Timestamp;

use crate::bitmap;
use crate::keys::SaleKeys;
use crate::queue::{bytes, expect_word, text};
use crate::rows;
use crate::scripts;
use crate::{AdmissionError, Store};

/// Loads sales.
#[derive(Debug, Clone)]
pub struct Loader {
    store: Store,
}

/// A sale as Postgres has it at the moment its epoch began.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The sale.
    pub sale: SaleId,
    /// The epoch that began.
    pub epoch: u32,
    /// The highest number that was ever reserved; numbers go on above it.
    pub reserved_number: u64,
    /// Every turn that was granted and neither lapsed nor was left. One whose time is over keeps its number out of the line;
    /// the others are inside.
    pub grants: Vec<GrantRow>,
    /// Numbers that gave up their place; they stay out of the line.
    pub left: Vec<PlaceNumber>,
    /// How many draws are frozen; their numbers are among the reserved ones.
    pub cohorts: u32,
    /// The tiers, in the order of the sale.
    pub tiers: Vec<TierSnapshot>,
    /// For how long from now on only receipts are honoured and nobody is let in; 0 when there can be none.
    pub reclaim_window_s: u32,
    /// The epoch from which on receipts are honoured: units of earlier ones may have been held again since.
    pub receipts_from: u32,
}

/// A turn that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantRow {
    /// Whose.
    pub number: PlaceNumber,
    /// Until when it counts as inside.
    pub until: Timestamp,
}

/// What a tier has.
#[derive(Debug, Clone)]
pub struct TierSnapshot {
    /// The tier.
    pub tier: TierId,
    /// How many units it has in all.
    pub capacity: u32,
    /// How many of them are kept back.
    pub withheld: u32,
    /// Those that are free in Postgres.
    pub free: Vec<UnitNo>,
    /// The seats of each of its rows, in order; empty for general admission.
    pub rows: Vec<u32>,
}

/// What loading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The sale runs in the snapshot's epoch.
    Loaded,
    /// It ran in that epoch, or a later one, already; nothing changed.
    AlreadyLoaded,
}

/// Whether a sale's clocks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Nobody is admitted, nothing is held, and no turn, session or hold runs out.
    Paused,
    /// Business as usual, with what was left.
    Running,
}

/// How long Redis keeps a sale that ended: as long as a repeated request may come, so that it finds its answer.
pub const ENDED_KEPT_S: u32 = 24 * 60 * 60;

impl Loader {
    /// Loads into that store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The epoch Redis has the sale in; none when it does not have the sale.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn loaded_epoch(&self, sale: SaleId) -> Result<Option<u32>, AdmissionError> {
        let epoch = self.store.get(SaleKeys::new(sale).epoch()).await?;
        let unreadable = |_| AdmissionError::Script("the epoch is no number".to_owned());
        epoch.map(|epoch| epoch.parse().map_err(unreadable)).transpose()
    }

    /// Loads a sale, unless Redis has it in that epoch or a later one. A paused sale must be paused again afterwards.
    ///
    /// # Errors
    /// Redis is away; or the snapshot names a unit that its tier does not have, and nothing was loaded.
    pub async fn load(&self, snapshot: &Snapshot) -> Result<Load, AdmissionError> {
        snapshot.tiers.iter().try_for_each(has_its_units)?;
        let keys = SaleKeys::new(snapshot.sale);
        let reply = self.store.run(&scripts::SALE_LOAD, &keys, load_arguments(snapshot)).await?;
        match reply.word() {
            "loaded" => Ok(Load::Loaded),
            "already_loaded" => Ok(Load::AlreadyLoaded),
            _ => reply.unexpected(),
        }
    }

    /// Lets go of a sale that ended: what Redis has of it is gone in [`ENDED_KEPT_S`].
    ///
    /// # Errors
    /// Redis is away.
    pub async fn unload(&self, sale: SaleId) -> Result<(), AdmissionError> {
        let reply = self.store.run(&scripts::SALE_UNLOAD, &SaleKeys::new(sale), vec![text(ENDED_KEPT_S)]).await?;
        expect_word(&reply, "unloaded")
    }

    /// Stops the sale's clocks or lets them go on, as the organizer decided with that version of the sale. A decision older
    /// than one that was told before changes nothing, so gateways that hear of it at different times do not undo it.
    ///
    /// # Errors
    /// Redis is away, or does not have the sale.
    pub async fn set_paused(&self, sale: SaleId, pause: Pause, version: u64) -> Result<(), AdmissionError> {
        let word = match pause {
            Pause::Paused => "paused",
            Pause::Running => "running",
        };
        let reply =
            self.store.run(&scripts::SALE_PAUSE, &SaleKeys::new(sale), vec![Value::from(word), text(version)]).await?;
        expect_word(&reply, "done")
    }
}

/// Tiers share one bitmap: a unit beyond its tier's room would be a unit of another tier.
fn has_its_units(tier: &TierSnapshot) -> Result<(), AdmissionError> {
    let TierSnapshot { tier, capacity, withheld, free, rows } = tier;
    let in_rows = rows.iter().try_fold(0_u32, |sum, row| sum.checked_add(*row));
    let rows_fit = rows.is_empty() || (rows.len() <= ROWS_MAX && in_rows == Some(*capacity));
    let fits = *capacity <= UNITS_MAX && withheld <= capacity && free.iter().all(|unit| unit.0 < *capacity) && rows_fit;
    let refusal = || AdmissionError::Script(format!("the snapshot has units that {tier} does not have"));
    if fits { Ok(()) } else { Err(refusal()) }
}

/// Grants sent to Redis, the latest: many times the shoppers that are ever inside at once.
const INSIDE_MAX: usize = 100_000;

fn load_arguments(snapshot: &Snapshot) -> Vec<Value> {
    let gone = snapshot.grants.iter().map(|grant| grant.number).chain(snapshot.left.iter().copied());
    let line = bitmap::of_numbers_but(snapshot.reserved_number, gone);
    let mut arguments = vec![text(snapshot.epoch), text(snapshot.reserved_number), bytes(line)];
    arguments.push(bytes(bitmap::of_numbers(&snapshot.left)));
    arguments.extend([text(snapshot.cohorts), text(snapshot.tiers.len())]);
    arguments.extend([text(u64::from(snapshot.reclaim_window_s) * 1_000), text(snapshot.receipts_from)]);
    for tier in &snapshot.tiers {
        arguments.extend([text(&tier.tier), bytes(bitmap::of_units(&tier.free))]);
        arguments.extend([bytes(rows::firsts(&tier.rows)), bytes(rows::runs(&tier.rows, &tier.free))]);
        arguments.push(text(tier.capacity - tier.withheld));
    }
    let mut latest = snapshot.grants.clone();
    latest.sort_unstable_by_key(|grant| grant.until);
    for grant in &latest[latest.len().saturating_sub(INSIDE_MAX)..] {
        arguments.extend([text(grant.number), text(grant.until.as_millisecond())]);
    }
    arguments
}
