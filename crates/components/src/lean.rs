//! Objects as components keep them: without `managedFields`. The API server keeps those itself where a write leaves them
//! out, no decision reads them, and as trees of JSON they take more memory than the rest of a small object.

use std::fmt::Debug;

use futures::{Stream, TryStreamExt};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt, reflector};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::broken::Pauses;

/// A watch of the objects of `api`, taken up again after pauses.
pub(crate) fn watch<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    once(api).backoff(Pauses::default())
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
pub(crate) fn controller<K>(api: Api<K>) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    controller_telling(api, |_| ())
}

/// The same; `tell` is told each event, deletions too, once the store has taken it in.
pub(crate) fn controller_telling<K>(
    api: Api<K>,
    tell: impl Fn(&Event<K>) + Send + 'static,
) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let events = reflector::reflector(writer, once(api)).inspect_ok(tell);
    Controller::for_stream(events.applied_objects(), reader).trigger_backoff(Pauses::default())
}
