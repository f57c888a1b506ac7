//! The states of Secrets, by metadata alone, in each served namespace that has an ExternalSecret. Secrets are granted
//! namespace by namespace (DESIGN.md §2), so there is one watch a namespace and none of the cluster. It ends with its
//! namespace.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use regent_types::labels;
use tokio::sync::{mpsc, watch};

use super::index::{Key, key_of};
use super::owned::Owned;
use super::sync_decision::ObjectVersion;
use crate::served_namespaces::ServedNamespaces;
use regent_operator::error::ReconcileError;
use regent_operator::object_watch;
use regent_operator::{Context, Shutdown};

/// Namespaces watched; beyond it drift is found at the next refresh.
const NAMESPACES_MAX: usize = 5_000;
/// Events on their way to the controller; a full channel slows the watches down and loses nothing.
const EVENTS_MAX: usize = 1_024;

/// The watches, and what they have seen.
pub(crate) struct Secrets {
    cx: Context,
    state: Arc<Mutex<State>>,
    owned: Arc<Owned>,
    served: Arc<ServedNamespaces>,
    events: mpsc::Sender<Key>,
}

#[derive(Default)]
struct State {
    /// Namespaces that are watched, each with what ends its watch.
    watched: HashMap<String, watch::Sender<bool>>,
    versions: HashMap<Key, ObjectVersion>,
}

impl Secrets {
    /// Nothing is watched yet. The receiver is told each Secret that changed.
    pub(crate) fn new(
        cx: Context,
        owned: Arc<Owned>,
        served: Arc<ServedNamespaces>,
    ) -> (Self, mpsc::Receiver<Key>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { cx, state: Arc::default(), owned, served, events }, receiver)
    }

    /// The last state that the watch told of. Own writes are seen by it too, and nowhere else: noting them here would
    /// undo what it has told of since, such as a deletion a moment after the write.
    pub(crate) fn version_of(&self, place: &Key) -> Option<ObjectVersion> {
        lock(&self.state).versions.get(place).cloned()
    }

    /// Watches `namespace` from now on, until it is gone.
    pub(crate) fn watch(&self, namespace: &str) {
        let (end, ended) = Shutdown::new();
        {
            let mut state = lock(&self.state);
            let watched = &mut state.watched;
            if watched.len() >= NAMESPACES_MAX || watched.contains_key(namespace) {
                return;
            }
            watched.insert(namespace.to_owned(), end);
        }
        let watch = NamespaceWatch {
            cx: self.cx.clone(),
            namespace: namespace.to_owned(),
            ended,
            state: Arc::clone(&self.state),
            owned: Arc::clone(&self.owned),
            served: Arc::clone(&self.served),
            events: self.events.clone(),
        };
        tokio::spawn(watch.run());
    }

    /// `namespace` is gone, and its Secrets with it: its watch ends.
    pub(crate) fn leave(&self, namespace: &str) {
        let mut state = lock(&self.state);
        state.watched.remove(namespace);
        state.versions.retain(|place, _| place.0 != namespace);
        self.owned.forget_namespace(namespace);
        self.served.forget(namespace);
    }

    /// Ends the watches of namespaces that do not exist.
    pub(crate) fn leave_others(&self, exists: impl Fn(&str) -> bool) {
        let gone: Vec<String> =
            lock(&self.state).watched.keys().filter(|name| !exists(name)).cloned().collect();
        for namespace in gone {
            self.leave(&namespace);
        }
    }
}

/// The watch of one namespace.
struct NamespaceWatch {
    cx: Context,
    namespace: String,
    ended: Shutdown,
    state: Arc<Mutex<State>>,
    owned: Arc<Owned>,
    served: Arc<ServedNamespaces>,
    events: mpsc::Sender<Key>,
}

impl NamespaceWatch {
    async fn run(self) {
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.cx.api.clone(), &self.namespace);
        // Bootstrap Secrets too: one that is marked `become` is taken over at once.
        let config = watcher::Config::default().labels(labels::CLASS);
        let stop = self.cx.shutdown.clone().wait();
        let stop = futures::future::select(Box::pin(stop), Box::pin(self.ended.clone().wait()));
        let mut stream = std::pin::pin!(object_watch::watch(api, config).take_until(stop));
        let mut listing = HashSet::new();
        let mut refused = false;
        while let Some(event) = stream.next().await {
            let changed = match event {
                // Each try begins with it, whatever comes of the try.
                Ok(Event::Init) => self.take(&mut listing, Event::Init),
                Ok(event) => {
                    if std::mem::take(&mut refused) {
                        self.served.served(&self.namespace);
                    }
                    self.take(&mut listing, event)
                }
                Err(error) => {
                    let first = !std::mem::replace(&mut refused, is_refused(&error));
                    self.broke(&error, refused && first)
                }
            };
            for place in changed {
                // The receiver is gone when the component ends.
                if self.events.send(place).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Takes in one event; returns the Secrets whose state is another now.
    fn take(
        &self,
        listing: &mut HashSet<Key>,
        event: Event<PartialObjectMeta<Secret>>,
    ) -> Vec<Key> {
        let mut state = lock(&self.state);
        if self.ended.given() {
            return Vec::new();
        }
        self.owned.on_secret(&self.namespace, &event);
        take(&mut state.versions, &self.namespace, listing, event)
    }

    /// Says that the watch broke; returns the Secrets whose ExternalSecrets have to say that nothing is served here
    /// any more.
    fn broke(&self, error: &watcher::Error, first_refused: bool) -> Vec<Key> {
        let namespace = &self.namespace;
        let error = ReconcileError::watch("Secret", error);
        tracing::warn!(component = "materializer", namespace, %error, "watch of Secrets broke");
        if !first_refused {
            return Vec::new();
        }
        self.served.refused(namespace, self.cx.now());
        let state = lock(&self.state);
        state.versions.keys().filter(|place| place.0 == *namespace).cloned().collect()
    }
}

fn is_refused(error: &watcher::Error) -> bool {
    matches!(ReconcileError::watch("Secret", error), ReconcileError::Api(e) if e.code == 403)
}

/// Takes in one event; returns the Secrets whose state is another now.
fn take(
    versions: &mut HashMap<Key, ObjectVersion>,
    namespace: &str,
    listing: &mut HashSet<Key>,
    event: Event<PartialObjectMeta<Secret>>,
) -> Vec<Key> {
    match event {
        Event::Init => {
            listing.clear();
            Vec::new()
        }
        Event::InitApply(secret) => {
            listing.insert(key_of(&secret));
            set(versions, &secret)
        }
        Event::Apply(secret) => set(versions, &secret),
        Event::Delete(secret) => {
            let place = key_of(&secret);
            versions.remove(&place);
            vec![place]
        }
        Event::InitDone => {
            let gone: Vec<Key> = versions
                .keys()
                .filter(|k| k.0 == namespace && !listing.contains(*k))
                .cloned()
                .collect();
            for place in &gone {
                versions.remove(place);
            }
            listing.clear();
            gone
        }
    }
}

fn set(versions: &mut HashMap<Key, ObjectVersion>, secret: &PartialObjectMeta<Secret>) -> Vec<Key> {
    let place = key_of(secret);
    let version = ObjectVersion::of(secret);
    if versions.get(&place) == Some(&version) {
        return Vec::new();
    }
    versions.insert(place.clone(), version);
    vec![place]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "tests/watch.rs"]
mod tests;
