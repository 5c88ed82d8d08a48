//! Redis: what survives its end, what it does when memory runs out, who it is, how far away.

use std::time::{Duration, Instant};

use admission::{ServerSeen, Store, StoreConfig};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::clocks::Reading;
use super::report::{Check, Mark, unanswered};
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 6] =
    ["redis.role", "redis.version", "redis.persistence", "redis.memory", "redis.connections", "redis.latency"];

const VERSION_MIN: u64 = 7;
/// Less of its memory free than this is soon none: a sale of 100,000 units and a million visitors takes some hundred MB.
const FREE_PERCENT_WARN: u64 = 50;
const FREE_PERCENT_FAIL: u64 = 20;
/// A hold is one script: on a good network it is there and back well within this.
const ROUND_TRIP_WARN: Duration = Duration::from_millis(5);
/// The scripts of one sale run one after the other: so far away, every tick is late.
const ROUND_TRIP_FAIL: Duration = Duration::from_millis(50);

pub(super) async fn look(wish: &Wish<'_>) -> Looked {
    let url = wish.gateway().process.redis_url.expose_secret();
    let config = StoreConfig { connections: 1, ..StoreConfig::default() };
    let advice = "see that it runs, and REDIS_URL";
    let store = match Store::connect(url, config).await {
        Ok(store) => store,
        Err(error) => return Looked::of(unanswered(&NAMES, &error.to_string(), advice)),
    };
    let (before, begun) = (wish.clock.now(), Instant::now());
    let seen = store.servers().await;
    store.shutdown().await;
    match seen {
        Ok(servers) => Looked {
            checks: judge(&servers, wish.processes()),
            readings: servers.iter().map(|server| reading(server, before, begun)).collect(),
        },
        Err(error) => Looked::of(unanswered(&NAMES, &error.to_string(), advice)),
    }
}

/// What our clock showed when that of the server was asked is known from how long it was after the first look.
fn reading(server: &ServerSeen, before: Timestamp, begun: Instant) -> Reading {
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let half = micros(server.clock_took) / 2;
    let ours =
        before.as_microsecond().saturating_add(micros(server.clock_asked.duration_since(begun))).saturating_add(half);
    Reading {
        whose: format!("Redis {}", server.address),
        ahead_ms: server.clock_us.saturating_sub(ours) / 1_000,
        within_ms: half / 1_000 + 1,
    }
}

/// The checks of all servers: of each check the worst.
fn judge(servers: &[ServerSeen], processes: u32) -> Vec<Check> {
    let judges: [&dyn Fn(&ServerSeen) -> Check; 6] =
        [&role, &version, &persistence, &memory, &|server| connections(server, processes), &latency];
    let worst = |judge: &&dyn Fn(&ServerSeen) -> Check| {
        let checks = servers.iter().map(|server| {
            let check = judge(server);
            Check { seen: format!("{}: {}", server.address, check.seen), ..check }
        });
        checks.max_by_key(|check| severity(check.mark))
    };
    judges.iter().filter_map(worst).collect()
}

const fn severity(mark: Mark) -> u8 {
    match mark {
        Mark::Ok => 0,
        Mark::Open => 1,
        Mark::Warn => 2,
        Mark::Fail => 3,
    }
}

fn role(server: &ServerSeen) -> Check {
    const NAME: &str = "redis.role";
    let (role, replicas) = (server.says("role"), server.counts("connected_slaves").unwrap_or_default());
    let seen = format!("{role}, {replicas} replicas");
    if role != "master" || server.says("loading") == "1" {
        return Check::fail(NAME, seen, "a primary that has read its data", "point REDIS_URL at the primary");
    }
    Check::ok(NAME, seen)
}

fn version(server: &ServerSeen) -> Check {
    const NAME: &str = "redis.version";
    let valkey = server.says("valkey_version");
    let version = server.says("redis_version");
    let major: u64 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    let seen =
        if valkey.is_empty() { format!("Redis {version}") } else { format!("Valkey {valkey}, as Redis {version}") };
    if major < VERSION_MIN {
        return Check::fail(NAME, seen, format!("Redis {VERSION_MIN} or newer, or Valkey"), "upgrade it");
    }
    Check::ok(NAME, seen)
}

