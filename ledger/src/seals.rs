//! Seals: blocks of transfers chained by a hash, so that what was posted cannot be changed unseen.
//!
//! Shape: a worker calls [`seal_next`] again and again; each call seals what was committed since, in one block behind the
//! last. [`crate::audit::audit_chain`] reads everything again and names the first block that does not fit. Its [`SealHead`]
//! is what people print and keep elsewhere: whoever can rewrite the whole database cannot rewrite that.
//!
//! Guarantees: blocks cover the transaction ids without a gap, up to the commit horizon, so no transfer is skipped and none
//! can be slipped in later; posting takes no lock for it and never waits for it; any number of sealers may run, one seals.
//! The encoding is the one of migration V34; SQL seals, Rust checks, so neither can be wrong unseen.
//! Bounds: a block has [`SEAL_TRANSFERS_MAX`] transfers, more only when one transaction has; 48 bytes a transfer are kept.
//!
//! What it does not do: transfers behind the last block are not sealed yet, and a transaction that stays open keeps them
//! so. A head that is kept nowhere else protects from changes to the books, not from a chain made anew. Transaction ids
//! belong to a cluster: one that is restored from a dump must go on above them (`docs/operations.md`), as it must for
//! everything that reads by them; until it does, nothing is sealed, [`Sealing::Behind`] says so, and so does I3.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::documents;
use crate::numbers::{bytes, fit};
use crate::{Ledger, LedgerError};

pub(crate) mod encoding;

/// Transfers of a block: read and hashed in some ten milliseconds, and few enough for a difference to be found by hand.
pub const SEAL_TRANSFERS_MAX: u32 = 1_000;

/// A block and its hash, which stands for everything up to it. Written as `12:9f86…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealHead {
    /// The block's number, from 1.
    pub block: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// What came of sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// This block was added, with so many transfers.
    Sealed(SealHead, u64),
    /// Nothing was committed since the last block.
    Nothing,
    /// Another sealer is at it.
    Busy,
    /// The last block ends at a transaction id that this cluster has not given out yet: nothing can be sealed until it has.
    Behind,
}

/// Text that is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is a block's number from 1, a colon and 64 hexadecimal digits")]
pub struct NoSealHead;

pub(crate) const STATEMENTS: &[&str] = &[NEXT, HEAD, LAG];

const NEXT: &str = "SELECT seal_next($1)";
const HEAD: &str = "SELECT block, hash FROM seals ORDER BY block DESC LIMIT 1";
const LAG: &str = "
    WITH head AS (SELECT upto_xid, sealed_at FROM seals ORDER BY block DESC LIMIT 1),
    waiting AS (
        SELECT sealed_at AS since FROM head WHERE upto_xid > pg_snapshot_xmax(pg_current_snapshot())
         UNION ALL
        (SELECT recorded_at FROM transfers WHERE xid >= coalesce((SELECT upto_xid FROM head), '0')
          ORDER BY xid, sale_id, id LIMIT 1))
    SELECT greatest(extract(epoch FROM onsale_now() - since) * 1000, 0)::bigint FROM waiting ORDER BY since LIMIT 1";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum SealingDocument {
    Sealed { block: u64, transfers: u64, hash: String },
    Nothing,
    Busy,
    Behind,
}

/// Seals what was committed since the last block, [`SEAL_TRANSFERS_MAX`] transfers at most.
///
/// # Errors
/// The database is away or refuses.
pub async fn seal_next(ledger: &Ledger) -> Result<Sealing, LedgerError> {
    let row = ledger.one(NEXT, &[&fit::<_, i32>(SEAL_TRANSFERS_MAX)?]).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        SealingDocument::Sealed { block, transfers, hash } => {
            let mut head = SealHead { block, hash: [0; 32] };
            hex::decode_to_slice(&hash, &mut head.hash).map_err(|error| LedgerError::Corrupt(error.to_string()))?;
            Sealing::Sealed(head, transfers)
        }
        SealingDocument::Nothing => Sealing::Nothing,
        SealingDocument::Busy => Sealing::Busy,
        SealingDocument::Behind => Sealing::Behind,
    })
}

/// The last block; none before the first.
///
/// # Errors
/// The database is away or refuses.
pub async fn seal_head(ledger: &Ledger) -> Result<Option<SealHead>, LedgerError> {
    let row = ledger.row(HEAD, &[]).await?;
    row.map(|row| Ok(SealHead { block: fit(row.try_get::<_, i64>(0)?)?, hash: bytes(row.try_get(1)?)? })).transpose()
}

/// How long the oldest transfer that is not sealed has been there; nothing when all are. Where nothing can be sealed, the age of
/// the last block.
///
/// # Errors
/// The database is away or refuses.
pub async fn seal_lag(ledger: &Ledger) -> Result<Duration, LedgerError> {
    let row = ledger.row(LAG, &[]).await?;
    row.map_or(Ok(Duration::ZERO), |row| Ok(Duration::from_millis(fit(row.try_get::<_, i64>(0)?)?)))
}

impl fmt::Display for SealHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.block, hex::encode(self.hash))
    }
}

impl FromStr for SealHead {
    type Err = NoSealHead;

    fn from_str(text: &str) -> Result<Self, NoSealHead> {
        let (block, digits) = text.split_once(':').ok_or(NoSealHead)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).map_err(|_| NoSealHead)?;
        let block = block.parse().map_err(|_| NoSealHead)?;
        if block == 0 { Err(NoSealHead) } else { Ok(Self { block, hash }) }
    }
}

#[cfg(test)]
mod tests;
