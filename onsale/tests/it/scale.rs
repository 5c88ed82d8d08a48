//! How much a test does: enough to go red in `make test`, the full count in `make soak`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Mutex, MutexGuard};

/// Files that a process needs beside a crowd's sockets: libraries, logs, connections to stores, joins under way, and what the
/// tests beside it have open, whose counts are at most 2,000.
const SPARE_FILES: u64 = 4_000;

/// The files of this process, which crowds take in turns: two of them at once would need more than one process may have.
static FILES: Mutex<()> = Mutex::const_new(());

/// Most of the files of this process, for as long as a crowd has them; nothing where the count is the usual one.
pub(crate) type Files = Option<MutexGuard<'static, ()>>;

/// Whether this is the long run.
pub(crate) fn soak() -> bool {
    std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1")
}

/// The usual count, or the full one in the long run.
pub(crate) fn scaled(usual: usize, full: usize) -> usize {
    if soak() { full } else { usual }
}

/// The same for a crowd of sockets, when no other test has one: as many as this system lets one process have, which processes
/// started from here inherit. The files are to be kept until the sockets are gone.
pub(crate) async fn sockets(usual: usize, full: usize) -> (usize, Files) {
    let files = if soak() { Some(FILES.lock().await) } else { None };
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let most = maximum.map_or(usize::MAX, |files| usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap());
    (scaled(usual, full).min(most), files)
}
