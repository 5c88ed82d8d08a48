//! Registrations of a prequeue: durable before they are answered, dense, one a visitor and phase.
//!
//! Registering waits for nothing but the other batches of the same phase and its freeze, in the order of asking; one call
//! takes a whole batch, so it waits once for up to [`REGISTRATIONS_BATCH_MAX`] visitors. Whoever is answered
//! [`Register::At`] is in the frozen set.
//!
//! Whose a registration is (a thumbprint) and the salt of its leaf can be erased after the draw; the leaf was written
//! with them and stays. It is a hash over 122 random bits beside the thumbprint, so what is published about a person
//! who was erased says nothing of them, and the published root can still be recomputed by anybody.
//!
//! A visitor may register for several phases, once for each. Which of the registrations counts depends on what became of
//! their draws, and is not decided here.

use std::ops::Range;

use domain::SaleId;
use domain::sale::PhaseNo;
use domain::token::Holder;
use tokio_postgres::Row;

use crate::draws::phase_no;
use crate::numbers::{bytes, fit};
use crate::{Ledger, LedgerError};

/// The most visitors of one call: beyond that the others wait too long for the lock.
pub const REGISTRATIONS_BATCH_MAX: usize = 1_000;

/// What came of registering a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// Too late, or that phase has no prequeue.
    Closed,
    /// Registered, now or before, at that index.
    At(u32),
}

/// A visitor's registrations, one a phase at most, in the order of the phases: the phase, and the index in it.
pub type Registrations = Vec<(PhaseNo, u32)>;

pub(crate) const STATEMENTS: &[&str] = &[ADD, FIND, SALT, ERASE];

const ADD: &str = "SELECT registrations_add($1, $2, $3)";
const FIND: &str = "SELECT phases, indices FROM registrations_find($1, $2)";
const SALT: &str =
    "SELECT salt, holder FROM registrations WHERE sale_id = $1 AND phase_no = $2 AND index = $3 AND holder IS NOT NULL";
const ERASE: &str = "SELECT registrations_erase($1, $2, $3, $4)";

/// Registers a batch; the answers are in its order. The same visitor has the same index, however often and in however
/// many batches at once, also after the freeze.
///
/// # Errors
/// The database is away or refuses; nobody of the batch is registered then.
pub async fn registrations_add(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    holders: &[Holder],
) -> Result<Vec<Register>, LedgerError> {
    let row = ledger.one(ADD, &[&sale.uuid(), &i16::from(phase.0), &columns(holders)]).await?;
    let indices: Vec<Option<i32>> = row.try_get(0)?;
    indices.into_iter().map(|index| index.map_or(Ok(Register::Closed), |index| fit(index).map(Register::At))).collect()
}

/// The registrations of these visitors, in their order.
///
/// # Errors
/// The database is away or refuses.
pub async fn registrations_find(
    ledger: &Ledger,
    sale: SaleId,
    holders: &[Holder],
) -> Result<Vec<Registrations>, LedgerError> {
    ledger.rows(FIND, &[&sale.uuid(), &columns(holders)]).await?.iter().map(found).collect()
}

/// Salt and holder of a registration, which make its leaf; none when there is no such or it was erased.
///
/// # Errors
/// The database is away or refuses.
pub async fn registration_salt(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    index: u32,
) -> Result<Option<([u8; 16], Holder)>, LedgerError> {
    let row = ledger.row(SALT, &[&sale.uuid(), &i16::from(phase.0), &fit::<_, i32>(index)?]).await?;
    row.map(|row| Ok((bytes(row.try_get(0)?)?, Holder(bytes(row.try_get(1)?)?)))).transpose()
}

/// Erases whose these registrations of a drawn phase were and answers how many it erased; the leaves stay. In steps of some
/// ten thousand it holds nobody up.
///
/// # Errors
/// The database is away or refuses: `registrations_erase_after_draw` while it is not drawn.
pub async fn registrations_erase(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    indices: Range<u32>,
) -> Result<u64, LedgerError> {
    let (from, to) = (fit::<_, i32>(indices.start)?, fit::<_, i32>(indices.end)?);
    let row = ledger.one(ERASE, &[&sale.uuid(), &i16::from(phase.0), &from, &to]).await?;
    fit(row.try_get::<_, i64>(0)?)
}

fn columns(holders: &[Holder]) -> Vec<&[u8]> {
    holders.iter().map(|holder| holder.0.as_slice()).collect()
}

fn found(row: &Row) -> Result<Registrations, LedgerError> {
    let (phases, indices): (Vec<i16>, Vec<i32>) = (row.try_get(0)?, row.try_get(1)?);
    phases.into_iter().zip(indices).map(|(phase, index)| Ok((phase_no(phase)?, fit(index)?))).collect()
}
