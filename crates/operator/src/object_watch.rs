//! Objects as components keep them: without `managedFields`. The API server keeps those itself where a write leaves them
//! out, no decision reads them, and as trees of JSON they take more memory than the rest of a small object.

use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, TryStreamExt};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt, reflector};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// A watch of the objects of `api`, taken up again after pauses.
pub fn watch<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    once(api).backoff(WatchBackoff::default())
}

/// A watch that is taken up again at once: whoever takes it pauses.
fn once<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, watcher::Config::default())
        .modify(|object| object.meta_mut().managed_fields = None)
}

/// A controller of the objects of `api`, and of what it keeps of them. All its watches wait in the same pauses.
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
    let events = reflector::reflector(writer, once(api)).inspect_ok(tell);
    Controller::for_stream(events.applied_objects(), reader)
        .trigger_backoff(WatchBackoff::default())
}

/// Pauses between tries to take a watch up again: 250 ms doubling to 3 s, from the beginning after each event. All
/// watches of one controller wait in the same pauses, one after the other, and each may fail more than once before it
/// is served again (404, 429, 410): with the library's half minute that took minutes.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchBackoff(u32);

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(3);

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = FIRST.saturating_mul(1 << self.0.min(8));
        self.0 = self.0.saturating_add(1);
        Some(pause.min(LONGEST))
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

    #[test]
    fn pauses_grow_to_three_seconds_and_begin_again_after_an_event() {
        let mut pauses = WatchBackoff::default();
        let taken: Vec<u128> = pauses.by_ref().take(6).map(|p| p.as_millis()).collect();
        assert_eq!(taken, [250, 500, 1_000, 2_000, 3_000, 3_000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(FIRST));
    }
}
