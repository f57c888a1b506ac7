//! `sys/regent/recover`: whoever has the shares gets new ones; the old ones are dead (PROTOCOLS.md
//! §3).
//!
//! Works sealed and unsealed. The key-encryption key, its shares and the config change in one
//! commit; the root key and everything below it stay.

use super::core::Core;
use super::init::seal_records;
use super::transition::Transition;
use super::unseal::share_error;
use crate::error::ApiError;
use crate::seal::shamir::Share;
use crate::seal::{Kek, SealConfig, SealedShare};

impl Core {
    /// New shares for the stored holders, and `threshold` for `unseal_recipient`. Unseals if
    /// sealed.
    pub(crate) async fn recover(
        &self,
        shares: Vec<Share>,
        unseal_recipient: Option<String>,
    ) -> Result<(Vec<SealedShare>, usize), ApiError> {
        let mut transition = self.transition.lock().await;
        let seal = self.initialized()?;
        let old = &seal.config;
        if old.holders.is_empty() {
            return Err(ApiError::invalid(
                "this authority was initialized without holders: nobody to seal new shares to",
            ));
        }
        for share in &shares {
            Kek::check(share, old.threshold).map_err(share_error)?;
        }
        let shares = distinct(shares, old.threshold);
        if shares.len() < old.threshold {
            return Err(ApiError::invalid(format!(
                "{} different shares are fewer than the threshold of {}",
                shares.len(),
                old.threshold
            )));
        }
        let root = self.root_key(&seal, &shares).await?;
        // Read before anything changes: a keyring that does not open must not cost the old shares.
        let keyring = self.load_keyring(root.clone()).await?;
        let holders = old.holders.clone();
        let config = SealConfig::for_holders(
            holders,
            old.threshold,
            unseal_recipient,
            old.cluster_id.clone(),
        )?;
        let records = seal_records(&config, &root)?;
        self.commit_seal(records.writes).await?;
        // Shares and attempts of the old key are worthless now.
        *transition = Transition::default();
        if self.unsealed().is_none() {
            self.activate(keyring).await?;
        }
        tracing::info!(component = "authority", "recovered: new shares made, old shares are dead");
        Ok((records.sealed, config.threshold))
    }
}

fn distinct(shares: Vec<Share>, threshold: usize) -> Vec<Share> {
    let mut out: Vec<Share> = Vec::new();
    for share in shares {
        // With threshold 1 a share has no x: one of them is enough.
        let known = |other: &Share| threshold == 1 || other.last() == share.last();
        if !out.iter().any(known) {
            out.push(share);
        }
    }
    out
}
