//! What all passes share: tables fed by the watches, and what each pass left behind. Every `on_*`
//! takes in a watch event and returns the ExternalSecrets that it concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use regent_api::{
    ClusterSecretStore, ExternalSecret, ExternalSecretStatus, PushSecret, RuntimeAuthority,
    RuntimeSecret, SecretStore,
};
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::grant::PathGrant;
use regent_types::lifecycle::Authoritative;
use regent_types::{SecretPath, labels};
use tokio::sync::watch;
use tokio::time::Instant;

use super::allow::{Claim, Facts, Judgement, Publication, judge};
use super::authority::{Authorities, instant};
use super::contest::Contests;
use super::index::{ByPath, ByTarget, Key, key_of};
use super::owned::Owned;
use super::request;
use super::sync_decision::{LastSync, ObjectVersion};
use super::wake::WakeSet;
use super::watch::Secrets;
use crate::served_namespaces::ServedNamespaces;
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::events::EventRecorder;
use regent_operator::trusted_authority::TrustedAuthority;

/// How long a pass waits for the first listings.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

/// Annotation on a PushSecret: namespaces that may read what it publishes, `ns1,ns2` (PROTOCOLS.md
/// §6).
pub(crate) const CONSUMERS: &str = "regent.dev/consumers";

/// Reference to an ExternalSecret to reconcile.
pub(crate) type Ref = ObjectRef<ExternalSecret>;
/// What one PushSecret says of a path, and when it last published.
type Published = (Publication, Option<String>);

/// What all passes share.
pub(crate) struct Worker {
    pub(crate) cx: Context,
    pub(crate) authorities: Authorities,
    pub(crate) secrets: Secrets,
    pub(crate) owned: Arc<Owned>,
    pub(crate) served: Arc<ServedNamespaces>,
    pub(crate) backoff: Backoff<Key>,
    pub(crate) contests: Contests,
    /// ExternalSecrets to look at again, besides those that a watch tells of.
    pub(crate) wakes: Arc<WakeSet>,
    pub(crate) events: EventRecorder,
    pub(crate) objects: Store<ExternalSecret>,
    pub(crate) namespaces: Store<Namespace>,
    pub(crate) runtime: Store<RuntimeAuthority>,
    pub(crate) cluster_stores: Store<ClusterSecretStore>,
    pub(crate) stores: Store<SecretStore>,
    /// Whether RuntimeAuthority, and whether the other small kinds, have been listed.
    pub(crate) runtime_listed: CacheSync,
    pub(crate) listings: [CacheSync; 4],
    pub(crate) tables: Mutex<Tables>,
    /// Told when a table was filled for the first time.
    pub(crate) filled: watch::Sender<()>,
}

/// A status that was written over the object that a pass saw.
#[derive(Clone, Debug)]
struct Told {
    /// uid and resourceVersion of the object that the pass saw.
    over: ObjectVersion,
    status: ExternalSecretStatus,
}

/// Tables, all small against the objects they come from.
#[derive(Default)]
pub(crate) struct Tables {
    claims: ByPath<Claim>,
    published: ByPath<Published>,
    asking: ByPath<()>,
    targets: ByTarget,
    /// ExternalSecrets that wait for a change of something that names no path.
    blocked: HashSet<Key>,
    publish_counts: HashMap<Key, u64>,
    last_syncs: HashMap<Key, LastSync>,
    /// The last status that each pass wrote, until the watch of ExternalSecrets tells of it.
    told: HashMap<Key, Told>,
    /// Since when sources are seen to be gone, of those that are about to take something away for it.
    absent: HashMap<Key, Instant>,
    /// Last state of objects whose other changes concern nobody.
    digests: HashMap<String, u64>,
}

