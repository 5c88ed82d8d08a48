//! What can go wrong while the sandbox is set up. Every message says what to do about it.

use std::io;

/// A failure of the sandbox itself, never one that a fault setting asked for.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A server program is not installed.
    #[error("`{program}` was found neither in PATH nor where it is usually installed; install it with: {install}")]
    ProgramMissing {
        /// The program that was looked for.
        program: &'static str,
        /// Commands that install it, one per family of systems.
        install: &'static str,
    },
    /// We are root, Postgres refuses root, and there is nobody to run it as.
    #[error("Postgres refuses to run as root and this system has neither a user `postgres` nor a user `nobody`")]
    NoUnprivilegedUser,
    /// No loopback port could be bound.
    #[error("no free loopback port between {first} and {last}")]
    NoFreePort {
        /// First port tried.
        first: u16,
        /// Last port tried.
        last: u16,
    },
    /// A server ended by itself.
    #[error("{server} ended while starting ({status}); its log says:\n{log}")]
    Ended {
        /// Which server.
        server: &'static str,
        /// Its exit status.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A server neither answered nor ended, or did not stop.
    #[error("{server} was not {awaited} within {waited_s} s; its log says:\n{log}")]
    TooSlow {
        /// Which server.
        server: &'static str,
        /// What was waited for.
        awaited: &'static str,
        /// How long, in seconds.
        waited_s: u64,
        /// The end of its log.
        log: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Postgres refused something the sandbox asked for.
    #[error("private Postgres: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// The migration passed by the caller failed; the template was removed again.
    #[error("migration of template `{template}`: {source}")]
    Migration {
        /// Name of the template.
        template: String,
        /// The caller's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Redis answered a command of the sandbox with an error.
    #[error("private Redis: {0}")]
    Redis(String),
}

impl SandboxError {
    /// Adds what was being done to an [`io::Error`]; made for `map_err`.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> SandboxError {
        let doing = doing.into();
        move |source| SandboxError::Io { doing, source }
    }
}
