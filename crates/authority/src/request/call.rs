//! One request: as it came, and as an engine sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use regent_types::Sensitive;

use super::caller::Caller;
use super::operation::Operation;
use crate::error::ApiError;
use crate::wipe::Data;

/// A request, parsed and checked for form only.
pub(crate) struct Request {
    /// Names it in the answer and in the audit log.
    pub(crate) id: String,
    /// When reading it began: the time of every decision about it.
    pub(crate) now: Timestamp,
    /// What it wants; a write is an `Update` until the engine says otherwise.
    pub(crate) op: Operation,
    /// Path below `/v1/`, decoded; a list's ends in `/`.
    pub(crate) path: String,
    /// Body of a write, query parameters of all else.
    pub(crate) data: Data,
    /// From `X-Vault-Token` or `Authorization: Bearer`.
    pub(crate) token: Option<Sensitive<String>>,
    /// From `X-Vault-Wrap-TTL`: seconds for which the answer is to lie wrapped; 0: it is not.
    pub(crate) wrap_ttl_s: u64,
    /// The peer's address; `None` if not served with connect info.
    pub(crate) remote: Option<SocketAddr>,
}

/// One request as an engine sees it: complete, and permitted by policy.
pub(crate) struct Call {
    /// As policy granted it: a write is told apart as `Create` or `Update`.
    pub(crate) op: Operation,
    /// Path below the mount, decoded, without leading `/`; for a list it ends in `/` or is empty.
    pub(crate) path: String,
    /// The mount's path with its trailing `/`, e.g. `secret/`, `auth/kubernetes/`.
    pub(crate) mount: String,
    /// JSON body or query parameters (those are strings, repeated ones arrays of strings).
    pub(crate) data: Data,
    /// Who asks; `None` only on paths that need no token.
    pub(crate) caller: Option<Arc<Caller>>,
    /// The token itself, below `auth/token/` and `sys/wrapping/` only, which speak of it.
    pub(crate) token: Option<Sensitive<String>>,
    /// Seconds for which the answer will lie wrapped; 0: it will not.
    pub(crate) wrap_ttl_s: u64,
    /// The time of the request.
    pub(crate) now: Timestamp,
}

impl Call {
    /// Fails with a 405 unless this is a read.
    pub(crate) fn require_read(&self) -> Result<(), ApiError> {
        if self.op == Operation::Read { Ok(()) } else { Err(ApiError::Unsupported) }
    }

    /// Fails with a 405 unless this is a POST or PUT.
    pub(crate) fn require_write(&self) -> Result<(), ApiError> {
        if self.op.is_write() { Ok(()) } else { Err(ApiError::Unsupported) }
    }
}
