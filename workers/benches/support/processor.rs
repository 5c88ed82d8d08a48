//! What processes have used of the processor, as the kernel counts it: in hundredths of a second.

use std::time::Duration;

/// What a process has used, threads that ended too.
pub(crate) fn of(process: u32) -> Duration {
    sum(process, 11..13)
}

/// The same with the processes that it has started, ended ones too; not with what those have started.
pub(crate) fn of_family(process: u32) -> Duration {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |other: &u32| stat(*other).is_some_and(|stat| stat[1] == process.to_string());
    let children: Duration = processes.filter(is_child).map(of).sum();
    sum(process, 11..15) + children
}

fn sum(process: u32, fields: std::ops::Range<usize>) -> Duration {
    let Some(stat) = stat(process) else { return Duration::ZERO };
    Duration::from_millis(10 * stat[fields].iter().filter_map(|field| field.parse::<u64>().ok()).sum::<u64>())
}

/// What the kernel says of a process after its name: its state, its parent, …
fn stat(process: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
