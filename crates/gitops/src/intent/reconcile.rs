//! One reconcile of one GitSource: what moved is compiled and applied, what did not is left alone.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::GitSource;
use regent_types::Explain;
use tokio::time::Instant;

use super::IntentError;
use super::ctx::{Ctx, LastSync, Unsaid};
use super::problems::Problems;
use super::status::Synced;
use super::sync::SyncOutcome;

/// Entry point of the controller.
pub(super) async fn reconcile(
    source: Arc<GitSource>,
    ctx: Arc<Ctx>,
) -> Result<Action, IntentError> {
    // A source that is made anew under the same name has another uid, and nothing is known of it.
    let uid = source.uid().unwrap_or_default();
    if source.meta().deletion_timestamp.is_some() {
        ctx.forget(&uid);
        return Ok(Action::await_change());
    }
    if source.spec.suspend {
        ctx.set_unsaid(&uid, None);
        ctx.say(&source, &Unsaid { synced: Synced::Suspended, stored: None }).await?;
        ctx.backoff.reset(&uid);
        return Ok(Action::await_change());
    }
    let generation = source.meta().generation;
    let last = ctx.last_sync(&uid).filter(|m| m.generation == generation);
    let now = Instant::now();
    if let Some(last) = last.as_ref().filter(|m| m.due > now) {
        // The work is done; only its status may be missing.
        say_unsaid(&ctx, &source, &uid).await?;
        return Ok(Action::requeue(last.due.saturating_duration_since(Instant::now())));
    }
    let outcome = ctx.sync(&source, last.as_ref()).await;
    if ctx.operator.shutdown.given() {
        return Ok(Action::await_change());
    }
    let wait = match outcome {
        SyncOutcome::Unchanged => {
            let wait = interval(&source);
            let due = Instant::now() + wait;
            if let Some(last) = last {
                ctx.set_last_sync(uid.clone(), LastSync { due, ..last });
            }
            ctx.backoff.reset(&uid);
            wait
        }
        SyncOutcome::Synced { commit, synced, compares_always, .. } => {
            let now = Instant::now();
            let fresh =
                LastSync { generation, settled: commit, full_pass: now, compares_always, due: now };
            take_in(&ctx, &source, &uid, synced, fresh).await
        }
    };
    say_unsaid(&ctx, &source, &uid).await?;
    Ok(Action::requeue(wait))
}

/// Keeps what a sync came to and prepares what is said of it; when to look again.
async fn take_in(
    ctx: &Ctx,
    source: &GitSource,
    uid: &str,
    mut synced: Synced,
    fresh: LastSync,
) -> Duration {
    let mut stored = None;
    if let Some(items) = synced.take_inventory() {
        match ctx.store_inventory(source, items).await {
            Ok(kept) => stored = Some(kept),
            Err(problem) => {
                synced = Synced::Not { problems: problem.into(), rest: None, inventory: None };
            }
        }
    }
    let failed = match &synced {
        Synced::Not { problems, .. } => {
            log_failure(&source.name_any(), problems);
            problems.is_transient() || fresh.settled.is_none()
        }
        Synced::Whole { .. } | Synced::Suspended => false,
    };
    let every = interval(source);
    let wait = if failed { ctx.backoff.next(uid.to_owned()).min(every) } else { every };
    if !failed {
        ctx.backoff.reset(uid);
    }
    let settled = fresh.settled.filter(|_| !failed);
    let due = Instant::now() + wait;
    ctx.set_last_sync(uid.to_owned(), LastSync { settled, due, ..fresh });
    ctx.set_unsaid(uid, Some(Arc::new(Unsaid { synced, stored })));
    wait
}

async fn say_unsaid(ctx: &Ctx, source: &GitSource, uid: &str) -> Result<(), IntentError> {
    let Some(unsaid) = ctx.unsaid(uid) else { return Ok(()) };
    ctx.say(source, &unsaid).await?;
    ctx.set_unsaid(uid, None);
    ctx.unwritten.reset(uid);
    Ok(())
}

fn interval(source: &GitSource) -> Duration {
    Duration::from_secs(u64::try_from(source.spec.interval_seconds).unwrap_or(60).max(1))
}

/// A status that could not be written: tried again, ever more slowly, and nothing else with it.
pub(super) fn error_policy(source: Arc<GitSource>, error: &IntentError, ctx: Arc<Ctx>) -> Action {
    let (reason, detail) = (error.reason(), error.advice().found);
    tracing::warn!(component = "intent", reason, %error, detail, "status not written");
    Action::requeue(ctx.unwritten.next(source.uid().unwrap_or_default()))
}

fn log_failure(name: &str, problems: &Problems) {
    let reason = problems.first().map_or("Interrupted", Explain::reason);
    let (count, detail) = (problems.count(), problems.message());
    if problems.is_transient() {
        tracing::warn!(component = "intent", object = name, reason, count, detail, "sync failed");
    } else {
        tracing::error!(component = "intent", object = name, reason, count, detail, "sync refused");
    }
}
