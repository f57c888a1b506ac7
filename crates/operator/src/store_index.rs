//! What is watched, by keys of its own: a look at one object does not go through all others.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};

/// The objects of a store by the keys that `keys` finds in each.
pub struct StoreIndex<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<K>,
    keys: fn(&K) -> BTreeSet<String>,
    entries: Mutex<Entries<K>>,
}

struct Entries<K: Resource<DynamicType = ()>> {
    by_key: HashMap<String, HashSet<ObjectRef<K>>>,
    keys: HashMap<ObjectRef<K>, BTreeSet<String>>,
    /// What a listing under way has named so far.
    listing: Option<HashSet<ObjectRef<K>>>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> StoreIndex<K> {
    /// An index of what `store` holds; [`Self::on_event`] is told each event once the store has taken it in.
    pub fn new(store: Store<K>, keys: fn(&K) -> BTreeSet<String>) -> Self {
        let entries = Entries { by_key: HashMap::new(), keys: HashMap::new(), listing: None };
        Self { store, keys, entries: Mutex::new(entries) }
    }

    /// The store that the index is of, for what is asked by name.
    pub fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Follows one event of the watch that fills the store.
    pub fn on_event(&self, event: &Event<K>) {
        let mut all = self.lock();
        match event {
            Event::Init => all.listing = Some(HashSet::new()),
            Event::InitApply(object) => {
                let reference = ObjectRef::from_obj(object);
                if let Some(listing) = &mut all.listing {
                    listing.insert(reference.clone());
                }
                all.put(reference, (self.keys)(object));
            }
            Event::InitDone => {
                let Some(listed) = all.listing.take() else { return };
                let gone: Vec<ObjectRef<K>> =
                    all.keys.keys().filter(|r| !listed.contains(r)).cloned().collect();
                gone.iter().for_each(|reference| all.remove(reference));
            }
            Event::Apply(object) => all.put(ObjectRef::from_obj(object), (self.keys)(object)),
            Event::Delete(object) => all.remove(&ObjectRef::from_obj(object)),
        }
    }

    /// The objects with `key`, by namespace and name.
    pub fn of(&self, key: &str) -> Vec<Arc<K>> {
        let named: Vec<ObjectRef<K>> =
            self.lock().by_key.get(key).into_iter().flatten().cloned().collect();
        let mut found: Vec<Arc<K>> =
            named.iter().filter_map(|reference| self.store.get(reference)).collect();
        found.sort_by_key(|object| (object.namespace(), object.name_any()));
        found
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Resource<DynamicType = ()>> Entries<K> {
    fn put(&mut self, reference: ObjectRef<K>, keys: BTreeSet<String>) {
        if self.keys.get(&reference) == Some(&keys) {
            return;
        }
        self.remove(&reference);
        for key in &keys {
            self.by_key.entry(key.clone()).or_default().insert(reference.clone());
        }
        self.keys.insert(reference, keys);
    }

    fn remove(&mut self, reference: &ObjectRef<K>) {
        for key in self.keys.remove(reference).unwrap_or_default() {
            if let Some(named) = self.by_key.get_mut(&key) {
                named.remove(reference);
                if named.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector;

    fn object(name: &str, keys: &[&str]) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.into());
        object.data = Some(keys.iter().map(|key| ((*key).to_owned(), String::new())).collect());
        object
    }

    /// What it finds is what a look through everything would find, after any event.
    #[test]
    fn it_follows_what_is_watched() {
        let (store, mut writer) = reflector::store();
        let keys = |map: &ConfigMap| map.data.iter().flatten().map(|(k, _)| k.clone()).collect();
        let index = StoreIndex::new(store, keys);
        let mut tell = |event: Event<ConfigMap>| {
            writer.apply_watcher_event(&event);
            index.on_event(&event);
        };
        let names = |key: &str| -> Vec<String> {
            index.of(key).iter().map(|object| object.name_any()).collect()
        };
        tell(Event::Init);
        tell(Event::InitApply(object("b", &["p"])));
        tell(Event::InitApply(object("a", &["p", "r"])));
        tell(Event::InitDone);
        assert_eq!((names("p"), names("r")), (vec!["a".into(), "b".into()], vec!["a".into()]));
        tell(Event::Apply(object("b", &["q"])));
        assert_eq!((names("p"), names("q")), (vec!["a".into()], vec!["b".into()]));
        tell(Event::Delete(object("a", &["p", "r"])));
        assert!(names("p").is_empty() && names("r").is_empty());
        tell(Event::Init);
        tell(Event::InitApply(object("c", &["p"])));
        tell(Event::InitDone);
        assert_eq!(names("p"), ["c"]);
        assert!(names("q").is_empty(), "what a listing does not name is gone");
        let all = index.lock();
        assert_eq!((all.by_key.len(), all.keys.len()), (1, 1), "nothing is kept of what is gone");
    }
}
