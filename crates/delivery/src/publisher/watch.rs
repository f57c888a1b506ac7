//! Source Secrets, one watch by name each: the publisher may get and watch Secrets but not list
//! them (DESIGN.md §2). Metadata only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::sync::mpsc;

use regent_operator::{Context, watch_one};

/// Sources watched; those beyond it are looked at every refresh interval.
const SOURCES_MAX: usize = 1_024;
/// Events on their way to the controller; a full channel slows the watches down and loses nothing.
const EVENTS_MAX: usize = 1_024;

pub(crate) type Key = (String, String);

/// The watches, and which PushSecrets each is for.
pub(crate) struct Sources {
    cx: Context,
    users: Arc<Mutex<Users>>,
    events: mpsc::Sender<Key>,
}

#[derive(Default)]
struct Users {
    /// Source → PushSecrets of its namespace.
    of: HashMap<Key, BTreeSet<String>>,
    /// PushSecret → source.
    uses: HashMap<Key, String>,
}

impl Sources {
    /// Nothing is watched yet. The receiver is told each source that may have changed.
    pub(crate) fn new(cx: Context) -> (Self, mpsc::Receiver<Key>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { cx, users: Arc::default(), events }, receiver)
    }

    /// PushSecret `key` reads from `source`: watch it, and leave the one it read from before.
    pub(crate) fn uses(&self, key: &Key, source: &str) {
        let place = (key.0.clone(), source.to_owned());
        {
            let mut users = lock(&self.users);
            if users.uses.get(key).map(String::as_str) == Some(source) {
                return;
            }
            users.leave(key);
            if users.of.len() >= SOURCES_MAX && !users.of.contains_key(&place) {
                return;
            }
            users.uses.insert(key.clone(), source.to_owned());
            let names = users.of.entry(place.clone()).or_default();
            names.insert(key.1.clone());
            if names.len() > 1 {
                return;
            }
        }
        let users = Arc::clone(&self.users);
        tokio::spawn(follow(self.cx.clone(), place, users, self.events.clone()));
    }

    /// PushSecret `key` is gone: its source is watched no longer.
    pub(crate) fn leave(&self, key: &Key) {
        lock(&self.users).leave(key);
    }

    /// PushSecrets that read from `place`.
    pub(crate) fn users(&self, place: &Key) -> Vec<String> {
        lock(&self.users).of.get(place).into_iter().flatten().cloned().collect()
    }

    /// PushSecrets that read from anywhere.
    pub(crate) fn all_users(&self) -> Vec<Key> {
        lock(&self.users).uses.keys().cloned().collect()
    }
}

impl Users {
    fn leave(&mut self, key: &Key) {
        let Some(source) = self.uses.remove(key) else { return };
        let place = (key.0.clone(), source);
        if let Some(names) = self.of.get_mut(&place) {
            names.remove(&key.1);
            if names.is_empty() {
                self.of.remove(&place);
            }
        }
    }
}

/// Watches one source until nobody reads from it any more or the component ends.
async fn follow(cx: Context, place: Key, users: Arc<Mutex<Users>>, events: mpsc::Sender<Key>) {
    let api: Api<Secret> = Api::namespaced(cx.api.clone(), &place.0);
    let wanted = || lock(&users).of.contains_key(&place);
    watch_one::follow(cx.shutdown.clone(), api, place.1.clone(), events, place.clone(), wanted)
        .await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_left_with_its_last_reader() {
        let mut users = Users::default();
        let (a, b): (Key, Key) = (("n".into(), "a".into()), ("n".into(), "b".into()));
        let place: Key = ("n".into(), "s".into());
        for key in [&a, &b] {
            users.uses.insert(key.clone(), "s".into());
            users.of.entry(place.clone()).or_default().insert(key.1.clone());
        }
        users.leave(&a);
        assert!(users.of.contains_key(&place));
        users.leave(&b);
        assert!(!users.of.contains_key(&place) && users.uses.is_empty());
    }
}
