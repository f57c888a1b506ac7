//! One pass over one PushSecret: judge, look at the source fresh, write what differs, say so.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Api, Resource, ResourceExt};
use regent_api::{ClusterSecretStore, ClusterSecretStoreSpec, PushSecret, RuntimeAuthority};
use regent_operator::wiped_secret::WipedSecret;
use regent_operator::write::write_status_anew;
use regent_types::{SecretData, Sensitive, labels};

use super::authority::{Author, Authorities};
use super::explicit::Wanted;
use super::status::{self, Outcome, Versions};
use super::watch::{Key, Sources};
use super::withdraw::{Properties, left_over};
use crate::fingerprint::fingerprint;
use crate::not_ready::{NotReady, PERSON_PAUSE, Until};
use crate::served_namespaces::{self, ServedNamespaces};
use crate::store::{self, Purpose, Resolution};
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::error::ReconcileError;
use regent_operator::events::EventRecorder;
use regent_operator::trusted_authority::{AuthorityEndpoint, TrustedAuthority};

/// No watch is guaranteed to tell everything: look at the source at least this often.
const RECHECK: Duration = Duration::from_secs(600);
/// How long a pass waits for the first listings.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

/// What all passes share.
pub(crate) struct Worker {
    pub(crate) cx: Context,
    pub(crate) authorities: Authorities,
    pub(crate) sources: Sources,
    pub(crate) served: ServedNamespaces,
    pub(crate) backoff: Backoff<Key>,
    pub(crate) objects: Store<PushSecret>,
    pub(crate) namespaces: Store<Namespace>,
    pub(crate) runtime: Store<RuntimeAuthority>,
    pub(crate) stores: Store<ClusterSecretStore>,
    /// Whether these have been listed.
    pub(crate) listings: [CacheSync; 3],
    pub(crate) last_publishes: Mutex<HashMap<Key, LastPublish>>,
    pub(crate) events: EventRecorder,
}

/// What the last pass of this process left behind. No value, no hash of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastPublish {
    fingerprint: String,
    servers: Vec<AuthorityEndpoint>,
    source: (String, String),
    at: Timestamp,
}

pub(crate) async fn reconcile(
    object: Arc<PushSecret>,
    worker: Arc<Worker>,
) -> Result<Action, ReconcileError> {
    worker.listed().await?;
    worker.prune();
    let key = key_of(&*object);
    let attempted = if object.metadata.deletion_timestamp.is_some() {
        worker.forget(&key);
        worker.end(&object, &key).await?
    } else {
        worker.attempt(&object, &key).await?
    };
    match attempted {
        Ok(None) => {
            worker.forget(&key);
            Ok(Action::await_change())
        }
        Ok(Some(next)) => {
            worker.backoff.reset(&key);
            Ok(Action::requeue(next.min(RECHECK)))
        }
        Err(not_ready) => {
            worker.last_publishes().remove(&key);
            let conditions = object.status.as_ref().map(|s| s.conditions.as_slice());
            let generation = object.metadata.generation;
            if not_ready.is_news(conditions.unwrap_or_default(), generation) {
                tracing::warn!(
                    component = "publisher", object = %format!("{}/{}", key.0, key.1),
                    reason = not_ready.reason, message = not_ready.message, "PushSecret is not published"
                );
                worker.announce(&object, &not_ready).await;
            }
            worker.write_status(&object, &Outcome::Refused(&not_ready)).await?;
            Ok(Action::requeue(match not_ready.until {
                Until::Retry | Until::There => worker.backoff.next(key),
                Until::Person => worker.backoff.next_up_to(key, PERSON_PAUSE),
                Until::After(pause) => pause,
                Until::Change => RECHECK,
            }))
        }
    }
}

/// The controller's error policy.
pub(crate) fn on_error(
    object: Arc<PushSecret>,
    error: &ReconcileError,
    worker: Arc<Worker>,
) -> Action {
    let key = key_of(&*object);
    tracing::warn!(
        component = "publisher", object = %format!("{}/{}", key.0, key.1), %error,
        "pass failed and is tried again"
    );
    Action::requeue(worker.backoff.next(key))
}

