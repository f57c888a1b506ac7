//! The record of one path, at `regent/record/{path}`: it decides everything about that path
//! (PROTOCOLS.md §1.4).
//!
//! Written only under `cas`, never deleted. It holds names, times, versions and HMACs; never a
//! value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::lifecycle::Disposition;
use regent_types::policy::RotationPolicy;
use serde::{Deserialize, Serialize};

use crate::outcome::Decider;
use crate::reason::Reason;

/// Format that this code writes and reads.
pub const FORMAT: u32 = 1;
/// Release of regent that this code belongs to.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// Different values that a bootstrap Secret may have before a person must look (PROTOCOLS.md §4.1).
pub const HMACS_MAX: usize = 8;
/// Triggers whose last slot is remembered; the oldest is forgotten first.
pub const SLOTS_MAX: usize = 32;
/// Closed runs that are remembered, so that a run whose end was not written down is not done again.
pub const RUNS_MAX: usize = 8;
/// Decisions of people that are remembered, for the same reason.
pub const DECISIONS_MAX: usize = 8;

/// Folder of the records in the `regent/` mount, as `regent/record/{path}`.
pub fn record_path(path: &str) -> String {
    format!("record/{path}")
}

/// Place of a pending candidate in the `regent/` mount.
pub fn pending_path(candidate: &str) -> String {
    format!("pending/{candidate}")
}

/// Who a path belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owner {
    /// `RuntimeAuthority.spec.installation`: another installation's records are left alone.
    pub installation: String,
    /// Namespace of the RuntimeSecret.
    pub namespace: String,
    /// `metadata.name` of the RuntimeSecret.
    pub name: String,
}

/// How the secret came into the authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From a bootstrap Secret.
    #[default]
    Handover,
    /// Generated in the authority.
    Generate,
    /// Published by a PushSecret.
    Derived,
    /// It lived in the authority before regent did.
    Adopted,
}

/// How far the path is. A [`Stop`] beside it says that it goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// What will be done is written down; the authority is not authoritative yet.
    Intent,
    /// Version 1 is in the authority and known to be ours: the authority is authoritative.
    Acknowledged,
    /// The bootstrap Secret is being disposed of.
    Disposing,
    /// Nothing is left to do: the tombstone of the handover.
    Done,
    /// A run holds the claim.
    Rotating,
}

/// What may be stopped by itself: one never clears what stands in the way of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// Handover, generation or observation.
    Introduction,
    /// From a run's claim until it closes.
    Rotation,
}

/// Why the path goes no further, for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// A person, or something outside that must change back.
    #[serde(rename = "kind")]
    pub by: Decider,
    /// What is in the way.
    pub reason: Reason,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// When it stopped; the event that tells of its release repeats it.
    pub since: Timestamp,
}

/// Notes of the run that wrote the record; they decide nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Notes {
    /// uid of the bootstrap Secret last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_uid: Option<String>,
    /// resourceVersion of the bootstrap Secret last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap_rv: Option<String>,
    /// Name of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Steps of a rotation (PROTOCOLS.md §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotationStep {
    /// The candidate is made and persisted.
    Create,
    /// It is set on the target.
    Set,
    /// It is tested by logging in.
    Test,
    /// It becomes the published version.
    Promote,
    /// Consumers are given until `max_overlap` to follow.
    Await,
    /// The old value is destroyed.
    Revoke,
    /// The claim is given back.
    Close,
}

impl RotationStep {
    /// Name in run records: `rotate/promote`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Set => "set",
            Self::Test => "test",
            Self::Promote => "promote",
            Self::Await => "await",
            Self::Revoke => "revoke",
            Self::Close => "close",
        }
    }
}

/// A set that was, or may have been, sent to the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSent {
    /// Candidate that was set.
    pub candidate: String,
    /// When it was written down, just before it was sent.
    pub at: Timestamp,
}

