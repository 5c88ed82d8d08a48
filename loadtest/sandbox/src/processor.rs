//! What processes have used of the processor, as the kernel counts it.
//!
//! Linux tells it twice: of each thread that lives, to the nanosecond; and of the process with the threads that ended, in
//! hundredths of a second, rounded down. The larger one counts: it is exact while no thread ends, and ended ones are never
//! left out. When a thread ends it may fall by less than a hundredth, so whoever subtracts does it with saturation. A
//! process that is not there, or no `/proc`, has used nothing.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Fields of `/proc/<id>/stat` after the name: a process' parent, its own time, and the time of children that ended and were
/// waited for; each time as user and system.
const PARENT: usize = 1;
const OWN: Range<usize> = 11..13;
const ENDED: Range<usize> = 13..15;

/// What a process has used, threads that ended too.
#[must_use]
pub fn of(process: u32) -> Duration {
    threads(process).sum::<Duration>().max(counted(process, OWN))
}

/// The same with the processes that it has started, ended ones too; not with what those have started.
#[must_use]
pub fn of_family(process: u32) -> Duration {
    of(process) + counted(process, ENDED) + children(process).map(of).sum::<Duration>()
}

/// What the threads that live have used, by their names; those of one name together.
#[must_use]
pub fn of_threads(process: u32) -> BTreeMap<String, Duration> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    let mut used = BTreeMap::new();
    for task in tasks.filter_map(|task| Some(task.ok()?.path())) {
        if let (Ok(name), Some(ran)) = (fs::read_to_string(task.join("comm")), ran(&task)) {
            *used.entry(name.trim_end().to_owned()).or_default() += ran;
        }
    }
    used
}

/// What nobody has used of any core since the machine started, in hundredths of a second.
#[must_use]
pub fn idle() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let hundredths: u64 = text
        .lines()
        .next()
        .into_iter()
        .flat_map(|line| line.split_whitespace().skip(4).take(2))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(10 * hundredths)
}

/// Of each thread that lives, in no order.
fn threads(process: u32) -> impl Iterator<Item = Duration> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    tasks.filter_map(|task| ran(&task.ok()?.path()))
}

fn ran(task: &Path) -> Option<Duration> {
    let nanoseconds = fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Times of a process as its `stat` has them: the unit is `USER_HZ`, 100 wherever Linux runs.
fn counted(process: u32, fields: Range<usize>) -> Duration {
    let Some(stat) = stat(process) else { return Duration::ZERO };
    let hundredths: u64 = stat[fields].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * hundredths)
}

/// Processes that it started and that still run.
fn children(process: u32) -> impl Iterator<Item = u32> {
    let parent = process.to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(move |other| stat(*other).is_some_and(|stat| stat[PARENT] == parent))
}

/// What the kernel says of a process after its name: its state, its parent, …
fn stat(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}