/// The key that `object` has in all tables.
pub(crate) fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

impl Worker {
    async fn listed(&self) -> Result<(), ReconcileError> {
        let listed = async {
            for listed in &self.listings {
                listed.wait().await;
            }
        };
        tokio::time::timeout(LISTED_WITHIN, listed).await.map_err(|_| ReconcileError::NotListed)
    }

    fn last_publishes(&self) -> MutexGuard<'_, HashMap<Key, LastPublish>> {
        self.last_publishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ends with a namespace. The store of namespaces has taken `event` in.
    pub(crate) fn on_namespace(&self, event: &Event<Namespace>) {
        if let Event::Delete(namespace) = event {
            self.served.forget(&namespace.name_any());
        }
        let exists = |name: &str| self.namespaces.get(&ObjectRef::new(name)).is_some();
        self.sources.on_namespace(event, exists);
    }

    fn forget(&self, key: &Key) {
        self.last_publishes().remove(key);
        self.sources.leave(key);
    }

    /// Forgets PushSecrets that are gone; deletions are not seen one by one.
    fn prune(&self) {
        let len = self.objects.len();
        if self.last_publishes().len() <= 2 * len + 64 && self.sources.all_users().len() <= len {
            return;
        }
        let there = |key: &Key| self.objects.get(&ObjectRef::new(&key.1).within(&key.0)).is_some();
        for key in self.sources.all_users().iter().filter(|key| !there(key)) {
            self.sources.leave(key);
        }
        self.last_publishes().retain(|key, _| there(key));
    }

