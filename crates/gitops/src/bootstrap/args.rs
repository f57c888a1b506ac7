//! What bootstrap needs to know that no object says.

use regent_types::labels;

/// What bootstrap needs beside its identity.
#[derive(Clone, Debug)]
pub struct Args {
    /// Regent's own namespace, where the manifest identity and the HMAC key are.
    pub system_namespace: String,
}

impl Default for Args {
    fn default() -> Self {
        Self { system_namespace: labels::SYSTEM_NAMESPACE.to_owned() }
    }
}
