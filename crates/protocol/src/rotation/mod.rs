//! Rotation of path *p* (PROTOCOLS.md §5).
//!
//! ```text
//! Done ─claim─► Create ─► Set ─► Test ─► Promote ─► Await ─► Revoke ─► Close ─► Done
//!                  ▲       │ refused        cas=N    consumers  overlap   late sets
//!                  └───────┘
//! ```
//!
//! Without a target (whoever consumes the secret reads the published value) Set and Test are
//! passed over.

mod claim;
mod finish;
mod promote;
mod target;

pub use target::set_token;

use jiff::Timestamp;
use regent_types::lifecycle::Disposition;

use crate::introduce;
use crate::observation::Observation;
use crate::reason::Reason;
use crate::record::{Claim, Record, RotationStep, State};
use crate::step::{Needs, Step, wait};

/// Lifetime of the orchestrator's lease: after it a stalled orchestrator knows that it is replaced.
pub const LEASE_S: i64 = 30;
/// Deadline of one set on a target.
pub const SET_DEADLINE_S: i64 = 30;
/// Time a target is given before a candidate counts as refused.
pub const SETTLING_S: i64 = 10;
/// Passwords tried on a target: newest candidate, refused ones, current, previous.
pub const TRIES_MAX: usize = 4;
/// Shortest time before consumers that have not followed are called behind.
pub const FOLLOW_GRACE_S: i64 = 60;

/// What the next step looks at.
pub fn needs(record: Option<&Record>) -> Needs {
    let Some(record) = record else { return Needs::default() };
    let Some(claim) = record.claim.as_ref().filter(|_| record.state == State::Rotating) else {
        let ignored = record.disposition == Some(Disposition::Ignore);
        let consumers = record.current.clone().filter(|_| ignored);
        return Needs { consumers, ..Needs::default() };
    };
    let base = Needs { claimant: true, ..Needs::default() };
    let candidate = Some(claim.candidate.clone());
    match claim.step {
        RotationStep::Create => Needs { candidate, target: true, ..base },
        RotationStep::Set | RotationStep::Test => Needs { candidate, target: true, ..base },
        RotationStep::Promote => Needs { candidate, newest: true, ..base },
        RotationStep::Await | RotationStep::Revoke => {
            Needs { consumers: claim.promoted.clone(), target: true, ..base }
        }
        RotationStep::Close => Needs { leftovers: true, target: true, ..base },
    }
}

/// The next step of a rotation.
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let Some(record) = record else {
        return wait(Reason::NotIntroduced, "the secret is not in the authority yet");
    };
    let stop = introduce::owned(record, seen, record.origin)
        .or_else(|| introduce::behind(Some(record), seen));
    if let Some(stop) = stop {
        return stop;
    }
    if record.runs.iter().any(|r| r.run == seen.run.uid) {
        return Step::Done;
    }
    match (record.state, record.claim.as_ref()) {
        (State::Rotating, Some(held)) => under_way(record, held, seen, now),
        (State::Done, _) => claim::take(record, seen, now),
        _ => wait(Reason::NotIntroduced, "the secret is still being introduced"),
    }
}

fn under_way(record: &Record, held: &Claim, seen: &Observation, now: Timestamp) -> Step {
    if held.run != seen.run.uid {
        return claim::meet(record, held, seen);
    }
    match held.step {
        RotationStep::Create => target::create(record, held, seen),
        RotationStep::Set => target::set(record, held, seen, now),
        RotationStep::Test => target::test(record, held, seen),
        RotationStep::Promote => promote::promote(record, held, seen, now),
        RotationStep::Await => finish::await_consumers(record, held, seen, now),
        RotationStep::Revoke => finish::revoke(record, held, seen, now),
        RotationStep::Close => finish::close(record, held, seen, now),
    }
}

/// The record with its claim changed by `change`.
fn with(record: &Record, held: &Claim, change: impl FnOnce(&mut Claim)) -> Step {
    let mut claim = held.clone();
    change(&mut claim);
    let mut next = record.to(State::Rotating);
    next.claim = Some(claim);
    Step::Persist(Box::new(next))
}

/// `from` and `seconds` later.
fn after(from: Timestamp, seconds: i64) -> Timestamp {
    from.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
