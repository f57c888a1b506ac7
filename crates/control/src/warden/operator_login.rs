//! What a person does about logins at an authority: a second installation joins, or a login is repaired. Each under a
//! root token that is revoked at its end, and with an event in warden's chain.

use regent_operator::ledger::Ledger;
use regent_operator::published_head::Published;
use regent_operator::write::FieldManager;
use regent_types::authority_names::{KUBERNETES_MOUNT, REGENT_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_vault::{Session, Token};

use super::configure::{Conflict, DesiredConfig, joinable};
use super::ledger_event::{by, event};
use super::observe::Access;
use super::operator_actions::{
    MANAGER, Person, RecoverOutcome, authority, declared_authority, outcome, resealed,
};
use super::reconfigure::write_configuration;
use super::recover_error::RecoverError;
use super::root_tokens::revoke_root;
use super::sealed_shares::SharesStore;
use super::unseal::{give, open_for_holders};
use super::{Args, Error};

impl Person<'_> {
    /// Lets this installation in beside another one on the same authority (C9-1): under a root token that is made from
    /// the shares and revoked at the end, its own login mount, roles and policies are made, and the shares that were
    /// opened are sealed to this cluster as well. What others have is not touched. Returns what was made; may be
    /// repeated.
    ///
    /// # Errors
    /// As `recover`, and [`RecoverError::CannotJoin`] where the mount is not this installation's own to make.
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
    /// As `recover`, and whatever the authority refuses; the root token is revoked then too.
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
        let ledger =
            Ledger::start(session.kv(REGENT_MOUNT), &chain, Published::In(self.api.clone()));
        let now = jiff::Timestamp::now();
        ledger.append(by("holder", event(now, kind, extra, detail))).await.map_err(Error::Ledger)
    }
}
