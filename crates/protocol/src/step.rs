//! The next step of a protocol: what it is made of, and nothing that decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::lifecycle::Disposition;
use regent_types::policy::RotationPolicy;

use crate::ledger::{Event, event_id};
use crate::observation::Observation;
use crate::outcome::{Decider, Outcome};
use crate::reason::Reason;
use crate::record::Record;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Save the record under `cas`, then ask again.
    Persist(Box<Record>),
    /// Do this, then ask again. Every effect is conditional and may be repeated.
    Do(Effect),
    /// Nothing more to do in this drive.
    End(Outcome),
}

/// Where the value of a first version is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// In the bootstrap Secret.
    Bootstrap,
    /// A candidate at `regent/pending/{name}`.
    Candidate(String),
}

/// An effect. Each one names the condition under which it may happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write the first version with `cas={over}`, if the value read now has this HMAC.
    WriteFirst {
        /// Number of the version that it replaces, as a person decided; 0 where there is none.
        over: i64,
        /// Where the value is.
        source: Source,
        /// HMAC it must have.
        hmac: String,
    },
    /// PATCH the policy into `custom_metadata`, regent's own keys only.
    WritePolicy(RotationPolicy),
    /// Append to the ledger; an event that is there already is not written again.
    Ledger(Box<Event>),
    /// Write into the RuntimeSecret's status that this version is in force in the authority, and read it back: whoever
    /// makes bootstrap Secrets obeys that.
    Project(VersionPair),
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
        /// Last segment of its path under `regent/pending/`.
        name: String,
        /// The current value with these keys renewed (key → length); `None`: a first value as it
        /// is declared.
        renew: Option<BTreeMap<String, i64>>,
    },
    /// Change the password on the target, logging in with a known one, within a deadline.
    Set {
        /// Name of the candidate whose password is set.
        candidate: String,
        /// Index of the password to log in with: 0 the candidate, then refused ones, current,
        /// previous.
        login: usize,
    },
    /// Write the candidate as the next version with `cas={base}`, if it has this HMAC.
    Promote {
        /// Name of the candidate that is written.
        candidate: String,
        /// HMAC it must have.
        hmac: String,
        /// Number of the version that it replaces and that must be the newest.
        base: i64,
    },
    /// Destroy the data of this version for good; its metadata stays.
    Destroy(VersionPair),
    /// Remove candidates by deleting the metadata of their keys.
    RemoveCandidates(Vec<String>),
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It took effect, or had done so before.
    Done,
    /// Its condition did not hold: somebody was there before.
    Lost,
    /// A value was written as this version.
    Written(VersionPair),
    /// The candidate is there, made now or before; this is its HMAC.
    Candidate(String),
    /// The bootstrap Secret has this resourceVersion now.
    Changed(String),
    /// The bootstrap Secret is gone; an answer of [`Answer::Done`] to a deletion leaves that open.
    Gone,
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
    let run = Some(seen.subject.run.name.clone()).filter(|r| !r.is_empty());
    Event {
        id: event_id(
            kind,
            Some(&seen.subject.path),
            version,
            None,
            &format!("{detail}\u{0}{extra}"),
        ),
        kind: kind.to_owned(),
        at: now,
        writer: "orchestrator".into(),
        actor: seen.subject.run.actor.clone(),
        cause: seen.subject.run.cause.clone(),
        path: Some(seen.subject.path.clone()),
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
pub(crate) fn wait(reason: Reason, message: impl Into<String>) -> Step {
    wait_until(reason, message, None)
}

/// A step that waits, at most until `until`.
pub(crate) fn wait_until(
    reason: Reason,
    message: impl Into<String>,
    until: Option<Timestamp>,
) -> Step {
    Step::End(Outcome::Waiting { reason, message: message.into(), until })
}

/// A step that a person must free.
pub(crate) fn conflict(reason: Reason, message: impl Into<String>) -> Step {
    Step::End(Outcome::Blocked { by: Decider::Person, reason, message: message.into() })
}

/// A step that the world must free.
pub(crate) fn held(reason: Reason, message: impl Into<String>) -> Step {
    Step::End(Outcome::Blocked { by: Decider::World, reason, message: message.into() })
}

/// The end of what cannot be carried out as it is declared.
pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Step {
    Step::End(Outcome::Failed { reason, message: message.into() })
}
