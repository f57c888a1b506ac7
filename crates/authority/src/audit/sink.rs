//! Where lines end up: a file, standard output, memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::options::Audit;

/// Lines that memory keeps: a test's worth.
const MEMORY_LINES_MAX: usize = 10_000;

/// Disk space that a log file holds ahead of its end, so that whatever else fills the disk, some
/// 10,000 requests more can still be noted and answered.
const RESERVE_BYTES: u64 = 16 << 20;

/// Written since the space was last set aside, from which more is.
const RESERVE_AGAIN_BYTES: u64 = RESERVE_BYTES / 2;

/// Where lines end up.
pub(super) enum Sink {
    File(LogFile),
    Stdout,
    Memory(VecDeque<String>),
    /// Whatever a test puts in their way.
    #[cfg(test)]
    Custom(Box<dyn Write + Send>),
}

/// What writing to a sink may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    Nothing,
    /// Microseconds, while the disk is well.
    Disk,
    /// Somebody else, who may read or not.
    Reader,
}

/// A log file and the disk space that is set aside for it.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// A regular file: can be cut back, and writing to it does not wait for a reader.
    is_regular: bool,
    /// Written since space was set aside.
    written: u64,
}

impl Sink {
    pub(super) fn open(audit: &Audit) -> io::Result<Self> {
        Ok(match audit {
            Audit::File(path) => Self::File(LogFile::open(path)?),
            Audit::Stdout => Self::Stdout,
            Audit::Memory => Self::Memory(VecDeque::new()),
        })
    }

    /// What writing may wait for.
    pub(super) fn waits_for(&self) -> WaitsFor {
        match self {
            Self::Memory(_) => WaitsFor::Nothing,
            Self::File(log) if log.is_regular => WaitsFor::Disk,
            Self::File(_) | Self::Stdout => WaitsFor::Reader,
            #[cfg(test)]
            Self::Custom(_) => WaitsFor::Reader,
        }
    }

    /// Appends whole lines, or nothing of them as far as a file can be cut back.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(log) => log.append(lines),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            }
            Self::Memory(kept) => {
                for line in String::from_utf8_lossy(lines).lines() {
                    if kept.len() == MEMORY_LINES_MAX {
                        kept.pop_front();
                    }
                    kept.push_back(line.to_owned());
                }
                Ok(())
            }
            #[cfg(test)]
            Self::Custom(writer) => writer.write_all(lines),
        }
    }

    /// Opens the file of that name anew: the old one may have been moved away. What is no file stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(log) = self {
            *log = LogFile::open(&log.path)?;
        }
        Ok(())
    }

    /// The newest lines of memory.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Memory(lines) => lines.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // A pipe without a reader is opened all the same, and hangs when it is full.
        options.read(is_pipe(path));
        let file = options.open(path)?;
        let is_regular = file.metadata()?.is_file();
        let mut log = Self { path: path.to_owned(), file, is_regular, written: 0 };
        log.reserve();
        Ok(log)
    }

    fn append(&mut self, mut rest: &[u8]) -> io::Result<()> {
        let whole = rest.len();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return self.cut(whole - rest.len(), io::ErrorKind::WriteZero.into()),
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.cut(whole - rest.len(), error),
            }
        }
        self.written += whole as u64;
        if self.written >= RESERVE_AGAIN_BYTES {
            self.reserve();
        }
        Ok(())
    }

    /// Half a line would spoil the next one; what is no regular file cannot be cut, that is fine.
    fn cut(&self, taken: usize, error: io::Error) -> io::Result<()> {
        if taken > 0
            && self.is_regular
            && let Ok(found) = self.file.metadata()
        {
            // The error that is told is the first one.
            let _ = self.file.set_len(found.len().saturating_sub(taken as u64));
        }
        Err(error)
    }

    /// Sets space aside beyond the end; a file system that cannot do so goes without.
    fn reserve(&mut self) {
        self.written = 0;
        if !self.is_regular {
            return;
        }
        if let Ok(found) = self.file.metadata() {
            let _ = fallocate(&self.file, FallocateFlags::KEEP_SIZE, found.len(), RESERVE_BYTES);
        }
    }
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

impl Drop for LogFile {
    /// Gives back what was set aside: the file may have been moved away to be kept.
    fn drop(&mut self) {
        if self.is_regular
            && let Ok(found) = self.file.metadata()
        {
            let _ = self.file.set_len(found.len());
        }
    }
}
