//! The states of Secrets, by metadata alone, in each namespace that has an ExternalSecret. Secrets
//! are granted namespace by namespace (DESIGN.md §2), so there is one watch a namespace and none of
//! the cluster.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};
use regent_types::labels;
use tokio::sync::mpsc;

use super::due::Mark;
use super::index::{Key, key_of};
use super::owned::Owned;
use regent_operator::Context;
use regent_operator::error::ReconcileError;
use regent_operator::object_watch;

/// Namespaces watched; beyond it drift is found at the next refresh.
const NAMESPACES_MAX: usize = 5_000;
/// Events on their way to the controller; a full channel slows the watches down and loses nothing.
const EVENTS_MAX: usize = 1_024;

/// The watches, and what they have seen.
pub(crate) struct Secrets {
    cx: Context,
    started: Mutex<HashSet<String>>,
    marks: Arc<Mutex<HashMap<Key, Mark>>>,
    owned: Arc<Owned>,
    events: mpsc::Sender<Key>,
}

impl Secrets {
    /// Nothing is watched yet. The receiver is told each Secret that changed.
    pub(crate) fn new(cx: Context, owned: Arc<Owned>) -> (Self, mpsc::Receiver<Key>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { cx, started: Mutex::default(), marks: Arc::default(), owned, events }, receiver)
    }

    /// The last state that the watch told of. Own writes are seen by it too, and nowhere else: noting them here would
    /// undo what it has told of since, such as a deletion a moment after the write.
    pub(crate) fn mark(&self, place: &Key) -> Option<Mark> {
        lock(&self.marks).get(place).cloned()
    }

    /// Watches `namespace` from now on.
    pub(crate) fn watch(&self, namespace: &str) {
        {
            let mut started = lock(&self.started);
            if started.len() >= NAMESPACES_MAX || !started.insert(namespace.to_owned()) {
                return;
            }
        }
        let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.cx.api.clone(), namespace);
        // Bootstrap Secrets too: one that is marked `become` is taken over at once.
        let config = watcher::Config::default().labels(labels::CLASS);
        let stop = self.cx.shutdown.clone().wait();
        let stream = object_watch::watch(api, config).take_until(Box::pin(stop));
        let (marks, events) = (Arc::clone(&self.marks), self.events.clone());
        let owned = Arc::clone(&self.owned);
        let namespace = namespace.to_owned();
        tokio::spawn(async move {
            let mut stream = std::pin::pin!(stream);
            let mut listing = HashSet::new();
            while let Some(event) = stream.next().await {
                let changed = match event {
                    Ok(event) => {
                        owned.on_secret(&namespace, &event);
                        take(&mut lock(&marks), &namespace, &mut listing, event)
                    }
                    Err(error) => {
                        let error = ReconcileError::watch("Secret", &error);
                        tracing::warn!(component = "materializer", namespace, %error, "watch of Secrets broke");
                        continue;
                    }
                };
                for place in changed {
                    // The receiver is gone when the component ends.
                    if events.send(place).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Takes in one event; returns the Secrets whose state is another now.
fn take(
    marks: &mut HashMap<Key, Mark>,
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
            set(marks, &secret)
        }
        Event::Apply(secret) => set(marks, &secret),
        Event::Delete(secret) => {
            let place = key_of(&secret);
            marks.remove(&place);
            vec![place]
        }
        Event::InitDone => {
            let gone: Vec<Key> = marks
                .keys()
                .filter(|k| k.0 == namespace && !listing.contains(*k))
                .cloned()
                .collect();
            for place in &gone {
                marks.remove(place);
            }
            listing.clear();
            gone
        }
    }
}

fn set(marks: &mut HashMap<Key, Mark>, secret: &PartialObjectMeta<Secret>) -> Vec<Key> {
    let place = key_of(secret);
    let mark = Mark {
        uid: secret.uid().unwrap_or_default(),
        resource_version: secret.resource_version().unwrap_or_default(),
    };
    if marks.get(&place) == Some(&mark) {
        return Vec::new();
    }
    marks.insert(place.clone(), mark);
    vec![place]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::ObjectMeta;
    use kube::core::PartialObjectMetaExt;

    fn secret(name: &str, uid: &str, version: &str) -> PartialObjectMeta<Secret> {
        ObjectMeta {
            namespace: Some("a".into()),
            name: Some(name.into()),
            uid: Some(uid.into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        }
        .into_response_partial()
    }

    #[test]
    fn each_state_is_told_once() {
        let place: Key = ("a".into(), "db".into());
        let mut marks = HashMap::new();
        let mut taken = |event| take(&mut marks, "a", &mut HashSet::new(), event);
        assert_eq!(taken(Event::Apply(secret("db", "u", "7"))), std::slice::from_ref(&place));
        assert!(taken(Event::Apply(secret("db", "u", "7"))).is_empty());
        assert_eq!(taken(Event::Delete(secret("db", "u", "9"))), std::slice::from_ref(&place));
        assert_eq!(taken(Event::Apply(secret("db", "v", "10"))), [place]);
    }

    #[test]
    fn a_listing_forgets_secrets_of_its_namespace_alone() {
        let mark = Mark { uid: "u".into(), resource_version: "1".into() };
        let (here, there): (Key, Key) = (("a".into(), "gone".into()), ("b".into(), "kept".into()));
        let mut marks = HashMap::from([(here.clone(), mark.clone()), (there, mark)]);
        let mut listing = HashSet::new();
        assert_eq!(take(&mut marks, "a", &mut listing, Event::InitDone), [here]);
        assert_eq!(marks.len(), 1);
    }
}
