//! Repairs with more than the read-only role: configuration, logins, root tokens. The privileged token
//! lives for this one pass, is never stored, and is revoked at its end.

use std::sync::Arc;
use std::time::Duration;

use regent_types::authority_names::CONFIGURATOR;
use regent_vault::Token;
use serde_json::{Value, json};

use super::configure::{self, Change, Conflict, DesiredConfig};
use super::ctx::Ctx;
use super::ledger_event::unrecorded;
use super::memory::Memory;
use super::observe::{Access, Observation};
use super::observed::Stage;
use super::plan::Cause;
use super::root_tokens::{revoke, revoke_other_roots, revoke_root};
use super::{Error, unseal};
use regent_operator::backoff::Growth;

/// Tries while a mount does not serve yet, with about ten seconds of pauses in all; then the next look goes on.
const UPGRADE_TRIES: u32 = 6;
const UPGRADE_PAUSES: Growth = Growth::new(Duration::from_millis(250), Duration::from_secs(3));

/// A token that may change the configuration.
struct PrivilegedToken {
    token: Arc<Token>,
    /// Whether it is a root token.
    root: bool,
}

impl Ctx {
    /// Brings the configuration to what the table says, revokes other root tokens where they may
    /// live, and the own privileged token last.
    pub(super) async fn reconfigure(
        &self,
        cause: Cause,
        memory: &mut Memory,
        observation: &Observation,
    ) -> Result<(), Error> {
        let (authority, link) = (&observation.authority, &observation.link);
        let privileged = self.privileged_token(memory, observation).await;
        if cause != Cause::First && !matches!(privileged, Err(Error::NoWayIn { .. })) {
            // Also when it fails: a repair that does not help is not repeated at once. Without a
            // way in nothing was tried.
            memory.repairs.made(authority.metadata.generation, self.operator.now());
        }
        let privileged = privileged?;
        if let Some(event) = unrecorded(self.operator.now(), observation) {
            memory.add_event(event);
        }
        let done = self.repair(cause, memory, observation, &privileged).await;
        if done.is_err() && cause == Cause::First {
            // The root token of an initialization cannot be had again: it is kept for the next
            // pass.
            return done;
        }
        memory.root = None;
        let revoked = match privileged.root {
            true => revoke_root(&link.client, &privileged.token).await,
            false => revoke(&link.client, &privileged.token).await,
        };
        done.and(revoked)?;
        if cause == Cause::LoginRefused {
            memory.add_event(self.event("login-repaired", "", "auth configuration re-applied"));
            tracing::warn!(address = link.client.address(), "login of the components was repaired");
        }
        if observation.observed.kept() && (privileged.root || cause != Cause::Differs) {
            memory.add_event(self.event("root-revoked", "", "no root token is left"));
            // Recorded first: a crash in between makes this whole step be repeated, and nothing be
            // forgotten.
            memory.append_events(&link.ledger).await?;
            let fields =
                json!({ "rootRevoked": true, "initialization": Stage::RootRevoked.text() });
            self.persist_status(fields).await?;
        }
        Ok(())
    }

    /// The root token in hand, else the configurator's, else a new root token from the shares that
    /// can be opened.
    async fn privileged_token(
        &self,
        memory: &Memory,
        observation: &Observation,
    ) -> Result<PrivilegedToken, Error> {
        let client = &observation.link.client;
        if let Some(token) = &memory.root {
            return Ok(PrivilegedToken { token: Arc::clone(token), root: true });
        }
        let jwt = self.operator.jwt.jwt().map_err(Error::authority("reading the own token"))?;
        let mount = observation.authority.spec.login().mount;
        let login = client.login_kubernetes(&mount, CONFIGURATOR, &jwt).await;
        let source = match login {
            Ok(login) => return Ok(PrivilegedToken { token: Arc::new(login.token), root: false }),
            Err(error) => error,
        };
        if source.is_sealed() || source.is_unreachable() {
            return Err(Error::authority("logging in as configurator")(source));
        }
        let known = observation.observed.shares;
        let (openable, threshold) = (known.openable, known.threshold);
        let (Some(sealed), Some(identities), true) =
            (&observation.sealed, &observation.identities, known.suffice())
        else {
            return Err(Error::NoWayIn { openable, threshold, source });
        };
        // Intent before effect: from here on a root token may live.
        self.persist_status(json!({ "rootRevoked": false })).await?;
        let shares = unseal::open_unattended(sealed, identities)?;
        let token = client.generate_root(&shares).await;
        let token = token.map_err(Error::authority("generating a root token"))?;
        tracing::info!(address = client.address(), "root token generated for a repair");
        Ok(PrivilegedToken { token: Arc::new(token), root: true })
    }

    async fn repair(
        &self,
        cause: Cause,
        memory: &mut Memory,
        observation: &Observation,
        privileged: &PrivilegedToken,
    ) -> Result<(), Error> {
        let access = Access::Token(&observation.link.client, &privileged.token);
        let desired =
            DesiredConfig::of(&observation.authority, &self.args, &self.operator.api).await?;
        let changed = match write_configuration(&desired, &access).await {
            // The next look, as the read-only role, reports it.
            Err(Error::Conflict(what)) if cause != Cause::LoginRefused => {
                tracing::error!(reason = "MountConflict", what, "a mount is in the way");
                Vec::new()
            }
            other => other?,
        };
        if !changed.is_empty() {
            tracing::info!(changes = changed.len(), "authority configured");
            let extra = format!("{}|{}", self.operator.now(), changed.join(","));
            memory.add_event(self.event("configured", &extra, &changed.join(", ")));
        }
        // Root tokens of an authority that others keep are theirs.
        if observation.observed.kept() {
            if cause == Cause::First {
                let fields = json!({ "initialization": Stage::Configured.text() });
                self.persist_status(fields).await?;
            }
            if cause != Cause::Differs {
                let found = revoke_other_roots(&access).await?;
                if found > 0 {
                    tracing::warn!(found, "root tokens were alive and are revoked");
                }
            }
        }
        Ok(())
    }
}

/// Writes what differs from the table, in order; returns what that was.
pub(super) async fn write_configuration(
    desired: &DesiredConfig,
    access: &Access<'_>,
) -> Result<Vec<String>, Error> {
    let live = access.live(&desired.login).await;
    let live = live.map_err(Error::authority("looking at the configuration"))?;
    let changes = configure::changes(desired, &live);
    let changes = changes.map_err(|Conflict(what)| Error::Conflict(what))?;
    let mut done = Vec::with_capacity(changes.len());
    for Change { what, path, body } in changes {
        let written = write_when_it_serves(access, &path, &body).await;
        written.map_err(Error::authority("configuring the authority"))?;
        done.push(what);
    }
    Ok(done)
}

/// Writes; a mount that was made a moment ago may need another one before it serves.
async fn write_when_it_serves(
    access: &Access<'_>,
    path: &str,
    body: &Value,
) -> Result<(), regent_vault::Error> {
    for failures in 0..UPGRADE_TRIES {
        match access.request(Change::METHOD, path, Some(body)).await {
            Err(error) if error.is_upgrading() => {
                tokio::time::sleep(UPGRADE_PAUSES.pause(failures)).await;
            }
            other => return other.map(drop),
        }
    }
    access.request(Change::METHOD, path, Some(body)).await.map(drop)
}
