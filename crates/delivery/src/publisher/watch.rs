//! Source Secrets, one watch by name each: the publisher may get and watch Secrets but not list
//! them (DESIGN.md §2). Metadata only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};
use tokio::sync::{mpsc, watch};

use regent_operator::{Context, Shutdown, watch_one};

/// Sources watched; those beyond it are looked at every refresh interval.
const SOURCES_MAX: usize = 1_024;
/// Events on their way to the controller; a full channel slows the watches down and loses nothing.
const EVENTS_MAX: usize = 1_024;

pub(crate) type Key = (String, String);

/// The watches, and which PushSecrets each is for.
pub(crate) struct Sources {
    cx: Context,
    users: Mutex<Users>,
    events: mpsc::Sender<Key>,
}

#[derive(Default)]
struct Users {
    of: HashMap<Key, Source>,
    uses: HashMap<Key, String>,
}

/// One source that is watched.
struct Source {
    /// PushSecrets of its namespace that read from it.
    readers: BTreeSet<String>,
    /// Ends the watch when it is dropped.
    _end: watch::Sender<bool>,
}

impl Sources {
    /// Nothing is watched yet. The receiver is told each source that may have changed.
    pub(crate) fn new(cx: Context) -> (Self, mpsc::Receiver<Key>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { cx, users: Mutex::default(), events }, receiver)
    }

    /// PushSecret `key` reads from `source`: watch it, and leave the one it read from before.
    pub(crate) fn uses(&self, key: &Key, source: &str) {
        let Some(ended) = lock(&self.users).uses(key, source) else { return };
        let place = (key.0.clone(), source.to_owned());
        tokio::spawn(follow(self.cx.clone(), place, ended, self.events.clone()));
    }

    /// PushSecret `key` is gone, or may not read: its source is watched for it no longer.
    pub(crate) fn leave(&self, key: &Key) {
        lock(&self.users).leave(key);
    }

    /// The watches of a namespace that is gone end with it. `exists` has taken `event` in.
    pub(crate) fn on_namespace(&self, event: &Event<Namespace>, exists: impl Fn(&str) -> bool) {
        match event {
            Event::Delete(namespace) => {
                let gone = namespace.name_any();
                lock(&self.users).leave_namespaces(|name| name == gone);
            }
            Event::InitDone => lock(&self.users).leave_namespaces(|name| !exists(name)),
            Event::Init | Event::InitApply(_) | Event::Apply(_) => {}
        }
    }

    /// PushSecrets that read from `place`.
    pub(crate) fn users(&self, place: &Key) -> Vec<String> {
        let users = lock(&self.users);
        users.of.get(place).into_iter().flat_map(|source| source.readers.iter().cloned()).collect()
    }

    /// PushSecrets that read from anywhere.
    pub(crate) fn all_users(&self) -> Vec<Key> {
        lock(&self.users).uses.keys().cloned().collect()
    }
}

impl Users {
    /// Notes that `key` reads from `source`; returns what ends its watch, where one is to begin.
    fn uses(&mut self, key: &Key, source: &str) -> Option<Shutdown> {
        let place = (key.0.clone(), source.to_owned());
        if self.uses.get(key).map(String::as_str) == Some(source) {
            return None;
        }
        self.leave(key);
        if self.of.len() >= SOURCES_MAX && !self.of.contains_key(&place) {
            return None;
        }
        self.uses.insert(key.clone(), source.to_owned());
        if let Some(watched) = self.of.get_mut(&place) {
            watched.readers.insert(key.1.clone());
            return None;
        }
        let (end, ended) = Shutdown::new();
        let readers = BTreeSet::from([key.1.clone()]);
        self.of.insert(place, Source { readers, _end: end });
        Some(ended)
    }

    fn leave(&mut self, key: &Key) {
        let Some(source) = self.uses.remove(key) else { return };
        let place = (key.0.clone(), source);
        if let Some(source) = self.of.get_mut(&place) {
            source.readers.remove(&key.1);
            if source.readers.is_empty() {
                self.of.remove(&place);
            }
        }
    }

    fn leave_namespaces(&mut self, gone: impl Fn(&str) -> bool) {
        self.of.retain(|place, _| !gone(&place.0));
        self.uses.retain(|key, _| !gone(&key.0));
    }
}

/// Watches one source until nobody reads from it any more, its namespace is gone, or the component ends.
async fn follow(cx: Context, place: Key, ended: Shutdown, events: mpsc::Sender<Key>) {
    let api: Api<Secret> = Api::namespaced(cx.api.clone(), &place.0);
    let name = place.1.clone();
    let watch = watch_one::follow(cx.shutdown.clone(), api, name, events, place, || true);
    tokio::select! {
        () = watch => {}
        () = ended.wait() => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str) -> Key {
        (namespace.into(), name.into())
    }

    #[test]
    fn a_source_is_left_with_its_last_reader() {
        let mut users = Users::default();
        let (a, b) = (key("n", "a"), key("n", "b"));
        let ended = users.uses(&a, "s").expect("a watch begins");
        assert!(users.uses(&b, "s").is_none(), "it is watched once");
        users.leave(&a);
        assert!(!ended.given());
        users.leave(&b);
        assert!(ended.given() && users.of.is_empty() && users.uses.is_empty());
    }

    /// A refused watch would be taken up again for ever.
    #[test]
    fn a_watch_ends_with_its_namespace() {
        let mut users = Users::default();
        let ended = users.uses(&key("gone", "a"), "s").expect("a watch begins");
        let other = users.uses(&key("kept", "a"), "s").expect("a watch begins");
        users.leave_namespaces(|namespace| namespace == "gone");
        assert!(ended.given() && !other.given());
        assert_eq!(users.uses.len(), 1);
        assert!(users.uses(&key("gone", "a"), "s").is_some(), "it may be made again");
    }
}
