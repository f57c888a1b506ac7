//! Why the data file did not serve.

use std::sync::Arc;

/// Why the data file did not serve.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process, or this one, has the file open.
    #[error("the data file is open elsewhere")]
    Locked,
    /// The file is no data file, or of another generation.
    #[error("not a data file of this program")]
    NotADataFile(#[source] Arc<redb::Error>),
    /// The file's checksums do not hold.
    #[error("the data file is damaged")]
    Damaged(#[source] Arc<redb::Error>),
    /// A page is not as it was written.
    #[error(
        "the data file is damaged: its page at byte {at}, or one beside it, is not as it was written"
    )]
    Page {
        /// Where it was read last.
        at: u64,
        #[source]
        source: Option<Arc<redb::Error>>,
    },
    /// The operating system refused.
    #[error("reading or writing the data file failed")]
    Io(#[source] Arc<std::io::Error>),
    #[error("the data file's transaction failed")]
    Transaction(#[source] Arc<redb::Error>),
    /// A record in it does not read as what it must be.
    #[error("the stored {0} is not readable")]
    Unreadable(&'static str),
    /// The disk refused a write and will be asked again.
    #[error("the disk takes no writes: they are tried again when there is room")]
    CannotWrite,
    /// The store has been closed.
    #[error("the data file is closed")]
    Closed,
    /// More keys than one listing may hold.
    #[error("more than {0} entries in one listing")]
    TooMany(usize),
}

impl StoreError {
    /// What reading came to when it met a page that makes no sense at all.
    pub(super) fn senseless() -> Self {
        Self::Damaged(Arc::new(redb::Error::Corrupted("a page makes no sense".to_owned())))
    }

    /// Sorts redb's error into what a person can act on.
    pub(super) fn of(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Locked,
            error @ redb::Error::UpgradeRequired(_) => Self::NotADataFile(Arc::new(error)),
            error @ redb::Error::Corrupted(_) => Self::Damaged(Arc::new(error)),
            redb::Error::Io(source) if source.kind() == std::io::ErrorKind::InvalidData => {
                Self::NotADataFile(Arc::new(redb::Error::Io(source)))
            }
            redb::Error::Io(source) => Self::Io(Arc::new(source)),
            other => Self::Transaction(Arc::new(other)),
        }
    }
}
