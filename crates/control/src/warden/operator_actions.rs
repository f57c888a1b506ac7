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
use regent_types::authority_names::{KUBERNETES_MOUNT, REGENT_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_types::labels::AUTHORITY_NAME;
use regent_types::seal::UNATTENDED;
use regent_vault::{Client, SealedShares, Session, Share, Token};
use serde_json::json;

use super::configure::{Conflict, DesiredConfig, joinable};
use super::ledger_event::{by, event};
use super::observe::Access;
use super::reconfigure::{revoke_root, write_configuration};
use super::recover_error::RecoverError;
use super::sealed_shares::SharesStore;
use super::unseal::{give, open_for_holders};
use super::{Args, Error};
use regent_operator::ledger::Ledger;

/// Field manager of a person's writes.
const MANAGER: &str = "regent-authority-cli";

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
    /// Holders' identities.
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

    /// Lets this installation in beside another one on the same authority (C9-1): under a root token that is made from
    /// the shares and revoked at the end, its own login mount, roles and policies are made, and the shares that were
    /// opened are sealed to this cluster as well. What others have is not touched. Returns what was made; may be
    /// repeated.
    ///
    /// # Errors
    /// As [`recover`], and [`RecoverError::CannotJoin`] where the mount is not this installation's own to make.
    pub async fn join(&self) -> Result<RecoverOutcome, RecoverError> {
        let found = declared_authority(&self.api).await?;
        let status = found.status.clone().unwrap_or_default();
        let refused = |why: &str| Err(RecoverError::CannotJoin(why.to_owned()));
        if found.spec.external.is_none() {
            return refused("the embedded authority belongs to one cluster");
        }
        if found.spec.login().mount == KUBERNETES_MOUNT {
            return refused("auth/kubernetes is the login mount of whoever names none");
        }
        let recipient = match found.spec.seal.unattended {
            true => Some(status.unseal_recipient.ok_or(RecoverError::NoRecipient)?),
            false => None,
        };
        let reviewed_by = status.kubernetes.ok_or(RecoverError::NoKubernetes)?;
        let args =
            Args { kubernetes_host: reviewed_by.host, kubernetes_ca_cert: reviewed_by.ca_cert };
        let desired = DesiredConfig::of(&found, &args, &self.api).await?;
        let sealed = self.shares().await?;
        let (shares, by) = open_for_holders(&sealed, self.identities)?;
        let seal = self.vault.seal_status().await.map_err(authority("asking for the seal"))?;
        if seal.sealed {
            give(&self.vault, &shares).await.map_err(authority("unsealing"))?;
        }
        let root = self.root(&shares).await?;
        let done = self.configure_login(&desired, &root, &by).await;
        let revoked = revoke_root(&self.vault, &root).await;
        done?;
        revoked?;
        let new = resealed(&sealed, &shares, recipient.as_deref())?;
        let store = SharesStore::new(self.api.clone(), FieldManager::new(MANAGER));
        store.replace(store.read().await?, &new, None).await?;
        Ok(outcome(by, &new))
    }

    async fn configure_login(
        &self,
        desired: &DesiredConfig,
        root: &Token,
        by: &[String],
    ) -> Result<(), RecoverError> {
        let access = Access::Token(&self.vault, root);
        let live = access.live(&desired.login).await;
        let live = live.map_err(authority("looking at the configuration"))?;
        joinable(desired, &live).map_err(|Conflict(why)| RecoverError::CannotJoin(why))?;
        let changed = write_configuration(desired, &access).await?;
        let detail = format!(
            "installation {} at auth/{}, by {}: {}",
            desired.installation,
            desired.login.mount,
            by.join(", "),
            changed.join(", ")
        );
        // Named by what happened: a repeat is no second event.
        let extra = format!("{}|{}", desired.installation, desired.login.mount);
        Ok(self.append_event(desired, root, "joined", &extra, &detail).await?)
    }

    /// Brings the authority's configuration to what warden would write, where warden cannot log in:
    /// under a root token that is made from the shares and revoked at the end. Returns what
    /// differed.
    ///
    /// # Errors
    /// As [`recover`], and whatever the authority refuses; the root token is revoked then too.
    pub async fn repair_login(&self) -> Result<Vec<String>, RecoverError> {
        let found = declared_authority(&self.api).await?;
        let reviewed_by = found.status.as_ref().and_then(|s| s.kubernetes.clone());
        let reviewed_by = reviewed_by.ok_or(RecoverError::NoKubernetes)?;
        let args =
            Args { kubernetes_host: reviewed_by.host, kubernetes_ca_cert: reviewed_by.ca_cert };
        let desired = DesiredConfig::of(&found, &args, &self.api).await?;
        let (shares, by) = open_for_holders(&self.shares().await?, self.identities)?;
        let root = self.root(&shares).await?;
        let done = self.repair(&desired, &root, &by).await;
        let revoked = revoke_root(&self.vault, &root).await;
        let changed = done?;
        revoked?;
        Ok(changed)
    }

    async fn repair(
        &self,
        desired: &DesiredConfig,
        root: &Token,
        by: &[String],
    ) -> Result<Vec<String>, Error> {
        let access = Access::Token(&self.vault, root);
        let changed = write_configuration(desired, &access).await?;
        let detail = format!("by {}: {}", by.join(", "), changed.join(", "));
        self.append_event(desired, root, "login-repaired", "", &detail).await?;
        Ok(changed)
    }

    /// Appends what a holder did to warden's chain.
    async fn append_event(
        &self,
        desired: &DesiredConfig,
        root: &Token,
        kind: &str,
        extra: &str,
        detail: &str,
    ) -> Result<(), Error> {
        let session = Session::with_token(self.vault.clone(), root.duplicate());
        let chain = chain_name(Identity::Warden, &desired.login.mount);
        let ledger = Ledger::start(session.kv(REGENT_MOUNT), &chain);
        let now = k8s_openapi::jiff::Timestamp::now();
        ledger.append(by("holder", event(now, kind, extra, detail))).await.map_err(Error::Ledger)
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

    async fn root(&self, shares: &[Share]) -> Result<Token, RecoverError> {
        // Intent before effect: from here on a root token may live, and warden looks for it.
        let api: Api<RuntimeAuthority> = Api::all(self.api.clone());
        let (manager, fields) = (FieldManager::new(MANAGER), json!({ "rootRevoked": false }));
        let noted = merge_status(&api, &manager, AUTHORITY_NAME, &fields).await;
        match noted.map_err(Error::from)? {
            StatusWrite::Written { .. } => {}
            StatusWrite::Gone | StatusWrite::Changed => {
                return Err(Error::changed(AUTHORITY_NAME).into());
            }
        }
        self.vault.generate_root(shares).await.map_err(authority("generating a root token"))
    }

    async fn shares(&self) -> Result<SealedShares, RecoverError> {
        match &self.saved {
            Some(saved) => Ok(saved.clone()),
            None => sealed_shares(&self.api, &self.vault).await,
        }
    }
}

async fn declared_authority(api: &kube::Client) -> Result<RuntimeAuthority, Error> {
    let found = Api::<RuntimeAuthority>::all(api.clone()).get(AUTHORITY_NAME).await;
    found.map_err(Error::api("read", "RuntimeAuthority regent"))
}

/// The holders' sealed shares as they are, and the opened ones sealed to `recipient`.
fn resealed(
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

fn outcome(opened_by: Vec<String>, new: &SealedShares) -> RecoverOutcome {
    let holders = new.sealed_shares.iter().map(|share| share.holder.clone()).collect();
    RecoverOutcome { opened_by, threshold: new.threshold, holders }
}

fn authority(doing: &'static str) -> impl FnOnce(regent_vault::Error) -> RecoverError {
    move |source| RecoverError::Authority { doing, source }
}
