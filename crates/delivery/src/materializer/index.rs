//! Which objects speak of which path: kept up to date by watch events, so that one event touches
//! only the ExternalSecrets that it concerns. Names, versions and times; no value.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use regent_types::SecretPath;

pub(crate) type Key = (String, String);

/// The key of an object.
pub(crate) fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Objects of one kind by the paths they speak of, each with what it says.
#[derive(Debug)]
pub(crate) struct ByPath<C> {
    objects: HashMap<Key, Vec<(SecretPath, C)>>,
    paths: HashMap<SecretPath, BTreeSet<Key>>,
    /// Objects seen in the listing under way.
    listing: Option<HashSet<Key>>,
    listed: bool,
}

impl<C> Default for ByPath<C> {
    fn default() -> Self {
        Self { objects: HashMap::new(), paths: HashMap::new(), listing: None, listed: false }
    }
}

impl<C: Clone + PartialEq> ByPath<C> {
    /// Takes in a watch event; `entries` says what an object says of which path. Returns the paths
    /// of which something else is said now.
    pub(crate) fn apply<K: ResourceExt>(
        &mut self,
        event: &Event<K>,
        entries: impl Fn(&K) -> Vec<(SecretPath, C)>,
    ) -> BTreeSet<SecretPath> {
        match event {
            Event::Init => {
                self.listing = Some(HashSet::new());
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                let key = key_of(object);
                if let Some(listing) = &mut self.listing {
                    listing.insert(key.clone());
                }
                self.put(key, entries(object))
            }
            Event::Apply(object) => self.put(key_of(object), entries(object)),
            Event::Delete(object) => self.remove(&key_of(object)),
            Event::InitDone => {
                self.listed = true;
                let listing = self.listing.take().unwrap_or_default();
                let gone: Vec<Key> =
                    self.objects.keys().filter(|k| !listing.contains(*k)).cloned().collect();
                gone.iter().flat_map(|key| self.remove(key)).collect()
            }
        }
    }

    /// Whether the first listing is complete.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Says that `key` says `entries`; returns the paths of which it said something else.
    pub(crate) fn put(&mut self, key: Key, entries: Vec<(SecretPath, C)>) -> BTreeSet<SecretPath> {
        if self.objects.get(&key) == Some(&entries) {
            return BTreeSet::new();
        }
        let mut touched = self.remove(&key);
        for (path, _) in &entries {
            self.paths.entry(path.clone()).or_default().insert(key.clone());
            touched.insert(path.clone());
        }
        if !entries.is_empty() {
            self.objects.insert(key, entries);
        }
        touched
    }

    /// Forgets `key`; returns the paths it spoke of.
    pub(crate) fn remove(&mut self, key: &Key) -> BTreeSet<SecretPath> {
        let entries = self.objects.remove(key).unwrap_or_default();
        for (path, _) in &entries {
            if let Some(keys) = self.paths.get_mut(path) {
                keys.remove(key);
                if keys.is_empty() {
                    self.paths.remove(path);
                }
            }
        }
        entries.into_iter().map(|(path, _)| path).collect()
    }

    /// What is said of `path`.
    pub(crate) fn said(&self, path: &SecretPath) -> Vec<C> {
        let keys = self.paths.get(path).into_iter().flatten();
        keys.filter_map(|key| self.objects.get(key))
            .flatten()
            .filter(|(p, _)| p == path)
            .map(|(_, said)| said.clone())
            .collect()
    }

    /// Who speaks of `path`.
    pub(crate) fn keys(&self, path: &SecretPath) -> impl Iterator<Item = &Key> {
        self.paths.get(path).into_iter().flatten()
    }

    /// Forgets all objects but those that `keep` names, once there are many more than `len`.
    pub(crate) fn prune(&mut self, len: usize, keep: impl Fn(&Key) -> bool) {
        if self.objects.len() > 2 * len + 64 {
            let gone: Vec<Key> = self.objects.keys().filter(|k| !keep(k)).cloned().collect();
            for key in gone {
                self.remove(&key);
            }
        }
    }
}

/// ExternalSecrets by the Secret they target.
#[derive(Debug, Default)]
pub(crate) struct ByTarget {
    targets: BTreeMap<Key, BTreeSet<String>>,
    of: HashMap<Key, String>,
}

impl ByTarget {
    /// Says that ExternalSecret `key` targets Secret `target` of its namespace.
    pub(crate) fn put(&mut self, key: &Key, target: &str) {
        if self.of.get(key).map(String::as_str) == Some(target) {
            return;
        }
        self.remove(key);
        self.of.insert(key.clone(), target.to_owned());
        let place = (key.0.clone(), target.to_owned());
        self.targets.entry(place).or_default().insert(key.1.clone());
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        let Some(target) = self.of.remove(key) else { return };
        let place = (key.0.clone(), target);
        if let Some(names) = self.targets.get_mut(&place) {
            names.remove(&key.1);
            if names.is_empty() {
                self.targets.remove(&place);
            }
        }
    }

    /// The Secret that ExternalSecret `key` targets.
    pub(crate) fn of(&self, key: &Key) -> Option<&str> {
        self.of.get(key).map(String::as_str)
    }

    /// Names of the ExternalSecrets that target Secret `place`.
    pub(crate) fn names(&self, place: &Key) -> impl Iterator<Item = &String> {
        self.targets.get(place).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn path(text: &str) -> SecretPath {
        SecretPath::parse(text).expect("a path")
    }

    fn object(name: &str, paths: &[&str]) -> ConfigMap {
        let data = paths.iter().map(|p| ((*p).to_owned(), String::new())).collect();
        let mut map = ConfigMap { data: Some(data), ..ConfigMap::default() };
        map.metadata.name = Some(name.into());
        map
    }

    fn entries(map: &ConfigMap) -> Vec<(SecretPath, String)> {
        let name = map.name_any();
        map.data.iter().flatten().map(|(p, _)| (path(p), name.clone())).collect()
    }

    #[test]
    fn a_listing_forgets_what_it_does_not_hold() {
        let mut all = ByPath::default();
        let mut apply = |event| {
            let touched = all.apply(&event, entries);
            (touched.into_iter().map(|p| p.to_string()).collect::<Vec<_>>(), all.said(&path("a/1")))
        };
        apply(Event::Init);
        apply(Event::InitApply(object("x", &["a/1", "a/2"])));
        apply(Event::InitApply(object("y", &["a/1"])));
        let (gone, said) = apply(Event::InitDone);
        assert_eq!((gone.len(), said), (0, vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(apply(Event::Apply(object("y", &["a/1"]))).0.len(), 0, "nothing new was said");
        assert_eq!(apply(Event::Apply(object("y", &["a/3"]))).0, ["a/1", "a/3"]);
        apply(Event::Init);
        apply(Event::InitApply(object("y", &["a/3"])));
        let (gone, said) = apply(Event::InitDone);
        assert_eq!(gone, ["a/1", "a/2"]);
        assert!(said.is_empty());
    }

    #[test]
    fn a_target_is_found_until_its_external_secret_names_another() {
        let mut all = ByTarget::default();
        let key = ("a".to_owned(), "es".to_owned());
        all.put(&key, "one");
        assert_eq!(all.names(&("a".into(), "one".into())).count(), 1);
        assert_eq!(all.names(&("b".into(), "one".into())).count(), 0);
        all.put(&key, "two");
        assert_eq!(all.names(&("a".into(), "one".into())).count(), 0);
        assert_eq!(all.names(&("a".into(), "two".into())).count(), 1);
    }
}
