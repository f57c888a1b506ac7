//! Writes the status of a RuntimeSecret, where it says something new.

use std::sync::Arc;

use kube::{Api, ResourceExt};
use regent_api::condition::{self, READY};
use regent_api::{RuntimeSecret, RuntimeSecretStatus, WorkflowRun};
use regent_operator::write::{self, StatusWrite};
use regent_types::VersionPair;
use regent_types::lifecycle::Stage;

use super::board::SecretKey;
use super::ctx::Ctx;
use super::error::Error;
use super::known::Known;
use super::status::{self, Observed};
use super::{consumers, keys};

/// Writes the status if it says something new; the object as it is known to be afterwards.
pub(super) async fn write_status(
    ctx: &Ctx,
    secret: &Arc<RuntimeSecret>,
    known: &Known,
) -> Result<Arc<RuntimeSecret>, Error> {
    let mut observed = known.observed.clone();
    observed.consumers = consumers_of(ctx, secret, &observed).await?;
    // Where it changed, its event has everything looked at that differs.
    Ok(tell(ctx, secret, &observed).await?.unwrap_or_else(|| Arc::clone(secret)))
}

/// Writes what `observed` says into the status of `secret`, unless it is there; the object as it is since then. `None`
/// where it is gone, or another than the one that was looked at.
pub(super) async fn tell(
    ctx: &Ctx,
    secret: &Arc<RuntimeSecret>,
    observed: &Observed,
) -> Result<Option<Arc<RuntimeSecret>>, Error> {
    let object = write::key(secret.as_ref());
    let key = (secret.namespace().unwrap_or_default(), secret.name_any());
    let status = status::project(secret, observed, &last_runs(ctx, &key), ctx.cx.now());
    let reason = condition::get(&status.conditions, READY).map_or("", |c| c.reason.as_str());
    tracing::debug!(component = "orchestrator", object, reason, "looked at");
    if secret.status.as_ref() == Some(&status) {
        return Ok(Some(Arc::clone(secret)));
    }
    log_stage(&object, secret, &status);
    let mut new = RuntimeSecret::clone(secret);
    new.status = Some(status);
    let api: Api<RuntimeSecret> = Api::namespaced(ctx.cx.api.clone(), &key.0);
    Ok(match write::write_status(&api, &ctx.cx.manager(), &new).await? {
        StatusWrite::Written(written) => Some(Arc::new(*written)),
        StatusWrite::Gone | StatusWrite::Changed => None,
    })
}

/// One line when a secret reaches another stage.
fn log_stage(object: &str, old: &RuntimeSecret, new: &RuntimeSecretStatus) {
    let before = old.status.as_ref().and_then(|s| s.stage);
    if before != new.stage {
        let ready = condition::get(&new.conditions, READY);
        let reason = ready.map_or("", |c| c.reason.as_str());
        let stage = format!("{:?}", new.stage.unwrap_or(Stage::Declared));
        tracing::info!(component = "orchestrator", object, stage, reason, "stage");
    }
}

/// Who is served at the version in force: as this look has seen it, else read now.
async fn consumers_of(
    ctx: &Ctx,
    secret: &RuntimeSecret,
    observed: &Observed,
) -> Result<Option<(VersionPair, Vec<String>)>, Error> {
    let version = observed.record.as_ref().and_then(|r| r.current.clone());
    let (Some(version), Ok(path)) = (version, secret.secret_path()) else { return Ok(None) };
    if let Some(seen) = observed.consumers.as_ref().filter(|(of, _)| *of == version) {
        return Ok(Some(seen.clone()));
    }
    let (api, store) = (&ctx.cx.api, &ctx.externals);
    let seen = consumers::observed(api, store, secret, path.as_str(), &version).await?;
    Ok(Some((version, seen)))
}

/// Names of the runs of a secret, newest first; those that were just made too.
pub(super) fn last_runs(ctx: &Ctx, key: &SecretKey) -> Vec<String> {
    let (namespace, name) = key;
    let mut all: Vec<Arc<WorkflowRun>> = ctx.runs.of(&keys::of_secret(namespace, name));
    for work in ctx.board.of(key).into_iter().filter(|w| w.is_new) {
        if !all.iter().any(|r| r.uid() == work.run.uid()) {
            all.push(work.run);
        }
    }
    all.sort_by_key(|r| {
        let created = r.metadata.creation_timestamp.as_ref().map(|t| t.0);
        std::cmp::Reverse((created, r.name_any()))
    });
    all.iter().map(|r| r.name_any()).collect()
}