fn persistence(server: &ServerSeen) -> Check {
    const NAME: &str = "redis.persistence";
    let advice = "CONFIG SET appendonly yes and appendfsync everysec, and the same in its file";
    let wanted = "appendonly yes, appendfsync everysec or always, the last write ok";
    let (on, wrote) = (server.says("aof_enabled") == "1", server.says("aof_last_write_status"));
    if !on {
        return Check::fail(NAME, "appendonly no: a restart loses every place and hold", wanted, advice);
    }
    let seen = format!("appendonly yes, last write {wrote}");
    match server.appendfsync.as_deref() {
        _ if wrote != "ok" => Check::fail(NAME, seen, wanted, "see its disk"),
        Some(fsync @ ("everysec" | "always")) => Check::ok(NAME, format!("{seen}, appendfsync {fsync}")),
        Some(fsync) => Check::fail(NAME, format!("{seen}, appendfsync {fsync}"), wanted, advice),
        None => {
            Check::open(NAME, format!("{seen}; it does not tell appendfsync"), wanted, "look where it is configured")
        }
    }
}

fn memory(server: &ServerSeen) -> Check {
    const NAME: &str = "redis.memory";
    const MIB: u64 = 1 << 20;
    let policy = server.says("maxmemory_policy");
    let count = |name: &str| server.counts(name).unwrap_or_default();
    let (used, bound, of_machine) = (count("used_memory"), count("maxmemory"), count("total_system_memory"));
    let room = if bound == 0 { of_machine } else { bound };
    let free_percent = room.saturating_sub(used).saturating_mul(100).checked_div(room).unwrap_or_default();
    let seen = format!("{policy}, {} MiB of {} used", used / MIB, room / MIB);
    if policy != "noeviction" {
        let wanted = "noeviction: another policy throws places and holds away";
        return Check::fail(NAME, seen, wanted, "CONFIG SET maxmemory-policy noeviction, and the same in its file");
    }
    let wanted = format!("{FREE_PERCENT_WARN} % free");
    match free_percent {
        ..FREE_PERCENT_FAIL => {
            Check::fail(NAME, seen, wanted, "raise maxmemory, or delete the keys of sales that ended")
        }
        FREE_PERCENT_FAIL..FREE_PERCENT_WARN => Check::warn(NAME, seen, wanted, "raise maxmemory"),
        _ if bound == 0 => Check::warn(
            NAME,
            format!("{seen}, maxmemory 0"),
            "a bound, so that Redis refuses before the kernel ends it",
            "set maxmemory to three quarters of the machine",
        ),
        _ => Check::ok(NAME, seen),
    }
}

fn connections(server: &ServerSeen, processes: u32) -> Check {
    const NAME: &str = "redis.connections";
    let each = u64::try_from(StoreConfig::default().connections).unwrap_or(u64::MAX);
    let needed = each.saturating_mul(u64::from(processes));
    let (bound, there) = (server.counts("maxclients"), server.counts("connected_clients").unwrap_or_default());
    let Some(bound) = bound else {
        return Check::open(
            NAME,
            "it does not tell maxclients",
            format!("{needed} or more"),
            "look where it is configured",
        );
    };
    let seen = format!("{there} of {bound} in use, {processes} processes × {each} = {needed}");
    if there.saturating_add(needed) > bound {
        return Check::fail(NAME, seen, "room for all processes started anew", "raise maxclients");
    }
    Check::ok(NAME, seen)
}

fn latency(server: &ServerSeen) -> Check {
    const NAME: &str = "redis.latency";
    let trip = server.round_trip;
    let seen = format!("{} µs there and back, the median of 21", trip.as_micros());
    let wanted = format!("below {} ms", ROUND_TRIP_WARN.as_millis());
    let advice = "run this beside the gateways; put them and Redis in one zone";
    match trip {
        trip if trip > ROUND_TRIP_FAIL => Check::fail(NAME, seen, wanted, advice),
        trip if trip > ROUND_TRIP_WARN => Check::warn(NAME, seen, wanted, advice),
        _ => Check::ok(NAME, seen),
    }
}
