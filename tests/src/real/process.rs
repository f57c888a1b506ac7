//! Child processes that never outlive this one.
//!
//! A test process may be killed, and its statics are never dropped. So a guard (a shell that holds nothing but the
//! read end of a pipe) waits until this process is gone, kills what `FOLDER/pids` names and removes the folder.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;

/// Waits for the end of its input. `$1` is the folder.
const GUARD: &str = r#"trap '' INT TERM HUP
read -r _
for pid in "$1"/pids/*; do kill -9 "${pid##*/}" 2>/dev/null; done
rm -rf "$1""#;
/// Bytes at the end of a log that an error quotes.
const QUOTED: u64 = 2_000;

/// The guard of one control plane's children and folder.
pub(super) struct Guard {
    child: std::process::Child,
    folder: PathBuf,
}

impl Guard {
    /// Makes a private folder and starts to guard it.
    pub(super) fn start() -> Result<Self, Error> {
        let fail = |source| Error::Io { what: "a private folder", source };
        let folder = tempfile::Builder::new().prefix("regent-real-").tempdir().map_err(fail)?;
        std::fs::create_dir(folder.path().join("pids")).map_err(fail)?;
        let child = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Io { what: "the guard of child processes", source })?;
        // From here on the folder is the guard's to remove.
        Ok(Self { child, folder: folder.keep() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts `program`, which logs to `FOLDER/NAME.log`.
    pub(super) fn spawn(
        &self,
        name: &'static str,
        program: &Path,
        args: &[String],
    ) -> Result<Child, Error> {
        let fail = |source| Error::Io { what: name, source };
        let log = self.folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).map_err(fail)?;
        let child = Command::new(program)
            .args(args)
            // Servers that live for minutes: collecting their garbage costs more than the memory is worth.
            .env("GOGC", "300")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(fail)?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let pid = self.folder.join("pids").join(child.id().to_string());
        let child = Child { child, name, log, pid };
        File::create(&child.pid).map_err(fail)?;
        Ok(child)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The end of its input is its sign; the children were ended before, so it only removes the folder.
        drop(self.child.stdin.take());
        let _waited = self.child.wait();
    }
}

/// One child. Killed when dropped.
pub(super) struct Child {
    child: std::process::Child,
    name: &'static str,
    log: PathBuf,
    pid: PathBuf,
}

impl Child {
    /// An error that quotes its log where it ended.
    pub(super) fn running(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Error::Ended { what: self.name, log: tail(&self.log) }),
            Err(source) => Err(Error::Io { what: self.name, source }),
        }
    }
}

impl Child {
    /// Halts it where it is.
    pub(super) fn halt(&self) -> Result<Halted, Error> {
        signal(self.child.id(), "-STOP", self.name)?;
        Ok(Halted { pid: self.child.id(), name: self.name })
    }
}

/// A child that does not run, though it is there. Killing it works all the same.
pub(super) struct Halted {
    pid: u32,
    name: &'static str,
}

impl Halted {
    /// Lets it run again.
    pub(super) fn go_on(self) -> Result<(), Error> {
        signal(self.pid, "-CONT", self.name)
    }
}

fn signal(pid: u32, signal: &str, what: &'static str) -> Result<(), Error> {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
    match sent {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Error::Io { what, source: std::io::Error::other(format!("kill: {status}")) })
        }
        Err(source) => Err(Error::Io { what, source }),
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Already ended is fine.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
        // Its number may be another's from now on.
        let _forgotten = std::fs::remove_file(&self.pid);
    }
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(QUOTED)))?;
        let mut found = Vec::new();
        file.take(QUOTED).read_to_end(&mut found)?;
        Ok(found)
    };
    match read() {
        Ok(found) => String::from_utf8_lossy(&found).into_owned(),
        Err(error) => format!("its log cannot be read: {error}"),
    }
}
