//! The protocols, and the one entry point to their steps.

use jiff::Timestamp;

use crate::decide::{self, Decision};
use crate::ledger::kinds;
use crate::needs::Needs;
use crate::observation::Observation;
use crate::outcome::{Decider, Outcome};
use crate::reason::Reason;
use crate::record::{Record, Stop, Track};
use crate::step::{Step, event, tell};
use crate::{adopt, derived, generate, handover, policy, rotation};

/// Which protocol is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// From a bootstrap Secret (PROTOCOLS.md §4).
    Handover,
    /// First value made in the authority.
    Generate,
    /// Published by a PushSecret; regent observes.
    Derived,
    /// A new version in place of the one in force (§5).
    Rotation,
    /// A secret that lived in the authority before regent did.
    Adopt,
    /// What a person decides about a path that goes no further.
    Decide(Decision),
    /// The policy beside the secret is compared with the record's (§5, C6-1).
    Policy,
}

/// What the next step of `protocol` looks at. It may depend on what is known already: ask again
/// once that was looked at.
pub fn needs(protocol: Protocol, record: Option<&Record>, seen: &Observation) -> Needs {
    match protocol {
        Protocol::Handover => handover::needs(record, seen),
        Protocol::Generate => generate::needs(record, seen),
        Protocol::Derived => derived::needs(record, seen),
        Protocol::Rotation => rotation::needs(record, seen),
        Protocol::Adopt => adopt::needs(record),
        Protocol::Decide(decision) => decide::needs(decision, record, seen),
        Protocol::Policy => policy::needs(record, seen),
    }
}

/// The next step. What blocks a path is written into the record and the ledger before it is
/// answered, and taken out again when it is over.
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
        Protocol::Adopt => adopt::step(record, seen, now),
        Protocol::Decide(decision) => {
            // It frees what is stopped where it decides, and leaves it as it is where it does not.
            return match (decide::step(decision, record, seen, now), record) {
                (Step::Persist(after), Some(record)) if after.owner == record.owner => {
                    released(Track::Introduction, record, seen, now, *after)
                }
                (next, _) => next,
            };
        }
        Protocol::Policy => return policy::step(record, seen, now),
    };
    let track = match protocol {
        Protocol::Rotation => Track::Rotation,
        _ => Track::Introduction,
    };
    match record {
        Some(record) if record.owner == seen.subject.owner => noted(track, record, seen, now, next),
        _ => next,
    }
}

fn noted(track: Track, record: &Record, seen: &Observation, now: Timestamp, next: Step) -> Step {
    let (by, reason, message) = match next {
        Step::Do(_) => return next,
        // Something went on: nothing stands in its way any more.
        Step::Persist(after) => return released(track, record, seen, now, *after),
        Step::End(Outcome::Blocked { by, reason, ref message }) => (by, reason, message),
        Step::End(ref outcome) if is_others(outcome) => return next,
        Step::End(_) if record.stop_of(track).is_none() => return next,
        Step::End(_) => return released(track, record, seen, now, record.clone()),
    };
    if record.stop_of(track).is_some_and(|s| s.by == by && s.reason == reason) {
        return next;
    }
    let word = match by {
        Decider::Person => kinds::CONFLICT,
        Decider::World => kinds::HELD,
    };
    let current = record.current.as_ref();
    let mut told = event(seen, now, word, current, reason.as_str(), &record.stops.to_string());
    told.result = reason.as_str().to_owned();
    told.detail = message.clone();
    tell(seen, told).unwrap_or_else(|| {
        let stop = Stop { by, reason, message: message.clone(), since: now };
        let after = Record { stops: record.stops + 1, ..record.clone() };
        Step::Persist(Box::new(after.with_stop(track, Some(stop))))
    })
}

/// Whether a run that ended so did nothing itself: what it found says nothing of what is in the way of others.
fn is_others(outcome: &Outcome) -> bool {
    let waits = matches!(
        outcome.reason(),
        Some(Reason::RotationUnderWay | Reason::NotIntroduced | Reason::AuthorityNotReady)
    );
    waits || *outcome == Outcome::Covered
}

/// Saves `after` without what blocked the path and no longer does; where something did, its end is told before.
fn released(
    track: Track,
    record: &Record,
    seen: &Observation,
    now: Timestamp,
    after: Record,
) -> Step {
    let told = record.stop_of(track).and_then(|stop| {
        let since = stop.since.to_string();
        tell(seen, event(seen, now, kinds::RELEASED, None, stop.reason.as_str(), &since))
    });
    told.unwrap_or_else(|| Step::Persist(Box::new(after.with_stop(track, None))))
}
