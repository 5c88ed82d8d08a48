//! Draws: how the registrations of a prequeue become numbers, and what is committed when.
//!
//! ```text
//! publish ─► collecting ─ opens_at ─► frozen ─► root and round recorded ─► drawn
//!            seed and its hash        count, block of numbers              beacon value or reason, seed revealed
//! ```
//!
//! | step                  | writes                                            | again            | before its time |
//! |-----------------------|---------------------------------------------------|------------------|-----------------|
//! | [`draw_freeze`]       | count, first number, the block that reserves them | the same answer  | `NotYet`        |
//! | [`draw_commit_root`]  | Merkle root, beacon and round                     | what stands      | refused         |
//! | [`draw_finish`]       | beacon value and signature, or why there is none  | what stands      | refused         |
//!
//! What it guarantees, by constraints and triggers that hold for every role: a draw only goes forward and nothing in it
//! changes once written; nobody registers after the freeze; a round is recorded only while it lies ahead of both the
//! freeze and the recording; a beacon value is written only beside the root and round it belongs to. The seed is made in
//! the database, its column is granted to nobody, and [`draws_of`] shows it from `drawn` on. Bounds: one row a phase.
//!
//! What it does not do: the order itself (`domain::fairness`), and asking the beacon.

use domain::fairness::Seed;
use domain::sale::PhaseNo;
use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::numbers::{bytes, fit};
use crate::{Ledger, LedgerError};

/// A draw, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Of which phase.
    pub phase: PhaseNo,
    /// How far it is.
    pub state: DrawState,
    /// SHA-256 of the seed, published with the sale.
    pub seed_hash: [u8; 32],
    /// How many registered; so far, while it is collecting.
    pub count: u32,
    /// The lowest number of the cohort; 0 until it is frozen. The registrations have the numbers from here to
    /// `first_number + count - 1`.
    pub first_number: u64,
    /// The Merkle root of the registrations, once recorded.
    pub root: Option<[u8; 32]>,
    /// When registrations ended.
    pub frozen_at: Option<Timestamp>,
    /// The beacon whose value is used, recorded with the root.
    pub beacon: Option<Beacon>,
    /// Why it was drawn without a beacon's value, if it was.
    pub self_attested: Option<String>,
    /// The seed, once drawn.
    pub seed: Option<Seed>,
    /// When it was drawn.
    pub drawn_at: Option<Timestamp>,
    /// When registrations end.
    pub opens_at: Timestamp,
}

/// How far a draw is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DrawState {
    /// Visitors may register.
    Collecting,
    /// Who takes part is fixed and has numbers reserved.
    Frozen,
    /// Everybody can compute the order.
    Drawn,
}

/// The round of a public beacon that a draw waits for, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// Where it is asked.
    pub url: String,
    /// Which chain, in hex.
    pub chain_hash: String,
    /// Which round.
    pub round: u64,
    /// When that round is due.
    pub round_at: Timestamp,
    /// What it said: SHA-256 of the signature.
    pub randomness: Option<[u8; 32]>,
    /// By which the value is known to be the beacon's.
    pub signature: Option<Vec<u8>>,
}

/// The round a draw is going to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconRound {
    /// Where it is asked.
    pub url: String,
    /// Which chain, in hex.
    pub chain_hash: String,
    /// Which round.
    pub round: u64,
    /// When it is due.
    pub round_at: Timestamp,
}

/// What a draw is finished with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// The recorded round has come.
    Beacon {
        /// What it said.
        randomness: [u8; 32],
        /// Its signature.
        signature: Vec<u8>,
    },
    /// No beacon vouches for it.
    SelfAttested {
        /// Why not; published.
        reason: String,
    },
}

/// What came of freezing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a step and taken apart at once")]
pub enum Freeze {
    /// Its time has not come, an earlier phase is still collecting, or the phase has no draw.
    NotYet,
    /// No registration comes any more; now or since before.
    Frozen(Draw),
}

/// What came of recording root and round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once a step and taken apart at once")]
pub enum CommitRoot {
    /// This is recorded, by this call or an earlier one.
    Committed(Draw),
    /// The value of that round may be known already: choose a later one.
    RoundPassed,
}

/// A draw with something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueDraw {
    /// Of which sale.
    pub sale: SaleId,
    /// Of which phase.
    pub phase: PhaseNo,
}

