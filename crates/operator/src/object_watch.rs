//! Watches and controllers as components have them: taken up again after growing pauses, and without `managedFields`.
//!
//! The API server keeps `managedFields` itself where a write leaves them out, no decision reads them, and as trees of
//! JSON they take more memory than the rest of a small object.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt, reflector};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::api_error::{ApiError, Category};
use crate::backoff::Growth;
use crate::store_index::StoreIndex;

/// Pauses of a watch that broke. It may fail more than once before it is served again (404, 429, 410).
const BROKEN: Growth = Growth::new(Duration::from_millis(250), Duration::from_secs(3));
/// Pauses of a watch that is refused: only a person changes that.
const REFUSED: Growth = Growth::new(Duration::from_millis(250), Duration::from_secs(60));

/// A watch of the objects of `api` that `config` selects, taken up again after pauses. It never ends.
pub fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = watcher(api, config).modify(|object| object.meta_mut().managed_fields = None);
    stream::unfold((events.boxed(), Pauses::default()), |(mut events, mut pauses)| async move {
        if let Some(pause) = pauses.due.take() {
            tokio::time::sleep(pause).await;
        }
        let event = events.next().await?;
        match &event {
            // Each try begins with it, whatever comes of the try.
            Ok(Event::Init) => {}
            Ok(_) => pauses.failures = 0,
            Err(error) => pauses.failed(&ApiError::watch("", error)),
        }
        Some((event, (events, pauses)))
    })
}

/// How often a watch failed in a row, and the pause before its next try.
#[derive(Debug, Default)]
struct Pauses {
    failures: u32,
    due: Option<Duration>,
}

impl Pauses {
    fn failed(&mut self, error: &ApiError) {
        let growth = if error.category() == Category::Forbidden { REFUSED } else { BROKEN };
        self.due = Some(growth.pause(self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

/// A controller of the objects of `api`, and of what it keeps of them.
pub fn controller<K>(api: Api<K>) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    controller_telling(api, |_| ())
}

/// The same; `tell` is told each event, deletions too, once the store has taken it in.
pub fn controller_telling<K>(
    api: Api<K>,
    tell: impl Fn(&Event<K>) + Send + 'static,
) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let watched = watch(api, watcher::Config::default());
    let events = reflector::reflector(writer, watched).inspect_ok(tell);
    Controller::for_stream(events.applied_objects(), reader)
        .trigger_backoff(WatchBackoff::default())
}

/// A watch of all objects of `api`, and an index of them by the keys that `keys` finds in each.
pub fn watch_indexed<K>(
    api: Api<K>,
    keys: fn(&K) -> BTreeSet<String>,
) -> (impl Stream<Item = watcher::Result<Event<K>>> + Send, Arc<StoreIndex<K>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let index = Arc::new(StoreIndex::new(reader, keys));
    let told = Arc::clone(&index);
    let watched = watch(api, watcher::Config::default());
    let events =
        reflector::reflector(writer, watched).inspect_ok(move |event| told.on_event(event));
    (events, index)
}

/// A controller of the objects of `api`, and an index of them by the keys that `keys` finds in each.
pub fn controller_indexed<K>(
    api: Api<K>,
    keys: fn(&K) -> BTreeSet<String>,
) -> (Controller<K>, Arc<StoreIndex<K>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (events, index) = watch_indexed(api, keys);
    let controller = Controller::for_stream(events.applied_objects(), index.store().clone())
        .trigger_backoff(WatchBackoff::default());
    (controller, index)
}

/// Pauses of what triggers a controller, from the beginning after each event: 250 ms doubling to 3 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchBackoff(u32);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = BROKEN.pause(self.0);
        self.0 = self.0.saturating_add(1);
        Some(pause)
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn pauses_grow_to_three_seconds_and_begin_again_after_an_event() {
        let mut pauses = WatchBackoff::default();
        let taken: Vec<u128> = pauses.by_ref().take(6).map(|p| p.as_millis()).collect();
        assert_eq!(taken, [250, 500, 1_000, 2_000, 3_000, 3_000]);
        pauses.reset();
        assert_eq!(pauses.next().map(|p| p.as_millis()), Some(250));
    }

    /// The list of a namespace that the installation does not name is refused with 403, again and again.
    #[test]
    fn a_refused_watch_rests_after_the_first_minute() {
        let mut status = Status::failure("no", "Forbidden");
        status.code = 403;
        let refused = kube::Error::Api(Box::new(status));
        let refused = ApiError::watch("Secret", &watcher::Error::InitialListFailed(refused));
        let mut pauses = Pauses::default();
        let mut elapsed = Duration::ZERO;
        let mut after_a_minute = Vec::new();
        for _ in 0..16 {
            pauses.failed(&refused);
            let pause = pauses.due.unwrap_or_default();
            if elapsed >= Duration::from_secs(60) {
                after_a_minute.push(pause);
            }
            elapsed += pause;
        }
        assert!(!after_a_minute.is_empty());
        assert!(after_a_minute.iter().all(|p| *p >= Duration::from_secs(30)), "{after_a_minute:?}");
    }
}
