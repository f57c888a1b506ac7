//! ExternalSecrets to look at again for reasons that no watch of theirs tells of: each once, however often it was named.
//! And since when each was told that there may be another value, so that those who were told at once share one read.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, stream};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::index::Key;

/// Who is to be woken. Bounded by the number of ExternalSecrets.
#[derive(Debug, Default)]
pub(crate) struct WakeSet {
    keys: Mutex<BTreeSet<Key>>,
    told: Mutex<HashMap<Key, Instant>>,
    some: Notify,
}

impl WakeSet {
    pub(crate) fn add(&self, keys: impl IntoIterator<Item = Key>) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
        self.some.notify_one();
    }

    /// There may be another value for `keys`: what they read next has to be asked for at `now` or later.
    pub(crate) fn tell(&self, keys: impl IntoIterator<Item = Key>, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend(keys.into_iter().map(|key| (key, now)));
    }

    /// When `key` was told last, since it was asked this.
    pub(crate) fn told(&self, key: &Key) -> Option<Instant> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// Forgets keys that are not `there`, once there are many more than `len`.
    pub(crate) fn prune(&self, len: usize, there: impl Fn(&Key) -> bool) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() > 2 * len + 64 {
            told.retain(|key, _| there(key));
        }
    }

    /// Each key that is added, for one listener. It never ends.
    pub(crate) fn stream(self: &Arc<Self>) -> impl Stream<Item = Key> + Send + use<> {
        stream::unfold(Arc::clone(self), |set| async move {
            loop {
                let next = set.keys.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
                if let Some(key) = next {
                    return Some((key, set));
                }
                set.some.notified().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn who_is_named_twice_is_woken_once() {
        let set = Arc::new(WakeSet::default());
        let key = |name: &str| ("n".to_owned(), name.to_owned());
        set.add([key("a"), key("b")]);
        set.add([key("a")]);
        let woken: Vec<_> = set.stream().take(2).collect().await;
        assert_eq!(woken, [key("a"), key("b")]);
        assert!(set.keys.lock().is_ok_and(|keys| keys.is_empty()));
    }
}
