//! Who asks.

use std::collections::BTreeMap;

/// Who a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Public handle of the token.
    pub(crate) accessor: String,
    /// Policy names, sorted; `root` alone for a root token.
    pub(crate) policies: Vec<String>,
    /// For people, e.g. `kubernetes-regent-system-regent-warden`: decides nothing.
    pub(crate) display_name: String,
    /// What the login noted, e.g. the role and the ServiceAccount.
    pub(crate) metadata: BTreeMap<String, String>,
    /// HMAC of the token id: the key under which the token store keeps it.
    pub(crate) token_id_hash: String,
    /// Whether `root` is among the policies.
    pub(crate) is_root: bool,
    /// Path that issued it, e.g. `auth/kubernetes/login`.
    pub(crate) issued_at_path: String,
}
