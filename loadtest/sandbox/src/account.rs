//! Which account a private server runs as. Postgres refuses root, so root hands its servers to an unprivileged account.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::SandboxError;

/// Accounts tried in this order; the first exists wherever Postgres came from a package, the second everywhere else.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The account a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// The account we run as ourselves.
    Ourselves,
    /// Another account; only root can choose this.
    Account { uid: u32, gid: u32 },
}

impl RunAs {
    /// Ourselves, unless we are root.
    pub(crate) fn unprivileged() -> Result<RunAs, SandboxError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(RunAs::Ourselves);
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(SandboxError::io("read /etc/passwd"))?;
        UNPRIVILEGED.iter().find_map(|name| account(&accounts, name)).ok_or(SandboxError::NoUnprivilegedUser)
    }

    /// Makes `command` run as this account, in a process group of its own so that a Ctrl-C meant for the owner misses it.
    pub(crate) fn apply(self, command: &mut Command) {
        command.process_group(0);
        if let RunAs::Account { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives `path` to this account.
    pub(crate) fn own(self, path: &Path) -> Result<(), SandboxError> {
        match self {
            RunAs::Ourselves => Ok(()),
            RunAs::Account { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(SandboxError::io(format!("chown {}", path.display())))
            }
        }
    }
}

/// Finds `name:_:uid:gid:…` in the text of `/etc/passwd`; macOS writes `nobody` as −2.
fn account(accounts: &str, name: &str) -> Option<RunAs> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(unix_id);
    Some(RunAs::Account { uid: numbers.next()??, gid: numbers.next()?? })
}

fn unix_id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().or_else(|| Some(text.parse::<i32>().ok()?.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::{RunAs, account};

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\npostgresql:x:5:5::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:*:-2:-2::/:/usr/bin/false\n";

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        assert_eq!(account(PASSWD, "postgres"), Some(RunAs::Account { uid: 101, gid: 104 }));
        assert_eq!(account(PASSWD, "post"), None);
    }

    #[test]
    fn negative_ids_wrap_as_the_kernel_reads_them() {
        assert_eq!(account(PASSWD, "nobody"), Some(RunAs::Account { uid: u32::MAX - 1, gid: u32::MAX - 1 }));
    }
}