impl Worker {
    /// Whether all tables have been filled once.
    pub(crate) async fn listed(&self) -> Result<(), regent_operator::error::ReconcileError> {
        let listed = async {
            for listed in &self.listings {
                listed.wait().await;
            }
            let mut filled = self.filled.subscribe();
            while !self.tables().are_listed() {
                let _ended = filled.changed().await;
            }
        };
        tokio::time::timeout(LISTED_WITHIN, listed)
            .await
            .map_err(|_| regent_operator::error::ReconcileError::NotListed)
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A RuntimeSecret changed: those that ask for its path.
    pub(crate) fn on_runtime_secret(&self, event: &Event<RuntimeSecret>) -> Vec<Ref> {
        let mut tables = self.tables();
        let touched = tables.claims.apply(event, claims);
        self.listing_done(event);
        let keys = tables.asking_for(&touched);
        self.told(keys)
    }

    /// A PushSecret changed or published: those that ask for its paths, told that there is
    /// something new.
    pub(crate) fn on_push_secret(&self, event: &Event<PushSecret>) -> Vec<Ref> {
        let mut tables = self.tables();
        let touched = tables.published.apply(event, publications);
        self.listing_done(event);
        let keys = tables.asking_for(&touched);
        tables.announce(&keys);
        self.told(keys)
    }

    /// Somebody wrote `path`: those that ask for it, told that there is something new.
    pub(crate) fn on_other_version(&self, path: &SecretPath) {
        let mut tables = self.tables();
        let keys = tables.asking_for(&BTreeSet::from([path.clone()]));
        tables.announce(&keys);
        drop(tables);
        self.wakes.tell(keys.iter().cloned(), instant());
        self.wakes.add(keys);
    }

    /// ExternalSecret `key` is woken for a reason of its own, or is gone: those that it kept from a Secret go on then.
    pub(crate) fn on_wake(&self, key: &Key) -> Vec<Ref> {
        if self.objects.get(&ObjectRef::new(&key.1).within(&key.0)).is_some() {
            return references([key.clone()]);
        }
        let tables = self.tables();
        let targets =
            self.owned.held(key).into_iter().chain(tables.target_of(key).map(str::to_owned));
        let others = targets.flat_map(|name| {
            let names = tables.targets.names(&(key.0.clone(), name)).cloned().collect::<Vec<_>>();
            names.into_iter().filter(|name| *name != key.1)
        });
        references(others.map(|name| (key.0.clone(), name)))
    }

    /// Whether ExternalSecret `name` is there, stays, and writes Secret `target` of its namespace.
    pub(crate) fn writes(&self, namespace: &str, name: &str, target: &str) -> bool {
        self.objects.get(&ObjectRef::new(name).within(namespace)).is_some_and(|es| {
            let named = es.spec.target.name.as_deref().filter(|n| !n.is_empty());
            es.metadata.deletion_timestamp.is_none()
                && named.unwrap_or(name) == target
                && es.spec.target.creation_policy.as_deref() != Some("None")
        })
    }

    /// There may be another value for `keys`.
    fn told(&self, keys: BTreeSet<Key>) -> Vec<Ref> {
        self.wakes.tell(keys.iter().cloned(), instant());
        references(keys)
    }

    fn listing_done<K>(&self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.filled.send_replace(());
        }
    }

    /// A Secret changed: those that target it, or put something there, but for whose own write it was.
    pub(crate) fn on_secret(&self, place: &Key) -> Vec<Ref> {
        let now = self.secrets.version_of(place);
        let mut names = self.owned.holders(place);
        let mut tables = self.tables();
        names.extend(tables.targets.names(place).cloned());
        let keys = names.into_iter().map(|name| (place.0.clone(), name));
        let woken: Vec<Key> =
            keys.filter(|key| !tables.is_own_write(key, place, now.as_ref())).collect();
        references(woken)
    }

    /// The authority's address, login, seal, phase or grants changed: those that wait.
    pub(crate) fn on_runtime_authority(&self, object: &RuntimeAuthority) -> Vec<Ref> {
        let status = object.status.as_ref();
        let digest = digest(&(
            grants_of(object),
            &object.spec.external,
            status.map(|s| (&s.address, s.phase, s.sealed, s.initialized)),
        ));
        self.blocked_if_new(format!("authority/{}", object.name_any()), digest)
    }

