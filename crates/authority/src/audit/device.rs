//! Where lines go.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::options::Audit;

/// Lines that a memory device keeps: a test's worth.
const MEMORY_LINES_MAX: usize = 10_000;

pub(super) enum Device {
    File { path: PathBuf, file: Mutex<File> },
    Stdout,
    Memory(Mutex<VecDeque<String>>),
}

impl Device {
    pub(super) fn open(audit: &Audit) -> io::Result<Self> {
        Ok(match audit {
            Audit::File(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                Self::File { path: path.clone(), file: Mutex::new(options.open(path)?) }
            }
            Audit::Stdout => Self::Stdout,
            Audit::Memory => Self::Memory(Mutex::default()),
        })
    }

    /// Type and place, as `sys/audit` names them.
    pub(super) fn describe(&self) -> (&'static str, String) {
        match self {
            Self::File { path, .. } => ("file", path.display().to_string()),
            Self::Stdout => ("file", "stdout".to_owned()),
            Self::Memory(_) => ("memory", String::new()),
        }
    }

    /// Appends one line as a whole, or not at all as far as the file can be cut back.
    pub(super) fn append(&self, line: &str) -> io::Result<()> {
        match self {
            Self::File { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let before = file.metadata()?.len();
                file.write_all(line.as_bytes()).inspect_err(|_| {
                    // Half a line would spoil the next one; a device (a pipe) cannot be cut, that
                    // is fine.
                    let _ = file.set_len(before);
                })
            }
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes())?;
                out.flush()
            }
            Self::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == MEMORY_LINES_MAX {
                    lines.pop_front();
                }
                lines.push_back(line.trim_end().to_owned());
                Ok(())
            }
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::File { .. } | Self::Stdout => Vec::new(),
            Self::Memory(lines) => {
                lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
            }
        }
    }
}