/// The claim of the run that rotates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// uid of the run, and of a run with a Workflow the step ([`task`]).
    pub run: String,
    /// Its name; the same run has the same name in a new cluster, under another uid.
    pub run_name: String,
    /// Version that the next promotion replaces: the one in force.
    pub base: VersionPair,
    /// Name of the candidate under `regent/pending/`.
    pub candidate: String,
    /// HMAC of the candidate, once it is persisted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
    /// The step under way.
    pub step: RotationStep,
    /// Sets that were sent, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<SetSent>,
    /// Whether it answers a leak.
    #[serde(default)]
    pub compromise: bool,
    /// What is renewed: key → length of its new value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renew: BTreeMap<String, i64>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// The version it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promoted: Option<VersionPair>,
    /// When that version was made; absent until it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promoted_at: Option<Timestamp>,
    /// Versions that it replaced and is to destroy, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revokes: Vec<VersionPair>,
}

/// What the step `step` of the run `uid` is called where each step is remembered by itself.
pub fn task(uid: &str, step: &str) -> String {
    format!("{uid}.{step}")
}

impl Claim {
    /// uid of the run that claims; what follows its first dot is the step of its Workflow.
    pub fn run_uid(&self) -> &str {
        self.run.split_once('.').map_or(self.run.as_str(), |(uid, _)| uid)
    }
}

/// A rotation that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClosedRun {
    /// uid of the run, and of a run with a Workflow the step ([`task`]).
    pub run: String,
    /// `namespace/name` of the run.
    pub run_name: String,
    /// Version that the rotation made; where it was given up, the one that stays in force.
    pub version: VersionPair,
    /// When that version was made.
    pub at: Timestamp,
    /// Whether a person decided that the rotation is given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

/// The last slot of a trigger that this path was rotated for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    /// Kind of the cause and name of its EventTrigger, such as `schedule/nightly`.
    pub trigger: String,
    /// RFC 3339 time of the slot, or the id of a delivery.
    pub slot: String,
}

/// A candidate that the target refused; kept until a later one has passed its test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refused {
    /// Last segment of its path under `regent/pending/`.
    pub candidate: String,
    /// When it was found refused.
    pub at: Timestamp,
}

/// Everything that decides about one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Format of the record, now [`FORMAT`]; a later one is not written over.
    pub format: u32,
    /// Release of regent that wrote it last; empty where one did that does not say so.
    #[serde(default)]
    pub release: String,
    /// Mount-relative path it speaks of.
    pub path: String,
    /// Who it belongs to.
    pub owner: Owner,
    /// How the secret came into the authority.
    pub origin: Origin,
    /// How far it is.
    pub state: State,
    /// Why its introduction goes no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Why its rotation goes no further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_stop: Option<Stop>,
    /// How often it was stopped: tells one stop from the next in the ledger.
    #[serde(default)]
    pub stops: u64,
    /// HMACs that it ever stood for, newest last, at most [`HMACS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hmacs: Vec<String>,
    /// HMAC of the value that was acknowledged as version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_hmac: Option<String>,
    /// HMAC of the value from Git that the bootstrap Secret holds, came too late, and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_hmac: Option<String>,
    /// What the last run saw, for people and faster looks.
    #[serde(default)]
    pub notes: Notes,
    /// What becomes of the bootstrap Secret, once chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// Version with which the secret was introduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<VersionPair>,
    /// Version in force. Every version up to it has its ledger event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<VersionPair>,
    /// Newest version whose ledger event is known to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledgered: Option<VersionPair>,
    /// Policy in force (C6-1).
    pub policy: RotationPolicy,
    /// Candidate of a first value that is being generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// The rotation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Candidates that the target refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// Candidates of the last closed run, removed when the next one closes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// Slots that are covered, at most [`SLOTS_MAX`], newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Closed rotations, newest last, at most [`RUNS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<ClosedRun>,
    /// Version at the path that a person decided to give up for the bootstrap Secret's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrites: Option<VersionPair>,
    /// Version that the RuntimeSecret's status told of and that a person gave up when a restore was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<VersionPair>,
    /// Runs in which people decided something, newest last, at most [`DECISIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
}

