//! What an order costs of the processor, by process, and what is left of it for others.

use std::time::Duration;

use sandbox::figures::{Figure, Table};
use sandbox::processor;

use crate::world::World;

/// Ours, in the order of [`Spent::ours`].
const PROCESSES: [&str; 5] =
    ["gateway", "workers", "Postgres, all its processes", "Redis", "buyers, fake Stripe and mail sink"];

/// Time of the processor.
pub(crate) struct Spent {
    ours: [Duration; 5],
    everybodys: Duration,
    /// What Postgres wrote to its log.
    log_bytes: i64,
}

impl Spent {
    pub(crate) async fn until_now(world: &World) -> Self {
        let info = world.redis.command(&["INFO", "server"]).await.unwrap();
        let redis = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().parse().unwrap();
        let parent = r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::bigint";
        let postgres = u32::try_from(world.counts(parent).await).unwrap();
        let log_bytes = world.counts("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").await;
        let ours = [
            processor::of(world.gateway.id()),
            processor::of(world.workers.id()),
            processor::of_family(postgres),
            processor::of(redis),
            processor::of(std::process::id()),
        ];
        Self { ours, everybodys: of_everybody(), log_bytes }
    }

    pub(crate) fn since(self, before: &Self) -> Self {
        let mut ours = self.ours;
        ours.iter_mut().zip(before.ours).for_each(|(now, before)| *now = now.saturating_sub(before));
        Self {
            ours,
            everybodys: self.everybodys.saturating_sub(before.everybodys),
            log_bytes: self.log_bytes - before.log_bytes,
        }
    }

    /// For each of so many orders, which took so long.
    pub(crate) fn print(&self, took_s: f64, orders: f64, table: &Table) {
        let all: Duration = self.ours.iter().sum();
        let an_order = |spent: Duration| format!("{:.2} ms", 1_000.0 * spent.as_secs_f64() / orders);
        let all_ms = 1_000.0 * all.as_secs_f64() / orders;
        table.figure(&Figure::new("the processor for a paid order, of all processes", all_ms, "ms"));
        for (process, spent) in PROCESSES.iter().zip(self.ours) {
            let share = 100.0 * spent.as_secs_f64() / all.as_secs_f64();
            table.note(&format!("  {process}"), &format!("{} {share:>3.0} %", an_order(spent)));
        }
        let cores = |spent: Duration| format!("{:.2} cores", spent.as_secs_f64() / took_s);
        table.note("of the processor we had", &cores(all));
        table.note("  and others meanwhile", &cores(self.everybodys.saturating_sub(all)));
        let alone = 2.0 * orders / all.as_secs_f64();
        table.note("two cores of our own could do, at most", &format!("{alone:.0} /s"));
        table.note("Postgres' log, an order", &format!("{:.1} kB", self.kilobytes() / orders));
    }

    fn kilobytes(&self) -> f64 {
        f64::from(u32::try_from(self.log_bytes / 1_000).unwrap())
    }
}

/// What all processes of the machine have used: user, nice, system, interrupts of both kinds, and what
/// the host took.
fn of_everybody() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let fields: Vec<u64> =
        stat.lines().next().unwrap().split_whitespace().skip(1).map(|field| field.parse().unwrap()).collect();
    Duration::from_millis(10 * (fields[..3].iter().sum::<u64>() + fields[5..8].iter().sum::<u64>()))
}
