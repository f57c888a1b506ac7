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
mod terms;

pub use claim::nothing_to_rotate;
pub use target::set_token;
pub(crate) use terms::after;
pub use terms::{FOLLOW_GRACE_S, LEASE_S, SET_DEADLINE_S, SETTLING_S, TRIES_MAX};

use jiff::Timestamp;
use regent_types::lifecycle::Disposition;

use crate::introduce;
use crate::needs::Needs;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Claim, Origin, Record, RotationStep, State};
use crate::step::{Step, failed, wait};

/// What the next step looks at.
pub fn needs(record: Option<&Record>, seen: &Observation) -> Needs {
    let none = Needs::default();
    let Some(record) = record else { return none };
    let Some(held) = record.claim.as_ref().filter(|_| record.state == State::Rotating) else {
        return before_claim(record, seen);
    };
    if held.run != seen.subject.run.uid {
        return Needs { claimant: true, ..none };
    }
    let candidate = Some(held.candidate.clone());
    match held.step {
        // Made with `cas=0`, which tells of one that is there.
        RotationStep::Create if held.hmac.is_none() => Needs { target: true, ..none },
        RotationStep::Create | RotationStep::Set | RotationStep::Test => {
            Needs { candidate, target: true, ..none }
        }
        RotationStep::Promote => {
            Needs { candidate, mount: true, metadata: true, newest: true, ..none }
        }
        RotationStep::Await | RotationStep::Revoke => {
            let consumers = held.promoted.clone();
            let overlaps = held.step == RotationStep::Revoke && finish::overlaps(record, held);
            Needs { metadata: true, consumers, target: true, time: overlaps, ..none }
        }
        RotationStep::Close => Needs { metadata: true, leftovers: true, target: true, ..none },
    }
}

/// What is looked at before a path is claimed; nothing where the run has nothing to claim.
fn before_claim(record: &Record, seen: &Observation) -> Needs {
    let closed = record.runs.iter().any(|r| r.run == seen.subject.run.uid);
    let idle = seen.subject.run.finishes || claim::covered(record, seen);
    if record.state != State::Done || record.origin == Origin::Derived || closed || idle {
        return Needs::default();
    }
    let ignored = record.disposition == Some(Disposition::Ignore);
    let consumers = record.current.clone().filter(|_| ignored);
    Needs { mount: true, metadata: true, newest: true, consumers, ..Needs::default() }
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
    match record.runs.iter().find(|r| r.run == seen.subject.run.uid) {
        Some(closed) if closed.given_up => {
            let message =
                format!("given up by a decision; version {} stays in force", closed.version);
            return failed(Reason::GivenUp, message);
        }
        Some(_) => return Step::End(Outcome::Done),
        None => {}
    }
    match (record.state, record.claim.as_ref()) {
        (State::Rotating, Some(held)) => under_way(record, held, seen, now),
        (State::Done, _) => claim::take(record, seen, now),
        _ => wait(Reason::NotIntroduced, "the secret is still being introduced"),
    }
}

fn under_way(record: &Record, held: &Claim, seen: &Observation, now: Timestamp) -> Step {
    if held.run != seen.subject.run.uid {
        return claim::meet(record, held, seen, now);
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

#[cfg(test)]
mod tests;
