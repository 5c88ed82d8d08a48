//! Postgres: that what is answered is kept, that everybody finds a connection, that the tables are ours.

use ledger::server::{MigrationsSeen, ServerSeen, migrations_seen, server_seen};
use ledger::{Ledger, LedgerError, PoolConfig};

use super::clocks::Reading;
use super::report::{Check, unanswered};
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 9] = [
    "postgres.role",
    "postgres.version",
    "postgres.durability",
    "postgres.standby",
    "postgres.connections",
    "postgres.wal",
    "postgres.autovacuum",
    "postgres.migrations",
    "postgres.clock",
];

const VERSION_MIN: u32 = 150_000;
/// Connections beside the pool that a process keeps: one that listens.
const BESIDE_THE_POOL: u32 = 1;
/// What a unit writes until it is sold and its ticket is issued, with indexes and full pages: a generous guess.
const WAL_KIB_A_UNIT: u64 = 32;
/// Below this a checkpoint comes every few seconds of a rush.
const WAL_MIB_MIN: u64 = 1_024;

pub(super) async fn look(wish: &Wish<'_>, ledger: &Ledger) -> Looked {
    let before = wish.clock.now();
    let (seen, migrations) = tokio::join!(server_seen(ledger), migrations_seen(ledger));
    let took = wish.clock.now().duration_since(before);
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let advice = "see that it runs, DATABASE_URL, and that `onsale migrate` was run";
            return Looked::of(unanswered(&NAMES, &error.to_string(), advice));
        }
    };
    let millis = |span: jiff::SignedDuration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let within_ms = millis(took) / 2 + 1;
    let reading = Reading {
        whose: "Postgres".to_owned(),
        ahead_ms: millis(seen.clock.duration_since(before)).saturating_sub(within_ms),
        within_ms,
    };
    let units = wish.config().map_or(0, |sale| sale.tiers.iter().map(|tier| u64::from(tier.capacity())).sum());
    let checks = vec![
        roles(&seen),
        version(&seen),
        durability(&seen),
        standby(&seen),
        connections(&seen, wish.processes()),
        wal(&seen, units),
        autovacuum(&seen),
        migrations.map_or_else(|error| no_migrations(&error), |seen| migrated(&seen)),
        offset(&seen),
    ];
    Looked { checks, readings: vec![reading] }
}

fn setting<'a>(seen: &'a ServerSeen, name: &str) -> &'a str {
    seen.settings.get(name).map(String::as_str).unwrap_or_default()
}

fn number(seen: &ServerSeen, name: &str) -> u64 {
    setting(seen, name).parse().unwrap_or_default()
}

fn roles(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.role";
    if seen.bad_roles.is_empty() {
        return Check::ok(NAME, "all four roles are there and may be taken, none may log in");
    }
    Check::fail(NAME, seen.bad_roles.join(", "), "four roles without a log-in", "run `onsale migrate` with this login")
}

fn version(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.version";
    let version = setting(seen, "server_version");
    if number(seen, "server_version_num") < u64::from(VERSION_MIN) {
        return Check::fail(NAME, version, "15 or newer", "upgrade it");
    }
    Check::ok(NAME, version)
}

fn durability(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.durability";
    let values = ["fsync", "full_page_writes", "synchronous_commit"].map(|name| (name, setting(seen, name)));
    let told = values.map(|(name, value)| format!("{name} {value}")).join(", ");
    let [(_, fsync), (_, pages), (_, commit)] = values;
    let wanted = "fsync on, full_page_writes on, synchronous_commit on or remote_apply";
    let advice = "set them; an answer must not come before its commit is on disk";
    let followed = !setting(seen, "synchronous_standby_names").is_empty();
    match commit {
        _ if fsync != "on" || pages != "on" => Check::fail(NAME, told, wanted, advice),
        "on" | "remote_apply" => Check::ok(NAME, told),
        "remote_write" => Check::warn(NAME, told, wanted, advice),
        "local" if !followed => Check::ok(NAME, told),
        _ => Check::fail(NAME, told, wanted, advice),
    }
}

