//! What is known of each RuntimeSecret between two looks, and whether the next look is due. It
//! decides only *when* to look, never what is true. Pure, but for the lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use regent_api::RuntimeSecret;
use regent_protocol::record::State;
use regent_protocol::{Reason, Record};

use super::board::SecretKey;
use super::status::Observed;

/// RuntimeSecrets remembered; the others are looked at whenever something happens to them.
const SECRETS_MAX: usize = 100_000;

/// What may have happened to a RuntimeSecret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wake {
    /// Its publisher or a step that is due: look at everything.
    pub(super) all: bool,
    /// Its bootstrap Secret: look at everything, unless only consumers are awaited.
    pub(super) source: bool,
    /// An ExternalSecret that may read it: compare who is served.
    pub(super) consumers: bool,
}

/// What the last look left behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// uid of the object.
    pub(super) uid: Option<String>,
    /// resourceVersion of the object as the watch had told of it.
    pub(super) watched: Option<String>,
    /// The object as it was looked at, or written by this controller.
    pub(super) told: Option<Arc<RuntimeSecret>>,
    /// Generation that was looked at.
    pub(super) generation: Option<i64>,
    /// Opening of the gate at which it was looked at; 0: it was closed.
    pub(super) epoch: u64,
    /// What its status is made from.
    pub(super) observed: Observed,
    /// Number of the record's version; 0 where there is none.
    pub(super) record_version: i64,
    /// Whether it is too early to say anything: no status is written, since one that says Git would have bootstrap
    /// produce a Secret that was handed over long ago.
    pub(super) undecided: bool,
    /// When everything is looked at again in any case.
    pub(super) next: Option<Timestamp>,
    /// When it is compared what lies at the path, where nothing else is awaited.
    pub(super) compare: Option<Timestamp>,
}

impl Known {
    /// The object that `watched` stands for: where the watch does not know yet of what was written over it, that.
    pub(super) fn as_told(&self, watched: &Arc<RuntimeSecret>) -> Arc<RuntimeSecret> {
        let told = self.told.as_ref().filter(|_| self.watched == watched.metadata.resource_version);
        Arc::clone(told.unwrap_or(watched))
    }

    /// When anything is looked at again without an event.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        [self.next, self.compare].into_iter().flatten().min()
    }

    fn resource_version(&self) -> Option<&str> {
        self.told.as_ref()?.metadata.resource_version.as_deref()
    }

    /// Whether consumers are all that is awaited. The bootstrap Secret is read once they have followed.
    fn awaits_consumers(&self) -> bool {
        let (record, waits) = (self.observed.record.as_ref(), self.observed.waits.as_ref());
        let acknowledged = record.is_some_and(|r| r.state == State::Acknowledged);
        acknowledged && waits.is_some_and(|w| w.0 == Reason::ConsumersNotReady)
    }

    /// The record and its version, as they were known when the last look ended.
    pub(super) fn held_record(self) -> Option<(Record, i64)> {
        self.observed.record.map(|record| (record, self.record_version))
    }
}

/// How much is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before that time.
    Nothing(Timestamp),
    /// Who consumes it, and what the status says of runs.
    Status,
    /// A step that waited for consumers, with the record that is held: had another written it since, a lost `cas` would
    /// tell.
    Consumers,
    /// What lies at the path, with the record that is held.
    Path,
    All,
}

/// What the object, its runs and the time say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    /// resourceVersion of the object.
    pub(super) resource_version: Option<&'a str>,
    pub(super) generation: Option<i64>,
    /// Opening of the gate.
    pub(super) epoch: u64,
    /// Whether a step of a run is due.
    pub(super) work: bool,
    /// Whether a step waits for consumers, who all say that they have followed.
    pub(super) followed: bool,
    /// Whether the run that holds the claim is gone or over.
    pub(super) abandoned: bool,
    /// Whether the status names other runs than there are.
    pub(super) runs_changed: bool,
    pub(super) at: Timestamp,
}

/// How much of the RuntimeSecret is to be looked at.
pub(super) fn due(known: Option<&Known>, wake: Wake, now: &Now<'_>) -> Due {
    let Some(known) = known else { return Due::All };
    let next = known.next.filter(|next| now.at < *next);
    let other = known.generation != now.generation || known.epoch != now.epoch;
    match next {
        None => Due::All,
        Some(_) if other || wake.all || now.work || now.abandoned => Due::All,
        Some(_) if wake.source && !known.awaits_consumers() => Due::All,
        Some(_) if now.followed => Due::Consumers,
        Some(_) if wake.consumers || now.runs_changed => Due::Status,
        Some(_) if known.resource_version() != now.resource_version => Due::Status,
        Some(_) if known.compare.is_some_and(|compare| compare <= now.at) => Due::Path,
        Some(next) => Due::Nothing(known.due_at().unwrap_or(next)),
    }
}

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    known: BTreeMap<SecretKey, Known>,
    wakes: BTreeMap<SecretKey, Wake>,
}

impl Memory {
    /// The record of `key` as the last look left it; `None` where none looked since the start.
    pub(super) fn record(&self, key: &SecretKey) -> Option<Option<Record>> {
        self.lock().known.get(key).map(|known| known.observed.record.clone())
    }

    /// Something has happened to `key`.
    pub(super) fn wake(&self, key: SecretKey, wake: Wake) {
        let mut all = self.lock();
        let old = all.wakes.entry(key).or_default();
        old.all |= wake.all;
        old.source |= wake.source;
        old.consumers |= wake.consumers;
    }

