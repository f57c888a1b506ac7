//! What a person with holders' identities does at the authority, as library functions for the CLI
//! and `regent dev` (PROTOCOLS.md §3). They run with the person's rights, never with warden's.
//!
//! ```text
//!   unseal        opens shares, gives them                        seal.unattended: false
//!   recover       proves the shares, seals them to this cluster   after cluster loss
//!   join          its own login mount beside another's            a second cluster on one authority
//!   repair_login  a root token for one repair, then revoked       where warden cannot log in
//! ```

use kube::Api;
use regent_api::RuntimeAuthority;
use regent_manifest::keys::{Identities, seal_share};
use regent_operator::write::{FieldManager, StatusWrite, merge_status};
use regent_types::labels::AUTHORITY_NAME;
use regent_types::seal::UNATTENDED;
use regent_vault::{Client, SealedShares, Share, Token};
use serde_json::json;

use super::Error;
use super::recover_error::RecoverError;
use super::root_tokens::revoke_root;
use super::sealed_shares::SharesStore;
use super::unseal::{give, open_for_holders};

/// Field manager of a person's writes.
pub(super) const MANAGER: &str = "regent-authority-cli";

/// What recovery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverOutcome {
    /// Holders whose shares were opened.
    pub opened_by: Vec<String>,
    /// Shares that open the seal from now on.
    pub threshold: i64,
    /// Holders of the shares in force.
    pub holders: Vec<String>,
}

/// Proves possession of the embedded authority's seal with holders' identities, unseals, and
/// re-seals it to `unseal_recipient` (from `RuntimeAuthority.status.unsealRecipient`) and to the
/// holders; every older share is dead then (S5.7-4, C2-3).
///
/// # Errors
/// [`RecoverError::WrongIdentity`] if fewer shares than the threshold open; nothing was sent then.
pub async fn recover(
    client: &Client,
    identities: &Identities,
    unseal_recipient: &str,
) -> Result<RecoverOutcome, RecoverError> {
    let sealed = client.sealed_shares().await.map_err(authority("reading the sealed shares"))?;
    let (shares, opened_by) = open_for_holders(&sealed, identities)?;
    let new = client.recover(&shares, unseal_recipient).await;
    let new = new.map_err(authority("recovering the seal"))?;
    Ok(outcome(opened_by, &new))
}

/// A person at an authority.
pub struct Person<'a> {
    /// The cluster, with the person's own rights.
    pub api: kube::Client,
    /// The authority, without a login.
    pub vault: Client,
    /// Age identities of the holders who are present.
    pub identities: &'a Identities,
    /// A copy of the sealed shares from outside the cluster.
    pub saved: Option<SealedShares>,
}

/// The sealed shares in force: ciphertext, to be kept beside the root of trust.
///
/// # Errors
/// [`RecoverError::NoShares`] for an external authority of which this cluster keeps none.
pub async fn sealed_shares(
    api: &kube::Client,
    vault: &Client,
) -> Result<SealedShares, RecoverError> {
    match declared_authority(api).await?.spec.external {
        None => vault.sealed_shares().await.map_err(authority("reading the sealed shares")),
        Some(_) => {
            let stored = SharesStore::new(api.clone(), FieldManager::new(MANAGER)).read().await?;
            stored.shares.ok_or(RecoverError::NoShares)
        }
    }
}

