//! Secrets that an ExternalSecret owns, and which of them may have lost it. No owner reference says who owns what: the
//! garbage collector cannot tell an ExternalSecret that somebody deleted from one that went with its definition.
//!
//! ```text
//!   watch of Secrets ────────► owned: Secret → ExternalSecret ─┐
//!   watch of ExternalSecrets ► born: when each was created ────┴► pending ─► retire
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use regent_api::ExternalSecret;
use tokio::sync::Notify;

use super::index::{Key, key_of};
use super::owner::owner;
use super::parts;

/// Finalizer by which Kubernetes carries out `--cascade=orphan`.
const ORPHAN: &str = "orphan";

/// What is known of the ExternalSecret that a Secret may have lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Former {
    /// When the API server created it, where this process has seen it.
    pub(crate) born: Option<Timestamp>,
    /// It was deleted with the wish that its dependents stay.
    pub(crate) orphaned: bool,
}

/// Which Secret is owned by which ExternalSecret, and the Secrets to look at.
#[derive(Debug, Default)]
pub(crate) struct Owned {
    tables: Mutex<Tables>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Tables {
    /// Secret → name of the ExternalSecret in the same namespace.
    owners: HashMap<Key, String>,
    /// Secret → the ExternalSecrets that put something there.
    holders: HashMap<Key, BTreeSet<String>>,
    /// ExternalSecret → the Secrets that it put something into.
    held: HashMap<Key, BTreeSet<String>>,
    /// ExternalSecret → what is known of it.
    seen: HashMap<Key, Former>,
    listing: BTreeSet<Key>,
    /// Whether ExternalSecrets have been listed.
    listed: bool,
    pending: BTreeMap<Key, Former>,
}

impl Owned {
    /// Takes in an event of the Secrets of `namespace`.
    pub(crate) fn on_secret(&self, namespace: &str, event: &Event<PartialObjectMeta<Secret>>) {
        let mut tables = self.lock();
        match event {
            Event::Init => tables.leave(namespace),
            Event::InitApply(secret) | Event::Apply(secret) => {
                tables.hold(&key_of(secret), parts::names(secret));
                tables.note(secret);
            }
            Event::Delete(secret) => {
                tables.hold(&key_of(secret), BTreeSet::new());
                tables.owners.remove(&key_of(secret));
            }
            Event::InitDone => {}
        }
        self.tell(tables);
    }

    /// Takes in an event of ExternalSecrets.
    pub(crate) fn on_external(&self, event: &Event<ExternalSecret>) {
        let mut tables = self.lock();
        match event {
            Event::Init => tables.listing.clear(),
            Event::InitApply(es) => {
                tables.listing.insert(key_of(es));
                tables.see(es);
            }
            Event::Apply(es) => tables.see(es),
            Event::Delete(es) => {
                tables.see(es);
                tables.lost(&key_of(es));
            }
            Event::InitDone => tables.relisted(),
        }
        self.tell(tables);
    }

    /// `namespace` is gone, with its Secrets and whatever was to be looked at there.
    pub(crate) fn forget_namespace(&self, namespace: &str) {
        let mut tables = self.lock();
        tables.leave(namespace);
        tables.pending.retain(|place, _| place.0 != namespace);
    }

    /// ExternalSecrets that put something into Secret `place`.
    pub(crate) fn holders(&self, place: &Key) -> BTreeSet<String> {
        self.lock().holders.get(place).cloned().unwrap_or_default()
    }

    /// Secrets, by name, that ExternalSecret `key` put something into.
    pub(crate) fn held(&self, key: &Key) -> BTreeSet<String> {
        self.lock().held.get(key).cloned().unwrap_or_default()
    }

    /// Looks at Secret `place` again, with what was known of its ExternalSecret.
    pub(crate) fn again(&self, place: Key, former: Former) {
        let mut tables = self.lock();
        tables.pending.entry(place).or_insert(former);
        self.tell(tables);
    }

    /// The next Secret to look at, once ExternalSecrets have been listed.
    pub(crate) fn next(&self) -> Option<(Key, Former)> {
        let mut tables = self.lock();
        if tables.listed { tables.pending.pop_first() } else { None }
    }

    /// Waits until there may be a Secret to look at.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    fn tell(&self, tables: MutexGuard<'_, Tables>) {
        let some = tables.listed && !tables.pending.is_empty();
        drop(tables);
        if some {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Secret `place` has parts of the ExternalSecrets `names`.
    fn hold(&mut self, place: &Key, names: BTreeSet<String>) {
        for name in self.holders.remove(place).into_iter().flatten() {
            let key = (place.0.clone(), name);
            if let Some(held) = self.held.get_mut(&key) {
                held.remove(&place.1);
                if held.is_empty() {
                    self.held.remove(&key);
                }
            }
        }
        for name in &names {
            let key = (place.0.clone(), name.clone());
            self.held.entry(key).or_default().insert(place.1.clone());
        }
        if !names.is_empty() {
            self.holders.insert(place.clone(), names);
        }
    }

    fn leave(&mut self, namespace: &str) {
        self.owners.retain(|place, _| place.0 != namespace);
        self.holders.retain(|place, _| place.0 != namespace);
        self.held.retain(|key, _| key.0 != namespace);
    }

    /// Takes in who owns `secret`; one whose owner is not there is looked at.
    fn note(&mut self, secret: &PartialObjectMeta<Secret>) {
        let place = key_of(secret);
        let Some(owner) = owner(secret) else {
            self.owners.remove(&place);
            return;
        };
        let key = (place.0.clone(), owner.to_owned());
        self.owners.insert(place.clone(), key.1.clone());
        if self.listed && !self.seen.contains_key(&key) {
            self.pending.insert(place, Former::default());
        }
    }

    fn see(&mut self, es: &ExternalSecret) {
        let former = self.seen.entry(key_of(es)).or_default();
        former.born = es.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let ends = es.metadata.deletion_timestamp.is_some();
        former.orphaned = ends && (former.orphaned || es.finalizers().iter().any(|f| f == ORPHAN));
    }

    /// ExternalSecret `key` is not there any more.
    fn lost(&mut self, key: &Key) {
        let former = self.seen.remove(key).unwrap_or_default();
        let owned = self.owners.iter().filter(|(place, name)| place.0 == key.0 && **name == key.1);
        for (place, _) in owned {
            self.pending.insert(place.clone(), former.clone());
        }
    }

    /// A listing is complete: what it does not hold is gone.
    fn relisted(&mut self) {
        let gone: Vec<Key> =
            self.seen.keys().filter(|key| !self.listing.contains(*key)).cloned().collect();
        for key in gone {
            self.lost(&key);
        }
        self.listing.clear();
        self.listed = true;
        for (place, name) in &self.owners {
            if !self.seen.contains_key(&(place.0.clone(), name.clone())) {
                self.pending.entry(place.clone()).or_default();
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/owned.rs"]
mod tests;
