//! Unsealing: shares one at a time, then the root key, then the keyring.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::core::Core;
use super::seal_cache::StoredSeal;
use crate::barrier::{BarrierError, KEYRING_KEY, Keyring};
use crate::error::{ApiError, InternalCause};
use crate::random;
use crate::seal::shamir::{ShamirError, Share};
use crate::seal::{Kek, ROOT_KEY, unwrap_root};

impl Core {
    /// Takes one share; with the last of them the authority serves. A wrong set is forgotten as a
    /// whole.
    pub(crate) async fn unseal(&self, share: Share) -> Result<(), ApiError> {
        let mut transition = self.transition.lock().await;
        let seal = self.initialized()?;
        if self.unsealed().is_some() {
            return Ok(());
        }
        let nonce = random::uuid()?;
        let given = transition.unseal.add(share, seal.config.threshold, nonce);
        let Some(shares) = given.map_err(share_error)? else { return Ok(()) };
        let root = self.root_key(&seal, &shares).await?;
        let keyring = self.load_keyring(root).await?;
        self.activate(keyring).await
    }

    /// Forgets the shares given so far.
    pub(crate) async fn unseal_reset(&self) {
        self.transition.lock().await.unseal.reset();
    }

    /// The seal config and its stored form, or the 400 for an authority that has none yet.
    pub(super) fn initialized(&self) -> Result<Arc<StoredSeal>, ApiError> {
        self.seal_config().ok_or_else(|| ApiError::invalid("Vault is not initialized"))
    }

    /// What the shares unwrap: opening it is the proof that they are right.
    pub(super) async fn root_key(
        &self,
        seal: &StoredSeal,
        shares: &[Share],
    ) -> Result<Zeroizing<[u8; 32]>, ApiError> {
        let kek = Kek::combine(shares, seal.config.threshold).map_err(share_error)?;
        let wrapped = self.store.get(ROOT_KEY.to_owned()).await?;
        let wrapped = wrapped.ok_or_else(|| ApiError::corrupt("root key"))?;
        unwrap_root(&kek, &wrapped, &seal.bytes).map_err(|error| match error {
            BarrierError::NotAuthentic(_) => ApiError::invalid(
                "the shares do not open the root key: at least one is wrong, of another authority, \
                 or from before the last recover",
            ),
            other => other.into(),
        })
    }

    pub(super) async fn load_keyring(
        &self,
        root: Zeroizing<[u8; 32]>,
    ) -> Result<Keyring, ApiError> {
        let record = self.store.get(KEYRING_KEY.to_owned()).await?;
        let record = record.ok_or_else(|| ApiError::corrupt("keyring"))?;
        Keyring::from_record(root, &record).map_err(ApiError::from)
    }
}

/// What a person did wrong is a 400; the rest is ours.
pub(super) fn share_error(error: ShamirError) -> ApiError {
    match error {
        ShamirError::Random => ApiError::Internal(InternalCause::Random),
        ShamirError::Impossible { .. }
        | ShamirError::Length { .. }
        | ShamirError::Coordinate
        | ShamirError::Duplicate => ApiError::invalid(error.to_string()),
    }
}
