//! `pgbench`, which comes with Postgres: the reference.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs a script of one transaction for a while over so many connections.
pub(crate) async fn transactions_per_s(url: &str, script: &str, connections: usize, time: Duration) -> f64 {
    let connections = connections.to_string();
    let mut child = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--file=-"])
        .args(["--client", &connections, "--time", &time.as_secs().to_string(), url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("pgbench is installed with Postgres");
    child.stdin.take().expect("it was piped").write_all(script.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench says no rate:\n{printed}"))
}
