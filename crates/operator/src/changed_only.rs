//! Of what a watch tells, only what says something new.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::future::ready;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};

use crate::error::ReconcileError;

/// The objects of `events` that were told for the first time, changed in what `deciding` says of them, or were deleted.
///
/// kube's `predicate_filter` does nearly the same, but swallows deletions. Remembers a digest for each object that
/// exists. A broken watch is logged in `component`'s name.
pub fn changed_only<K>(
    component: &'static str,
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send,
    deciding: impl Fn(&K) -> String + Send,
) -> impl Stream<Item = K> + Send
where
    K: Resource<DynamicType = ()> + Send,
{
    let mut digests = HashMap::new();
    events.filter_map(move |event| {
        if let Err(error) = &event {
            let error = ReconcileError::watch(&K::kind(&()), error);
            tracing::warn!(component, %error, "watch broke and is taken up again");
        }
        ready(event.ok().and_then(|event| changed(&mut digests, event, &deciding)))
    })
}

fn changed<K>(
    digests: &mut HashMap<String, u64>,
    event: Event<K>,
    deciding: impl Fn(&K) -> String,
) -> Option<K>
where
    K: Resource<DynamicType = ()>,
{
    match event {
        Event::Apply(object) | Event::InitApply(object) => {
            let mut hasher = DefaultHasher::new();
            deciding(&object).hash(&mut hasher);
            let digest = hasher.finish();
            let uid = object.uid().unwrap_or_default();
            (digests.insert(uid, digest) != Some(digest)).then_some(object)
        }
        Event::Delete(object) => {
            digests.remove(&object.uid().unwrap_or_default());
            Some(object)
        }
        Event::Init => {
            digests.clear();
            None
        }
        Event::InitDone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn map(version: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.uid = Some("u".into());
        map.metadata.resource_version = Some(version.into());
        map.metadata.generation = version.parse().ok().map(|n: i64| n / 10);
        map
    }

    #[test]
    fn an_object_is_told_when_it_is_new_changed_or_gone() {
        let mut digests = HashMap::new();
        let mut told = |event| {
            changed(&mut digests, event, |m: &ConfigMap| format!("{:?}", m.metadata.generation))
                .is_some()
        };
        assert!(told(Event::Apply(map("10"))), "new");
        assert!(!told(Event::Apply(map("11"))), "nothing that decides changed");
        assert!(told(Event::Apply(map("20"))), "changed");
        assert!(told(Event::Delete(map("20"))), "gone");
        assert!(told(Event::Apply(map("20"))), "made anew");
        assert!(!told(Event::Init) && told(Event::InitApply(map("20"))), "listed anew");
    }
}