impl Record {
    /// A record in state `Intent`.
    pub fn intent(path: &str, owner: Owner, origin: Origin, policy: RotationPolicy) -> Self {
        Self {
            format: FORMAT,
            release: RELEASE.to_owned(),
            path: path.to_owned(),
            owner,
            origin,
            state: State::Intent,
            stop: None,
            rotation_stop: None,
            stops: 0,
            hmacs: Vec::new(),
            acknowledged_hmac: None,
            ignored_hmac: None,
            notes: Notes::default(),
            disposition: None,
            acknowledged: None,
            current: None,
            ledgered: None,
            policy,
            candidate: None,
            claim: None,
            refused: Vec::new(),
            leftovers: Vec::new(),
            slots: Vec::new(),
            runs: Vec::new(),
            overwrites: None,
            given_up: None,
            decisions: Vec::new(),
        }
    }

    /// Whether the authority is authoritative for the path.
    pub fn is_runtime(&self) -> bool {
        self.acknowledged.is_some()
    }

    /// Whether `record` knows less than a RuntimeSecret status that says `status` is in force: an
    /// older snapshot was restored, and the status must be kept as the evidence (PROTOCOLS.md
    /// §4.5). What a person gave up is no such evidence any more.
    pub fn is_behind(record: Option<&Self>, status: &VersionPair) -> bool {
        if record.is_some_and(|r| r.given_up.as_ref() == Some(status)) {
            return false;
        }
        record.and_then(|r| r.current.as_ref()).is_none_or(|known| {
            known.number < status.number
                || (known.number == status.number && known.created_time != status.created_time)
        })
    }

    /// Whether `hmac` is of a value that may go with the bootstrap Secret: it is in the authority, or from Git and ignored.
    pub fn may_go(&self, hmac: &str) -> bool {
        let known =
            [self.acknowledged_hmac.as_deref(), self.newest_hmac(), self.ignored_hmac.as_deref()];
        known.contains(&Some(hmac))
    }

    /// HMAC of the newest version that regent knows of; `None` before the first.
    pub fn newest_hmac(&self) -> Option<&str> {
        self.hmacs.last().map(String::as_str)
    }

    /// The last rotation that came to its end.
    pub fn last_rotation(&self) -> Option<&ClosedRun> {
        self.runs.iter().rev().find(|run| !run.given_up)
    }

    /// Notes that a rotation is over.
    pub fn close(&mut self, run: ClosedRun) {
        self.runs.push(run);
        while self.runs.len() > RUNS_MAX {
            self.runs.remove(0);
        }
    }

    /// Notes that a person decided something in the run `run`.
    pub fn decide(&mut self, run: &str) {
        self.decisions.push(run.to_owned());
        while self.decisions.len() > DECISIONS_MAX {
            self.decisions.remove(0);
        }
    }

    /// The same record in state `state`.
    #[must_use]
    pub fn to(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }

    /// Why the path goes no further on `track`.
    pub fn stop_of(&self, track: Track) -> Option<&Stop> {
        match track {
            Track::Introduction => self.stop.as_ref(),
            Track::Rotation => self.rotation_stop.as_ref(),
        }
    }

    /// The same record, stopped on `track`, or no more.
    #[must_use]
    pub fn with_stop(mut self, track: Track, stop: Option<Stop>) -> Self {
        match track {
            Track::Introduction => self.stop = stop,
            Track::Rotation => self.rotation_stop = stop,
        }
        self
    }

    /// What is in the way of the path, its introduction first.
    pub fn in_the_way(&self) -> Option<&Stop> {
        self.stop.as_ref().or(self.rotation_stop.as_ref())
    }

    /// Makes `hmac` the newest; `false` where that would be one too many.
    pub fn push_hmac(&mut self, hmac: &str) -> bool {
        let known = self.hmacs.iter().any(|h| h == hmac);
        if !known && self.hmacs.len() >= HMACS_MAX {
            return false;
        }
        self.hmacs.retain(|h| h != hmac);
        self.hmacs.push(hmac.to_owned());
        true
    }

