//! Requests that must not be done twice, remembered for a day.
//!
//! Whoever begins a request finishes it with an answer worth repeating or abandons it; if it does neither, its lease ends and
//! the same request may be begun again. This spares callers the second of two answers, no more: what is done behind it must
//! bear being done twice, since a lease can end while its holder still works.

use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Nothing: it is yours to do. Finish it or abandon it.
    Fresh,
    /// It was done: give this answer again.
    Replay {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// The key was used for another request.
    Reused,
    /// Somebody is doing it.
    Running,
}

pub(crate) const STATEMENTS: &[&str] = &[BEGIN, LOOK, FINISH, ABANDON];

/// Takes the key when nobody has it, when its day is over, or when whoever had it for the same request is gone.
const BEGIN: &str = "
    INSERT INTO idempotency AS known (scope, key, fingerprint, begun_at, lease_until)
    VALUES ($1, $2, $3, onsale_now(), onsale_now() + make_interval(secs => $4::integer))
        ON CONFLICT ON CONSTRAINT idempotency_pkey DO UPDATE
       SET fingerprint = excluded.fingerprint, begun_at = excluded.begun_at, lease_until = excluded.lease_until,
           status = NULL, body = NULL
     WHERE known.begun_at < onsale_now() - interval '24 hours'
        OR (known.status IS NULL AND known.lease_until < onsale_now() AND known.fingerprint = excluded.fingerprint)
    RETURNING true";

const LOOK: &str = "SELECT fingerprint = $3, status, body FROM idempotency WHERE scope = $1 AND key = $2";

const FINISH: &str = "
    UPDATE idempotency SET status = $3, body = $4 WHERE scope = $1 AND key = $2 AND status IS NULL";

const ABANDON: &str = "DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND status IS NULL";

/// Takes a request on for at most `lease_s`. `scope` says whose key and for what.
///
/// # Errors
/// The database is away or refuses.
pub async fn begin(
    ledger: &Ledger,
    scope: &str,
    key: &str,
    fingerprint: &[u8; 32],
    lease_s: u32,
) -> Result<Begin, LedgerError> {
    let (lease_s, fingerprint) = (fit::<_, i32>(lease_s)?, fingerprint.as_slice());
    if ledger.row(BEGIN, &[&scope, &key, &fingerprint, &lease_s]).await?.is_some() {
        return Ok(Begin::Fresh);
    }
    let Some(row) = ledger.row(LOOK, &[&scope, &key, &fingerprint]).await? else {
        // Abandoned between the two statements: whoever did that may be asked again.
        return Ok(Begin::Running);
    };
    let same: bool = row.try_get(0)?;
    match row.try_get::<_, Option<i16>>(1)? {
        _ if !same => Ok(Begin::Reused),
        None => Ok(Begin::Running),
        Some(status) => Ok(Begin::Replay { status: fit(status)?, body: row.try_get(2)? }),
    }
}

/// Remembers the answer.
///
/// # Errors
/// The database is away or refuses.
pub async fn finish(ledger: &Ledger, scope: &str, key: &str, status: u16, body: &[u8]) -> Result<(), LedgerError> {
    let status: i16 = fit(status)?;
    ledger.rows(FINISH, &[&scope, &key, &status, &body]).await.map(|_| ())
}

/// Forgets a request that came to nothing, so that it can be made again.
///
/// # Errors
/// The database is away or refuses.
pub async fn abandon(ledger: &Ledger, scope: &str, key: &str) -> Result<(), LedgerError> {
    ledger.rows(ABANDON, &[&scope, &key]).await.map(|_| ())
}
