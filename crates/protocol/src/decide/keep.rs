//! Which of two values stays.

use jiff::Timestamp;
use regent_types::VersionPair;

use super::written::{decided, nothing, rotation_sent, without_rotation, written};
use crate::introduce;
use crate::ledger::{Event, kinds};
use crate::observation::{Bootstrap, Observation, ValueSeen};
use crate::record::{Origin, Record, State, Track};
use crate::step::Step;

/// Versions that one decision tells of by themselves.
const TOLD_MAX: usize = 48;

/// What the newest version is; `None` where it cannot be read.
fn newest(seen: &Observation) -> Option<(&VersionPair, &str)> {
    match &seen.newest {
        ValueSeen::Read { pair, hmac } => Some((pair, hmac)),
        ValueSeen::None | ValueSeen::Unreadable => None,
    }
}

/// What lies at the path stays.
pub(super) fn authority(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let Some((pair, hmac)) = newest(seen) else {
        return nothing(format!(
            "expected a version at {} that can be read, found none; undelete it, or write the secret there",
            seen.subject.path
        ));
    };
    if let Some(stop) = introduce::safe(seen) {
        return stop;
    }
    let current = record.and_then(|r| r.current.as_ref());
    match (record, current) {
        (Some(record), Some(known)) if pair.number > known.number => {
            newer(record, known, pair, hmac, seen, now)
        }
        (Some(record), Some(known)) if record.rotation_stop.is_some() => {
            give_up(record, known, seen, now)
        }
        (Some(record), Some(_)) => unknown_bootstrap(record, seen, now),
        (record, _) => {
            let request = &seen.subject.request;
            let (path, owner) = (&seen.subject.path, seen.subject.owner.clone());
            let policy = request.policy.clone();
            let made = || Record::intent(path, owner, request.origin, policy);
            first(&record.cloned().unwrap_or_else(made), pair, hmac, seen, now)
        }
    }
}

/// It is in force from now on, and nobody of regent's made it.
fn first(
    record: &Record,
    pair: &VersionPair,
    hmac: &str,
    seen: &Observation,
    now: Timestamp,
) -> Step {
    let mut next = record.to(State::Acknowledged);
    // The value that is given up may go with the bootstrap Secret, as far as the conflict was about it.
    next.ignored_hmac = record.newest_hmac().filter(|h| *h != hmac).map(str::to_owned);
    next.origin = Origin::Adopted;
    next.leftovers.extend(next.candidate.take());
    next.acknowledged = Some(pair.clone());
    next.current = Some(pair.clone());
    next.acknowledged_hmac = Some(hmac.to_owned());
    next.overwrites = None;
    next.roll_hmac(hmac);
    let detail = "the authority's value stays".to_owned();
    written(next, seen, &[Event { detail, ..decided(seen, now, kinds::DECIDED, Some(pair)) }])
}

/// A version that no run wrote is in force from now on. A rotation that it came into is given up; one that had promoted
/// its own goes on with this one.
fn newer(
    record: &Record,
    known: &VersionPair,
    pair: &VersionPair,
    hmac: &str,
    seen: &Observation,
    now: Timestamp,
) -> Step {
    let promoted = record.claim.as_ref().and_then(|c| c.promoted.clone());
    let next = match promoted {
        Some(promoted) => {
            let mut next = record.clone();
            if let Some(claim) = next.claim.as_mut() {
                claim.revokes.push(promoted);
                (claim.base, claim.promoted) = (pair.clone(), Some(pair.clone()));
            }
            Some(next)
        }
        None => without_rotation(record, pair, now),
    };
    let Some(mut next) = next else { return rotation_sent() };
    next.current = Some(pair.clone());
    next.ledgered = Some(pair.clone());
    next.roll_hmac(hmac);
    let after = seen.metadata.versions.range(known.number + 1..=pair.number).rev().take(TOLD_MAX);
    let versions: Vec<VersionPair> =
        after.map(|(number, v)| VersionPair::new(*number, v.created_time.clone())).collect();
    let detail = "somebody else's version stays".to_owned();
    let told = versions.iter().rev().map(|version| {
        let detail = detail.clone();
        Event { detail, ..decided(seen, now, kinds::ADOPTED, Some(version)) }
    });
    let told: Vec<Event> = told.collect();
    written(next, seen, &told)
}

/// A rotation that stands still is given up, and the version in force stays.
fn give_up(record: &Record, known: &VersionPair, seen: &Observation, now: Timestamp) -> Step {
    let promoted = record.claim.as_ref().is_some_and(|c| c.promoted.is_some());
    if promoted {
        return nothing(format!(
            "the rotation has made version {known} of {}, which stays; what it waits for is in its run",
            seen.subject.path
        ));
    }
    let Some(next) = without_rotation(record, known, now) else { return rotation_sent() };
    let detail = "the rotation is given up".to_owned();
    let told = Event { detail, ..decided(seen, now, kinds::DECIDED, Some(known)) };
    written(next.with_stop(Track::Rotation, None), seen, &[told])
}

/// The value of a bootstrap Secret that nobody knows is given up.
fn unknown_bootstrap(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let unknown = match &seen.bootstrap {
        Bootstrap::Live(b) if !b.empty && !record.may_go(&b.hmac) => Some(b),
        _ => None,
    };
    let Some(b) = unknown else {
        return nothing(format!(
            "{} is as its record says, and no other value waits for a decision",
            seen.subject.path
        ));
    };
    let mut next = record.clone();
    next.ignored_hmac = Some(b.hmac.clone());
    let detail = "the bootstrap Secret's value is given up".to_owned();
    let pair = record.current.as_ref();
    written(next, seen, &[Event { detail, ..decided(seen, now, kinds::DECIDED, pair) }])
}

/// The bootstrap Secret's value replaces what lies at the path. The handover writes it.
pub(super) fn bootstrap(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let path = &seen.subject.path;
    let Some(record) = record.filter(|r| r.state == State::Intent) else {
        return nothing(format!(
            "{path} is introduced, or its introduction has not begun; put another value there with the authority's own \
             client, then: regent handover resolve {} --keep authority",
            seen.subject.owner.name
        ));
    };
    let Bootstrap::Live(b) = &seen.bootstrap else {
        return nothing("expected the bootstrap Secret, found none that bootstrap made".to_owned());
    };
    if b.empty || b.marked.is_some() {
        return nothing(
            "the bootstrap Secret is empty or handed over, and is no source".to_owned(),
        );
    }
    if let Some(stop) = introduce::safe(seen) {
        return stop;
    }
    let mut next = record.clone();
    next.hmacs.clear();
    next.roll_hmac(&b.hmac);
    next.origin = Origin::Handover;
    next.overwrites = seen.metadata.pair(seen.metadata.current_version);
    let pair = next.overwrites.clone();
    let detail = "the bootstrap Secret's value replaces the authority's".to_owned();
    written(next, seen, &[Event { detail, ..decided(seen, now, kinds::DECIDED, pair.as_ref()) }])
}
