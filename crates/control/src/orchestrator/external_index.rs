//! ExternalSecrets by the path that they name, so that a look at one secret does not go through all of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;
use regent_api::ExternalSecret;
use regent_types::SecretPath;
use regent_types::authority_names::SECRET_MOUNT;

type Reference = ObjectRef<ExternalSecret>;

/// The watched ExternalSecrets of all namespaces.
pub(super) struct ExternalIndex {
    store: Store<ExternalSecret>,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    by_path: HashMap<String, HashSet<Reference>>,
    paths: HashMap<Reference, BTreeSet<String>>,
    /// What a listing under way has named so far.
    listing: Option<HashSet<Reference>>,
}

impl ExternalIndex {
    /// An index of what `store` holds; [`Self::on_event`] is told each event once the store has taken it in.
    pub(super) fn new(store: Store<ExternalSecret>) -> Self {
        Self { store, entries: Mutex::default() }
    }

    pub(super) fn on_event(&self, event: &Event<ExternalSecret>) {
        let mut all = self.lock();
        match event {
            Event::Init => all.listing = Some(HashSet::new()),
            Event::InitApply(external) => {
                let reference = ObjectRef::from_obj(external);
                if let Some(listing) = &mut all.listing {
                    listing.insert(reference.clone());
                }
                all.put(reference, external);
            }
            Event::InitDone => {
                let Some(listed) = all.listing.take() else { return };
                let gone: Vec<Reference> =
                    all.paths.keys().filter(|r| !listed.contains(r)).cloned().collect();
                gone.iter().for_each(|reference| all.remove(reference));
            }
            Event::Apply(external) => all.put(ObjectRef::from_obj(external), external),
            Event::Delete(external) => all.remove(&ObjectRef::from_obj(external)),
        }
    }

    /// Those that name `path`, by namespace and name.
    pub(super) fn of(&self, path: &str) -> Vec<Arc<ExternalSecret>> {
        let named: Vec<Reference> =
            self.lock().by_path.get(path).into_iter().flatten().cloned().collect();
        let mut found: Vec<Arc<ExternalSecret>> =
            named.iter().filter_map(|reference| self.store.get(reference)).collect();
        found.sort_by_key(|external| (external.namespace(), external.name_any()));
        found
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn put(&mut self, reference: Reference, external: &ExternalSecret) {
        let paths = paths(external);
        if self.paths.get(&reference) == Some(&paths) {
            return;
        }
        self.remove(&reference);
        for path in &paths {
            self.by_path.entry(path.clone()).or_default().insert(reference.clone());
        }
        self.paths.insert(reference, paths);
    }

    fn remove(&mut self, reference: &Reference) {
        for path in self.paths.remove(reference).unwrap_or_default() {
            if let Some(named) = self.by_path.get_mut(&path) {
                named.remove(reference);
                if named.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }
}

/// Mount-relative paths that an ExternalSecret names, in every spelling that its stores take. A key that is no path
/// names none: nothing is delivered from it.
pub(super) fn paths(external: &ExternalSecret) -> BTreeSet<String> {
    let data = external.spec.data.iter().map(|d| &d.remote_ref);
    let whole = external.spec.data_from.iter().filter_map(|d| d.extract.as_ref());
    data.chain(whole).filter_map(|r| named_path(&r.key)).collect()
}

/// The path that a remote key means; `None` where it is no path.
pub(super) fn named_path(key: &str) -> Option<String> {
    SecretPath::from_remote_key(SECRET_MOUNT, key).ok().map(|path| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn external(name: &str, key: &str) -> ExternalSecret {
        serde_json::from_value(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": { "namespace": "shop", "name": name },
            "spec": { "dataFrom": [{ "extract": { "key": key } }] },
        }))
        .unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_is_the_same_path() {
        let p = "runtime/payments/db";
        for key in [p, "secret/runtime/payments/db", "secret/data/runtime/payments/db"] {
            assert_eq!(named_path(key).as_deref(), Some(p));
        }
    }

    /// What it finds is what a look through everything would find, after any event.
    #[test]
    fn it_follows_what_is_watched() {
        let (store, mut writer) = kube::runtime::reflector::store();
        let index = ExternalIndex::new(store);
        let mut tell = |event: Event<ExternalSecret>| {
            writer.apply_watcher_event(&event);
            index.on_event(&event);
        };
        let names = |path: &str| -> Vec<String> {
            index.of(path).iter().map(|external| external.name_any()).collect()
        };
        tell(Event::Init);
        tell(Event::InitApply(external("b", "runtime/a/p")));
        tell(Event::InitApply(external("a", "secret/data/runtime/a/p")));
        tell(Event::InitDone);
        assert_eq!(names("runtime/a/p"), ["a", "b"]);
        tell(Event::Apply(external("b", "runtime/a/q")));
        assert_eq!(
            (names("runtime/a/p"), names("runtime/a/q")),
            (vec!["a".into()], vec!["b".into()])
        );
        tell(Event::Delete(external("a", "runtime/a/p")));
        assert!(names("runtime/a/p").is_empty());
        tell(Event::Init);
        tell(Event::InitApply(external("c", "runtime/a/p")));
        tell(Event::InitDone);
        assert_eq!(names("runtime/a/p"), ["c"]);
        assert!(names("runtime/a/q").is_empty(), "what a listing does not name is gone");
        let all = index.lock();
        assert_eq!((all.by_path.len(), all.paths.len()), (1, 1), "nothing is kept of what is gone");
    }
}
