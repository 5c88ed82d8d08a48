//! How much a test does: enough to go red in `make test`, the full count in `make soak`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs beside its sockets: libraries, logs, connections to stores, joins under way.
const SPARE_FILES: u64 = 1_000;

/// Whether this is the long run.
pub(crate) fn soak() -> bool {
    std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1")
}

/// The usual count, or the full one in the long run.
pub(crate) fn scaled(usual: usize, full: usize) -> usize {
    if soak() { full } else { usual }
}

/// The same for sockets: as many as this system lets one process have, which processes started from here inherit.
pub(crate) fn sockets(usual: usize, full: usize) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let most = maximum.map_or(usize::MAX, |files| usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap());
    scaled(usual, full).min(most)
}
