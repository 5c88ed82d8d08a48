//! What the system says of this process, under the names that all exporters use.
//!
//! Read from `/proc` when somebody scrapes, and written as text behind what the recorder knows: its counters are whole numbers, and
//! CPU time is not. Where there is no `/proc`, what it would say is left out.

use std::fmt::Write as _;
use std::fs;

use domain::clock::Clock;
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// CPU time, of all threads.
const CPU: &str = "process_cpu_seconds_total";
/// Memory in RAM.
const RESIDENT: &str = "process_resident_memory_bytes";
/// Open files, sockets among them.
const OPEN_FDS: &str = "process_open_fds";
/// The most open files.
const MAX_FDS: &str = "process_max_fds";
/// When it started.
const START_TIME: &str = "process_start_time_seconds";
/// Threads.
const THREADS: &str = "process_threads";

/// Each with its type and what it means.
pub(super) const ALL: [(&str, &str, &str); 6] = [
    (CPU, "counter", "CPU time of this process, user and system."),
    (RESIDENT, "gauge", "Memory of this process in RAM."),
    (OPEN_FDS, "gauge", "Open files of this process, sockets among them."),
    (MAX_FDS, "gauge", "The most open files that this process may have."),
    (START_TIME, "gauge", "When this process started, in seconds since 1970."),
    (THREADS, "gauge", "Threads of this process."),
];

/// When the process started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started(Timestamp);

impl Started {
    /// Now: the first thing a process does is to install its recorder.
    pub(super) fn now() -> Self {
        Self(Clock::system().now())
    }
}

/// Writes what is known, as Prometheus reads it.
pub(super) fn write(text: &mut String, started: Started) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, kind, help) in ALL {
        let value = match name {
            CPU => Some(cpu_seconds()),
            RESIDENT => said(&status, "VmRSS:").map(|kib| (kib * 1_024).to_string()),
            OPEN_FDS => open_fds().map(|count| count.to_string()),
            MAX_FDS => getrlimit(Resource::Nofile).current.map(|count| count.to_string()),
            START_TIME => Some(format!("{:.3}", started.0.as_duration().as_secs_f64())),
            _ => said(&status, "Threads:").map(|count| count.to_string()),
        };
        if let Some(value) = value {
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
                .expect("a string takes all that is written");
        }
    }
}

fn cpu_seconds() -> String {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    format!("{}.{:09}", spent.tv_sec, spent.tv_nsec)
}

/// The number behind a word in `/proc/self/status`.
fn said(status: &str, word: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// How many files are open. Newer kernels say it as the size of the folder; listing it takes tens of milliseconds when sockets are
/// many.
fn open_fds() -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        // The one that lists is open, too.
        0 => u64::try_from(fs::read_dir(folder).ok()?.count().saturating_sub(1)).ok(),
        count => Some(count),
    }
}