    /// Makes `hmac` the newest and forgets the oldest where there are too many: for rotations,
    /// whose number has no bound.
    pub fn roll_hmac(&mut self, hmac: &str) {
        self.hmacs.retain(|h| h != hmac);
        self.hmacs.push(hmac.to_owned());
        while self.hmacs.len() > HMACS_MAX {
            self.hmacs.remove(0);
        }
    }

    /// Notes that `slot` is covered.
    pub fn cover(&mut self, slot: &Slot) {
        self.slots.retain(|s| s.trigger != slot.trigger);
        self.slots.push(slot.clone());
        while self.slots.len() > SLOTS_MAX {
            self.slots.remove(0);
        }
    }

    /// Whether `slot` is covered: the same, or an earlier time than the last one of its trigger.
    pub fn covers(&self, slot: &Slot) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        self.slots.iter().filter(|s| s.trigger == slot.trigger).any(|s| {
            let earlier = time(&slot.slot).zip(time(&s.slot)).is_some_and(|(new, old)| new <= old);
            s.slot == slot.slot || earlier
        })
    }
}

/// Name of where a path is, for run records: `write`, `acknowledge`, `dispose`, `promote`, ….
pub fn stage_name(record: Option<&Record>) -> &'static str {
    match record.map(|r| (r.state, r.claim.as_ref().map(|c| c.step))) {
        None => "intent",
        Some((State::Rotating, Some(step))) => step.as_str(),
        Some((State::Rotating, None)) => RotationStep::Create.as_str(),
        Some((State::Intent, _)) => "write",
        Some((State::Acknowledged, _)) => "acknowledge",
        Some((State::Disposing, _)) => "dispose",
        Some((State::Done, _)) => "done",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_record_round_trips_as_json() {
        let mut record = fixture::record(State::Done);
        record.cover(&Slot { trigger: "schedule/nightly".into(), slot: "s".into() });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn the_ninth_different_hmac_is_refused_and_a_known_one_moves_to_the_end() {
        let mut record = fixture::record(State::Intent);
        record.hmacs.clear();
        assert!((0..HMACS_MAX).all(|n| record.push_hmac(&format!("k:{n}"))));
        assert!(!record.push_hmac("k:new"));
        assert!(record.push_hmac("k:0"));
        assert_eq!(record.newest_hmac(), Some("k:0"));
        record.roll_hmac("k:new");
        assert_eq!((record.hmacs.len(), record.newest_hmac()), (HMACS_MAX, Some("k:new")));
    }

    /// PROTOCOLS.md §7: slots at or below the last one are covered; deliveries only when they are
    /// the same.
    #[test]
    fn slots_are_covered_by_time_and_deliveries_by_name() {
        let slot = |t: &str, s: &str| Slot { trigger: t.into(), slot: s.into() };
        let mut record = fixture::record(State::Done);
        record.cover(&slot("schedule/nightly", "2026-11-24T02:00:00Z"));
        record.cover(&slot("change/leak", "delivery-7"));
        assert!(record.covers(&slot("schedule/nightly", "2026-11-24T02:00:00Z")));
        assert!(record.covers(&slot("schedule/nightly", "2026-11-23T02:00:00Z")));
        assert!(!record.covers(&slot("schedule/nightly", "2026-11-25T02:00:00Z")));
        assert!(!record.covers(&slot("schedule/weekly", "2026-11-23T02:00:00Z")));
        assert!(record.covers(&slot("change/leak", "delivery-7")));
        assert!(!record.covers(&slot("change/leak", "delivery-8")));
    }

    #[test]
    fn remembered_slots_are_bounded() {
        let mut record = fixture::record(State::Done);
        for n in 0..SLOTS_MAX + 5 {
            record.cover(&Slot { trigger: format!("schedule/{n}"), slot: "x".into() });
        }
        assert_eq!(record.slots.len(), SLOTS_MAX);
    }
}
