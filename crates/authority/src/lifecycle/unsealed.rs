//! What unsealing loads and sealing forgets.

use std::sync::Arc;

use crate::audit::Salt;
use crate::error::ApiError;
use crate::mounts::Mounts;
use crate::policies::PolicyStore;
use crate::reviewer::TokenReviewer;
use crate::tokens::TokenStore;

/// Everything that needs the keyring.
pub(crate) struct Unsealed {
    pub(crate) services: Services,
    pub(crate) mounts: Mounts,
    /// Key of the audit log's HMACs.
    pub(crate) salt: Salt,
}

impl Unsealed {
    /// Ends the tokens of auth mounts that were removed: when one is, and at the next unseal where a crash
    /// came between.
    pub(crate) async fn finish_removals(&self) -> Result<(), ApiError> {
        for path in self.mounts.to_revoke() {
            self.services.tokens.revoke_prefix(&path).await?;
            self.mounts.revoked(&path).await?;
        }
        Ok(())
    }
}

/// What engines share, made anew at each unseal.
pub(crate) struct Services {
    /// Issues, finds and revokes tokens.
    pub(crate) tokens: TokenStore,
    /// Finds policies and builds ACLs.
    pub(crate) policies: PolicyStore,
    /// Asks Kubernetes who a token belongs to.
    pub(crate) reviewer: Arc<dyn TokenReviewer>,
}
