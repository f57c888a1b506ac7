//! Waiting for the first listing of a reflector, by any number of tasks.
//!
//! `Store::wait_until_ready` of kube-runtime 5.0.0 keeps one waker (`utils/delayed_init.rs`): of several tasks that
//! wait on one store, only the last to ask is woken, and the others sleep for ever. Here one shared future waits.

use futures::future::{BoxFuture, FutureExt, Shared};
use kube::runtime::reflector::{Lookup, Store};

/// Whether stores hold their first listing.
#[derive(Clone, Debug)]
pub struct CacheSync(Shared<BoxFuture<'static, ()>>);

impl CacheSync {
    /// Of `store`, on which nobody else may wait (a controller waits on its own).
    pub fn of<K>(store: &Store<K>) -> Self
    where
        K: Lookup + Clone + Send + Sync + 'static,
        K::DynamicType: Eq + std::hash::Hash + Clone + Send + Sync,
    {
        let store = store.clone();
        let first = async move {
            // An error means that the reflector is gone: the component ends.
            let _ended = store.wait_until_ready().await;
        };
        Self(first.boxed().shared())
    }

    /// Waits for the first listing, for ever where there is none.
    pub async fn wait(&self) {
        self.0.clone().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    /// C4-3: every task that waits for a listing goes on, not only the last that asked.
    #[tokio::test]
    async fn all_who_wait_are_woken() {
        let (store, mut writer) = reflector::store::<ConfigMap>();
        let listed = CacheSync::of(&store);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let listed = listed.clone();
                tokio::spawn(async move { listed.wait().await })
            })
            .collect();
        // All three are asleep before there is anything.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        for task in waiting {
            tokio::time::timeout(std::time::Duration::from_secs(5), task).await.unwrap().unwrap();
        }
    }
}