    /// `Ok(None)`: not regent's. Otherwise how long until it is compared again.
    async fn attempt(
        &self,
        object: &PushSecret,
        key: &Key,
    ) -> Result<Result<Option<Duration>, NotReady>, ReconcileError> {
        let prepared = self.prepare(object, key);
        let (wanted, servers, publisher) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return Ok(Ok(None)),
            Err(not_ready) => return Ok(Err(not_ready)),
        };
        let now = self.cx.now();
        let held = self.held(object, &wanted).await?;
        let object = held.as_ref().unwrap_or(object);
        let source = match self.source(key, &wanted, now).await? {
            Ok(source) => source,
            Err(not_ready) => return Ok(Err(not_ready)),
        };
        let observed = LastPublish {
            fingerprint: fingerprint(&object.metadata),
            servers: servers.clone(),
            source: (
                source.uid().unwrap_or_default(),
                source.resource_version().unwrap_or_default(),
            ),
            at: now,
        };
        let last_publish = self.last_publishes().get(key).cloned();
        if let Some(left) = last_publish
            .as_ref()
            .and_then(|last_publish| left(last_publish, &observed, wanted.interval))
        {
            return Ok(Ok(Some(left)));
        }
        let author = Author {
            publisher: &publisher,
            only_new: wanted.only_new,
            first: last_publish.is_none(),
        };
        let left = match &object.status {
            Some(status) if wanted.withdraws => left_over(status, Some(&wanted)),
            _ => BTreeMap::new(),
        };
        match self.write(&wanted, &servers, &source, &author, (key, &left), now).await {
            Ok(versions) => {
                let outcome = Outcome::Synced { wanted: &wanted, versions: &versions };
                self.write_status(object, &outcome).await?;
                self.last_publishes().insert(key.clone(), observed);
                Ok(Ok(Some(wanted.interval.unwrap_or(RECHECK))))
            }
            Err(not_ready) => Ok(Err(not_ready)),
        }
    }

    /// Everything that is decided before anybody is asked anything.
    fn prepare(
        &self,
        object: &PushSecret,
        key: &Key,
    ) -> Result<Option<(Wanted, Vec<AuthorityEndpoint>, String)>, NotReady> {
        let wanted = Wanted::parse(&object.spec)?;
        let home = TrustedAuthority::of(&self.cx, &self.runtime.state());
        let mut servers = Vec::new();
        for name in &wanted.stores {
            let found = self.stores.get(&ObjectRef::new(name)).ok_or_else(|| {
                let message = format!("ClusterSecretStore {name} is not there");
                NotReady::until_change("StoreNotReady", message)
            })?;
            match endpoint(name, &found.spec, &home)? {
                Some(endpoint) => servers.push(endpoint),
                None => return Ok(None),
            }
        }
        let namespace = self.namespaces.get(&ObjectRef::new(&key.0));
        wanted.owned(&key.0, |datasource| {
            let label = format!("{}{datasource}", labels::DATASOURCE_PREFIX);
            let owned = namespace.as_ref().and_then(|n| n.labels().get(&label));
            owned.map(String::as_str) == Some("true")
        })?;
        let publisher = self.publisher(key)?;
        Ok(Some((wanted, servers, publisher)))
    }

    /// The source Secret, read fresh and watched from now on.
    async fn source(
        &self,
        key: &Key,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Result<WipedSecret, NotReady>, ReconcileError> {
        let (namespace, name) = (&key.0, &wanted.source);
        if !self.served.is_served(namespace, now).await? {
            self.sources.leave(key);
            return Ok(Err(served_namespaces::not_served(namespace)));
        }
        self.sources.uses(key, name);
        let api: Api<Secret> = Api::namespaced(self.cx.api.clone(), namespace);
        let object = format!("Secret {namespace}/{name}");
        let found = api.get_opt(name).await.map_err(|e| ReconcileError::api("get", &object, &e));
        match found {
            Ok(Some(source)) => Ok(Ok(WipedSecret::new(source))),
            Ok(None) => {
                let message =
                    format!("source Secret {name} is not there; it is published once it is");
                Ok(Err(NotReady::until_retry("SourceMissing", message)))
            }
            Err(error) if served_namespaces::is_refused_read(&error) => {
                self.served.refused(namespace, now);
                self.sources.leave(key);
                Ok(Err(served_namespaces::not_served(namespace)))
            }
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        wanted: &Wanted,
        servers: &[AuthorityEndpoint],
        source: &Secret,
        author: &Author<'_>,
        (key, left): (&Key, &BTreeMap<String, Properties>),
        now: Timestamp,
    ) -> Result<Versions, NotReady> {
        // All values before the first write: a source that lacks one key publishes nothing.
        let mut all = Vec::with_capacity(wanted.paths.len());
        for (path, properties) in &wanted.paths {
            let mut data = SecretData::new();
            for (property, secret_key) in properties {
                data.insert(property.clone(), value(source, secret_key)?);
            }
            all.push((path, data));
        }
        self.withdraw(key, left, now).await?;
        let mut versions = Versions::new();
        for server in servers {
            for (path, data) in &all {
                let version = self.authorities.publish(server, path, data, author, now).await?;
                versions.insert((server.address.clone(), (*path).clone()), version);
            }
        }
        Ok(versions)
    }

    async fn announce(&self, object: &PushSecret, not_ready: &NotReady) {
        let said = not_ready.announcement("Publish");
        if let Err(error) = self.events.emit(&object.object_ref(&()), &said).await {
            // The condition says the same; the Event is a courtesy.
            tracing::debug!(component = "publisher", object = %object.name_any(), %error, "event not emitted");
        }
    }

    /// Writes the status that follows from `outcome`, unless it says the same already. What was published is told even if
    /// the declaration has changed since.
    async fn write_status(
        &self,
        object: &PushSecret,
        outcome: &Outcome<'_>,
    ) -> Result<(), ReconcileError> {
        let api = self.of(object);
        let next = |base: &PushSecret| {
            let old = base.status.clone().unwrap_or_default();
            let new = status::after(&old, &object.metadata, outcome, self.cx.now());
            let changed = base.status.as_ref() != Some(&new);
            changed.then(|| PushSecret { status: Some(new), ..base.clone() })
        };
        write_status_anew(&api, &self.cx.manager(), object, next).await
    }
}

/// The authority behind store `name`; `None` where the store is another controller's.
pub(super) fn endpoint(
    name: &str,
    spec: &ClusterSecretStoreSpec,
    trusted: &TrustedAuthority,
) -> Result<Option<AuthorityEndpoint>, NotReady> {
    let served = match store::resolve(&spec.controller, &spec.provider, Purpose::Write, trusted) {
        Resolution::NotOurs => return Ok(None),
        Resolution::Ours(_) if !spec.conditions.is_empty() => {
            Err(NotReady::unsupported("spec.conditions"))
        }
        Resolution::Ours(served) => Ok(served),
        Resolution::Refused(not_ready) => Err(not_ready),
    };
    let of_store = |not_ready: NotReady| NotReady {
        message: format!("store {name}: {}", not_ready.message),
        ..not_ready
    };
    served.map(|served| Some(served.endpoint)).map_err(of_store)
}

fn value(source: &Secret, key: &str) -> Result<Sensitive<Vec<u8>>, NotReady> {
    let found = source.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| {
        NotReady::until_retry("Errored", format!("the source Secret has no key {key:?}"))
    })?;
    if std::str::from_utf8(&found.0).is_err() {
        let message = format!(
            "the value of key {key:?} is no UTF-8 text; store it as base64 and read it with \
             decodingStrategy Base64"
        );
        return Err(NotReady::until_retry("NotText", message));
    }
    Ok(Sensitive::new(found.0.clone()))
}