impl Person<'_> {
    /// Opens the seal and changes nothing else. Returns the holders whose shares were used.
    ///
    /// # Errors
    /// As [`recover`].
    pub async fn unseal(&self) -> Result<Vec<String>, RecoverError> {
        let (shares, by) = open_for_holders(&self.shares().await?, self.identities)?;
        let status = self.vault.seal_status().await.map_err(authority("asking for the seal"))?;
        if status.sealed {
            give(&self.vault, &shares).await.map_err(authority("unsealing"))?;
        }
        Ok(by)
    }

    /// Makes this cluster able to open the seal: the one human act after cluster loss (C2-3).
    ///
    /// The embedded authority makes new shares. An external one keeps its own: those that were
    /// opened are sealed to this cluster's unseal identity as well, and what was sealed to a lost
    /// cluster's is left out.
    ///
    /// # Errors
    /// As [`recover`]; nothing is written to Kubernetes before the shares opened this authority.
    pub async fn recover(&self) -> Result<RecoverOutcome, RecoverError> {
        let found = declared_authority(&self.api).await?;
        let recipient = found.status.and_then(|s| s.unseal_recipient);
        if found.spec.external.is_none() {
            if self.saved.is_some() {
                return Err(RecoverError::SharesNotNeeded);
            }
            let recipient = recipient.ok_or(RecoverError::NoRecipient)?;
            return recover(&self.vault, self.identities, &recipient).await;
        }
        let recipient = match found.spec.seal.unattended {
            true => Some(recipient.ok_or(RecoverError::NoRecipient)?),
            false => None,
        };
        let sealed = self.shares().await?;
        let (shares, by) = open_for_holders(&sealed, self.identities)?;
        self.prove(&shares).await?;
        let new = resealed(&sealed, &shares, recipient.as_deref())?;
        let store = SharesStore::new(self.api.clone(), FieldManager::new(MANAGER));
        store.replace(store.read().await?, &new, Some(&by.join(", "))).await?;
        Ok(outcome(by, &new))
    }

    /// Shares that do not open this authority are found out before they replace any.
    async fn prove(&self, shares: &[Share]) -> Result<(), RecoverError> {
        let status = self.vault.seal_status().await.map_err(authority("asking for the seal"))?;
        if status.sealed {
            return give(&self.vault, shares).await.map_err(authority("unsealing"));
        }
        let root = self.root(shares).await?;
        Ok(revoke_root(&self.vault, &root).await?)
    }

    /// A root token, to be revoked at the end of the action.
    pub(super) async fn root(&self, shares: &[Share]) -> Result<Token, RecoverError> {
        // Intent before effect: from here on a root token may live, and warden looks for it.
        let api: Api<RuntimeAuthority> = Api::all(self.api.clone());
        let (manager, fields) = (FieldManager::new(MANAGER), json!({ "rootRevoked": false }));
        let noted = merge_status(&api, &manager, AUTHORITY_NAME, &fields).await;
        match noted.map_err(Error::from)? {
            StatusWrite::Written(_) => {}
            StatusWrite::Gone | StatusWrite::Changed => {
                return Err(Error::changed(AUTHORITY_NAME).into());
            }
        }
        self.vault.generate_root(shares).await.map_err(authority("generating a root token"))
    }

    pub(super) async fn shares(&self) -> Result<SealedShares, RecoverError> {
        match &self.saved {
            Some(saved) => Ok(saved.clone()),
            None => sealed_shares(&self.api, &self.vault).await,
        }
    }
}

pub(super) async fn declared_authority(api: &kube::Client) -> Result<RuntimeAuthority, Error> {
    let found = Api::<RuntimeAuthority>::all(api.clone()).get(AUTHORITY_NAME).await;
    found.map_err(Error::api("read", "RuntimeAuthority regent"))
}

/// The holders' sealed shares as they are, and the opened ones sealed to `recipient`.
pub(super) fn resealed(
    sealed: &SealedShares,
    shares: &[Share],
    recipient: Option<&str>,
) -> Result<SealedShares, Error> {
    let mut sealed_shares: Vec<_> = sealed.of_holders().cloned().collect();
    let what = "the recipient of the unseal identity";
    if let Some(recipient) = recipient {
        for share in shares {
            let own = seal_share(UNATTENDED, recipient, share.expose());
            sealed_shares.push(own.map_err(|source| Error::Seal { what, source })?);
        }
    }
    Ok(SealedShares { sealed_shares, threshold: sealed.threshold })
}

pub(super) fn outcome(opened_by: Vec<String>, new: &SealedShares) -> RecoverOutcome {
    let holders = new.sealed_shares.iter().map(|share| share.holder.clone()).collect();
    RecoverOutcome { opened_by, threshold: new.threshold, holders }
}

pub(super) fn authority(doing: &'static str) -> impl FnOnce(regent_vault::Error) -> RecoverError {
    move |source| RecoverError::Authority { doing, source }
}
