//! Looks at everything a decision rests on, fresh: the unseal identity, health, sealed shares,
//! configuration.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use regent_api::RuntimeAuthority;
use regent_types::identity::Identity;
use regent_types::login::Login;
use regent_vault::{Client, Method, SealedShares, Session, Token};
use serde_json::Value;

use super::configure::{self, Change, Conflict, DesiredConfig, Live};
use super::ctx::Ctx;
use super::link::Link;
use super::memory::Memory;
use super::observed::{ConfigurationCheck, Health, Observed, Shares, Stage};
use super::sealed_shares::StoredShares;
use super::{Error, unseal};
use regent_manifest::keys::Identities;

/// Requests under way at once when the configuration is read.
const READS_AT_ONCE: usize = 8;

/// What was seen: the part that decides, and the material to act with.
pub(super) struct Observation {
    /// The declaration that it was made for, and the way to what that names.
    pub(super) authority: RuntimeAuthority,
    pub(super) link: Arc<Link>,
    pub(super) observed: Observed,
    pub(super) identities: Option<Identities>,
    pub(super) sealed: Option<SealedShares>,
    pub(super) stored: Option<StoredShares>,
    /// Whether an audit device is on, where the configuration was looked at.
    pub(super) audited: Option<bool>,
}

/// Who looks at the configuration or writes it.
pub(super) enum Access<'a> {
    Role(&'a Session),
    /// A root or configurator token.
    Token(&'a Client, &'a Token),
}

impl Access<'_> {
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, regent_vault::Error> {
        match self {
            Self::Role(session) => session.request(method, path, body).await,
            Self::Token(client, token) => client.request(token, method, path, body).await,
        }
    }

    /// A read; what is not mounted is not there.
    async fn get(&self, path: String) -> Result<(String, Option<Value>), regent_vault::Error> {
        match self.request(Method::GET, &path, None).await {
            Ok(answer) => Ok((path, answer)),
            Err(regent_vault::Error::NotFound { .. }) => Ok((path, None)),
            Err(error) => Err(error),
        }
    }

    /// Everything that the table speaks of.
    pub(super) async fn live(&self, login: &Login) -> Result<Live, regent_vault::Error> {
        stream::iter(configure::reads(login))
            .map(|path| self.get(path))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await
    }
}

/// The health of `client`'s authority.
pub(super) async fn health(client: &Client) -> Health {
    match client.health().await {
        Ok(health) if !health.initialized => Health::Empty,
        Ok(health) if health.sealed => Health::Sealed,
        Ok(health) if health.standby => Health::Standby,
        Ok(_) => Health::Unsealed,
        Err(error) => Health::Silent(error.to_string()),
    }
}

impl Ctx {
    /// One look at everything.
    pub(super) async fn observe(
        &self,
        authority: RuntimeAuthority,
        link: Arc<Link>,
        memory: &Memory,
        now: Timestamp,
    ) -> Result<Observation, Error> {
        let (spec, status) = (&authority.spec, authority.status.clone().unwrap_or_default());
        let embedded = spec.external.is_none();
        let identities = match spec.seal.unattended {
            true => self.unseal_identity.read().await?,
            false => None,
        };
        let recipient = identities.as_ref().and_then(|i| i.recipients().into_iter().next());
        let health = health(&link.client).await;
        let (sealed, stored) = self.shares_in_force(embedded, &health, &link).await?;
        let shares = match &sealed {
            Some(sealed) => Shares {
                known: true,
                copied: stored
                    .as_ref()
                    .is_some_and(|stored| stored.shares.as_ref() == Some(sealed)),
                openable: recipient.as_deref().map_or(0, |r| unseal::openable(sealed, r)),
                threshold: sealed.threshold,
            },
            None => Shares::default(),
        };
        let (configuration, audited) = match health == Health::Unsealed && memory.root.is_none() {
            true => self.compare(&authority, &link).await?,
            false => (ConfigurationCheck::Untried, None),
        };
        let recovery_noted = stored.as_ref().is_some_and(|stored| stored.recovered_by().is_some());
        let observed = Observed {
            embedded,
            unattended: spec.seal.unattended,
            stage: Stage::parse(status.initialization.as_deref()),
            root_revoked: status.root_revoked == Some(true),
            published: status.unseal_recipient,
            identity: recipient,
            health,
            shares,
            shares_in_hand: memory.unstored.is_some(),
            root_in_hand: memory.root.is_some(),
            configuration,
            may_repair: memory.repairs.may(authority.metadata.generation, now),
            events_due: !memory.pending.is_empty(),
            recovery_noted,
        };
        Ok(Observation { authority, link, observed, identities, sealed, stored, audited })
    }

    /// The sealed shares, and what lies in Kubernetes. The embedded authority's own are the truth
    /// and the ConfigMap is a copy; of an external one the ConfigMap is all there is, so that one
    /// that cannot be read is an error and never counts as none.
    async fn shares_in_force(
        &self,
        embedded: bool,
        health: &Health,
        link: &Link,
    ) -> Result<(Option<SealedShares>, Option<StoredShares>), Error> {
        if !embedded {
            let stored = self.shares_store.read().await?;
            if stored.unreadable() {
                return Err(Error::SharesCopy("holds no shares that can be read"));
            }
            return Ok((stored.shares.clone(), Some(stored)));
        }
        if !matches!(health, Health::Sealed | Health::Unsealed) {
            return Ok((None, None));
        }
        let sealed = link.client.sealed_shares().await;
        let sealed = sealed.map_err(Error::authority("reading the sealed shares"))?;
        Ok((Some(sealed), Some(self.shares_store.read().await?)))
    }

    /// Compares the configuration with the table, as warden's read-only role, and sees whether an
    /// audit device is on.
    async fn compare(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
    ) -> Result<(ConfigurationCheck, Option<bool>), Error> {
        let desired = DesiredConfig::of(authority, &self.args, &self.operator.api).await?;
        let live = match Access::Role(&link.session).live(&desired.login).await {
            Ok(live) => live,
            Err(error) => return Ok((refused(link, error).await?, None)),
        };
        let configuration = match configure::changes(&desired, &live) {
            Err(Conflict(what)) => ConfigurationCheck::Conflict(what),
            Ok(changes) if changes.is_empty() => ConfigurationCheck::Same,
            Ok(changes) => ConfigurationCheck::Differs(
                changes.into_iter().map(|Change { what, .. }| what).collect(),
            ),
        };
        Ok((configuration, Some(configure::audited(&live))))
    }
}

/// Tells a login that is refused for good from a policy that lost something and from a passing
/// failure.
async fn refused(link: &Link, error: regent_vault::Error) -> Result<ConfigurationCheck, Error> {
    use regent_vault::Error as Vault;
    let at_login = |path: &str| path.starts_with("auth/") && path.ends_with("/login");
    Ok(match &error {
        Vault::Denied { path, .. }
        | Vault::BadRequest { path, .. }
        | Vault::NotFound { path, .. }
        | Vault::Server { path, status: 500, .. }
            if at_login(path) =>
        {
            ConfigurationCheck::Refused(error.to_string())
        }
        Vault::Denied { path, .. } => {
            let own = Identity::Warden.account();
            tracing::warn!(
                address = link.client.address(),
                path,
                "the read-only role is denied a look"
            );
            ConfigurationCheck::Differs(vec![format!("what {own} may read ({path})")])
        }
        _ => return Err(Error::authority("looking at the configuration")(error)),
    })
}