impl DrawState {
    /// Every state, in order.
    pub const ALL: [Self; 3] = [Self::Collecting, Self::Frozen, Self::Drawn];

    /// The word in the database and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Frozen => "frozen",
            Self::Drawn => "drawn",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl Draw {
    /// The highest number of the cohort; none while it is collecting or when nobody registered.
    #[must_use]
    pub fn last_number(&self) -> Option<PlaceNumber> {
        let some = self.first_number > 0 && self.count > 0;
        some.then(|| PlaceNumber(self.first_number + u64::from(self.count) - 1))
    }
}

pub(crate) const STATEMENTS: &[&str] = &[DRAWS_OF, DRAW_OF, DRAWS_DUE, FREEZE, LEAVES, COMMIT_ROOT, FINISH];

macro_rules! draws {
    ($where:literal) => {
        concat!(
            "SELECT phase_no, state, seed_hash,
                    coalesce(count, registrations_count(sale_id, phase_no)),
                    coalesce(first_number, 0), root, frozen_at,
                    beacon_url, beacon_chain_hash, beacon_round, beacon_round_at, beacon_randomness, beacon_signature,
                    self_attested, draw_seed(sale_id, phase_no), drawn_at, opens_at
               FROM draws ",
            $where
        )
    };
}

const DRAWS_OF: &str = draws!("WHERE sale_id = $1 ORDER BY phase_no");
const DRAW_OF: &str = draws!("WHERE sale_id = $1 AND phase_no = $2");
const DRAWS_DUE: &str = "
    SELECT d.sale_id, d.phase_no FROM draws d JOIN sales s ON s.id = d.sale_id
     WHERE d.state <> 'drawn' AND d.opens_at <= onsale_now() AND s.state IN ('published', 'paused', 'closed')
     ORDER BY d.opens_at, d.sale_id, d.phase_no";
const FREEZE: &str = "SELECT draw_freeze($1, $2)";
const LEAVES: &str = "SELECT draw_leaves($1, $2)";
const COMMIT_ROOT: &str = "SELECT draw_commit_root($1, $2, $3, $4, $5, $6, $7)";
const FINISH: &str = "SELECT draw_finish($1, $2, $3, $4, $5)";

/// The draws of a sale, in the order of its phases.
///
/// # Errors
/// The database is away or refuses.
pub async fn draws_of(ledger: &Ledger, sale: SaleId) -> Result<Vec<Draw>, LedgerError> {
    ledger.rows(DRAWS_OF, &[&sale.uuid()]).await?.iter().map(draw).collect()
}

/// The draws, of all sales, whose time has come and that are not drawn. One look into a small index.
///
/// # Errors
/// The database is away or refuses.
pub async fn draws_due(ledger: &Ledger) -> Result<Vec<DueDraw>, LedgerError> {
    let due = |row: &Row| Ok(DueDraw { sale: SaleId::from_uuid(row.try_get(0)?), phase: phase_no(row.try_get(1)?)? });
    ledger.rows(DRAWS_DUE, &[]).await?.iter().map(due).collect()
}

/// Ends registration once the phase's opening has come, and reserves the cohort's numbers. Who registers at the same time
/// is in the frozen set or is told that it is closed.
///
/// # Errors
/// The database is away or refuses.
pub async fn draw_freeze(ledger: &Ledger, sale: SaleId, phase: PhaseNo) -> Result<Freeze, LedgerError> {
    let row = ledger.one(FREEZE, &[&sale.uuid(), &i16::from(phase.0)]).await?;
    match row.try_get(0)? {
        "frozen" => draw_of(ledger, sale, phase).await.map(Freeze::Frozen),
        "not_yet" => Ok(Freeze::NotYet),
        other => Err(LedgerError::Corrupt(format!("draw_freeze answered {other}"))),
    }
}

/// The leaves of the Merkle tree, by index. Written with each registration, so they stay when a person is erased.
///
/// # Errors
/// The database is away or refuses.
pub async fn draw_leaves(ledger: &Ledger, sale: SaleId, phase: PhaseNo) -> Result<Vec<[u8; 32]>, LedgerError> {
    let row = ledger.one(LEAVES, &[&sale.uuid(), &i16::from(phase.0)]).await?;
    let (leaves, rest) = row.try_get::<_, &[u8]>(0)?.as_chunks::<32>();
    if rest.is_empty() { Ok(leaves.to_vec()) } else { Err(LedgerError::Corrupt("half a leaf".to_owned())) }
}

/// Records the Merkle root of a frozen draw and the round it is going to wait for; no round means that it will be
/// self-attested. The first call stands.
///
/// # Errors
/// The database is away or refuses: `draws_root_after_freeze` when the draw is not frozen.
pub async fn draw_commit_root(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    root: [u8; 32],
    round: Option<&BeaconRound>,
) -> Result<CommitRoot, LedgerError> {
    let number = round.map(|beacon| fit::<_, i64>(beacon.round)).transpose()?;
    let (url, chain) = round.map(|beacon| (beacon.url.as_str(), beacon.chain_hash.as_str())).unzip();
    let at = round.map(|beacon| beacon.round_at);
    let params: [&(dyn ToSql + Sync); 7] =
        [&sale.uuid(), &i16::from(phase.0), &root.as_slice(), &url, &chain, &number, &at];
    match ledger.one(COMMIT_ROOT, &params).await?.try_get(0)? {
        "committed" => draw_of(ledger, sale, phase).await.map(CommitRoot::Committed),
        "round_passed" => Ok(CommitRoot::RoundPassed),
        other => Err(LedgerError::Corrupt(format!("draw_commit_root answered {other}"))),
    }
}

/// Ends a draw: its seed is revealed. The first call stands.
///
/// # Errors
/// The database is away or refuses: `draws_finish_after_root` when no root is recorded, `draws_beacon_check` when a value
/// comes and no round was recorded, `draws_randomness_check` when it is not the hash of its signature.
pub async fn draw_finish(
    ledger: &Ledger,
    sale: SaleId,
    phase: PhaseNo,
    attestation: &Attestation,
) -> Result<Draw, LedgerError> {
    let (randomness, signature, reason) = match attestation {
        Attestation::Beacon { randomness, signature } => {
            (Some(randomness.as_slice()), Some(signature.as_slice()), None)
        }
        Attestation::SelfAttested { reason } => (None, None, Some(reason.as_str())),
    };
    let params: [&(dyn ToSql + Sync); 5] = [&sale.uuid(), &i16::from(phase.0), &randomness, &signature, &reason];
    ledger.one(FINISH, &params).await?;
    draw_of(ledger, sale, phase).await
}

/// A draw that is known to be there. What a step wrote never changes, so reading it afterwards is reading what it did.
async fn draw_of(ledger: &Ledger, sale: SaleId, phase: PhaseNo) -> Result<Draw, LedgerError> {
    draw(&ledger.one(DRAW_OF, &[&sale.uuid(), &i16::from(phase.0)]).await?)
}

fn draw(row: &Row) -> Result<Draw, LedgerError> {
    let state: &str = row.try_get(1)?;
    Ok(Draw {
        phase: phase_no(row.try_get(0)?)?,
        state: DrawState::from_word(state).ok_or_else(|| LedgerError::Corrupt(format!("draw state {state}")))?,
        seed_hash: bytes(row.try_get(2)?)?,
        count: fit(row.try_get::<_, i32>(3)?)?,
        first_number: fit(row.try_get::<_, i64>(4)?)?,
        root: row.try_get::<_, Option<&[u8]>>(5)?.map(bytes).transpose()?,
        frozen_at: row.try_get(6)?,
        beacon: beacon(row)?,
        self_attested: row.try_get(13)?,
        seed: row.try_get::<_, Option<&[u8]>>(14)?.map(bytes).transpose()?.map(Seed),
        drawn_at: row.try_get(15)?,
        opens_at: row.try_get(16)?,
    })
}

fn beacon(row: &Row) -> Result<Option<Beacon>, LedgerError> {
    let Some(url) = row.try_get(7)? else {
        return Ok(None);
    };
    Ok(Some(Beacon {
        url,
        chain_hash: row.try_get(8)?,
        round: fit(row.try_get::<_, i64>(9)?)?,
        round_at: row.try_get(10)?,
        randomness: row.try_get::<_, Option<&[u8]>>(11)?.map(bytes).transpose()?,
        signature: row.try_get(12)?,
    }))
}

/// The number of a phase from its column.
pub(crate) fn phase_no(column: i16) -> Result<PhaseNo, LedgerError> {
    fit(column).map(PhaseNo)
}
