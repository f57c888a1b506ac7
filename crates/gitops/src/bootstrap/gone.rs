//! Manifests that are there, and those that went: told by the watch, or missing from its next listing.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;
use regent_api::EncryptedManifest;
use tokio::sync::Notify;

/// Manifests remembered as gone and not looked at; the oldest are dropped beyond it, and found at the next start.
const WAITING_MAX: usize = 50_000;

/// Namespace and name, of a manifest as of its Secret.
pub(super) type Place = (String, String);

#[derive(Debug, Default)]
struct Known {
    manifests: BTreeSet<Place>,
    /// Told by the listing that is under way.
    listed: BTreeSet<Place>,
    gone: VecDeque<Place>,
    complete: bool,
}

/// Manifests that are there, and those that went.
#[derive(Debug, Default)]
pub(super) struct Gone {
    known: Mutex<Known>,
    changed: Notify,
}

fn place(metadata: &ObjectMeta) -> Place {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}

impl Gone {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch of manifests tells.
    pub(super) fn told(&self, event: &Event<EncryptedManifest>) {
        let mut known = self.known();
        match event {
            Event::Init => known.listed.clear(),
            Event::InitApply(manifest) => _ = known.listed.insert(place(&manifest.metadata)),
            Event::Apply(manifest) => _ = known.manifests.insert(place(&manifest.metadata)),
            Event::Delete(manifest) => {
                let place = place(&manifest.metadata);
                known.manifests.remove(&place);
                known.gone.push_back(place);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut known.listed);
                let before = std::mem::replace(&mut known.manifests, listed);
                let missing: Vec<Place> = before.difference(&known.manifests).cloned().collect();
                known.gone.extend(missing);
                known.complete = true;
            }
        }
        let beyond = known.gone.len().saturating_sub(WAITING_MAX);
        known.gone.drain(..beyond);
        drop(known);
        self.changed.notify_one();
    }

    /// Looks at the Secrets that `named` says RuntimeSecrets wait for, where no manifest is there: one was deleted
    /// while nobody watched.
    pub(super) fn sweep(&self, named: impl Iterator<Item = Place>) -> bool {
        let mut known = self.known();
        if !known.complete {
            return false;
        }
        let missing: Vec<Place> = named.filter(|place| !known.manifests.contains(place)).collect();
        known.gone.extend(missing);
        true
    }

    /// Returns once something may wait to be looked at.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes out one manifest that went.
    pub(super) fn next(&self) -> Option<Place> {
        self.known().gone.pop_front()
    }

    /// `place` is looked at once more.
    pub(super) fn again(&self, place: Place) {
        self.known().gone.push_back(place);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use regent_api::EncryptedManifestSpec;

    use super::*;

    fn manifest(name: &str) -> EncryptedManifest {
        let spec = EncryptedManifestSpec { sops: "x".into(), source: None };
        let mut manifest = EncryptedManifest::new(name, spec);
        manifest.metadata.namespace = Some("apps".into());
        manifest
    }

    fn waiting(gone: &Gone) -> Vec<String> {
        std::iter::from_fn(|| gone.next()).map(|(_, name)| name).collect()
    }

    #[test]
    fn g03_a_manifest_that_went_while_the_watch_was_broken_is_found() {
        let gone = Gone::default();
        let listing = |names: &[&str]| {
            gone.told(&Event::Init);
            names.iter().for_each(|name| gone.told(&Event::InitApply(manifest(name))));
            gone.told(&Event::InitDone);
        };
        let named =
            || [("apps".to_owned(), "early".to_owned()), ("apps".to_owned(), "a".to_owned())];
        assert!(!gone.sweep(named().into_iter()));
        listing(&["a", "b"]);
        assert_eq!(waiting(&gone), Vec::<String>::new());
        assert!(gone.sweep(named().into_iter()));
        assert_eq!(waiting(&gone), ["early"]);
        listing(&["a"]);
        assert_eq!(waiting(&gone), ["b"]);
        gone.told(&Event::Apply(manifest("c")));
        gone.told(&Event::Delete(manifest("c")));
        assert_eq!(waiting(&gone), ["c"]);
    }
}
