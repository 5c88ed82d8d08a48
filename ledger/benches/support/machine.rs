//! What the figures were made on.

use std::io::{Seek as _, Write as _};
use std::time::Instant;

use sandbox::figures::{Table, median};
use tokio_postgres::Client;

/// Syncs that are timed: what a commit waits for.
const SYNCS: usize = 100;
/// A page of the log.
const PAGE_BYTES: usize = 8_192;

/// Prints cores, load, Postgres and its settings, and what a sync takes.
pub(crate) async fn describe(client: &Client) {
    let table = Table::new("this machine");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    table.note("cores", &cores.to_string());
    table.note("processor", &line_of("/proc/cpuinfo", "model name").unwrap_or_default());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    table.note("load of the last minute, others' included", load.split(' ').next().unwrap_or_default());
    for setting in ["server_version", "fsync", "synchronous_commit", "wal_sync_method", "shared_buffers"] {
        let value: String = client.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap().get(0);
        table.note(setting, &value);
    }
    table.note(&format!("fdatasync of {PAGE_BYTES} bytes, median of {SYNCS}"), &format!("{:.0} us", sync_us()));
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// In the directory for temporary files, where the private cluster is too.
pub(crate) fn sync_us() -> f64 {
    let path = std::env::temp_dir().join(format!("onsale-fdatasync-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.rewind().unwrap();
        file.write_all(&[1; PAGE_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    std::fs::remove_file(path).unwrap();
    median(&mut times)
}
