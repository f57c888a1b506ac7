//! Why a record was not sealed or opened. It names keys and terms, never a value.

use crate::storage::StoreError;

/// Why a record was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BarrierError {
    /// No keyring in memory.
    #[error("sealed")]
    Sealed,
    /// The data file did not serve.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// The record is too short or of an unknown version.
    #[error("the record at {0} is not one of this barrier")]
    Malformed(String),
    /// The record was altered, or moved from another key.
    #[error("the record at {0} is not authentic")]
    NotAuthentic(String),
    /// The record names a key that the keyring does not have.
    #[error("the record at {key} needs key term {term}, which the keyring lacks")]
    NoSuchTerm {
        /// Where the record is.
        key: String,
        /// The term it names.
        term: u32,
    },
    /// No MAC could be made with the derived key.
    #[error("no MAC")]
    Mac,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// A key has sealed as many records as is safe; rotate.
    #[error("key term {0} has sealed as many records as is safe: rotate the keyring (sys/rotate)")]
    Exhausted(u32),
}
