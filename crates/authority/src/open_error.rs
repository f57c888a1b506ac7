//! Why an authority did not open.

use std::path::PathBuf;

use regent_types::{Advice, Explain};

use crate::options::Storage;
use crate::storage::StoreError;

/// Why an authority did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data file is open in another process, or twice in this one.
    #[error("the data file {path} is open elsewhere")]
    Locked {
        /// As [`Storage::File`] named it; `(memory)` where there is none.
        path: PathBuf,
    },
    /// The file is something else, or of another generation of this program.
    #[error("{path} is not a data file of this program")]
    NotADataFile {
        /// As [`Storage::File`] named it; `(memory)` where there is none.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The data file's checksums do not hold.
    #[error("the data file {path} is damaged")]
    Damaged {
        /// As [`Storage::File`] named it; `(memory)` where there is none.
        path: PathBuf,
        /// What was wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The data file could not be read or written.
    #[error("the data file {path} cannot be opened")]
    Io {
        /// As [`Storage::File`] named it; `(memory)` where there is none.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The audit log could not be opened.
    #[error("the audit log {path} cannot be opened")]
    Audit {
        /// As [`crate::Audit::File`] named it; `(standard output)` or `(memory)` where there is none.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

impl OpenError {
    pub(crate) fn of(storage: &Storage, error: StoreError) -> Self {
        let path = match storage {
            Storage::File(path) => path.clone(),
            Storage::Memory => PathBuf::from("(memory)"),
        };
        match error {
            StoreError::Locked => Self::Locked { path },
            StoreError::NotADataFile(_) => Self::NotADataFile { path, source: Box::new(error) },
            StoreError::Damaged(_) | StoreError::Unreadable(_) | StoreError::Page { .. } => {
                Self::Damaged { path, source: Box::new(error) }
            }
            StoreError::Io(_)
            | StoreError::Transaction(_)
            | StoreError::Closed
            | StoreError::CannotWrite
            | StoreError::TooMany(_) => Self::Io { path, source: Box::new(error) },
        }
    }
}

impl Explain for OpenError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "DataFileLocked",
            Self::NotADataFile { .. } => "NotADataFile",
            Self::Damaged { .. } => "DataFileDamaged",
            Self::Io { .. } => "DataFileUnreadable",
            Self::Audit { .. } => "AuditLogUnwritable",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Locked { path } => Advice::new(
                format!("{} used by one authority", path.display()),
                "another process that holds its lock",
                "stop the other authority, or give this one a data file of its own",
            ),
            Self::NotADataFile { path, .. } => Advice::new(
                "a data file of this program, or no file",
                format!("other content at {}", path.display()),
                "name the right file, or move this one away",
            ),
            Self::Damaged { path, .. } => Advice::new(
                "a data file whose checksums hold",
                format!("a damaged one at {}", path.display()),
                "keep a copy of it and restore the newest snapshot",
            ),
            Self::Io { path, .. } => Advice::new(
                format!("read and write access to {}", path.display()),
                "an error of the operating system (see the cause)",
                "check the folder, its owner and the free space",
            ),
            Self::Audit { path, .. } => Advice::new(
                format!("append access to {}", path.display()),
                "an error of the operating system (see the cause)",
                "check the folder, its owner and the free space: nothing is served unaudited",
            ),
        }
    }
}
