//! One pass over one ExternalSecret: judge, look fresh, read, write under a condition, say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use regent_api::ExternalSecret;
use regent_operator::wiped_secret::WipedSecret;
use regent_operator::write::{delete_exactly, write_status_anew};
use regent_types::{SecretData, SecretPath, VersionPair};
use regent_vault::{KvSecret, VersionState};

use super::allow::Judgement;
use super::authority::Read;
use super::index::Key;
use super::render::{Reads, Rendered, render};
use super::request::{Creation, Place, Request};
use super::status::{self, Outcome};
use super::sync_decision::{Cause, LastSync, ObjectVersion, Observed, SyncDecision, decide};
use super::target::{self, Owner, Versions, Write};
use super::worker::{self, Worker};
use crate::fingerprint::fingerprint;
use crate::not_ready::{NotReady, Until};
use crate::served_namespaces;
use crate::store::{self, Purpose, Resolution, Served};
use regent_operator::error::ReconcileError;

/// No watch is guaranteed to tell everything: look at least this often, at no cost while nothing
/// changed.
const RECHECK: Duration = Duration::from_secs(600);

/// Versions that RuntimeSecrets tell, path by path.
type ExpectedVersions = BTreeMap<SecretPath, VersionPair>;

/// What one pass works on.
struct Job<'a> {
    worker: &'a Worker,
    es: &'a ExternalSecret,
    key: Key,
    store: Served,
    request: Request,
    expected_versions: ExpectedVersions,
}

