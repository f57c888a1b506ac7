//! A new data file from a snapshot, without any key: everything in it stays sealed. An authority that is started on it goes
//! on as after cluster loss.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use regent_types::{Advice, Explain};

use super::error::SnapshotError;
use super::load::load;
use super::reader::SnapshotReader;
use super::restored::{RESTORED_KEY, Restored};

/// What a restored data file holds, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredFile {
    /// Id of the authority that made the snapshot.
    pub cluster: String,
    /// When the snapshot was taken.
    pub taken: Timestamp,
    /// How many records it has, without the note of the restore.
    pub keys: u64,
    /// How often this authority has been restored.
    pub epoch: u64,
}

/// Why nothing was restored. There is no data file then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something lies where the data file is to be.
    #[error("{path} is there already")]
    Exists {
        /// Where the data file was to be.
        path: PathBuf,
    },
    /// The snapshot is none, or not as it was written.
    #[error("{path} cannot be restored")]
    Snapshot {
        /// The file that was named.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The data file could not be written.
    #[error("the data file {path} could not be written")]
    DataFile {
        /// Where the data file was to be.
        path: PathBuf,
        /// What the storage said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Makes the data file `to` from the snapshot `from`, at the time `at`: whole or not at all.
///
/// # Errors
/// [`RestoreError::Exists`] where `to` is there; else what is wrong with the snapshot, or with the disk.
pub fn restore(from: &Path, to: &Path, at: Timestamp) -> Result<RestoredFile, RestoreError> {
    if to.exists() {
        return Err(RestoreError::Exists { path: to.to_owned() });
    }
    make(from, to, at).map_err(|error| match error {
        SnapshotError::Store(source) => {
            RestoreError::DataFile { path: to.to_owned(), source: Box::new(source) }
        }
        other => RestoreError::Snapshot { path: from.to_owned(), source: Box::new(other) },
    })
}

fn make(from: &Path, to: &Path, at: Timestamp) -> Result<RestoredFile, SnapshotError> {
    let mut reader = SnapshotReader::begin(BufReader::new(File::open(from)?))?;
    let header = reader.header().clone();
    let name = from.file_name().unwrap_or(from.as_os_str()).to_string_lossy().into_owned();
    let mut epoch = 1;
    load(&mut reader, to, |file, trailer| {
        if let Some(earlier) = file.get(RESTORED_KEY)? {
            let earlier: Restored = serde_json::from_slice(&earlier)
                .map_err(|_| SnapshotError::Record(RESTORED_KEY.to_owned()))?;
            epoch = earlier.epoch.saturating_add(1);
        }
        let noted = Restored::new(name, header.taken, at, epoch, trailer);
        let noted = serde_json::to_vec(&noted).map_err(std::io::Error::from)?;
        Ok(file.add(&[(RESTORED_KEY.to_owned(), noted)])?)
    })?;
    Ok(RestoredFile { cluster: header.cluster, taken: header.taken, keys: header.keys, epoch })
}

impl Explain for RestoreError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "DataFileExists",
            Self::Snapshot { .. } => "SnapshotUnusable",
            Self::DataFile { .. } => "DataFileUnwritable",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Exists { path } => Advice::new(
                "a data file that is not there yet: nothing is written over",
                format!("a file at {}", path.display()),
                "name another --data-file, or move that one away",
            ),
            Self::Snapshot { source, .. } => Advice::new(
                "a whole snapshot, as it was written",
                source.to_string(),
                "take the one before it: nothing was restored",
            ),
            Self::DataFile { path, source } => Advice::new(
                format!("a new data file at {}", path.display()),
                source.to_string(),
                "check the folder, its owner and the free space",
            ),
        }
    }
}
