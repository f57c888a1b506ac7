//! An older state of the authority counts from now on.

use jiff::Timestamp;
use regent_types::VersionPair;

use super::written::{decided, nothing, rotation_sent, without_rotation, written};
use crate::ledger::{Event, kinds};
use crate::observation::{Observation, ValueSeen};
use crate::record::{Origin, Record, State};
use crate::step::Step;

/// What is at the path, against what was known of it.
enum Found {
    /// Version in force, as it was.
    AsKnown,
    /// Another version, which can be read.
    Other(VersionPair, String),
    /// No version at all.
    Nothing,
    /// One that was deleted.
    Deleted,
}

fn found(record: &Record, seen: &Observation) -> Found {
    if record.current.as_ref().is_some_and(|known| seen.metadata.has_live(known)) {
        return Found::AsKnown;
    }
    match &seen.newest {
        ValueSeen::Read { pair, hmac } if record.current.is_some() => {
            Found::Other(pair.clone(), hmac.clone())
        }
        _ if seen.metadata.current_version == 0 || record.current.is_none() => Found::Nothing,
        _ => Found::Deleted,
    }
}

/// What the record and the path say now is what counts; what the RuntimeSecret's status told of beyond it is given up.
pub(super) fn accept(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let status = seen.subject.status.as_ref();
    let behind = status.filter(|status| Record::is_behind(record, status)).cloned();
    let made = || {
        let (subject, policy) = (&seen.subject, seen.subject.request.policy.clone());
        let origin = subject.request.origin;
        let owner = subject.owner.clone();
        Record { candidate: None, ..Record::intent(&subject.path, owner, origin, policy) }
    };
    let known = record.cloned().unwrap_or_else(made);
    let found = found(&known, seen);
    if matches!(found, Found::AsKnown) && behind.is_none()
        || matches!(found, Found::Nothing) && known.current.is_none() && behind.is_none()
    {
        return nothing(format!(
            "{} is as its record and its status say; there is no restore to accept",
            seen.subject.path
        ));
    }
    let mut next = match &found {
        Found::AsKnown => known.clone(),
        Found::Other(pair, hmac) => {
            let Some(mut next) = without_rotation(&known, pair, now) else {
                return rotation_sent();
            };
            if next
                .acknowledged
                .as_ref()
                .is_none_or(|a| seen.metadata.pair(a.number).as_ref() != Some(a))
            {
                next.acknowledged = Some(pair.clone());
            }
            next.current = Some(pair.clone());
            next.ledgered = Some(pair.clone());
            next.roll_hmac(hmac);
            next
        }
        Found::Nothing => anew(&known, seen),
        Found::Deleted => {
            return nothing(format!(
                "version {} of {} is deleted, which no restore does; undelete it",
                seen.metadata.current_version, seen.subject.path
            ));
        }
    };
    next.given_up =
        behind.or_else(|| status.filter(|s| next.current.as_ref() != Some(*s)).cloned());
    let mut events = Vec::new();
    if let Found::Other(pair, _) = &found {
        let detail = "found after a restore, and in force from now on".to_owned();
        events.push(Event { detail, ..decided(seen, now, kinds::ADOPTED, Some(pair)) });
    }
    let text = |pair: &Option<VersionPair>| {
        pair.as_ref().map_or_else(|| "nothing".to_owned(), |p| format!("version {p}"))
    };
    let detail = format!("{} was known, {} counts", text(&next.given_up), text(&next.current));
    let current = next.current.clone();
    events.push(Event { detail, ..decided(seen, now, kinds::RESTORE_ACCEPTED, current.as_ref()) });
    written(next, seen, &events)
}

/// Nothing is there any more: it is introduced anew, as it is declared.
fn anew(record: &Record, seen: &Observation) -> Record {
    let request = &seen.subject.request;
    let policy = match record.current {
        Some(_) => record.policy.clone(),
        None => request.policy.clone(),
    };
    let (path, owner) = (&seen.subject.path, seen.subject.owner.clone());
    let mut next = Record::intent(path, owner, request.origin, policy);
    next.candidate = (request.origin == Origin::Generate).then(|| seen.subject.run.uid.clone());
    next.stops = record.stops;
    next.decisions.clone_from(&record.decisions);
    next.slots.clone_from(&record.slots);
    next.runs.clone_from(&record.runs);
    next.leftovers.clone_from(&record.leftovers);
    next.leftovers.extend(record.candidate.clone());
    next.leftovers.extend(record.claim.as_ref().map(|c| c.candidate.clone()));
    next.stop.clone_from(&record.stop);
    debug_assert_eq!(next.state, State::Intent);
    next
}
