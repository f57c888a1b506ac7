//! Objects that were changed or deleted outside Git. A watch of their metadata tells which ones are still as they were
//! left: those are not read again, so that a look at a repository that did not move costs the API server nothing.
//!
//! ```text
//!   apply ─► settled ┐
//!                    ├─ equal ─► vouched for: not read     else ─► compared at the next look, put back, reported
//!   watch ─► seen ───┘
//! ```

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::core::ObjectMeta;
use kube::runtime::watcher::Event;
use regent_api::git_source::InventoryItem;
use regent_operator::backoff::Growth;
use tokio::time::Instant;

use super::kinds::Kind;

/// Objects remembered; beyond it all are forgotten and compared once.
const OBJECTS_MAX: usize = 300_000;
/// Pauses of an object that is changed again and again: whoever changes it is not outrun.
const UNDONE: Growth = Growth::new(Duration::from_secs(5), Duration::from_secs(600));
/// An object that was left alone for so long is put back at once again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3_600);

/// Which state of an object: equal ones are the same object with the same spec, labels and annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u64);

impl State {
    fn of(metadata: &ObjectMeta) -> Self {
        let mut hasher = DefaultHasher::new();
        metadata.uid.hash(&mut hasher);
        metadata.labels.hash(&mut hasher);
        metadata.annotations.hash(&mut hasher);
        metadata.deletion_timestamp.is_some().hash(&mut hasher);
        match metadata.generation {
            // Moves with the spec and not with the status.
            Some(generation) => generation.hash(&mut hasher),
            None => metadata.resource_version.hash(&mut hasher),
        }
        Self(hasher.finish())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    There(State),
    Gone,
}

#[derive(Debug, Default)]
struct Object {
    /// Label value of the source that left it as Git says.
    source: String,
    /// Hash of its text in Git, and its state since.
    settled: Option<(String, State)>,
    seen: Option<Seen>,
    /// How often it was put back without an hour between, and when last.
    put_back: u32,
    last_put_back: Option<Instant>,
    /// Told by the listing that is under way.
    listed: bool,
}

impl Object {
    fn is_settled(&self) -> bool {
        let left = self.settled.as_ref().map(|(_, state)| Seen::There(*state));
        left.is_some() && left == self.seen
    }

    fn rests(&self, now: Instant) -> bool {
        let pause = UNDONE.pause(self.put_back.saturating_sub(1));
        self.put_back > 1 && self.last_put_back.is_some_and(|last| now < last + pause)
    }
}

/// Place in [`super::kinds::KINDS`], namespace, name.
type Key = (usize, String, String);

fn key(item: &InventoryItem) -> Option<Key> {
    let kind = Kind::find(&item.api_version, &item.kind)?;
    Some((kind.order(), item.namespace.clone(), item.name.clone()))
}

#[derive(Debug, Default)]
struct Known {
    objects: HashMap<Key, Object>,
    /// Kinds whose watch has told of all objects and did not break since.
    followed: [bool; super::kinds::KINDS.len()],
}

/// What is known of the objects of intent's own kinds.
#[derive(Debug, Default)]
pub(super) struct Drift(Mutex<Known>);

impl Drift {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the watch of `kind` tells.
    pub(super) fn told<M>(
        &self,
        kind: usize,
        event: &Event<M>,
        metadata: impl Fn(&M) -> &ObjectMeta,
    ) {
        let mut known = self.known();
        if known.objects.len() >= OBJECTS_MAX {
            known.objects.clear();
        }
        match event {
            Event::Init => {
                set(&mut known.followed, kind, false);
                known
                    .objects
                    .iter_mut()
                    .filter(|(k, _)| k.0 == kind)
                    .for_each(|(_, o)| o.listed = false);
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let metadata = metadata(object);
                let entry = known.objects.entry(key_of(kind, metadata)).or_default();
                entry.seen = Some(Seen::There(State::of(metadata)));
                entry.listed = true;
            }
            Event::Delete(object) => {
                let key = key_of(kind, metadata(object));
                known.objects.entry(key).or_default().seen = Some(Seen::Gone);
            }
            Event::InitDone => {
                set(&mut known.followed, kind, true);
                let missing = known.objects.iter_mut().filter(|(k, o)| k.0 == kind && !o.listed);
                missing.for_each(|(_, object)| object.seen = Some(Seen::Gone));
            }
        }
        // What is gone and was never settled is nobody's.
        known.objects.retain(|_, o| o.settled.is_some() || o.seen != Some(Seen::Gone));
    }