pub(crate) async fn reconcile(
    es: Arc<ExternalSecret>,
    worker: Arc<Worker>,
) -> Result<Action, ReconcileError> {
    worker.listed().await?;
    let _pass = worker.authorities.pass();
    let key = worker::key(&es);
    if es.metadata.deletion_timestamp.is_some() {
        worker.tables().forget(&key);
        return Ok(Action::await_change());
    }
    worker.tables().prune(&worker.objects);
    let not_ready = match attempt(&worker, &es, &key).await? {
        None => {
            worker.tables().forget(&key);
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
    if said(&es) != Some(not_ready.reason) {
        tracing::warn!(
            component = "materializer", object = %format!("{}/{}", key.0, key.1),
            reason = not_ready.reason, message = not_ready.message, "ExternalSecret is not synced"
        );
    }
    write_status(&worker, &es, &Outcome::Refused(not_ready)).await?;
    Ok(match until {
        Until::Retry => Action::requeue(worker.backoff.next(key)),
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

fn said(es: &ExternalSecret) -> Option<&str> {
    let conditions = &es.status.as_ref()?.conditions;
    Some(regent_api::condition::get(conditions, regent_api::condition::READY)?.reason.as_str())
}

enum Ended {
    Well(Option<Duration>),
    NotReady(NotReady),
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
    let job = match judged(worker, es, key, store, request) {
        Ok(job) => job,
        Err(not_ready) => return Ok(Some(Ended::NotReady(not_ready))),
    };
    match job.run().await {
        Err(error) if served_namespaces::is_refused_read(&error) => {
            worker.served.refused(namespace, now);
            Ok(not_served())
        }
        ended => ended.map(Some),
    }
}

/// What `es` asks for, of which store. `None`: not regent's.
fn declared(
    worker: &Worker,
    es: &ExternalSecret,
    key: &Key,
) -> Result<Option<(Served, Request)>, NotReady> {
    let Some(store) = served_by(worker, es, &key.0)? else { return Ok(None) };
    let request = Request::parse(&key.1, &es.spec, &store.mount)?;
    Ok(Some((store, request)))
}

/// Whether it may have that now; decided before the authority is asked anything.
fn judged<'a>(
    worker: &'a Worker,
    es: &'a ExternalSecret,
    key: &Key,
    store: Served,
    request: Request,
) -> Result<Job<'a>, NotReady> {
    let paths: BTreeSet<SecretPath> =
        request.entries.iter().map(|entry| entry.place().path.clone()).collect();
    // Before judging, so that a change after it is not lost.
    worker.tables().asks(key, paths.clone(), &request.target);
    let mut expected_versions = ExpectedVersions::new();
    for path in paths {
        match worker.judge(&key.0, &path) {
            Judgement::Serve(version) => {
                expected_versions.extend(version.map(|version| (path, version)))
            }
            Judgement::Refuse(not_ready) => return Err(not_ready),
        }
    }
    Ok(Job { worker, es, key: key.clone(), store, request, expected_versions })
}

/// The store that `es` names, if it is regent's.
fn served_by(
    worker: &Worker,
    es: &ExternalSecret,
    namespace: &str,
) -> Result<Option<Served>, NotReady> {
    let Some(reference) = &es.spec.secret_store_ref else { return Ok(None) };
    let kind = reference.kind.as_deref().unwrap_or("SecretStore");
    let absent = || {
        let message = format!("{kind} {} is not there", reference.name);
        NotReady::until_change("StoreNotReady", message)
    };
    let home = worker.home();
    let resolution = if kind == "ClusterSecretStore" {
        let found =
            worker.cluster_stores.get(&ObjectRef::new(&reference.name)).ok_or_else(absent)?;
        let resolution =
            store::resolve(&found.spec.controller, &found.spec.provider, Purpose::Read, &home);
        let labels = worker::labels_of(&worker.namespaces, namespace);
        let ours = matches!(resolution, Resolution::Ours(_));
        if ours && !store::usable_in(&found.spec.conditions, namespace, &labels)? {
            let message =
                format!("{kind} {} may not be used in namespace {namespace}", reference.name);
            return Err(NotReady::until_change("StoreNotReady", message));
        }
        resolution
    } else {
        let wanted = ObjectRef::new(&reference.name).within(namespace);
        let found = worker.stores.get(&wanted).ok_or_else(absent)?;
        store::resolve(&found.spec.controller, &found.spec.provider, Purpose::Read, &home)
    };
    match resolution {
        Resolution::Ours(served) => Ok(Some(served)),
        Resolution::NotOurs => Ok(None),
        Resolution::Refused(not_ready) => Err(not_ready),
    }
}

impl Job<'_> {
    async fn run(&self) -> Result<Ended, ReconcileError> {
        let (last_sync, publish_count) = self.worker.tables().recall(&self.key);
        let fingerprint = fingerprint(&self.es.metadata);
        let version = self.worker.secrets.version_of(&self.place());
        let old = self.es.status.clone().unwrap_or_default();
        let observed = Observed {
            fingerprint: &fingerprint,
            synced: old.synced_resource_version.as_deref(),
            refreshed: old.refresh_time.as_ref().map(|t| t.0),
            secret: version.as_ref(),
            expected_versions: &self.expected_versions,
            publish_count,
        };
        let (refresh, creation) = (self.request.refresh, self.request.creation);
        let now = self.worker.cx.now();
        let cause = match decide(refresh, creation, last_sync.as_ref(), &observed, now) {
            SyncDecision::Idle(next) => return Ok(Ended::Well(next)),
            SyncDecision::Presence => match self.look().await? {
                None if creation != Creation::Nothing => Cause::Drift,
                version => return self.finish(version, publish_count, (false, false)).await,
            },
            SyncDecision::Now(Cause::Drift) => {
                // The watch may lag behind an own write: only a fresh look says that it is drift.
                if let Some(last_sync) = &last_sync {
                    let version = self.look().await?;
                    if last_sync.secret == version {
                        return Ok(Ended::Well(None));
                    }
                }
                Cause::Drift
            }
            SyncDecision::Now(Cause::Refresh) => Cause::Refresh,
        };
        match self.sync().await? {
            Ok(Done::Gone) => {
                write_status(self.worker, self.es, &Outcome::Deleted).await?;
                self.remember(None, publish_count);
                Ok(Ended::Well(self.interval()))
            }
            Ok(Done::Written { version, wrote }) => {
                self.finish(version, publish_count, (wrote || cause == Cause::Refresh, wrote)).await
            }
            Err(not_ready) => Ok(Ended::NotReady(not_ready)),
        }
    }

    async fn finish(
        &self,
        version: Option<ObjectVersion>,
        publish_count: u64,
        (refreshed, wrote): (bool, bool),
    ) -> Result<Ended, ReconcileError> {
        let target = self.request.target.clone();
        write_status(self.worker, self.es, &Outcome::Synced { target, refreshed, wrote }).await?;
        self.remember(version, publish_count);
        Ok(Ended::Well(self.interval()))
    }

    fn interval(&self) -> Option<Duration> {
        match self.request.refresh {
            super::request::Refresh::Every(interval) => Some(interval),
            _ => None,
        }
    }

    fn remember(&self, secret: Option<ObjectVersion>, publish_count: u64) {
        let last_sync =
            LastSync { secret, expected_versions: self.expected_versions.clone(), publish_count };
        self.worker.tables().remember(&self.key, last_sync);
    }

    fn place(&self) -> Key {
        (self.key.0.clone(), self.request.target.clone())
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.worker.cx.api.clone(), &self.key.0)
    }

    /// The Secret's present state, without its values.
    async fn look(&self) -> Result<Option<ObjectVersion>, ReconcileError> {
        let found = self.api().get_metadata_opt(&self.request.target).await;
        let found = found.map_err(|e| ReconcileError::api("get", &self.object(), &e))?;
        Ok(found.map(|meta| version_of(&meta)))
    }

    fn object(&self) -> String {
        format!("Secret {}/{}", self.key.0, self.request.target)
    }

    /// Reads, renders and writes.
    async fn sync(&self) -> Result<Result<Done, NotReady>, ReconcileError> {
        let existing = match self.request.creation {
            Creation::Nothing => None,
            _ => {
                let found = self.api().get_opt(&self.request.target).await;
                found
                    .map_err(|e| ReconcileError::api("get", &self.object(), &e))?
                    .map(WipedSecret::new)
            }
        };
        let owner = Owner {
            namespace: &self.key.0,
            name: &self.key.1,
            uid: self.es.metadata.uid.as_deref().unwrap_or_default(),
            meta: &self.es.metadata,
        };
        let existing = existing.as_deref();
        if let Err(not_ready) = target::may_write(&self.request, &owner, existing) {
            return Ok(Err(not_ready));
        }
        let decided = match self.read().await {
            Ok(reads) => self.decide(&owner, existing, &reads),
            Err(not_ready) => Err(not_ready),
        };
        match decided {
            Ok(Plan::Write(write)) => self.write(existing, write).await.map(Ok),
            Ok(Plan::Delete) => self.delete(&owner, existing).await.map(Ok),
            Err(not_ready) => Ok(Err(not_ready)),
        }
    }

    async fn read(&self) -> Result<BTreeMap<Place, Read>, NotReady> {
        let places: BTreeSet<&Place> = self.request.entries.iter().map(|e| e.place()).collect();
        let mut reads = BTreeMap::new();
        for place in places {
            let expected = self.expected_versions.get(&place.path);
            let expected = expected.filter(|_| place.version.is_none());
            let read = self.worker.authorities.read(&self.store, place, expected).await?;
            reads.insert(place.clone(), read);
        }
        Ok(reads)
    }

    fn decide(
        &self,
        owner: &Owner<'_>,
        existing: Option<&Secret>,
        reads: &BTreeMap<Place, Read>,
    ) -> Result<Plan, NotReady> {
        let pair = |read: &Read| (**read).as_ref().map(|secret| secret.version.clone());
        // Pinned versions go back and forth as the ExternalSecret says.
        let newest = reads.iter().filter(|(place, _)| place.version.is_none());
        let newest: BTreeMap<SecretPath, Option<VersionPair>> =
            newest.map(|(place, read)| (place.path.clone(), pair(read))).collect();
        target::went_back(existing, &newest)?;
        let live: Reads<'_> =
            reads.iter().map(|(place, read)| (place, (**read).as_ref().and_then(live))).collect();
        let data = match render(&self.request, &live)? {
            Rendered::Data(data) => data,
            Rendered::Gone => return Ok(Plan::Delete),
        };
        let mut versions = Versions::new();
        // Places are sorted, the newest of a path before its pinned versions: it is the one
        // recorded.
        for (place, read) in reads {
            if let Some(version) = pair(read) {
                versions.entry(place.path.clone()).or_insert(version);
            }
        }
        target::plan(&self.request, owner, existing, &data, &versions).map(Plan::Write)
    }

    async fn write(&self, existing: Option<&Secret>, write: Write) -> Result<Done, ReconcileError> {
        let params = self.worker.cx.manager().post();
        let (verb, written) = match write {
            Write::Nothing => {
                let version = existing.map(version_of);
                return Ok(Done::Written { version, wrote: false });
            }
            Write::Create(secret) => ("create", self.api().create(&params, &secret).await),
            Write::Replace(secret) => {
                ("update", self.api().replace(&self.request.target, &params, &secret).await)
            }
        };
        let written =
            WipedSecret::new(written.map_err(|e| ReconcileError::api(verb, &self.object(), &e))?);
        tracing::info!(
            component = "materializer", object = %self.object(), verb,
            versions = written.annotations().get(regent_types::labels::VERSIONS),
            "Secret materialized"
        );
        Ok(Done::Written { version: Some(version_of(&*written)), wrote: true })
    }

    async fn delete(
        &self,
        owner: &Owner<'_>,
        existing: Option<&Secret>,
    ) -> Result<Done, ReconcileError> {
        let Some(secret) = existing.filter(|secret| target::is_owned(secret, owner)) else {
            return Ok(Done::Gone);
        };
        let params = delete_exactly(secret.uid(), secret.resource_version());
        match self.api().delete(&self.request.target, &params).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(ReconcileError::api("delete", &self.object(), &error)),
        }
        tracing::info!(component = "materializer", object = %self.object(), "Secret deleted by policy");
        Ok(Done::Gone)
    }
}

