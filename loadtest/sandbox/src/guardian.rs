//! The guardian of one private server: a tiny shell process that outlives the owner just long enough to clean up.
//!
//! `Drop` does not run after `kill -9`, and statics are never dropped. The guardian holds the reading end of a pipe whose
//! writing end only the owner holds (the standard library opens it close-on-exec); when the owner ends, the pipe closes,
//! and the guardian ends the server and removes its directory. It sits in a process group of its own, so a Ctrl-C in the
//! terminal does not reach it. It does not survive being killed itself.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::SandboxError;

const SCRIPT: &str = include_str!("guardian.sh");

/// How often the end of a process is looked for; ends take milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks before we stop waiting for the guardian: it has 5 s of its own, and removing a directory takes well under one.
const LOOKS_MAX: u32 = 1_400;

/// The running guardian; dropping it makes it remove the directory, and waits for that.
#[derive(Debug)]
pub(crate) struct Guardian {
    process: Child,
}

impl Guardian {
    /// Starts a guardian over `directory`. `end_signal` is the name of the signal that ends the server at once.
    pub(crate) fn start(directory: &Path, end_signal: &str) -> Result<Guardian, SandboxError> {
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guardian"])
            .arg(directory)
            .arg(end_signal)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(SandboxError::io("start the guardian of a private server"))?;
        Ok(Guardian { process })
    }

    /// From now on process `id` is the one to end.
    pub(crate) fn watch(&mut self, id: u32) -> Result<(), SandboxError> {
        self.say(id)
    }

    /// From now on there is no process to end. Said only after the process was waited for, so its id was never free.
    pub(crate) fn forget(&mut self) -> Result<(), SandboxError> {
        self.say(0)
    }

    fn say(&mut self, id: u32) -> Result<(), SandboxError> {
        let pipe = self.process.stdin.as_mut().expect("the pipe is open until the guardian is dropped");
        pipe.write_all(format!("{id}\n").as_bytes())
            .map_err(SandboxError::io("speak to the guardian of a private server"))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if !ended_within(&mut self.process, LOOKS_MAX) {
            tracing::warn!(guardian = self.process.id(), "a private server's directory is still being removed");
        }
    }
}

/// Waits for `process` without a runtime, as `Drop` must; bounded.
pub(crate) fn ended_within(process: &mut Child, looks_max: u32) -> bool {
    for _ in 0..looks_max {
        match process.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) => std::thread::sleep(LOOK_EVERY),
        }
    }
    false
}
