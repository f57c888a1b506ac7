//! How a try at an ExternalSecret ended, and what is written of it.

use std::time::Duration;

use kube::{Api, ResourceExt};
use regent_api::{ExternalSecret, ExternalSecretStatus};
use regent_operator::error::ReconcileError;
use regent_operator::write::write_status_anew;

use super::status::{self, Outcome};
use super::sync_decision::ObjectVersion;
use super::worker::{self, Worker};
use crate::not_ready::NotReady;

/// How a try ended.
pub(crate) enum Ended {
    /// As declared; the next look is due after this long.
    Well(Option<Duration>),
    NotReady(NotReady),
}

/// Writes the status that follows from `outcome`, unless it says the same already.
pub(crate) async fn write_status(
    worker: &Worker,
    es: &ExternalSecret,
    outcome: &Outcome,
) -> Result<(), ReconcileError> {
    write(worker, es, |old| Some(status::after(old, &es.metadata, outcome, worker.cx.now()))).await
}

/// Takes back what was said of an ExternalSecret that turned out to be another controller's.
pub(crate) async fn withdraw(worker: &Worker, es: &ExternalSecret) -> Result<(), ReconcileError> {
    write(worker, es, status::withdrawn).await
}

async fn write(
    worker: &Worker,
    es: &ExternalSecret,
    new: impl Fn(&ExternalSecretStatus) -> Option<ExternalSecretStatus>,
) -> Result<(), ReconcileError> {
    let namespace = es.namespace().unwrap_or_default();
    let api: Api<ExternalSecret> = Api::namespaced(worker.cx.api.clone(), &namespace);
    let key = worker::key(es);
    let next = |base: &ExternalSecret| {
        // A newer declaration has a pass of its own coming.
        if base.metadata.generation != es.metadata.generation {
            return None;
        }
        let old = base.status.clone().unwrap_or_default();
        let new = new(&old)?;
        let changed = base.status.as_ref() != Some(&new);
        if changed {
            worker.tables().tell(&key, ObjectVersion::of(es), new.clone());
        }
        changed.then(|| ExternalSecret { status: Some(new), ..base.clone() })
    };
    write_status_anew(&api, &worker.cx.manager(), es, next).await
}