    /// A namespace's labels changed: those that wait. With a namespace that is gone its watch of Secrets ends. The store
    /// of namespaces has taken `event` in.
    pub(crate) fn on_namespace(&self, event: &Event<Namespace>) -> Vec<Ref> {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let digest = digest(&object.metadata.labels);
                return self.blocked_if_new(format!("namespace/{}", object.name_any()), digest);
            }
            Event::Delete(object) => {
                self.tables().digests.remove(&format!("namespace/{}", object.name_any()));
                self.secrets.leave(&object.name_any());
            }
            Event::InitDone => self.secrets.leave_others(|namespace| self.exists(namespace)),
            Event::Init => {}
        }
        Vec::new()
    }

    /// Whether there is a namespace of this name.
    pub(crate) fn exists(&self, namespace: &str) -> bool {
        self.namespaces.get(&ObjectRef::new(namespace)).is_some()
    }

    /// A store's spec changed: those that name it.
    pub(crate) fn on_store(&self, kind: &str, key: &Key, generation: Option<i64>) -> Vec<Ref> {
        let name = format!("{kind}/{}/{}", key.0, key.1);
        if self.tables().digests.insert(name, digest(&generation)) == Some(digest(&generation)) {
            return Vec::new();
        }
        let names = |es: &ExternalSecret| {
            request::stores(&es.spec).iter().any(|s| s.name == key.1 && s.kind() == kind)
        };
        let near =
            |es: &ExternalSecret| key.0.is_empty() || es.namespace().unwrap_or_default() == key.0;
        let all = self.objects.state();
        let concerned: BTreeSet<Key> =
            all.iter().filter(|es| names(es) && near(es)).map(|es| key_of(&**es)).collect();
        self.told(concerned)
    }

    fn blocked_if_new(&self, name: String, digest: u64) -> Vec<Ref> {
        let mut tables = self.tables();
        if tables.digests.insert(name, digest) == Some(digest) {
            return Vec::new();
        }
        tables
            .blocked
            .iter()
            .map(|(namespace, name)| ObjectRef::new(name).within(namespace))
            .collect()
    }

    /// Forgets ExternalSecret `key`, which is gone or not regent's; those that it kept from a Secret go on.
    pub(crate) fn forget(&self, key: &Key) {
        let others = self.on_wake(key);
        self.wakes.add(
            others
                .iter()
                .map(|r| (r.namespace.clone().unwrap_or_default(), r.name.clone()))
                .filter(|k| k != key),
        );
        self.tables().forget(key);
        self.contests.forget(key);
        self.backoff.reset(key);
    }

    /// Forgets ExternalSecrets that are gone, once there are many of them.
    pub(crate) fn prune(&self) {
        let there = |key: &Key| self.objects.get(&ObjectRef::new(&key.1).within(&key.0)).is_some();
        self.wakes.prune(self.objects.len(), there);
        self.tables().prune(&self.objects);
    }

    /// The authority to which regent's own token may be shown.
    pub(crate) fn home(&self) -> TrustedAuthority {
        TrustedAuthority::of(&self.cx, &self.runtime.state())
    }

    /// Whether `namespace` may read `path` now.
    pub(crate) fn judge(&self, namespace: &str, path: &SecretPath) -> Judgement {
        let (claims, publications) = {
            let tables = self.tables();
            let published = tables.published.said(path).into_iter().map(|(p, _)| p);
            (tables.claims.said(path), published.collect::<Vec<_>>())
        };
        let grants: Vec<PathGrant> = self
            .runtime
            .state()
            .iter()
            .flat_map(|authority| grants_of(authority).to_vec())
            .collect();
        let owns = |namespace: &str, datasource: &str| {
            let label = format!("{}{datasource}", labels::DATASOURCE_PREFIX);
            self.namespaces
                .get(&ObjectRef::new(namespace))
                .is_some_and(|n| n.labels().get(&label).map(String::as_str) == Some("true"))
        };
        let facts =
            Facts { claims: &claims, publications: &publications, grants: &grants, owns: &owns };
        judge(namespace, path, &facts)
    }
}

impl Tables {
    fn are_listed(&self) -> bool {
        self.claims.is_listed() && self.published.is_listed()
    }

    /// ExternalSecrets that ask for one of `paths`.
    fn asking_for(&self, paths: &BTreeSet<SecretPath>) -> BTreeSet<Key> {
        paths.iter().flat_map(|path| self.asking.keys(path)).cloned().collect()
    }

    /// There is something new for `keys`.
    fn announce(&mut self, keys: &BTreeSet<Key>) {
        for key in keys {
            *self.publish_counts.entry(key.clone()).or_default() += 1;
        }
    }

    /// Whether an ExternalSecret that is synced renders `path`.
    pub(crate) fn is_rendered(&self, path: &SecretPath) -> bool {
        self.asking.keys(path).any(|key| self.last_syncs.contains_key(key))
    }

    fn target_of(&self, key: &Key) -> Option<&str> {
        self.targets.of(key)
    }

    /// Whether `now` is what `key` itself left of Secret `place`. From then on the watch is not behind it any more.
    fn is_own_write(&mut self, key: &Key, place: &Key, now: Option<&ObjectVersion>) -> bool {
        if self.targets.of(key) != Some(place.1.as_str()) {
            return false;
        }
        let Some(last_sync) = self.last_syncs.get_mut(key) else { return false };
        let own = now.is_some() && last_sync.secret.as_ref() == now;
        if own {
            last_sync.lag = None;
        }
        own
    }

    /// A status that was written over `over`.
    pub(crate) fn tell(&mut self, key: &Key, over: ObjectVersion, status: ExternalSecretStatus) {
        self.told.insert(key.clone(), Told { over, status });
    }

    /// The status of `key` where the object at `seen` is older than what was last written over it.
    pub(crate) fn told(&mut self, key: &Key, seen: &ObjectVersion) -> Option<ExternalSecretStatus> {
        let told = self.told.get(key)?;
        if told.over == *seen {
            return Some(told.status.clone());
        }
        self.told.remove(key);
        None
    }

    /// Since when the sources of `key` are seen to be gone; `now` where this is the first time.
    pub(crate) fn absent_since(&mut self, key: &Key, now: Instant) -> Instant {
        *self.absent.entry(key.clone()).or_insert(now)
    }

