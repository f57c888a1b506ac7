//! How a decision is written down, and what is said where there is none to take.

use jiff::Timestamp;
use regent_types::VersionPair;

use crate::ledger::Event;
use crate::observation::Observation;
use crate::reason::Reason;
use crate::record::{ClosedRun, Record, State, Track};
use crate::step::{Step, event, failed, tell};

/// Saves what was decided, once `events` are told.
pub(super) fn written(mut next: Record, seen: &Observation, events: &[Event]) -> Step {
    for told in events {
        if let Some(step) = tell(seen, told.clone()) {
            return step;
        }
    }
    next.decide(&seen.subject.run.uid);
    next.notes.run = Some(seen.subject.run.name.clone());
    Step::Persist(Box::new(next))
}

/// An event of this decision, told once whatever was found meanwhile.
pub(super) fn decided(
    seen: &Observation,
    now: Timestamp,
    kind: &str,
    pair: Option<&VersionPair>,
) -> Event {
    event(seen, now, kind, pair, "", &seen.subject.run.uid)
}

/// There is nothing that could be decided so.
pub(super) fn nothing(message: String) -> Step {
    failed(Reason::NothingToDecide, message)
}

/// The same record without the rotation under way, which is over for its run; `None` where a password was sent to the
/// target and nobody knows which one it has.
pub(super) fn without_rotation(
    record: &Record,
    stays: &VersionPair,
    now: Timestamp,
) -> Option<Record> {
    let Some(claim) = record.claim.as_ref() else { return Some(record.clone()) };
    if !claim.sent.is_empty() {
        return None;
    }
    let mut next = record.to(State::Done).with_stop(Track::Rotation, None);
    next.claim = None;
    next.leftovers.push(claim.candidate.clone());
    next.close(ClosedRun {
        run: claim.run.clone(),
        run_name: claim.run_name.clone(),
        version: stays.clone(),
        at: now,
        given_up: true,
    });
    Some(next)
}

/// Said where a rotation has sent a password to its target.
pub(super) fn rotation_sent() -> Step {
    nothing(
        "a rotation has sent a new password to the target; remove the foreign version, so that the rotation ends, and \
         decide then"
            .to_owned(),
    )
}
