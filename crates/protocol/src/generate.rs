//! The first value of a generated secret: the record names a candidate, which is made and persisted, and then written with
//! `cas=0` (PROTOCOLS.md §4, §5.2). No person ever sees it.

use jiff::Timestamp;

use crate::introduce;
use crate::needs::Needs;
use crate::observation::{Observation, ValueSeen};
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::step::{Effect, Source, Step, conflict};

/// What the next step looks at. A candidate that a record of this session is the first to name is not there.
pub fn needs(record: Option<&Record>, seen: &Observation) -> Needs {
    let none = Needs::default();
    let Some(record) = record else { return Needs { mount: true, metadata: true, ..none } };
    match record.state {
        State::Intent => {
            let looked = Needs { mount: true, metadata: true, ..none };
            match seen.metadata.current_version {
                _ if !seen.known.metadata => looked,
                0 => Needs { candidate: record.candidate.clone(), ..looked },
                _ => Needs { first: true, candidate: record.candidate.clone(), ..looked },
            }
        }
        State::Acknowledged | State::Disposing | State::Done => Needs { metadata: true, ..none },
        State::Rotating => none,
    }
}

/// The next step of a generation.
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let Some(record) = record else { return look(seen) };
    let stop = introduce::owned(record, seen, Origin::Generate)
        .or_else(|| introduce::behind(Some(record), seen));
    if let Some(stop) = stop {
        return stop;
    }
    match record.state {
        State::Intent => write(record, seen),
        State::Acknowledged | State::Disposing => acknowledged(record, seen, now),
        State::Done => introduce::present(record, seen)
            .or_else(|| introduce::unknown(record, seen))
            .unwrap_or(Step::End(Outcome::Done)),
        State::Rotating => Step::End(Outcome::Done),
    }
}

fn look(seen: &Observation) -> Step {
    if let Some(stop) = introduce::safe(seen).or_else(|| introduce::behind(None, seen)) {
        return stop;
    }
    if seen.metadata.current_version > 0 {
        return occupied(seen);
    }
    let policy = seen.subject.request.policy.clone();
    let mut record =
        Record::intent(&seen.subject.path, seen.subject.owner.clone(), Origin::Generate, policy);
    record.candidate = Some(seen.subject.run.uid.clone());
    record.notes.run = Some(seen.subject.run.name.clone());
    Step::Persist(Box::new(record))
}

fn write(record: &Record, seen: &Observation) -> Step {
    if let Some(stop) = introduce::safe(seen) {
        return stop;
    }
    match (&seen.first, &seen.candidate) {
        (ValueSeen::None, Some(c)) if seen.metadata.current_version == 0 => {
            let source = Source::Candidate(c.name.clone());
            Step::Do(Effect::WriteFirst { over: 0, source, hmac: c.hmac.clone() })
        }
        (ValueSeen::None, None) if seen.metadata.current_version == 0 => {
            replace_candidate(record, seen)
        }
        (ValueSeen::None | ValueSeen::Unreadable, _) => conflict(
            Reason::Unreadable,
            format!(
                "version 1 of {} cannot be read; restore that version, declare another path, or decide: {}",
                seen.subject.path,
                introduce::resolve(seen)
            ),
        ),
        // The candidate stays until this is acknowledged: it tells whose value that is.
        (ValueSeen::Read { pair, hmac }, candidate)
            if candidate.as_ref().is_some_and(|c| c.hmac == *hmac)
                || record.newest_hmac() == Some(hmac.as_str()) =>
        {
            introduce::acknowledge(record, pair, hmac)
        }
        (ValueSeen::Read { .. }, _) => occupied(seen),
    }
}

/// Nothing was written and the candidate is gone (an older state was restored): another one is
/// named, under a name that was never used, and then made. A record without HMAC names a candidate
/// that is not made yet.
fn replace_candidate(record: &Record, seen: &Observation) -> Step {
    let name = record.candidate.clone().unwrap_or_default();
    if record.hmacs.is_empty() && !name.is_empty() {
        return Step::Do(Effect::CreateCandidate { name, renew: None });
    }
    let ours =
        name == seen.subject.run.uid || name.starts_with(&format!("{}.", seen.subject.run.uid));
    let tries = name.rsplit_once('.').and_then(|(_, n)| n.parse::<u32>().ok()).unwrap_or(1);
    let fresh = if ours {
        format!("{}.{}", seen.subject.run.uid, tries + 1)
    } else {
        seen.subject.run.uid.clone()
    };
    let mut next = record.to(State::Intent);
    next.candidate = Some(fresh);
    next.hmacs.clear();
    Step::Persist(Box::new(next))
}

fn occupied(seen: &Observation) -> Step {
    conflict(
        Reason::Occupied,
        format!(
            "expected no version at {}, found one that no run of this installation wrote; declare \
             another path, or let it stay: {}",
            seen.subject.path,
            introduce::resolve(seen)
        ),
    )
}

fn acknowledged(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let first = introduce::present(record, seen)
        .or_else(|| introduce::policy(record, seen))
        .or_else(|| introduce::told(record, seen, now));
    if let Some(step) = first {
        return step;
    }
    let mut next = record.to(State::Done);
    // It stays until the next run of the path closes (§5.7): making it, by whoever stalled before that, would leave one
    // about that no record names.
    next.leftovers.extend(next.candidate.take());
    next.ledgered = next.acknowledged.clone();
    Step::Persist(Box::new(next))
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
