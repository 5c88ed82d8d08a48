//! The processes themselves: whether they say that they are ready, and how many files they may open.
//!
//! Their admin addresses are given (`--ready`), or the usual ones on this machine are tried. A process tells its own limit of open files
//! where its metrics have it; else only the limit of this command is known, and a service or a container has another.

use gateway::{CONNECTIONS_MAX, SOCKETS_MAX};
use http::{StatusCode, Uri};

use super::fetch::{Fetched, fetch};
use super::report::Check;
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 2] = ["readyz", "files"];

/// Where processes listen unless they are told otherwise.
const USUAL: [&str; 2] = ["http://127.0.0.1:9464", "http://127.0.0.1:9465"];
/// What a gateway opens beside sockets: stores, Stripe, its listeners, and room.
const BESIDE_SOCKETS: u64 = 1_000;
/// With less than this, a gateway refuses a few thousand people.
const FILES_MIN: u64 = 4_096;
const FILES_METRIC: &str = "process_max_fds ";

pub(super) async fn look(wish: &Wish<'_>) -> Looked {
    let given: Vec<String> = wish.options.ready.iter().map(ToString::to_string).collect();
    let asked = if given.is_empty() { USUAL.map(str::to_owned).to_vec() } else { given.clone() };
    let answers = futures_util::future::join_all(asked.iter().map(|base| ask(base))).await;
    let source = if given.is_empty() { Source::Usual } else { Source::Given };
    let ready = readiness(&asked, &answers, source);
    let told = answers.iter().flatten().filter_map(|process| process.files).min();
    Looked::of(vec![ready, files(told.map_or_else(own_limit, Limit::Process))])
}

/// How it is known where processes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Given,
    /// They may be there, or not.
    Usual,
}

/// What a process said.
struct Process {
    /// The lines that are not good; none when it is ready.
    not_ready: Option<String>,
    files: Option<u64>,
}

async fn ask(base: &str) -> Result<Process, String> {
    let at =
        |path: &str| format!("{}{path}", base.trim_end_matches('/')).parse::<Uri>().map_err(|error| error.to_string());
    let Fetched { status, body } = fetch(&at("/readyz?verbose")?, None).await?;
    let bad: Vec<&str> = body.lines().filter(|line| line.starts_with("[-]")).collect();
    let not_ready =
        (status != StatusCode::OK).then(|| if bad.is_empty() { status.to_string() } else { bad.join(", ") });
    let metrics = fetch(&at("/metrics")?, None).await.map(|fetched| fetched.body).unwrap_or_default();
    let files = metrics.lines().find_map(|line| line.strip_prefix(FILES_METRIC)?.trim().parse().ok());
    Ok(Process { not_ready, files })
}

fn readiness(asked: &[String], answers: &[Result<Process, String>], source: Source) -> Check {
    const NAME: &str = "readyz";
    let advice = "see what it says, and its log";
    let mut bad = Vec::new();
    for (base, answer) in asked.iter().zip(answers) {
        match answer {
            Ok(Process { not_ready: None, .. }) => {}
            Ok(Process { not_ready: Some(why), .. }) => bad.push(format!("{base}: {why}")),
            Err(_) if source == Source::Usual => {}
            Err(error) => bad.push(format!("{base}: {error}")),
        }
    }
    if !bad.is_empty() {
        return Check::fail(NAME, bad.join("; "), "every process ready", advice);
    }
    let ready = answers.iter().filter(|answer| answer.is_ok()).count();
    if ready < asked.len() {
        let seen = format!("{ready} of {} answered at the usual addresses on this machine", asked.len());
        return Check::open(NAME, seen, "the admin address of each process", "say --ready URL for each");
    }
    Check::ok(NAME, format!("{ready} processes are ready"))
}

/// How many files may be open, and whose limit that is.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Process(u64),
    Command(u64),
}

fn own_limit() -> Limit {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // None is no limit at all.
    Limit::Command(limit.current.unwrap_or(u64::MAX))
}

fn files(limit: Limit) -> Check {
    const NAME: &str = "files";
    let (most, whose) = match limit {
        Limit::Process(most) => (most, "of the process that has least"),
        Limit::Command(most) => (most, "of this command; a service has its own"),
    };
    let sockets = u64::try_from(CONNECTIONS_MAX).unwrap_or(u64::MAX).max(SOCKETS_MAX.into());
    let wanted = sockets.saturating_add(BESIDE_SOCKETS);
    let seen = format!("{most} open files, {whose}");
    let wants = format!("{wanted}: {sockets} sockets of a full gateway and {BESIDE_SOCKETS}");
    let advice = "LimitNOFILE= of the service, --ulimit nofile of the container, or more gateways";
    match most {
        ..FILES_MIN => Check::fail(NAME, seen, wants, advice),
        _ if most < wanted => Check::warn(NAME, seen, wants, advice),
        _ => Check::ok(NAME, seen),
    }
}
