//! One reconcile of one GitSource: what moved is compiled and applied, what did not is left alone.

use std::sync::Arc;
use std::time::Duration;

use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::{GitSource, GitSourceStatus};
use regent_operator::write::{StatusWrite, write_status};
use regent_types::Explain;
use tokio::time::Instant;

use super::IntentError;
use super::ctx::{Ctx, LastSync};
use super::status::{self, Synced};
use super::sync::SyncOutcome;

/// Entry point of the controller.
pub(super) async fn reconcile(
    source: Arc<GitSource>,
    ctx: Arc<Ctx>,
) -> Result<Action, IntentError> {
    let name = source.name_any();
    // A source that is made anew under the same name has another uid, and nothing is known of it.
    let uid = source.uid().unwrap_or_default();
    if source.meta().deletion_timestamp.is_some() {
        ctx.forget(&uid);
        return Ok(Action::await_change());
    }
    let generation = source.meta().generation;
    let last = ctx.last_sync(&uid).filter(|m| m.generation == generation);
    if source.spec.suspend {
        ctx.update_status(&source, &Synced::Suspended).await?;
        ctx.backoff.reset(&uid);
        return Ok(Action::await_change());
    }
    let now = Instant::now();
    if let Some(last_sync) = last.as_ref().filter(|m| m.due > now) {
        return Ok(Action::requeue(last_sync.due - now));
    }
    let outcome = ctx.sync(&source, last.as_ref()).await;
    let every =
        Duration::from_secs(u64::try_from(source.spec.interval_seconds).unwrap_or(60).max(1));
    let fresh = |settled: Option<String>, wait: Duration| LastSync {
        generation,
        settled,
        full_pass: Instant::now(),
        due: Instant::now() + wait,
    };
    let last_sync = match outcome {
        SyncOutcome::Unchanged => {
            LastSync { due: Instant::now() + every, ..last.unwrap_or_else(|| fresh(None, every)) }
        }
        SyncOutcome::Synced { commit, synced } => {
            let written = ctx.update_status(&source, &synced).await;
            if let Err(error) = written {
                ctx.set_last_sync(uid, fresh(None, Duration::ZERO));
                return Err(error);
            }
            let failed = match &synced {
                Synced::Not { error, .. } => {
                    log_failure(&name, error);
                    error.is_transient() || commit.is_none()
                }
                Synced::Whole { .. } | Synced::Suspended => false,
            };
            if failed {
                let wait = ctx.backoff.next(uid.clone()).min(every);
                ctx.set_last_sync(uid, fresh(None, wait));
                return Ok(Action::requeue(wait));
            }
            fresh(commit, every)
        }
    };
    ctx.backoff.reset(&uid);
    let wait = last_sync.due.saturating_duration_since(Instant::now());
    ctx.set_last_sync(uid, last_sync);
    Ok(Action::requeue(wait))
}

/// A status that could not be written: tried again, ever more slowly.
pub(super) fn error_policy(source: Arc<GitSource>, error: &IntentError, ctx: Arc<Ctx>) -> Action {
    tracing::warn!(component = "intent", reason = error.reason(), %error, "status not written");
    Action::requeue(ctx.backoff.next(source.uid().unwrap_or_default()))
}

fn log_failure(name: &str, error: &IntentError) {
    let reason = error.reason();
    if error.is_transient() {
        tracing::warn!(component = "intent", object = name, reason, %error, "sync failed");
    } else {
        tracing::error!(component = "intent", object = name, reason, %error, "sync refused");
    }
}

impl Ctx {
    async fn update_status(&self, source: &GitSource, synced: &Synced) -> Result<(), IntentError> {
        let old = source.status.clone().unwrap_or_default();
        let new: GitSourceStatus =
            status::next(&old, synced, source.meta().generation, self.operator.now());
        if new == old {
            return Ok(());
        }
        let sources: Api<GitSource> =
            Api::namespaced(self.operator.api.clone(), &self.args.system_namespace);
        let mut object = source.clone();
        object.status = Some(new);
        object.metadata.managed_fields = None;
        match write_status(&sources, &self.operator.manager(), &object).await? {
            StatusWrite::Written { .. } | StatusWrite::Gone => Ok(()),
            StatusWrite::Changed => Err(IntentError::Changed),
        }
    }
}
