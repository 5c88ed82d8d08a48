//! One private server process: its directory, its guardian, and how it starts, stops and is found dead.
//!
//! Order of a start: the directory is made, the guardian is started over it, a launcher is spawned that waits for a word on
//! its input, the guardian is told the launcher's id, and only then is the word said and the launcher becomes the server.
//! So there is no moment in which the owner can die and leave a server behind. Bounds: [`START_MAX`], [`STOP_MAX`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;
use uuid::Uuid;

use crate::SandboxError;
use crate::account::RunAs;
use crate::guardian::{Guardian, ended_within};

/// Longest wait for a server to answer after a start; a crash recovery on a busy machine takes seconds.
pub(crate) const START_MAX: Duration = Duration::from_secs(60);
/// Longest wait for a server to end by itself; a last checkpoint on a busy disk takes seconds.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(30);
/// How often readiness and ends are looked for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Looks of 5 ms in `Drop`: Postgres' immediate shutdown gives its children 5 s before it kills them.
const DROP_LOOKS_MAX: u32 = 1_200;
/// How much of a log an error shows.
const LOG_TAIL_LINES: usize = 20;

/// Becomes the server when told to on its input; ends quietly when the owner dies before saying so.
const LAUNCHER: &str = r#"read -r go && exec "$@" </dev/null"#;

/// What distinguishes one kind of server from another.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name used in errors and directory names.
    pub(crate) name: &'static str,
    /// The signal for an orderly stop.
    pub(crate) stop: Signal,
    /// The signal for an end at once, and its name for the guardian.
    pub(crate) end: (Signal, &'static str),
}

/// A server process with a directory of its own. Dropping it ends the process and removes the directory.
#[derive(Debug)]
pub(crate) struct Server {
    kind: &'static Kind,
    directory: PathBuf,
    run_as: RunAs,
    process: Option<Child>,
    // After `process`: dropped last, so the directory goes when nobody writes to it any more.
    guardian: Guardian,
}

impl Server {
    /// Makes the directory and its guardian; nothing runs yet.
    pub(crate) fn prepare(kind: &'static Kind, run_as: RunAs) -> Result<Server, SandboxError> {
        let directory =
            std::env::temp_dir().join(format!("onsale-{}-{}", kind.name.to_lowercase(), Uuid::new_v4().simple()));
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(SandboxError::io(format!("create {}", directory.display())))?;
        let guardian = Guardian::start(&directory, kind.end.1)?;
        run_as.own(&directory)?;
        Ok(Server { kind, directory, run_as, process: None, guardian })
    }

    /// Where the server keeps everything.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The id of the running process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Starts `program` in the directory, its output going to the log; does not wait for it to be ready.
    pub(crate) fn launch(&mut self, program: &Path, arguments: &[String]) -> Result<(), SandboxError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LAUNCHER, "launcher"]).arg(program).args(arguments);
        command.current_dir(&self.directory).stdin(Stdio::piped()).stdout(self.log()?).stderr(self.log()?);
        self.run_as.apply(&mut command);
        let mut process = command.spawn().map_err(SandboxError::io(format!("start {}", program.display())))?;
        let go = process.stdin.take();
        self.guardian.watch(process.id())?;
        self.process = Some(process);
        go.expect("the launcher's input is piped")
            .write_all(b"go\n")
            .map_err(SandboxError::io(format!("start {}", program.display())))
    }

    /// Runs `program` to its end; a non-zero exit is an error with the log.
    pub(crate) async fn run(&mut self, program: &Path, arguments: &[String]) -> Result<(), SandboxError> {
        self.launch(program, arguments)?;
        match self.wait(START_MAX).await? {
            Some(status) if !status.success() => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    /// Runs `program` in the directory to its end while the server runs; a non-zero exit is an error with the log.
    pub(crate) async fn run_beside(&self, program: &Path, arguments: &[String]) -> Result<(), SandboxError> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(self.log()?).stderr(self.log()?);
        self.run_as.apply(&mut command);
        let started = || format!("run {}", program.display());
        let mut process = command.spawn().map_err(SandboxError::io(started()))?;
        let deadline = Instant::now() + START_MAX;
        loop {
            match process.try_wait().map_err(SandboxError::io(started()))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.ended(status)),
                None if Instant::now() > deadline => {
                    // It may just have ended.
                    process.kill().ok();
                    return Err(self.too_slow("done", START_MAX));
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Removes a directory in the directory, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), SandboxError> {
        let path = self.directory.join(name);
        if !path.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&path).map_err(SandboxError::io(format!("remove {}", path.display())))
    }

    /// The exit status, if the process has ended; it is then forgotten.
    pub(crate) fn take_exit(&mut self) -> Result<Option<ExitStatus>, SandboxError> {
        let Some(process) = self.process.as_mut() else { return Ok(None) };
        let status = process.try_wait().map_err(SandboxError::io("wait for a private server"))?;
        if status.is_some() {
            self.process = None;
            self.guardian.forget()?;
        }
        Ok(status)
    }

    /// Asks for an orderly stop and waits for it; nothing to do when the process is already gone.
    pub(crate) async fn stop(&mut self) -> Result<(), SandboxError> {
        self.signal(self.kind.stop);
        self.wait(STOP_MAX).await.map(drop)
    }

    /// Ends the process as `kill -9` does and waits for it.
    pub(crate) async fn kill(&mut self) -> Result<(), SandboxError> {
        self.signal(Signal::KILL);
        self.wait(STOP_MAX).await.map(drop)
    }

    /// Stops the process where it is.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Server::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Puts a file into the directory, which the server may change; where it is.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, SandboxError> {
        let path = self.directory.join(name);
        fs::write(&path, text).map_err(SandboxError::io(format!("write {}", path.display())))?;
        self.run_as.own(&path)?;
        Ok(path)
    }

    /// Gives a file in the directory another name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), SandboxError> {
        fs::rename(self.directory.join(from), self.directory.join(to))
            .map_err(SandboxError::io(format!("rename {from} to {to}")))
    }

    /// The error for a process that ended by itself.
    pub(crate) fn ended(&self, status: ExitStatus) -> SandboxError {
        SandboxError::Ended { server: self.kind.name, status: status.to_string(), log: self.log_tail() }
    }

    /// The error for a wait that ran out.
    pub(crate) fn too_slow(&self, awaited: &'static str, waited: Duration) -> SandboxError {
        SandboxError::TooSlow { server: self.kind.name, awaited, waited_s: waited.as_secs(), log: self.log_tail() }
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            // The process is ours and not yet waited for: the only possible error is that it has just ended.
            kill_process(Pid::from_child(process), signal).ok();
        }
    }

    async fn wait(&mut self, at_most: Duration) -> Result<Option<ExitStatus>, SandboxError> {
        let deadline = Instant::now() + at_most;
        while self.process.is_some() {
            if let Some(status) = self.take_exit()? {
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                return Err(self.too_slow("ended", at_most));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(None)
    }

    fn log(&self) -> Result<File, SandboxError> {
        let path = self.directory.join("log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(SandboxError::io(format!("open {}", path.display())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(self.kind.end.0);
        let Some(process) = self.process.as_mut() else { return };
        if !ended_within(process, DROP_LOOKS_MAX) {
            process.kill().ok();
            process.wait().ok();
        }
        // A closed pipe means the guardian is gone; there is nobody left to tell.
        self.guardian.forget().ok();
    }
}