/// Time left until the next comparison, if nothing changed since `last_publish`.
fn left(
    last_publish: &LastPublish,
    observed: &LastPublish,
    interval: Option<Duration>,
) -> Option<Duration> {
    let same = last_publish.fingerprint == observed.fingerprint
        && last_publish.servers == observed.servers
        && last_publish.source == observed.source;
    let passed =
        Duration::try_from(observed.at.duration_since(last_publish.at)).unwrap_or(Duration::ZERO);
    let left = interval.map_or(RECHECK, |interval| interval.saturating_sub(passed));
    (same && !left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_publish(source: &str, second: i64) -> LastPublish {
        LastPublish {
            fingerprint: "1-a".into(),
            servers: vec![AuthorityEndpoint {
                address: "https://home".into(),
                mount: "kubernetes".into(),
            }],
            source: ("u".into(), source.into()),
            at: Timestamp::from_second(second).expect("a time"),
        }
    }

    #[test]
    fn the_authority_is_asked_only_when_the_source_changed_or_the_interval_is_over() {
        let hour = Some(Duration::from_secs(3_600));
        let rest = |now: &LastPublish, interval| {
            left(&last_publish("7", 0), now, interval).map(|d| d.as_secs())
        };
        assert_eq!(rest(&last_publish("7", 600), hour), Some(3_000));
        assert_eq!(rest(&last_publish("7", 3_600), hour), None);
        assert_eq!(rest(&last_publish("8", 600), hour), None);
        assert_eq!(rest(&last_publish("7", 1_000_000), None), Some(600));
        assert_eq!(rest(&last_publish("7", -600), hour), Some(3_600));
    }

    #[test]
    fn a_value_that_is_no_text_or_not_there_publishes_nothing() {
        let data = [("b".to_owned(), k8s_openapi::ByteString(vec![0xff]))].into();
        let source = Secret { data: Some(data), ..Secret::default() };
        assert_eq!(value(&source, "b").err().map(|r| r.reason), Some("NotText"));
        assert_eq!(value(&source, "a").err().map(|r| r.reason), Some("Errored"));
    }

    #[test]
    fn a_store_that_is_refused_is_named_and_one_of_another_controller_is_not_regents() {
        let found = |patch: serde_json::Value| {
            let mut spec =
                serde_json::json!({ "provider": { "vault": { "server": "https://home" } } });
            for (key, value) in patch.as_object().expect("an object") {
                spec[key] = value.clone();
            }
            let spec = serde_json::from_value(spec).expect("a spec");
            let found = endpoint("shared", &spec, &TrustedAuthority::at("https://home", "east"));
            found.map(|endpoint| endpoint.map(|e| e.address)).map_err(|e| e.message)
        };
        assert_eq!(found(serde_json::json!({})), Ok(Some("https://home".into())));
        assert_eq!(found(serde_json::json!({ "controller": "default" })), Ok(None));
        let conditions = serde_json::json!({ "conditions": [{ "namespaces": ["data"] }] });
        let message = found(conditions).expect_err("refused");
        assert!(message.starts_with("store shared: spec.conditions is not supported"), "{message}");
    }
}