enum Plan {
    Write(Write),
    Delete,
}

enum Done {
    Gone,
    Written { version: Option<ObjectVersion>, wrote: bool },
}

fn live(secret: &KvSecret) -> Option<&SecretData> {
    secret.data.as_ref().filter(|_| secret.state == VersionState::Live)
}

fn version_of(object: &impl ResourceExt) -> ObjectVersion {
    ObjectVersion {
        uid: object.uid().unwrap_or_default(),
        resource_version: object.resource_version().unwrap_or_default(),
    }
}

/// Writes the status that follows from `outcome`, unless it says the same already.
async fn write_status(
    worker: &Worker,
    es: &ExternalSecret,
    outcome: &Outcome,
) -> Result<(), ReconcileError> {
    let namespace = es.namespace().unwrap_or_default();
    let api: Api<ExternalSecret> = Api::namespaced(worker.cx.api.clone(), &namespace);
    let next = |base: &ExternalSecret| {
        // A newer declaration has a pass of its own coming.
        if base.metadata.generation != es.metadata.generation {
            return None;
        }
        let old = base.status.clone().unwrap_or_default();
        let new = status::after(&old, &es.metadata, outcome, worker.cx.now());
        let changed = base.status.as_ref() != Some(&new);
        changed.then(|| ExternalSecret { status: Some(new), ..base.clone() })
    };
    write_status_anew(&api, &worker.cx.manager(), es, next).await
}

#[cfg(test)]
#[path = "tests/pass.rs"]
mod tests;
