//! One request as an engine sees it: complete and immutable.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use regent_types::Sensitive;

use super::Data;

/// What a request wants to do, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// A write of something that is not there yet.
    Create,
    /// A read.
    Read,
    /// A write.
    Update,
    /// A JSON merge patch.
    Patch,
    /// A deletion.
    Delete,
    /// A list; the path ends in `/` or is empty.
    List,
}

impl Operation {
    /// The name in policies and in the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }

    /// Whether it is a POST or PUT.
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }
}

/// One request.
pub(crate) struct Call {
    /// What to do.
    pub(crate) op: Operation,
    /// Path below the mount, decoded, without leading `/`; for a list it ends in `/` or is empty.
    pub(crate) path: String,
    /// The mount's path with its trailing `/`, e.g. `secret/`, `auth/kubernetes/`.
    pub(crate) mount: String,
    /// JSON body or query parameters (those are strings, repeated ones arrays of strings).
    pub(crate) data: Data,
    /// Who asks; `None` only on paths that need no token.
    pub(crate) caller: Option<Arc<Caller>>,
    /// The token itself, below `auth/token/` only, whose answers repeat it.
    pub(crate) token: Option<Sensitive<String>>,
    /// The time of the request.
    pub(crate) now: Timestamp,
}

/// Who a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Public handle of the token.
    pub(crate) accessor: String,
    /// Policy names, sorted; `root` alone for a root token.
    pub(crate) policies: Vec<String>,
    /// E.g. `token`, `kubernetes-regent-system-regent-warden`.
    pub(crate) display_name: String,
    /// What the login noted.
    pub(crate) metadata: BTreeMap<String, String>,
    /// HMAC of the token id: the key under which the token store keeps it.
    pub(crate) token_id_hash: String,
    /// Whether `root` is among the policies.
    pub(crate) is_root: bool,
    /// Path that issued it, e.g. `auth/kubernetes/login`.
    pub(crate) issued_at_path: String,
}