fn standby(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.standby";
    let read_only = setting(seen, "default_transaction_read_only") == "on";
    if seen.in_recovery || read_only {
        let seen = if read_only { "it is read-only" } else { "it only follows another server" };
        return Check::fail(NAME, seen, "the primary", "point DATABASE_URL at the primary");
    }
    let names = setting(seen, "synchronous_standby_names");
    let told = format!("primary, {} standbys, synchronous_standby_names '{names}'", seen.standbys);
    if !names.is_empty() && seen.standbys == 0 {
        let wanted = "a standby: every commit waits for one";
        return Check::fail(NAME, told, wanted, "start the standby, or empty synchronous_standby_names");
    }
    if names.is_empty() {
        let wanted = "a synchronous standby, or what was answered last is lost with the disk";
        return Check::warn(NAME, told, wanted, "set one up, or accept that");
    }
    Check::ok(NAME, told)
}

/// Every process may fill its pool, and they are all there when one more is started in place of another.
fn connections(seen: &ServerSeen, processes: u32) -> Check {
    const NAME: &str = "postgres.connections";
    let pool = u32::try_from(PoolConfig::default().connections_max).unwrap_or(u32::MAX);
    let each = pool.saturating_add(BESIDE_THE_POOL);
    let needed = u64::from(each.saturating_mul(processes));
    let room = number(seen, "max_connections").saturating_sub(number(seen, "superuser_reserved_connections"));
    let told = format!("{processes} processes × {each} = {needed} of {room}; {} in use now", seen.sessions);
    if needed > room {
        return Check::fail(
            NAME,
            told,
            format!("max_connections above {needed}"),
            "raise max_connections, or start fewer",
        );
    }
    Check::ok(NAME, told)
}

fn wal(seen: &ServerSeen, units: u64) -> Check {
    const NAME: &str = "postgres.wal";
    let wanted = (units.saturating_mul(WAL_KIB_A_UNIT) / 1_024).max(WAL_MIB_MIN);
    let max = number(seen, "max_wal_size");
    let told = format!("max_wal_size {max} MiB, checkpoint_timeout {} s", setting(seen, "checkpoint_timeout"));
    if max < wanted {
        let wanted = format!("{wanted} MiB for {units} units, so that no rush forces a checkpoint");
        return Check::warn(NAME, told, wanted, "raise max_wal_size; it needs a reload only");
    }
    Check::ok(NAME, told)
}

fn autovacuum(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.autovacuum";
    let (vacuum, counts) = (setting(seen, "autovacuum"), setting(seen, "track_counts"));
    let told = format!("autovacuum {vacuum}, track_counts {counts}");
    if vacuum != "on" || counts != "on" {
        return Check::fail(NAME, told, "both on: the queue tables grow slow without", "switch them on");
    }
    Check::ok(NAME, told)
}

fn migrated(seen: &MigrationsSeen) -> Check {
    const NAME: &str = "postgres.migrations";
    let list = |versions: &[u32]| versions.iter().map(|version| format!("V{version}")).collect::<Vec<_>>().join(", ");
    let MigrationsSeen { newest, missing, unknown } = seen;
    if !missing.is_empty() {
        return Check::fail(
            NAME,
            format!("not applied: {}", list(missing)),
            format!("all up to V{newest}"),
            "run `onsale migrate`",
        );
    }
    if !unknown.is_empty() {
        let told = format!("applied by a newer version: {}", list(unknown));
        return Check::warn(
            NAME,
            told,
            format!("all up to V{newest}"),
            "run this command in the version that will serve",
        );
    }
    Check::ok(NAME, format!("all up to V{newest}"))
}

fn no_migrations(error: &LedgerError) -> Check {
    Check::fail("postgres.migrations", error.to_string(), "a migrated database", "run `onsale migrate`")
}

/// Only a sandbox has another clock than its server.
fn offset(seen: &ServerSeen) -> Check {
    const NAME: &str = "postgres.clock";
    if seen.offset_ms.abs() > 1_000 {
        let told = format!("onsale_now() is {} ms ahead of the server", seen.offset_ms);
        return Check::fail(NAME, told, "the time of the server", "this is a sandbox: take a database of its own");
    }
    Check::ok(NAME, "onsale_now() is the time of the server")
}
