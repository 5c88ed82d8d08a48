//! Where the time of an order goes: what the processes, Redis and Postgres say of themselves.
//!
//! Times are by the wall: waiting for a lock, the disk or a turn of the processor is in them, and parts of different rows may
//! be the same time. A function of Postgres counts without those that it calls.

use std::collections::BTreeMap;

use http::Method;
use sandbox::actors::Edge;
use sandbox::figures::Table;
use serde_json::Value;

use crate::world::World;

/// What the rows of a part begin with, and how many of them are printed.
const PARTS: [&str; 4] = ["gateway", "workers", "Redis", "Postgres"];
const ROWS: usize = 5;
/// Labels of a call in the metrics of the gateway.
const CALL: [&str; 2] = ["http_request_method", "http_route"];

/// Milliseconds by the name of the part.
pub(crate) struct Parts(BTreeMap<String, f64>);

/// Postgres counts from here on what its functions take.
pub(crate) async fn count_functions(world: &World) {
    world.database.execute("ALTER SYSTEM SET track_functions = 'pl'").await.unwrap();
    world.database.execute("SELECT pg_reload_conf()").await.unwrap();
}

impl Parts {
    /// Until now, but for Postgres.
    pub(crate) async fn of_processes(world: &World) -> Self {
        let mut parts = BTreeMap::new();
        let calls = sums(&world.gateway.admin, "http_server_request_duration_seconds_sum", &CALL).await;
        parts.extend(calls.into_iter().map(|(name, ms)| (format!("gateway: {name}"), ms)));
        let jobs = sums(&world.workers.admin, "onsale_job_duration_seconds_sum", &["queue"]).await;
        parts.extend(jobs.into_iter().map(|(name, ms)| (format!("workers: {name}"), ms)));
        let stats = world.redis.command(&["INFO", "commandstats"]).await.unwrap();
        parts.extend(stats.lines().filter_map(command));
        Self(parts)
    }

    /// Until now, of Postgres; its sessions tell what they did when they have been idle for ten seconds.
    pub(crate) async fn of_postgres(world: &World) -> Self {
        let functions = "SELECT coalesce(string_agg(funcname || ' ' || self_time, E'\n'), '')
                           FROM (SELECT funcname, sum(self_time) AS self_time FROM pg_stat_user_functions GROUP BY 1) AS f";
        let told = world.database.text(functions).await.unwrap();
        let function = |line: &str| {
            let (name, ms) = line.split_once(' ')?;
            Some((format!("Postgres: {name}"), ms.parse().ok()?))
        };
        Self(told.lines().filter_map(function).collect())
    }

    /// The most of each part, for each of so many orders.
    pub(crate) fn print(&self, before: &Self, orders: f64, table: &Table) {
        for part in PARTS {
            let taken = |(name, ms): (&String, &f64)| (name.clone(), ms - before.0.get(name).unwrap_or(&0.0));
            let mut rows: Vec<_> = self.0.iter().filter(|(name, _)| name.starts_with(part)).map(taken).collect();
            rows.sort_by(|one, other| other.1.total_cmp(&one.1));
            for (name, ms) in rows.iter().take(ROWS) {
                table.note(&format!("  {name}"), &format!("{:.2} ms", ms / orders));
            }
        }
    }
}

/// What a histogram of a process has come to, in milliseconds, by the values of these labels.
async fn sums(admin: &Edge, metric: &str, labels: &[&str]) -> BTreeMap<String, f64> {
    let answer = admin.ask(Method::GET, "/metrics", &[], &Value::Null).await.unwrap();
    let mut sums = BTreeMap::new();
    for line in answer.body.as_str().unwrap().lines().filter_map(|line| line.strip_prefix(metric)) {
        let (series, seconds) = line.rsplit_once(' ').unwrap();
        let value = |label: &&str| series.split_once(&format!("{label}=\""))?.1.split('"').next();
        let name: Vec<_> = labels.iter().filter_map(value).collect();
        *sums.entry(name.join(" ")).or_default() += 1_000.0 * seconds.parse::<f64>().unwrap();
    }
    sums
}

/// A line like `cmdstat_evalsha:calls=12,usec=340,…`; what a script runs counts beside the script, too.
fn command(line: &str) -> Option<(String, f64)> {
    let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let usec: f64 = stats.split(',').find_map(|stat| stat.strip_prefix("usec="))?.parse().ok()?;
    Some((format!("Redis: {name}"), usec / 1_000.0))
}
