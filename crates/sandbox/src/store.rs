//! Objects, resource versions and the history that watches resume from.
//!
//! One lock over plain maps: every operation is short and holds no IO. Watchers read the history from their own
//! cursor, so a slow watcher costs nothing and is told `Expired` once the ring has moved past it. History is kept as
//! text: thousands of versions as trees of values were half of the memory of `regent dev`, and watchers send text.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::status::Failure;

/// Events kept for watches to resume from: several times the objects of a 1,000-secret start.
const HISTORY_LEN_MAX: usize = 4_096;
const OBJECTS_MAX: usize = 200_000;

/// Resource (`plural.group`), namespace (empty for cluster scope), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) resource: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What happened to one object.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub(crate) rv: u64,
    pub(crate) key: ObjectKey,
    /// The object after it as JSON; for a deletion, as it was last.
    pub(crate) object: Arc<str>,
    /// The object before it.
    pub(crate) before: Option<Arc<str>>,
    pub(crate) deleted: bool,
}

/// What a text of the history says.
pub(crate) fn read(text: &str) -> Value {
    // Written from a value by this module: it reads.
    serde_json::from_str(text).unwrap_or_default()
}

/// An object as it is asked for, and as history keeps it.
struct Stored {
    value: Arc<Value>,
    text: Arc<str>,
}

impl Stored {
    fn new(value: Value) -> Self {
        let text = value.to_string().into();
        Self { value: Arc::new(value), text }
    }
}

pub(crate) struct Store {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
}

struct Inner {
    rv: u64,
    objects: BTreeMap<ObjectKey, Stored>,
    history: VecDeque<StoredEvent>,
    /// The version that history starts after.
    floor: u64,
    /// uid of an owner → what names it in its ownerReferences.
    owned: BTreeMap<String, BTreeSet<ObjectKey>>,
}

/// A transaction: everything between reading and writing one object happens under its lock.
pub(crate) struct Tx<'a> {
    inner: MutexGuard<'a, Inner>,
    latest: &'a watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let inner = Inner {
            rv: 1,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            floor: 1,
            owned: BTreeMap::new(),
        };
        Self { inner: Mutex::new(inner), latest: watch::channel(1).0 }
    }

    pub(crate) fn tx(&self) -> Tx<'_> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Tx { inner, latest: &self.latest }
    }

    /// Tells of every new resource version.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// What there is now was always there: history starts here.
    pub(crate) fn plant(&self) {
        let mut tx = self.tx();
        tx.inner.history.clear();
        tx.inner.floor = tx.inner.rv;
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.tx().get(key)
    }

    /// Objects of `resource` (in `namespace`, if given), in order, and the version they are of.
    pub(crate) fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        self.tx().list(resource, namespace)
    }

    /// The same as it was at version `rv`: what came since is taken back.
    pub(crate) fn list_at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        rv: u64,
    ) -> Result<Vec<Arc<Value>>, Failure> {
        let tx = self.tx();
        if rv < tx.inner.floor {
            return Err(tx.too_old(rv));
        }
        let (items, _) = tx.list(resource, namespace);
        let place = |object: &Value| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
        };
        let mut then: BTreeMap<_, _> = items.into_iter().map(|o| (place(&o), o)).collect();
        let since = tx.inner.history.iter().rev().take_while(|event| event.rv > rv);
        for event in since.filter(|event| &*event.key.resource == resource) {
            let place = (event.key.namespace.clone(), event.key.name.clone());
            if namespace.is_some_and(|n| place.0 != n) {
                continue;
            }
            match &event.before {
                Some(before) => then.insert(place, Arc::new(read(before))),
                None => then.remove(&place),
            };
        }
        Ok(then.into_values().collect())
    }

    /// Events of `resource` after version `rv`, at most `limit`, and the version looked up to.
    pub(crate) fn since(
        &self,
        resource: &str,
        rv: u64,
        limit: usize,
    ) -> Result<(Vec<StoredEvent>, u64), Failure> {
        let tx = self.tx();
        if rv < tx.inner.floor {
            return Err(tx.too_old(rv));
        }
        let history = &tx.inner.history;
        let start = history.partition_point(|e| e.rv <= rv);
        let mut events = Vec::new();
        let mut upto = tx.inner.rv;
        for event in history.range(start..) {
            if &*event.key.resource == resource {
                if events.len() == limit {
                    upto = event.rv - 1;
                    break;
                }
                events.push(event.clone());
            }
        }
        Ok((events, upto))
    }
}

