//! One pass over one ExternalSecret: what it comes to, and who is told.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::ExternalSecret;
use regent_operator::error::ReconcileError;

use super::declared::{declared, judged};
use super::ended::{Ended, withdraw, write_status};
use super::index::Key;
use super::job::Job;
use super::status::Outcome;
use super::sync_decision::ObjectVersion;
use super::worker::{self, Worker};
use crate::not_ready::{NotReady, PERSON_PAUSE, Until};
use crate::served_namespaces;

/// No watch is guaranteed to tell everything: look at least this often, at no cost while nothing
/// changed.
const RECHECK: Duration = Duration::from_secs(600);
/// How long what does not exist is waited for at most, where no interval says so: External Secrets Operator's default.
const INTERVAL: Duration = Duration::from_secs(3_600);

pub(crate) async fn reconcile(
    es: Arc<ExternalSecret>,
    worker: Arc<Worker>,
) -> Result<Action, ReconcileError> {
    worker.listed().await?;
    let _pass = worker.authorities.pass();
    let key = worker::key(&es);
    if es.metadata.deletion_timestamp.is_some() {
        worker.forget(&key);
        return Ok(Action::await_change());
    }
    worker.prune();
    let es = as_last_told(&worker, es, &key);
    let not_ready = match attempt(&worker, &es, &key).await? {
        None => {
            worker.forget(&key);
            withdraw(&worker, &es).await?;
            return Ok(Action::await_change());
        }
        Some(Ended::Well(next)) => {
            worker.backoff.reset(&key);
            return Ok(Action::requeue(next.unwrap_or(RECHECK).min(RECHECK)));
        }
        Some(Ended::NotReady(not_ready)) => not_ready,
    };
    worker.tables().block(&key);
    let until = not_ready.until;
    let conditions = es.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    if not_ready.is_news(conditions, es.metadata.generation) {
        tracing::warn!(
            component = "materializer", object = %format!("{}/{}", key.0, key.1),
            reason = not_ready.reason, message = not_ready.message, "ExternalSecret is not synced"
        );
        announce(&worker, &es, &not_ready).await;
    }
    write_status(&worker, &es, &Outcome::Refused(not_ready)).await?;
    Ok(match until {
        Until::Retry => Action::requeue(worker.backoff.next(key)),
        Until::There => Action::requeue(worker.backoff.next_up_to(key, interval(&es))),
        Until::Person => Action::requeue(worker.backoff.next_up_to(key, PERSON_PAUSE)),
        Until::After(pause) => Action::requeue(pause),
        Until::Change => Action::requeue(RECHECK),
    })
}

/// The controller's error policy.
pub(crate) fn on_error(
    es: Arc<ExternalSecret>,
    error: &ReconcileError,
    worker: Arc<Worker>,
) -> Action {
    let key = worker::key(&es);
    tracing::warn!(
        component = "materializer", object = %format!("{}/{}", key.0, key.1), %error,
        "pass failed and is tried again"
    );
    Action::requeue(worker.backoff.next(key))
}

/// How long this waits for what does not exist, at most.
fn interval(es: &ExternalSecret) -> Duration {
    let interval = super::request::interval(&es.spec).unwrap_or(INTERVAL);
    if interval.is_zero() { INTERVAL } else { interval.max(Duration::from_secs(1)) }
}

/// `es` with the status that was last written over it, where the cache does not know of that yet.
fn as_last_told(worker: &Worker, es: Arc<ExternalSecret>, key: &Key) -> Arc<ExternalSecret> {
    let told = worker.tables().told(key, &ObjectVersion::of(&*es));
    match told {
        Some(status) => Arc::new(ExternalSecret { status: Some(status), ..(*es).clone() }),
        None => es,
    }
}

/// One try. `None`: not regent's.
async fn attempt(
    worker: &Worker,
    es: &ExternalSecret,
    key: &Key,
) -> Result<Option<Ended>, ReconcileError> {
    let (store, request) = match declared(worker, es, key) {
        Ok(Some(declared)) => declared,
        Ok(None) => return Ok(None),
        Err(not_ready) => return Ok(Some(Ended::NotReady(not_ready))),
    };
    let (namespace, now) = (&key.0, worker.cx.now());
    let not_served = || Some(Ended::NotReady(served_namespaces::not_served(namespace)));
    if !worker.served.is_served(namespace, now).await? {
        return Ok(not_served());
    }
    worker.secrets.watch(namespace);
    let expected_versions = match judged(worker, key, &request) {
        Ok(versions) => versions,
        Err(not_ready) => return Ok(Some(Ended::NotReady(not_ready))),
    };
    let job = Job { worker, es, key: key.clone(), store, request, expected_versions };
    match job.run().await {
        Err(error) if served_namespaces::is_refused_read(&error) => {
            worker.served.refused(namespace, now);
            Ok(not_served())
        }
        ended => ended.map(Some),
    }
}

async fn announce(worker: &Worker, es: &ExternalSecret, not_ready: &NotReady) {
    let said = not_ready.announcement("Materialize");
    if let Err(error) = worker.events.emit(&es.object_ref(&()), &said).await {
        // The condition says the same; the Event is a courtesy.
        tracing::debug!(component = "materializer", object = %es.name_any(), %error, "event not emitted");
    }
}

#[cfg(test)]
#[path = "tests/pass.rs"]
mod tests;
