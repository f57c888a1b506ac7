//! One reconcile of one EventTrigger: decide, persist the watermark, then create the runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, ResourceExt};
use regent_api::workflow_run::{Cause, RunPhase};
use regent_api::{EventTrigger, RuntimeSecret, Workflow, WorkflowRun, WorkflowRunSpec};

use super::evaluate::{self, Decision, Observed, Run, RunRequest, Secret, evaluate};
use super::status;
use regent_operator::Context;
use regent_operator::api_error::ApiError;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::error::ReconcileError;
use regent_operator::write::{StatusWrite, write_status};

/// No watch is guaranteed to tell everything, and clocks are set: look at least this often, at no
/// cost.
const RECHECK: Duration = Duration::from_secs(600);
/// How long a pass waits for the first listings.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// Runs remembered until their watch tells of them.
const CREATED_MAX: usize = 10_000;

pub(crate) type Key = (String, String);

/// What all passes share.
pub(crate) struct Ctx {
    pub(crate) operator: Context,
    pub(crate) backoff: Backoff<Key>,
    pub(crate) secrets: Store<RuntimeSecret>,
    pub(crate) workflows: Store<Workflow>,
    pub(crate) runs: Store<WorkflowRun>,
    /// Whether the three are listed.
    pub(crate) listings: [CacheSync; 3],
    pub(crate) memory: Mutex<Memory>,
}

/// What this process knows beyond the watches.
#[derive(Default)]
pub(crate) struct Memory {
    /// uids of triggers whose watermark is known to be covered by runs.
    settled: HashSet<String>,
    /// Runs created here that the watch may not have told of: place → (trigger, secret, when).
    created: HashMap<Key, (String, Run)>,
}

pub(crate) async fn reconcile(
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
        let pending = evaluate::pending(&observed);
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
pub(crate) fn error_policy(
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

/// The key of an object.
pub(crate) fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Until the next slot, and a moment more: a timer that fires early would only have to be set
/// again.
fn pause(decision: &Decision, now: Timestamp) -> Duration {
    let until = decision.again.map(|at| at.duration_since(now));
    let until = until.map(|d| Duration::try_from(d).unwrap_or(Duration::ZERO));
    until.map_or(RECHECK, |d| d.saturating_add(Duration::from_millis(1)).min(RECHECK))
}

fn secret(object: &RuntimeSecret) -> Secret {
    let status = object.status.as_ref();
    Secret {
        name: object.name_any(),
        labels: object.labels().clone(),
        annotations: object.annotations().clone(),
        created: object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        stage: status.and_then(|s| s.stage),
        next_rotation: status.and_then(|s| s.next_rotation.as_ref()).map(|t| t.0),
    }
}

/// Whether a run needs nothing more from anybody: one in conflict or held still stands in the way.
fn ended(run: &WorkflowRun) -> bool {
    let phase = run.status.as_ref().and_then(|s| s.phase);
    matches!(phase, Some(RunPhase::Succeeded | RunPhase::AlreadyDone | RunPhase::Failed))
}

impl Ctx {
    async fn listed(&self) -> Result<(), ReconcileError> {
        let listed = async {
            for listing in &self.listings {
                listing.wait().await;
            }
        };
        tokio::time::timeout(LISTED_WITHIN, listed).await.map_err(|_| ReconcileError::NotListed)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secrets_of(&self, namespace: &str) -> Vec<Arc<RuntimeSecret>> {
        let mut all =
            self.secrets.state_filter(|s| s.metadata.namespace.as_deref() == Some(namespace));
        all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        all
    }

    /// Runs of trigger `key`: those that the watch told of, and those just created here.
    fn runs_of(&self, key: &Key) -> Vec<Run> {
        let watched = self.runs.state_filter(|run| {
            run.metadata.namespace.as_deref() == Some(&key.0)
                && run.spec.cause.by == key.1
                && run.spec.cause.slot.is_some()
        });
        let mut memory = self.memory();
        memory
            .created
            .retain(|place, _| self.runs.get(&ObjectRef::new(&place.1).within(&place.0)).is_none());
        let own = memory.created.iter().filter(|(place, (by, _))| place.0 == key.0 && *by == key.1);
        let watched = watched.iter().map(|run| Run {
            secret: run.spec.runtime_secret.clone(),
            ended: ended(run),
            created: run.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        });
        watched.chain(own.map(|(_, (_, run))| run.clone())).collect()
    }

    /// Writes the watermark under the resourceVersion that was decided on: who decided on an older
    /// one fails here and starts nothing.
    async fn persist(
        &self,
        object: &EventTrigger,
        key: &Key,
        status: regent_api::EventTriggerStatus,
    ) -> Result<StatusWrite, ApiError> {
        let api: Api<EventTrigger> = Api::namespaced(self.operator.api.clone(), &key.0);
        let mut new = object.clone();
        new.status = Some(status);
        write_status(&api, &self.operator.manager(), &new).await
    }

    async fn create_all(
        &self,
        trigger: &EventTrigger,
        key: &Key,
        secrets: &[Arc<RuntimeSecret>],
        requests: &[RunRequest],
        now: Timestamp,
    ) -> Result<(), ReconcileError> {
        for request in requests {
            let Some(secret) = secrets.iter().find(|s| s.name_any() == request.secret) else {
                continue;
            };
            self.create(trigger, key, secret, request, now).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        trigger: &EventTrigger,
        key: &Key,
        secret: &RuntimeSecret,
        request: &RunRequest,
        now: Timestamp,
    ) -> Result<(), ReconcileError> {
        let name = request.run(&key.1);
        if self.runs.get(&ObjectRef::new(&name).within(&key.0)).is_some() {
            return Ok(());
        }
        let api: Api<WorkflowRun> = Api::namespaced(self.operator.api.clone(), &key.0);
        let run = run(trigger, key, secret, request, &name);
        match api.create(&self.operator.manager().post(), &run).await {
            Ok(_) => {
                tracing::info!(
                    component = "triggers",
                    run = name,
                    object = request.secret,
                    slot = request.slot,
                    "run started"
                );
            }
            // The same slot or delivery, told twice.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => {
                return Err(ReconcileError::api(
                    "create",
                    &format!("WorkflowRun {}/{name}", key.0),
                    &error,
                ));
            }
        }
        let mut memory = self.memory();
        if memory.created.len() >= CREATED_MAX {
            memory.created.clear();
        }
        let run = Run { secret: request.secret.clone(), ended: false, created: now };
        memory.created.insert((key.0.clone(), name), (key.1.clone(), run));
        Ok(())
    }
}

/// The run, collected together with its RuntimeSecret.
fn run(
    trigger: &EventTrigger,
    key: &Key,
    secret: &RuntimeSecret,
    request: &RunRequest,
    name: &str,
) -> WorkflowRun {
    let owner = OwnerReference {
        api_version: "regent.dev/v1alpha1".into(),
        kind: "RuntimeSecret".into(),
        name: secret.name_any(),
        uid: secret.uid().unwrap_or_default(),
        controller: None,
        block_owner_deletion: None,
    };
    WorkflowRun {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(key.0.clone()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: WorkflowRunSpec {
            runtime_secret: request.secret.clone(),
            workflow: Some(trigger.spec.workflow.clone()),
            uses: None,
            cause: Cause {
                kind: request.kind,
                by: key.1.clone(),
                slot: Some(request.slot.clone()),
                reason: request.reason.clone(),
            },
        },
        status: None,
    }
}