impl Tx<'_> {
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.inner.objects.get(key).map(|stored| Arc::clone(&stored.value))
    }

    /// Whether `object` is still what is stored under `key`.
    pub(crate) fn is(&self, key: &ObjectKey, object: &Arc<Value>) -> bool {
        self.inner.objects.get(key).is_some_and(|stored| Arc::ptr_eq(&stored.value, object))
    }

    fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let from = ObjectKey {
            resource: resource.into(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        let items = self
            .inner
            .objects
            .range(from..)
            .take_while(|(key, _)| {
                &*key.resource == resource && namespace.is_none_or(|n| key.namespace == n)
            })
            .map(|(_, stored)| Arc::clone(&stored.value))
            .collect();
        (items, self.inner.rv)
    }

    fn too_old(&self, rv: u64) -> Failure {
        Failure::expired(&format!("too old resource version: {rv} ({})", self.inner.floor))
    }

    /// Writes `object` under a new version, which it carries from then on.
    pub(crate) fn put(
        &mut self,
        key: &ObjectKey,
        mut object: Value,
    ) -> Result<Arc<Value>, Failure> {
        if !self.inner.objects.contains_key(key) && self.inner.objects.len() >= OBJECTS_MAX {
            return Err(Failure::new(507, "InsufficientStorage", "the sandbox is full"));
        }
        self.inner.rv += 1;
        object["metadata"]["resourceVersion"] = self.inner.rv.to_string().into();
        let stored = Stored::new(object);
        let (object, text) = (Arc::clone(&stored.value), Arc::clone(&stored.text));
        let before = self.inner.objects.insert(key.clone(), stored);
        self.index(key, before.as_ref().map(|b| &*b.value), Some(&object));
        self.record(key, text, before, false);
        Ok(object)
    }

    pub(crate) fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Value>> {
        let before = self.inner.objects.remove(key)?;
        self.index(key, Some(&before.value), None);
        self.inner.rv += 1;
        let mut last = Value::clone(&before.value);
        last["metadata"]["resourceVersion"] = self.inner.rv.to_string().into();
        let last = Stored::new(last);
        self.record(key, last.text, Some(before), true);
        Some(last.value)
    }

    /// Keys of all objects that satisfy `wanted`.
    pub(crate) fn find(&self, wanted: impl Fn(&ObjectKey, &Value) -> bool) -> Vec<ObjectKey> {
        let all = self.inner.objects.iter();
        all.filter(|(k, o)| wanted(k, &o.value)).map(|(k, _)| k.clone()).collect()
    }

    /// Keys of all objects that name the owner `uid`.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<ObjectKey> {
        self.inner.owned.get(uid).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    fn index(&mut self, key: &ObjectKey, before: Option<&Value>, after: Option<&Value>) {
        let (before, after) = (owners(before), owners(after));
        if before == after {
            return;
        }
        for uid in before {
            let emptied = self.inner.owned.get_mut(&uid).is_some_and(|keys| {
                keys.remove(key);
                keys.is_empty()
            });
            if emptied {
                self.inner.owned.remove(&uid);
            }
        }
        for uid in after {
            self.inner.owned.entry(uid).or_default().insert(key.clone());
        }
    }

    fn record(&mut self, key: &ObjectKey, object: Arc<str>, before: Option<Stored>, deleted: bool) {
        let rv = self.inner.rv;
        let (key, before) = (key.clone(), before.map(|stored| stored.text));
        self.inner.history.push_back(StoredEvent { rv, key, object, before, deleted });
        if self.inner.history.len() > HISTORY_LEN_MAX {
            let gone = self.inner.history.pop_front();
            self.inner.floor = gone.map_or(self.inner.floor, |event| event.rv);
        }
        self.latest.send_replace(rv);
    }
}

/// uids in an object's ownerReferences.
fn owners(object: Option<&Value>) -> Vec<String> {
    let all = object.and_then(|o| o["metadata"]["ownerReferences"].as_array());
    let uids = all.into_iter().flatten().filter_map(|o| o["uid"].as_str());
    uids.map(str::to_owned).collect()
}
