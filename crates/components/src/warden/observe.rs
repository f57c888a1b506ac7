//! Looks at everything a decision rests on, fresh: the unseal identity, health, sealed shares,
//! configuration.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use regent_types::access::identity::Identity;
use regent_types::resources::RuntimeAuthority;
use regent_vault::{Client, Method, SealedShares, Session, Token};
use serde_json::Value;

use super::configure::{self, Change, Conflict, Live};
use super::driver::{Driver, Link, Memory};
use super::objects::Copy;
use super::plan::{Health, Look, Seen, Shares, Stage};
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
    pub(super) async fn live(&self) -> Result<Live, regent_vault::Error> {
        stream::iter(configure::reads())
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
        let identities = match embedded && spec.seal.unattended {
            true => self.objects.identity().await?,
            false => None,
        };
        let recipient = identities.as_ref().and_then(|i| i.recipients().into_iter().next());
        let health = health(&link.client).await;
        let initialized = matches!(health, Health::Sealed | Health::Unsealed);
        let (sealed, copy) = match embedded && initialized {
            true => (Some(shares_in_force(&link.client).await?), Some(self.objects.copy().await?)),
            false => (None, None),
        };
        let shares = match (&sealed, &copy) {
            (Some(sealed), Some(copy)) => Shares {
                known: true,
                copied: copy.shares.as_ref() == Some(sealed),
                openable: recipient.as_deref().map_or(0, |r| unseal::openable(sealed, r)),
                threshold: sealed.threshold,
            },
            _ => Shares::default(),
        };
        let look = match health == Health::Unsealed && memory.root.is_none() {
            true => self.compare(authority, link).await?,
            false => Look::Untried,
        };
        let seen = Seen {
            embedded,
            unattended: spec.seal.unattended,
            stage: Stage::parse(status.initialization.as_deref()),
            root_revoked: status.root_revoked == Some(true),
            published: status.unseal_recipient,
            identity: recipient,
            health,
            shares,
            root_in_hand: memory.root.is_some(),
            look,
            may_repair: memory.may_repair(now),
            events_due: !memory.pending.is_empty(),
        };
        Ok(Observation { seen, identities, sealed, copy })
    }

    /// Compares the configuration with the table, as warden's read-only role.
    async fn compare(&self, authority: &RuntimeAuthority, link: &Link) -> Result<Look, Error> {
        let live = match Access::Role(&link.session).live().await {
            Ok(live) => live,
            Err(error) => return refused(link, error).await,
        };
        Ok(match configure::changes(&self.args, &authority.spec.grants, &live) {
            Err(Conflict(what)) => Look::Conflict(what),
            Ok(changes) if changes.is_empty() => Look::Same,
            Ok(changes) => {
                Look::Differs(changes.into_iter().map(|Change { what, .. }| what).collect())
            }
        })
    }
}

async fn shares_in_force(client: &Client) -> Result<SealedShares, Error> {
    client.sealed_shares().await.map_err(Error::authority("reading the sealed shares"))
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