    /// The sources of `key` are there.
    pub(crate) fn present(&mut self, key: &Key) {
        self.absent.remove(key);
    }

    /// ExternalSecret `key` asks for `paths` and targets `target`.
    pub(crate) fn asks(&mut self, key: &Key, paths: BTreeSet<SecretPath>, target: &str) {
        self.asking.put(key.clone(), paths.into_iter().map(|path| (path, ())).collect());
        self.targets.put(key, target);
    }

    /// What the last pass of `key` left, and how often something was published for it since this process began.
    pub(crate) fn recall(&self, key: &Key) -> (Option<LastSync>, u64) {
        (
            self.last_syncs.get(key).cloned(),
            self.publish_counts.get(key).copied().unwrap_or_default(),
        )
    }

    /// The pass of `key` ended well.
    pub(crate) fn remember(&mut self, key: &Key, last_sync: LastSync) {
        self.blocked.remove(key);
        self.last_syncs.insert(key.clone(), last_sync);
    }

    /// The pass of `key` ended without effect: the next one compares everything anew.
    pub(crate) fn block(&mut self, key: &Key) {
        self.last_syncs.remove(key);
        self.blocked.insert(key.clone());
    }

    /// `key` is gone or not regent's.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.asking.remove(key);
        self.targets.remove(key);
        self.blocked.remove(key);
        self.publish_counts.remove(key);
        self.last_syncs.remove(key);
        self.told.remove(key);
        self.absent.remove(key);
    }

    /// Forgets ExternalSecrets that are gone, once there are many of them; deletions are not seen
    /// one by one.
    pub(crate) fn prune(&mut self, objects: &Store<ExternalSecret>) {
        let len = objects.len();
        let tables = [self.publish_counts.len(), self.blocked.len(), self.told.len()];
        if tables.into_iter().max().unwrap_or_default().max(self.last_syncs.len()) <= 2 * len + 64 {
            return;
        }
        let there = |key: &Key| objects.get(&ObjectRef::new(&key.1).within(&key.0)).is_some();
        self.asking.prune(len, there);
        let keys: BTreeSet<Key> = self
            .last_syncs
            .keys()
            .chain(self.publish_counts.keys())
            .chain(&self.blocked)
            .chain(self.told.keys())
            .cloned()
            .collect();
        for key in keys.iter().filter(|key| !there(key)) {
            self.forget(key);
        }
    }
}

fn references(keys: impl IntoIterator<Item = Key>) -> Vec<Ref> {
    keys.into_iter().map(|(namespace, name)| ObjectRef::new(&name).within(&namespace)).collect()
}

fn claims(object: &RuntimeSecret) -> Vec<(SecretPath, Claim)> {
    let Ok(path) = object.secret_path() else { return Vec::new() };
    let status = object.status.as_ref();
    let claim = Claim {
        namespace: object.namespace().unwrap_or_default(),
        consumers: object.spec.consumers.iter().map(|c| c.namespace.clone()).collect(),
        runtime: status.and_then(|s| s.authority) == Some(Authoritative::Runtime),
        version: status.and_then(|s| s.version.clone()),
    };
    vec![(path, claim)]
}

fn publications(object: &PushSecret) -> Vec<(SecretPath, Published)> {
    let text = object.annotations().get(CONSUMERS).map(String::as_str).unwrap_or_default();
    let consumers = text.split(',').map(str::trim).filter(|n| !n.is_empty());
    let publication = Publication {
        namespace: object.namespace().unwrap_or_default(),
        consumers: consumers.map(str::to_owned).collect(),
    };
    let status = object.status.as_ref();
    let at = status.and_then(|s| s.refresh_time.as_ref()).map(|t| t.0.to_string());
    let keys: BTreeSet<&str> =
        object.spec.data.iter().map(|d| d.mapping.remote_ref.remote_key.as_str()).collect();
    keys.into_iter()
        .filter_map(|key| SecretPath::from_remote_key(SECRET_MOUNT, key).ok())
        .map(|path| (path, (publication.clone(), at.clone())))
        .collect()
}

fn grants_of(object: &RuntimeAuthority) -> &[PathGrant] {
    &object.spec.grants
}

/// A digest to notice changes by, within one process.
fn digest(value: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{value:?}").hash(&mut hasher);
    hasher.finish()
}

/// Labels of `namespace`, empty where it is not known.
pub(crate) fn labels_of(store: &Store<Namespace>, namespace: &str) -> BTreeMap<String, String> {
    store.get(&ObjectRef::new(namespace)).map(|n| n.labels().clone()).unwrap_or_default()
}

/// The key that `es` has in all tables.
pub(crate) fn key(es: &ExternalSecret) -> Key {
    key_of(es)
}
