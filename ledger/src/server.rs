//! What the Postgres server and the database are set up for: looked at before a sale, never on the way of a buyer.
//!
//! Read in the session of a role, as any process of ours would have it, so what a login or the database sets for itself counts. Nothing
//! is changed. Each statement is bounded like all others.

use std::collections::BTreeMap;

use domain::SaleId;
use jiff::Timestamp;

use crate::migration;
use crate::numbers::fit;
use crate::{Ledger, LedgerError, Role};

/// The settings that are looked at.
const NAMES: [&str; 13] = [
    "autovacuum",
    "checkpoint_timeout",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "max_connections",
    "max_wal_size",
    "server_version",
    "server_version_num",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "track_counts",
];

/// The server, as it was seen.
#[derive(Debug, Clone)]
pub struct ServerSeen {
    /// Its settings by name, in the unit of `pg_settings`.
    pub settings: BTreeMap<String, String>,
    /// Whether it only follows another one.
    pub in_recovery: bool,
    /// Sessions of clients, ours and others.
    pub sessions: u32,
    /// Servers that follow it.
    pub standbys: u32,
    /// Its clock.
    pub clock: Timestamp,
    /// How far the clock that decides on orders is from it: not zero in a sandbox only.
    pub offset_ms: i64,
    /// Roles of ours that are wrong, and why.
    pub bad_roles: Vec<String>,
}

/// Where the database is with its migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationsSeen {
    /// The newest that this command knows.
    pub newest: u32,
    /// Those that were not applied.
    pub missing: Vec<u32>,
    /// Those that were applied by a newer version.
    pub unknown: Vec<u32>,
}

pub(crate) const STATEMENTS: &[&str] = &[SETTINGS, SERVER, ROLES, VERSIONS, KIDS, HEARD];

const SETTINGS: &str = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)";
const SERVER: &str = "
    SELECT pg_is_in_recovery(), clock_timestamp(),
           (extract(epoch FROM onsale_now() - clock_timestamp()) * 1000)::bigint,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           (SELECT count(*) FROM pg_stat_replication)";
const ROLES: &str = "
    SELECT wanted, r.rolcanlogin OR r.rolsuper, r.oid IS NOT NULL AND pg_has_role(session_user, r.oid, 'MEMBER')
      FROM unnest($1::text[]) AS wanted LEFT JOIN pg_roles r ON r.rolname = wanted";
const VERSIONS: &str = "SELECT version FROM refinery_schema_history ORDER BY version";
const KIDS: &str = "SELECT DISTINCT qr_kid FROM tickets WHERE sale_id = $1 ORDER BY qr_kid";
const HEARD: &str = "SELECT EXISTS (SELECT FROM inbox WHERE received_at > onsale_now() - interval '1 day')";

/// The server, its settings and its roles.
///
/// # Errors
/// The database is away or refuses.
pub async fn server_seen(ledger: &Ledger) -> Result<ServerSeen, LedgerError> {
    let rows = ledger.rows(SETTINGS, &[&NAMES.as_slice()]).await?;
    let settings = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, LedgerError>>()?;
    let bad_roles = bad_roles(ledger).await?;
    let row = ledger.one(SERVER, &[]).await?;
    Ok(ServerSeen {
        settings,
        in_recovery: row.try_get(0)?,
        clock: row.try_get(1)?,
        offset_ms: row.try_get(2)?,
        sessions: fit(row.try_get::<_, i64>(3)?)?,
        standbys: fit(row.try_get::<_, i64>(4)?)?,
        bad_roles,
    })
}

/// Only the clock, for who measures how far it is from others.
///
/// # Errors
/// The database is away.
pub async fn server_clock(ledger: &Ledger) -> Result<Timestamp, LedgerError> {
    Ok(ledger.one(SERVER, &[]).await?.try_get(1)?)
}

/// Which migrations the database has.
///
/// # Errors
/// The database is away, or was never migrated.
pub async fn migrations_seen(ledger: &Ledger) -> Result<MigrationsSeen, LedgerError> {
    let rows = ledger.rows(VERSIONS, &[]).await?;
    let applied = rows.iter().map(|row| fit(row.try_get::<_, i32>(0)?)).collect::<Result<Vec<u32>, _>>()?;
    let known = migration::versions();
    Ok(MigrationsSeen {
        newest: known.last().copied().unwrap_or_default(),
        missing: known.iter().filter(|version| !applied.contains(version)).copied().collect(),
        unknown: applied.into_iter().filter(|version| !known.contains(version)).collect(),
    })
}

/// The keys that signed tickets of a sale, by name.
///
/// # Errors
/// The database is away.
pub async fn ticket_kids(ledger: &Ledger, sale: SaleId) -> Result<Vec<String>, LedgerError> {
    ledger.rows(KIDS, &[&sale.uuid()]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Whether an event of Stripe's was stored within a day: then some gateway found its signature good.
///
/// # Errors
/// The database is away.
pub async fn event_was_heard(ledger: &Ledger) -> Result<bool, LedgerError> {
    Ok(ledger.one(HEARD, &[]).await?.try_get(0)?)
}

async fn bad_roles(ledger: &Ledger) -> Result<Vec<String>, LedgerError> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let mut bad = Vec::new();
    for row in ledger.rows(ROLES, &[&names]).await? {
        let (name, too_much, ours): (&str, Option<bool>, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        match too_much {
            None => bad.push(format!("{name} is missing")),
            Some(true) => bad.push(format!("{name} may log in or do everything")),
            Some(false) if !ours => bad.push(format!("the login may not take {name}")),
            Some(false) => {}
        }
    }
    Ok(bad)
}
