//! What all reconciles of EventTriggers share: the watched objects, and what this process knows beyond them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use regent_api::workflow_run::RunPhase;
use regent_api::{RuntimeSecret, Workflow, WorkflowRun};

use super::observed::{Run, Secret};
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::error::ReconcileError;

/// How long a reconcile waits for the first listings.
const LISTED_WITHIN: Duration = Duration::from_secs(10);
/// Runs remembered until their watch tells of them.
const CREATED_MAX: usize = 10_000;

/// Namespace and name of an object.
pub(super) type Key = (String, String);

pub(super) struct Ctx {
    pub(super) operator: Context,
    pub(super) backoff: Backoff<Key>,
    pub(super) secrets: Store<RuntimeSecret>,
    pub(super) workflows: Store<Workflow>,
    pub(super) runs: Store<WorkflowRun>,
    /// Whether the three are listed.
    pub(super) listings: [CacheSync; 3],
    pub(super) memory: Mutex<Memory>,
}

/// What this process knows beyond the watches.
#[derive(Default)]
pub(super) struct Memory {
    /// uids of triggers whose watermark is known to be covered by runs.
    pub(super) settled: HashSet<String>,
    /// Runs created here that the watch may not have told of: place → (trigger, secret, when).
    created: HashMap<Key, (String, Run)>,
}

impl Ctx {
    pub(super) async fn listed(&self) -> Result<(), ReconcileError> {
        let listed = async {
            for listing in &self.listings {
                listing.wait().await;
            }
        };
        tokio::time::timeout(LISTED_WITHIN, listed).await.map_err(|_| ReconcileError::NotListed)
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn secrets_of(&self, namespace: &str) -> Vec<Arc<RuntimeSecret>> {
        let mut all =
            self.secrets.state_filter(|s| s.metadata.namespace.as_deref() == Some(namespace));
        all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        all
    }

    /// Runs of trigger `key`: those that the watch told of, and those just created here.
    pub(super) fn runs_of(&self, key: &Key) -> Vec<Run> {
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

    /// Remembers `run`, made for the trigger named `trigger`, until the watch tells of it.
    pub(super) fn remember_created(&self, place: Key, trigger: String, run: Run) {
        let mut memory = self.memory();
        if memory.created.len() >= CREATED_MAX {
            memory.created.clear();
        }
        memory.created.insert(place, (trigger, run));
    }
}

/// The key of an object.
pub(super) fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What counts of `object`.
pub(super) fn secret(object: &RuntimeSecret) -> Secret {
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
    phase.is_some_and(RunPhase::is_over)
}
