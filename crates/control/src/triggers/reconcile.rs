//! One reconcile of one EventTrigger: decide, persist the watermark, then create the runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use regent_api::EventTrigger;

use super::ctx::{Ctx, Key, key_of, secret};
use super::decision::Decision;
use super::evaluate::evaluate;
use super::observed::{Observed, Secret};
use super::{status, watermark};
use regent_operator::api_error::ApiError;
use regent_operator::error::ReconcileError;
use regent_operator::write::{StatusWrite, write_status};

/// No watch is guaranteed to tell everything, and clocks are set: look at least this often, at no
/// cost.
const RECHECK: Duration = Duration::from_secs(600);

/// Entry point of the controller. What keeps a trigger from firing is its condition, not an error.
pub(super) async fn reconcile(
    object: Arc<EventTrigger>,
    ctx: Arc<Ctx>,
) -> Result<Action, ReconcileError> {
    ctx.listed().await?;
    let key = key_of(&*object);
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let uid = object.uid().unwrap_or_default();
    let now = ctx.operator.now();
    let secrets = ctx.secrets_of(&key.0);
    let observed_secrets: Vec<Secret> = secrets.iter().map(|s| secret(s)).collect();
    let runs = ctx.runs_of(&key);
    let old = object.status.clone().unwrap_or_default();
    let observed = Observed {
        trigger: &key.1,
        created: object.creation_timestamp().map_or(now, |t| t.0),
        spec: &object.spec,
        status: &old,
        secrets: &observed_secrets,
        runs: &runs,
        workflow: ctx
            .workflows
            .get(&ObjectRef::new(&object.spec.workflow).within(&key.0))
            .is_some(),
    };
    if !ctx.memory().settled.contains(&uid) {
        // A crash between watermark and creation: the runs it owes get the names they would have
        // had.
        let pending = watermark::pending(&observed);
        ctx.create_all(&object, &key, &secrets, &pending, now).await?;
        ctx.memory().settled.insert(uid.clone());
    }
    let decision = evaluate(&observed, now);
    let new = status::after(&observed, &decision, object.metadata.generation, now);
    if object.status.as_ref() != Some(&new) {
        ctx.memory().settled.remove(&uid);
        match ctx.persist(&object, &key, new).await? {
            StatusWrite::Written { .. } => {}
            // Nobody's slots: nothing is started for them.
            StatusWrite::Gone => return Ok(Action::await_change()),
            StatusWrite::Changed => {
                let object = format!("EventTrigger {}/{}", key.0, key.1);
                return Err(ReconcileError::Changed { object });
            }
        }
    }
    ctx.create_all(&object, &key, &secrets, &decision.requests, now).await?;
    ctx.memory().settled.insert(uid);
    ctx.backoff.reset(&key);
    Ok(Action::requeue(pause(&decision, now)))
}

/// The controller's error policy.
pub(super) fn error_policy(
    object: Arc<EventTrigger>,
    error: &ReconcileError,
    ctx: Arc<Ctx>,
) -> Action {
    let key = key_of(&*object);
    if matches!(error, ReconcileError::Changed { .. }) {
        tracing::debug!(component = "triggers", %error, "decided on an older state");
        return Action::requeue(ctx.backoff.next(key));
    }
    tracing::warn!(
        component = "triggers", object = %format!("{}/{}", key.0, key.1), %error,
        "pass failed and is tried again"
    );
    Action::requeue(ctx.backoff.next(key))
}

/// Until the next slot, and a moment more: a timer that fires early would only have to be set
/// again.
fn pause(decision: &Decision, now: Timestamp) -> Duration {
    let until = decision.again.map(|at| at.duration_since(now));
    let until = until.map(|d| Duration::try_from(d).unwrap_or(Duration::ZERO));
    until.map_or(RECHECK, |d| d.saturating_add(Duration::from_millis(1)).min(RECHECK))
}

impl Ctx {
    /// Writes the watermark under the resourceVersion that was decided on: who decided on an older
    /// one fails here and starts nothing.
    async fn persist(
        &self,
        object: &EventTrigger,
        key: &Key,
        status: regent_api::EventTriggerStatus,
    ) -> Result<StatusWrite<EventTrigger>, ApiError> {
        let api: Api<EventTrigger> = Api::namespaced(self.operator.api.clone(), &key.0);
        let mut new = object.clone();
        new.status = Some(status);
        write_status(&api, &self.operator.manager(), &new).await
    }
}
