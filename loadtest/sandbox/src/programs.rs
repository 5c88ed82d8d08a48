//! Where the server programs are: PATH first, then where packages put them, the highest version first.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::SandboxError;

/// Directories with one sub-directory per Postgres version, and the part below it that holds the programs.
const POSTGRES_VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// Directories that are not always in PATH.
const PLAIN: [&str; 6] =
    ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/opt/homebrew/bin", "/usr/local/pgsql/bin", "/usr/local/sbin"];

const INSTALL_POSTGRES: &str =
    "apt-get install postgresql · dnf install postgresql-server · brew install postgresql@17";
const INSTALL_REDIS: &str = "apt-get install redis-server · dnf install valkey · brew install redis";

/// The programs a private Postgres needs, of one version.
#[derive(Debug, Clone)]
pub(crate) struct PostgresPrograms {
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) pg_basebackup: PathBuf,
}

/// Finds `initdb`, and `postgres` and `pg_basebackup` beside it.
pub(crate) fn postgres() -> Result<PostgresPrograms, SandboxError> {
    path_directories()
        .into_iter()
        .chain(postgres_directories())
        .chain(PLAIN.map(PathBuf::from))
        .find_map(|directory| {
            Some(PostgresPrograms {
                initdb: program(&directory, "initdb")?,
                postgres: program(&directory, "postgres")?,
                pg_basebackup: program(&directory, "pg_basebackup")?,
            })
        })
        .ok_or(SandboxError::ProgramMissing { program: "initdb", install: INSTALL_POSTGRES })
}

/// Finds `redis-server`, or `valkey-server` in its place.
pub(crate) fn redis() -> Result<PathBuf, SandboxError> {
    path_directories()
        .into_iter()
        .chain(PLAIN.map(PathBuf::from))
        .find_map(|directory| program(&directory, "redis-server").or_else(|| program(&directory, "valkey-server")))
        .ok_or(SandboxError::ProgramMissing { program: "redis-server", install: INSTALL_REDIS })
}

fn path_directories() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn program(directory: &Path, name: &str) -> Option<PathBuf> {
    let path = directory.join(name);
    path.is_file().then_some(path)
}

fn postgres_directories() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = POSTGRES_VERSIONED
        .iter()
        .flat_map(|(parent, prefix, below)| {
            versions(Path::new(parent), prefix).into_iter().map(move |(version, path)| (version, path.join(below)))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Sub-directories of `parent` named `<prefix><major version>`.
fn versions(parent: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::versions;

    #[test]
    fn versions_are_numbers_not_text() {
        let parent = std::env::temp_dir().join(format!("onsale-programs-{}", uuid::Uuid::new_v4().simple()));
        for name in ["9", "15", "postgresql@16", "common"] {
            fs::create_dir_all(parent.join(name)).unwrap();
        }
        let mut found: Vec<u32> = versions(&parent, "").into_iter().map(|(version, _)| version).collect();
        found.sort_unstable();
        assert_eq!(found, [9, 15]);
        assert_eq!(versions(&parent, "postgresql@").len(), 1);
        fs::remove_dir_all(&parent).unwrap();
    }
}
