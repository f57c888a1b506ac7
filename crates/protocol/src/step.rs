//! The next step of a protocol, and the one entry point for drivers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::lifecycle::Disposition;
use regent_types::policy::RotationPolicy;

use crate::ledger::{Event, event_id, kinds};
use crate::observation::Observation;
use crate::reason::Reason;
use crate::record::{Record, RotationStep, State, Stop, StopKind};
use crate::{derived, generate, handover, rotation};

/// Steps that one pass of a driver may take before it gives others their turn. The longest
/// protocol without waiting (handover with `delete`) takes 10, a rotation 16.
pub const STEPS_PER_PASS_MAX: usize = 40;

/// Which protocol is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// From a bootstrap Secret.
    Handover,
    /// First value made in the authority.
    Generate,
    /// Published by a PushSecret; regent observes.
    Derived,
    /// Rotation.
    Rotation,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Save the record under `cas`, then ask again.
    Persist(Box<Record>),
    /// Do this, then ask again. Every effect is conditional and may be repeated.
    Do(Effect),
    /// Nothing to do now.
    Wait {
        /// Why.
        why: Reason,
        /// For people.
        message: String,
        /// When time alone may change the answer.
        until: Option<Timestamp>,
    },
    /// Nothing left to do.
    Done,
    /// The slot of this run is covered; nothing was done.
    AlreadyDone,
    /// A person must decide; ask again when the world changed.
    Conflict {
        /// Why.
        reason: Reason,
        /// What was expected, what was found, what to do.
        message: String,
    },
    /// Something outside must be as it was; ask again when the world changed.
    Held {
        /// Why.
        reason: Reason,
        /// What was expected, what was found, what to do.
        message: String,
    },
}

/// Where the value of a first version is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the bootstrap Secret.
    Bootstrap,
    /// At `regent/pending/{name}`.
    Candidate(String),
}

/// An effect. Each one names the condition under which it may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write version 1 with `cas=0`, if the value read now has this HMAC.
    WriteFirst {
        /// Where the value is.
        source: Source,
        /// HMAC it must have.
        hmac: String,
    },
    /// PATCH the policy into `custom_metadata`, regent's own keys only.
    WritePolicy(RotationPolicy),
    /// Append to the ledger; an event that is there already is not written again.
    Ledger(Box<Event>),
    /// Annotate the bootstrap Secret as handed over, under uid and resourceVersion.
    Mark {
        /// uid it must have.
        uid: String,
        /// resourceVersion it must have.
        rv: String,
        /// What is going to happen to it.
        disposition: Disposition,
    },
    /// Delete the bootstrap Secret under uid and resourceVersion.
    Delete {
        /// uid it must have.
        uid: String,
        /// resourceVersion it must have.
        rv: String,
    },
    /// Empty every value of the bootstrap Secret under uid and resourceVersion.
    Blank {
        /// uid it must have.
        uid: String,
        /// resourceVersion it must have.
        rv: String,
    },
    /// Make a candidate and persist it with `cas=0`; somebody else's candidate of that name is
    /// left alone.
    CreateCandidate {
        /// Name under `regent/pending/`.
        name: String,
        /// The current value with these keys renewed (key → length); `None`: a first value as it
        /// is declared.
        renew: Option<BTreeMap<String, i64>>,
    },
    /// Change the password on the target, logging in with a known one, within a deadline.
    Set {
        /// Candidate to set.
        candidate: String,
        /// Index of the password to log in with: 0 the candidate, then refused ones, current,
        /// previous.
        login: usize,
    },
    /// Write the candidate as the next version with `cas={base}`, if it has this HMAC.
    Promote {
        /// Candidate.
        candidate: String,
        /// HMAC it must have.
        hmac: String,
        /// Version it replaces.
        base: i64,
    },
    /// Destroy this version.
    Destroy(VersionPair),
    /// Remove candidates by deleting the metadata of their keys.
    RemoveCandidates(Vec<String>),
}

/// What an observation must hold for the next step; drivers read nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The bootstrap Secret.
    pub bootstrap: bool,
    /// Settings of mount and path.
    pub mount: bool,
    /// Version 1.
    pub first: bool,
    /// The newest version.
    pub newest: bool,
    /// The candidate of this name.
    pub candidate: Option<String>,
    /// Which of the record's leftovers are there.
    pub leftovers: bool,
    /// Consumers, at this version.
    pub consumers: Option<VersionPair>,
    /// Logins on the target.
    pub target: bool,
    /// Whether the run that holds the claim lives.
    pub claimant: bool,
}

