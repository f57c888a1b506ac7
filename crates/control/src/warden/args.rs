//! What warden needs to know that no object says.

/// What warden is told beside its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// The API server as the authority reaches it: `kubernetes_host` of its kubernetes auth.
    pub kubernetes_host: String,
    /// CA of that API server, PEM; only for an authority that runs outside the cluster, which has
    /// no other way to know it (PROTOCOLS.md §3).
    pub kubernetes_ca_cert: Option<String>,
}
