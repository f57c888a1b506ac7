//! Why a call was not answered. Never a value: messages name fields, paths, versions.

use crate::barrier::BarrierError;
use crate::snapshot::SnapshotError;
use crate::storage::StoreError;

/// Why a call was not answered; `http::status` maps each to its code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request is malformed or its condition (`cas`) does not hold.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// 403: no token, a bad one, or one whose policies do not allow this.
    #[error("permission denied")]
    Denied,
    /// 404 with no text: nothing there.
    #[error("nothing there")]
    NotFound,
    /// 404 with text: no mount has this path.
    #[error("no handler for route {0:?}. route entry not found.")]
    NoHandler(String),
    /// 405: the path is known, the method is not.
    #[error("unsupported operation")]
    Unsupported,
    /// 413: the body is over `http::limits::BODY_BYTES_MAX`, or values would outgrow a KV version.
    #[error("request body too large")]
    TooLarge,
    /// 415: a PATCH that is not `application/merge-patch+json`.
    #[error("PATCH requires Content-Type application/merge-patch+json")]
    MediaType,
    /// 429: no turn to be had.
    #[error("too many requests at once")]
    Busy,
    /// 503: no keyring in memory; unsealing ends this.
    #[error("Vault is sealed")]
    Sealed,
    /// 504: the request's deadline passed; its effect may still happen.
    #[error("deadline exceeded")]
    Deadline,
    /// 500: the disk takes no writes; reads go on.
    #[error(
        "nothing can be written: the disk of the authority refuses it; reads go on, and it is tried again by itself \
         when there is room"
    )]
    CannotWrite,
    /// 500: our error. The client sees `internal error`, or that nothing can be audited; the log gets the cause.
    #[error("{}", .0.told())]
    Internal(#[source] InternalCause),
}

/// What went wrong inside: for the log, never for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InternalCause {
    #[error("storage failed")]
    Store(#[source] StoreError),
    /// A record could not be sealed or opened.
    #[error("barrier failed")]
    Barrier(#[source] BarrierError),
    /// A stored record does not read as what it must be.
    #[error("stored {0} is not readable")]
    Corrupt(&'static str),
    /// What is known of snapshots could not be read.
    #[error("snapshots failed")]
    Snapshot(#[source] SnapshotError),
    /// Something could not be written as JSON.
    #[error("{0} cannot be encoded")]
    Encode(&'static str),
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// No audit device took the entry.
    #[error("no audit device accepted the entry")]
    Audit,
    /// Sealing a share to a recipient failed.
    #[error("share could not be sealed to its recipient")]
    SealShare,
    /// Something outside failed: the token reviewer.
    #[error("{0} failed")]
    Upstream(&'static str),
    /// A task ended without an answer.
    #[error("the request's task ended without an answer")]
    Lost,
}

impl InternalCause {
    /// What the client is told.
    fn told(&self) -> &'static str {
        match self {
            Self::Audit => {
                "the audit log takes no entry, and nothing is answered without one; the log of the server says why, and \
                 it is tried again with each request"
            }
            _ => "internal error",
        }
    }
}

impl ApiError {
    /// A 400 with one sentence.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(vec![message.into()])
    }

    /// A 500 for a stored record that does not read.
    pub(crate) fn corrupt(what: &'static str) -> Self {
        Self::Internal(InternalCause::Corrupt(what))
    }
}

impl From<BarrierError> for ApiError {
    fn from(error: BarrierError) -> Self {
        match error {
            BarrierError::Sealed => Self::Sealed,
            BarrierError::Store(source) => source.into(),
            other => Self::Internal(InternalCause::Barrier(other)),
        }
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Sealed => Self::Sealed,
            SnapshotError::Store(source) => source.into(),
            SnapshotError::Barrier(source) => source.into(),
            other => Self::Internal(InternalCause::Snapshot(other)),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::CannotWrite => Self::CannotWrite,
            other => Self::Internal(InternalCause::Store(other)),
        }
    }
}