/// What `protocol` looks at next, for run `run_uid`. Metadata of the path is always read.
pub fn needs(protocol: Protocol, record: Option<&Record>, run_uid: &str) -> Needs {
    match protocol {
        Protocol::Handover => handover::needs(record),
        Protocol::Generate => generate::needs(record, run_uid),
        Protocol::Derived => Needs::default(),
        Protocol::Rotation => rotation::needs(record),
    }
}

/// The next step. Stops are written into the record and the ledger before they are answered, and
/// taken out again when they are over.
pub fn step(
    protocol: Protocol,
    record: Option<&Record>,
    seen: &Observation,
    now: Timestamp,
) -> Step {
    let next = match protocol {
        Protocol::Handover => handover::step(record, seen, now),
        Protocol::Generate => generate::step(record, seen, now),
        Protocol::Derived => derived::step(record, seen, now),
        Protocol::Rotation => rotation::step(record, seen, now),
    };
    match record {
        Some(record) if record.owner == seen.owner => noted(record, seen, now, next),
        _ => next,
    }
}

fn noted(record: &Record, seen: &Observation, now: Timestamp, next: Step) -> Step {
    let (kind, reason, message) = match &next {
        Step::Conflict { reason, message } => (StopKind::Conflict, *reason, message),
        Step::Held { reason, message } => (StopKind::Held, *reason, message),
        Step::Persist(_) | Step::Do(_) => return next,
        Step::Wait { .. } | Step::Done | Step::AlreadyDone => match &record.stop {
            None => return next,
            Some(stop) => {
                let since = stop.since.to_string();
                let told = event(seen, now, kinds::RELEASED, None, stop.reason.as_str(), &since);
                return tell(seen, told)
                    .unwrap_or_else(|| Step::Persist(Box::new(record.to(record.state))));
            }
        },
    };
    if record.stop.as_ref().is_some_and(|s| s.kind == kind && s.reason == reason) {
        return next;
    }
    let word = if kind == StopKind::Conflict { kinds::CONFLICT } else { kinds::HELD };
    let current = record.current.as_ref();
    let mut told = event(seen, now, word, current, reason.as_str(), &record.stops.to_string());
    told.result = reason.as_str().to_owned();
    told.detail = message.clone();
    tell(seen, told).unwrap_or_else(|| {
        let stop = Stop { kind, reason, message: message.clone(), since: now };
        let stops = record.stops + 1;
        Step::Persist(Box::new(Record { stop: Some(stop), stops, ..record.clone() }))
    })
}

/// An event about this path that tells of success; `extra` makes its id differ where the rest does
/// not.
pub(crate) fn event(
    seen: &Observation,
    now: Timestamp,
    kind: &str,
    version: Option<&VersionPair>,
    detail: &str,
    extra: &str,
) -> Event {
    let run = Some(seen.run.name.clone()).filter(|r| !r.is_empty());
    Event {
        id: event_id(kind, Some(&seen.path), version, None, &format!("{detail}\u{0}{extra}")),
        kind: kind.to_owned(),
        at: now,
        writer: "orchestrator".into(),
        actor: seen.run.actor.clone(),
        cause: seen.run.cause.clone(),
        path: Some(seen.path.clone()),
        version: version.cloned(),
        run,
        result: "succeeded".into(),
        detail: detail.to_owned(),
    }
}

/// The step that appends `event`, unless it is in the ledger.
pub(crate) fn tell(seen: &Observation, event: Event) -> Option<Step> {
    (!seen.appended.contains(&event.id)).then(|| Step::Do(Effect::Ledger(Box::new(event))))
}

/// A step that waits for the world.
pub(crate) fn wait(why: Reason, message: impl Into<String>) -> Step {
    Step::Wait { why, message: message.into(), until: None }
}

/// A step that a person must free.
pub(crate) fn conflict(reason: Reason, message: impl Into<String>) -> Step {
    Step::Conflict { reason, message: message.into() }
}

/// A step that the world must free.
pub(crate) fn held(reason: Reason, message: impl Into<String>) -> Step {
    Step::Held { reason, message: message.into() }
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
