//! Variables that carry our name and that nothing reads: most are misspelt.
//!
//! What is known is what the command line declares, so it cannot lag behind. Only names that begin with [`OURS`] are judged:
//! `STRIPE_` and the like belong to other programs too.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Command;

/// How the names begin that nobody else has reason to use.
const OURS: &str = "ONSALE_";

/// Which of the names that are given nothing reads, in order.
pub(crate) fn unknown(command: &Command, given: impl Iterator<Item = OsString>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    read_by(command, &mut known);
    let ours = given.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with(OURS));
    ours.filter(|name| !known.contains(name)).collect()
}

/// Adds the variables of a command and of those below it.
fn read_by(command: &Command, known: &mut BTreeSet<String>) {
    let named = command.get_arguments().filter_map(|argument| argument.get_env());
    known.extend(named.map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|below| read_by(below, known));
}