    /// The watch of `kind` broke: until it has listed again, it vouches for nothing. Returns whether it did until now.
    pub(super) fn broke(&self, kind: usize) -> bool {
        let mut known = self.known();
        let before = known.followed.get(kind).copied().unwrap_or(false);
        set(&mut known.followed, kind, false);
        before
    }

    /// Whether `item` is known to be as `source` left it, from a text of this hash.
    pub(super) fn vouches(&self, item: &InventoryItem, source: &str, hash: &str) -> bool {
        let Some(key) = key(item) else { return false };
        let known = self.known();
        let followed = known.followed.get(key.0).copied().unwrap_or(false);
        followed
            && known.objects.get(&key).is_some_and(|object| {
                let same = object.settled.as_ref().is_some_and(|(settled, _)| settled == hash);
                object.source == source && same && object.is_settled()
            })
    }

    /// `item` is as Git says in this state.
    pub(super) fn settle(&self, item: &InventoryItem, source: &str, hash: &str, live: &ObjectMeta) {
        let Some(key) = key(item) else { return };
        let mut known = self.known();
        let object = known.objects.entry(key).or_default();
        source.clone_into(&mut object.source);
        object.settled = Some((hash.to_owned(), State::of(live)));
    }

    /// `item` was put back; how often in a row.
    pub(super) fn put_back(&self, item: &InventoryItem, now: Instant) -> u32 {
        let Some(key) = key(item) else { return 1 };
        let mut known = self.known();
        let object = known.objects.entry(key).or_default();
        if object.last_put_back.is_none_or(|last| now - last > FORGIVEN_AFTER) {
            object.put_back = 0;
        }
        object.put_back = object.put_back.saturating_add(1);
        object.last_put_back = Some(now);
        object.put_back
    }

    /// Whether `item`, applied from a text of this hash, was put back so often that it is left for now.
    pub(super) fn rests(&self, item: &InventoryItem, hash: &str, now: Instant) -> bool {
        let Some(key) = key(item) else { return false };
        let known = self.known();
        let same = |o: &Object| o.settled.as_ref().is_some_and(|(settled, _)| settled == hash);
        known.objects.get(&key).is_some_and(|object| same(object) && object.rests(now))
    }

    /// `item` left Git: nothing is known of it any more.
    pub(super) fn forget(&self, item: &InventoryItem) {
        if let Some(key) = key(item) {
            self.known().objects.remove(&key);
        }
    }

    /// How many objects are known to be as they were left.
    #[cfg(test)]
    pub(super) fn vouched(&self) -> usize {
        let known = self.known();
        let followed = |kind: usize| known.followed.get(kind).copied().unwrap_or(false);
        known.objects.iter().filter(|(key, object)| followed(key.0) && object.is_settled()).count()
    }

    /// Whether an object that `source` applied was changed or deleted since.
    pub(super) fn is_dirty(&self, source: &str, now: Instant) -> bool {
        self.known().objects.values().any(|object| {
            let changed = object.settled.is_some() && object.seen.is_some() && !object.is_settled();
            changed && object.source == source && !object.rests(now)
        })
    }
}

fn set(followed: &mut [bool], kind: usize, value: bool) {
    if let Some(flag) = followed.get_mut(kind) {
        *flag = value;
    }
}

fn key_of(kind: usize, metadata: &ObjectMeta) -> Key {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    (kind, text(&metadata.namespace), text(&metadata.name))
}

#[cfg(test)]
#[path = "tests_drift.rs"]
mod tests;
