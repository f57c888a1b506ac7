//! What is known while sealed, and what unsealing loads.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::core::Core;
use super::seal_cache::StoredSeal;
use super::transition::Transition;
use super::unsealed::{Services, Unsealed};
use crate::audit::Salt;
use crate::barrier::{Keyring, View};
use crate::error::ApiError;
use crate::mounts::Mounts;
use crate::policies::PolicyStore;
use crate::seal::{SHARES_KEY, SealedShare};
use crate::tokens::TokenStore;

/// Where the audit log's key is.
pub(super) const AUDIT_SALT_KEY: &str = "core/audit-salt";

/// Where tokens are mounted: always.
pub(super) const TOKEN_MOUNT: &str = "auth/token/";

/// What can be said of the seal without the keyring.
pub(crate) struct SealState {
    /// Who holds shares; `None`: not initialized.
    pub(crate) stored: Option<Arc<StoredSeal>>,
    /// Whether anything can be read.
    pub(crate) sealed: bool,
    /// Shares given since the last attempt ended.
    pub(crate) progress: usize,
    /// Names the attempt; empty before its first share.
    pub(crate) nonce: String,
}

impl Core {
    /// What is known without the keyring. It waits for a transition under way.
    pub(crate) async fn seal_state(&self) -> SealState {
        let transition = self.transition.lock().await;
        SealState {
            stored: self.seal_config(),
            sealed: self.unsealed().is_none(),
            progress: transition.unseal.progress(),
            nonce: transition.unseal.nonce().to_owned(),
        }
    }

    /// The seal config in force; `None` before initialization.
    pub(crate) fn seal_config(&self) -> Option<Arc<StoredSeal>> {
        self.seal.get()
    }

    /// The sealed shares as they were made.
    pub(crate) async fn sealed_shares(&self) -> Result<Vec<SealedShare>, ApiError> {
        match self.store.get(SHARES_KEY.to_owned()).await? {
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| ApiError::corrupt("sealed shares"))
            }
            None => Ok(Vec::new()),
        }
    }

    /// Forgets every key: nothing can be read any more. May be repeated.
    pub(crate) async fn seal(&self) {
        let mut transition = self.transition.lock().await;
        *transition = Transition::default();
        self.barrier.replace(None);
        let was = self.unsealed.write().unwrap_or_else(PoisonError::into_inner).take();
        if was.is_some() {
            tracing::info!(component = "authority", "sealed");
        }
    }

    /// Loads what `keyring` opens and starts to serve. The caller holds the transition.
    pub(super) async fn activate(&self, keyring: Keyring) -> Result<(), ApiError> {
        let keyring = Arc::new(keyring);
        self.barrier.replace(Some(keyring.clone()));
        match self.load(&keyring).await {
            Ok(unsealed) => {
                *self.unsealed.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::new(unsealed));
                tracing::info!(component = "authority", "unsealed");
                Ok(())
            }
            Err(error) => {
                self.barrier.replace(None);
                Err(error)
            }
        }
    }

    /// All of the encrypted storage.
    pub(super) fn root_view(&self) -> View {
        View::new(self.barrier.clone(), self.stripes.clone(), String::new())
    }

    async fn load(&self, keyring: &Keyring) -> Result<Unsealed, ApiError> {
        let root = self.root_view();
        let salt = root.get(AUDIT_SALT_KEY).await?;
        let salt = salt.as_deref().and_then(|salt| salt.first_chunk::<32>());
        let salt = salt.ok_or_else(|| ApiError::corrupt("audit salt"))?;
        let mounts = Mounts::load(root.clone()).await?;
        let tokens = mounts.at(TOKEN_MOUNT).ok_or_else(|| ApiError::corrupt("mount table"))?;
        let services = Services {
            tokens: TokenStore::new(mounts.mounted(&tokens).view, keyring.index_key()),
            policies: PolicyStore::new(root.below("policy/")),
            reviewer: self.reviewer.clone(),
        };
        let salt = Salt::new(&Zeroizing::new(*salt));
        let unsealed = Unsealed { services, mounts, salt };
        unsealed.finish_removals().await?;
        Ok(unsealed)
    }
}