    /// What has happened to `key` since this was asked, and what is known.
    pub(super) fn take(&self, key: &SecretKey) -> (Wake, Option<Known>) {
        let mut all = self.lock();
        (all.wakes.remove(key).unwrap_or_default(), all.known.get(key).cloned())
    }

    /// Remembers what a look has left behind.
    pub(super) fn put(&self, key: &SecretKey, known: Known) {
        let mut all = self.lock();
        if all.known.len() >= SECRETS_MAX && !all.known.contains_key(key) {
            return;
        }
        all.known.insert(key.clone(), known);
    }

    /// The look at `key` failed or the object is gone: nothing is known.
    pub(super) fn forget(&self, key: &SecretKey) {
        let mut all = self.lock();
        all.known.remove(key);
        all.wakes.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn object(resource_version: &str) -> Arc<RuntimeSecret> {
        let object = serde_json::json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "name": "s", "resourceVersion": resource_version },
            "spec": { "owner": "o", "purpose": "p", "introduce": { "generate": { "keys": {} } } },
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_was_written_counts_until_the_watch_tells_of_something_newer() {
        let known =
            Known { watched: Some("6".into()), told: Some(object("7")), ..Known::default() };
        let version = |watched: &str| {
            known.as_told(&object(watched)).metadata.resource_version.clone().unwrap()
        };
        assert_eq!(version("6"), "7", "the watch is behind");
        assert_eq!((version("7"), version("8")), ("7".into(), "8".into()));
    }

    #[test]
    fn own_writes_are_not_looked_at_again_and_everything_else_is() {
        let known = Known {
            told: Some(object("7")),
            compare: Some(at(60)),
            generation: Some(1),
            epoch: 1,
            next: Some(at(100)),
            ..Known::default()
        };
        let now = Now {
            resource_version: Some("7"),
            generation: Some(1),
            epoch: 1,
            work: false,
            followed: false,
            abandoned: false,
            runs_changed: false,
            at: at(0),
        };
        let none = Wake::default();
        let all = Wake { all: true, ..none };
        let consumers = Wake { consumers: true, ..none };
        let source = Wake { source: true, ..none };
        for (wake, now, expected) in [
            (none, now, Due::Nothing(at(60))),
            (none, Now { at: at(60), ..now }, Due::Path),
            (consumers, Now { at: at(60), ..now }, Due::Status),
            (consumers, now, Due::Status),
            (none, Now { resource_version: Some("8"), ..now }, Due::Status),
            (none, Now { runs_changed: true, ..now }, Due::Status),
            (none, Now { generation: Some(2), ..now }, Due::All),
            (none, Now { epoch: 2, ..now }, Due::All),
            (none, Now { epoch: 0, ..now }, Due::All),
            (none, Now { work: true, ..now }, Due::All),
            (consumers, Now { followed: true, ..now }, Due::Consumers),
            (none, Now { followed: true, epoch: 2, ..now }, Due::All),
            (none, Now { abandoned: true, ..now }, Due::All),
            (none, Now { at: at(100), ..now }, Due::All),
            (all, now, Due::All),
            (source, now, Due::All),
        ] {
            assert_eq!(due(Some(&known), wake, &now), expected, "{wake:?} {now:?}");
        }
        assert_eq!(due(None, none, &now), Due::All);
    }

    #[test]
    fn what_happens_during_a_look_has_another_one_follow() {
        let (memory, key) = (Memory::default(), ("n".to_owned(), "s".to_owned()));
        memory.wake(key.clone(), Wake { all: true, ..Wake::default() });
        assert!(memory.take(&key).0.all);
        memory.wake(key.clone(), Wake { consumers: true, ..Wake::default() });
        memory.put(&key, Known::default());
        let (wake, known) = memory.take(&key);
        assert!(wake.consumers && !wake.all && known.is_some());
        memory.forget(&key);
        assert!(memory.take(&key).1.is_none());
    }

    #[test]
    fn a_bootstrap_secret_that_changes_while_consumers_are_awaited_is_looked_at_once_they_have_followed()
     {
        let policy = regent_types::policy::RotationPolicy::default();
        let owner = regent_protocol::record::Owner {
            installation: "lab".into(),
            namespace: "payments".into(),
            name: "db".into(),
        };
        let origin = regent_protocol::record::Origin::Handover;
        let record = |state| {
            Some(
                Record::intent("runtime/payments/db", owner.clone(), origin, policy.clone())
                    .to(state),
            )
        };
        let source = Wake { source: true, ..Wake::default() };
        let now = Now {
            resource_version: None,
            generation: None,
            epoch: 0,
            work: false,
            followed: false,
            abandoned: false,
            runs_changed: false,
            at: at(0),
        };
        let awaited = Some((Reason::ConsumersNotReady, "m".to_owned()));
        for (state, waits, expected) in [
            (State::Acknowledged, awaited.clone(), Due::Nothing(at(9))),
            (State::Acknowledged, None, Due::All),
            (State::Disposing, awaited, Due::All),
        ] {
            let observed = Observed { record: record(state), waits, ..Observed::default() };
            let known = Known { observed, next: Some(at(9)), ..Known::default() };
            assert_eq!(due(Some(&known), source, &now), expected, "{state:?}");
        }
    }
}
