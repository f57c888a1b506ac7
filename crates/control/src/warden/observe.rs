//! Looks at everything a decision rests on, fresh: the unseal identity, health, sealed shares,
//! configuration.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use regent_api::RuntimeAuthority;
use regent_types::identity::Identity;
use regent_types::login::Login;
use regent_vault::{Client, Method, SealedShares, Session, Token};
use serde_json::Value;

use super::configure::{self, Change, Conflict, Live, Wanted};
use super::copy::Copy;
use super::driver::{Driver, Link, Memory};
use super::seen::{Health, Look, Seen, Shares, Stage};
use super::{Error, unseal};
use regent_manifest::keys::Identities;

/// Requests under way at once when the configuration is read.
const READS_AT_ONCE: usize = 8;

/// What was seen: the part that decides, and the material to act with.
pub(super) struct Observation {
    pub(super) seen: Seen,
    pub(super) identities: Option<Identities>,
    pub(super) sealed: Option<SealedShares>,
    pub(super) copy: Option<Copy>,
    /// Whether an audit device is on, where the configuration was looked at.
    pub(super) audited: Option<bool>,
}

/// Who looks at the configuration or writes it.
pub(super) enum Access<'a> {
    /// Warden's read-only role.
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

impl Driver {
    /// One look at everything.
    pub(super) async fn observe(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
        memory: &Memory,
        now: Timestamp,
    ) -> Result<Observation, Error> {
        let (spec, status) = (&authority.spec, authority.status.clone().unwrap_or_default());
        let embedded = spec.external.is_none();
        let identities = match spec.seal.unattended {
            true => self.objects.identity().await?,
            false => None,
        };
        let recipient = identities.as_ref().and_then(|i| i.recipients().into_iter().next());
        let health = health(&link.client).await;
        let (sealed, copy) = self.shares_in_force(embedded, &health, link).await?;
        let shares = match &sealed {
            Some(sealed) => Shares {
                known: true,
                copied: copy.as_ref().is_some_and(|copy| copy.shares.as_ref() == Some(sealed)),
                openable: recipient.as_deref().map_or(0, |r| unseal::openable(sealed, r)),
                threshold: sealed.threshold,
            },
            None => Shares::default(),
        };
        let (look, audited) = match health == Health::Unsealed && memory.root.is_none() {
            true => self.compare(authority, link).await?,
            false => (Look::Untried, None),
        };
        let recovery_noted = copy.as_ref().is_some_and(|copy| copy.recovered_by().is_some());
        let seen = Seen {
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
            look,
            may_repair: memory.repairs.may(authority.metadata.generation, now),
            events_due: !memory.pending.is_empty(),
            recovery_noted,
        };
        Ok(Observation { seen, identities, sealed, copy, audited })
    }

    /// The sealed shares, and what lies in Kubernetes. The embedded authority's own are the truth
    /// and the ConfigMap is a copy; of an external one the ConfigMap is all there is, so that one
    /// that cannot be read is an error and never counts as none.
    async fn shares_in_force(
        &self,
        embedded: bool,
        health: &Health,
        link: &Link,
    ) -> Result<(Option<SealedShares>, Option<Copy>), Error> {
        if !embedded {
            let copy = self.copies.read().await?;
            if copy.unreadable() {
                return Err(Error::SharesCopy("holds no shares that can be read"));
            }
            return Ok((copy.shares.clone(), Some(copy)));
        }
        if !matches!(health, Health::Sealed | Health::Unsealed) {
            return Ok((None, None));
        }
        let sealed = link.client.sealed_shares().await;
        let sealed = sealed.map_err(Error::authority("reading the sealed shares"))?;
        Ok((Some(sealed), Some(self.copies.read().await?)))
    }

    /// Compares the configuration with the table, as warden's read-only role, and sees whether an
    /// audit device is on.
    async fn compare(
        &self,
        authority: &RuntimeAuthority,
        link: &Link,
    ) -> Result<(Look, Option<bool>), Error> {
        let wanted = Wanted::of(authority, &self.args, &self.cx.api).await?;
        let live = match Access::Role(&link.session).live(&wanted.login).await {
            Ok(live) => live,
            Err(error) => return Ok((refused(link, error).await?, None)),
        };
        let look = match configure::changes(&wanted, &live) {
            Err(Conflict(what)) => Look::Conflict(what),
            Ok(changes) if changes.is_empty() => Look::Same,
            Ok(changes) => {
                Look::Differs(changes.into_iter().map(|Change { what, .. }| what).collect())
            }
        };
        Ok((look, Some(configure::audited(&live))))
    }
}

/// Tells a login that is refused for good from a policy that lost something and from a passing
/// failure.
async fn refused(link: &Link, error: regent_vault::Error) -> Result<Look, Error> {
    use regent_vault::Error as Vault;
    let at_login = |path: &str| path.starts_with("auth/") && path.ends_with("/login");
    Ok(match &error {
        Vault::Denied { path, .. }
        | Vault::BadRequest { path, .. }
        | Vault::NotFound { path, .. }
        | Vault::Server { path, status: 500, .. }
            if at_login(path) =>
        {
            Look::Refused(error.to_string())
        }
        Vault::Denied { path, .. } => {
            let own = Identity::Warden.account();
            tracing::warn!(
                address = link.client.address(),
                path,
                "the read-only role is denied a look"
            );
            Look::Differs(vec![format!("what {own} may read ({path})")])
        }
        _ => return Err(Error::authority("looking at the configuration")(error)),
    })
}
