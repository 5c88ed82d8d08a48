//! Programs of others: what we write is checked with them, because a reader of our own would share our mistakes.
//!
//! `loadtest/sandbox/setup.sh python pdf` installs them. One that is missing panics with that sentence instead of leaving a test
//! out: a check that is silently not made is worse than a red one.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Interpreters to try: a Python of the user's own may be first on the PATH and have none of the system's packages.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// A Python that can import `modules`.
///
/// # Panics
/// There is none.
#[must_use]
pub fn python(modules: &[&str]) -> Command {
    let import = format!("import sys, {}", modules.join(", "));
    let can = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = PYTHONS.iter().find(|python| can(python));
    let mut command = Command::new(found.unwrap_or_else(|| panic!("no python3 with {modules:?}: {SETUP}")));
    // Nothing is left behind where the script is.
    command.arg("-B");
    command
}

const SETUP: &str = "run loadtest/sandbox/setup.sh python pdf";

/// What a program says of `args`; its standard error is the test's.
///
/// # Panics
/// It is not there, or fails.
pub fn output_of(program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<u8> {
    let output = Command::new(program).args(args).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: {SETUP}"));
    assert!(output.status.success(), "{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stdout));
    output.stdout
}
