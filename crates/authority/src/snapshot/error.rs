//! Why a snapshot was not made, or is none. Names keys, places and numbers, never a value.

use std::io;
use std::time::Duration;

use crate::barrier::BarrierError;
use crate::storage::StoreError;

/// Why a snapshot was not made, or is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is no snapshot of this program")]
    NotASnapshot,
    #[error("it is a snapshot of format {found}, and this program reads format {known}")]
    Version {
        /// What it says it is.
        found: u16,
        /// What is read here.
        known: u16,
    },
    #[error("it is truncated")]
    Truncated,
    /// A chain value does not hold.
    #[error("it is damaged: {0} is not as it was written")]
    Damaged(String),
    #[error("it goes on after its end")]
    TooLong,
    #[error("it says that it holds {told} records and holds {found}")]
    Count {
        /// As its header says.
        told: u64,
        found: u64,
    },
    /// The MAC is not this authority's.
    #[error("it was not made by who can open this authority's seal")]
    NotAuthentic,
    #[error("it is of another authority: {found}, and this one is {own}")]
    Foreign {
        /// Id in its header.
        found: String,
        /// Id of this one.
        own: String,
    },
    /// A record that its chain vouches for does not open.
    #[error("its record at {0} does not open with this authority's keys")]
    Record(String),
    #[error("the record at {0} is too long for a snapshot")]
    RecordTooLong(String),
    /// The place did not answer in time.
    #[error("{doing} took longer than {} s and was given up", .limit.as_secs_f32())]
    Hung {
        doing: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// Too many earlier uses of the place have not ended.
    #[error("{0} earlier uses of the place still hang")]
    StillHangs(usize),
    /// A thread ended without a word.
    #[error("{0} ended without an answer")]
    Lost(&'static str),
    /// It was sealed meanwhile.
    #[error("the authority was sealed meanwhile")]
    Sealed,
    /// Nothing was initialized yet.
    #[error("the authority is not initialized")]
    NotInitialized,
    /// A file of that name is there already.
    #[error("{0} is there already")]
    Exists(String),
    /// A file that had been there is not.
    #[error("it is gone")]
    Gone,
    /// It has another length than when it was tried.
    #[error("it has {found} bytes and had {told} when it was restored on trial")]
    Length {
        /// When it was tried.
        told: u64,
        /// What the place says now.
        found: u64,
    },
    /// The data file, or the one of a trial, did not serve.
    #[error("storage failed: {0}")]
    Store(#[source] StoreError),
    /// Keys did not serve.
    #[error("barrier failed: {0}")]
    Barrier(#[source] BarrierError),
}

/// What an error says about the snapshot that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is not what was written, and never will be.
    Damaged,
    /// It is somebody else's, or of another release: not to be judged here.
    Foreign,
    /// Nothing: the place, the disk or the seal were in the way.
    Nothing,
}

impl SnapshotError {
    /// What it says about the snapshot that was read: only a damaged one may be let go for it.
    pub(super) fn says(&self) -> Says {
        match self {
            Self::NotASnapshot
            | Self::Truncated
            | Self::Damaged(_)
            | Self::TooLong
            | Self::Count { .. }
            | Self::NotAuthentic
            | Self::Record(_)
            | Self::Length { .. }
            | Self::Gone => Says::Damaged,
            Self::Version { .. } | Self::Foreign { .. } => Says::Foreign,
            Self::Io(_)
            | Self::RecordTooLong(_)
            | Self::Hung { .. }
            | Self::StillHangs(_)
            | Self::Lost(_)
            | Self::Sealed
            | Self::NotInitialized
            | Self::Exists(_)
            | Self::Store(_)
            | Self::Barrier(_) => Says::Nothing,
        }
    }
}

impl From<StoreError> for SnapshotError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BarrierError> for SnapshotError {
    fn from(error: BarrierError) -> Self {
        match error {
            BarrierError::Sealed => Self::Sealed,
            other => Self::Barrier(other),
        }
    }
}
