//! Times and bounds of a rotation, and how its claim is changed.

use jiff::Timestamp;

use crate::record::{Claim, Record, State};
use crate::step::Step;

/// Lifetime of the orchestrator's lease: after it a stalled orchestrator knows that it is replaced.
pub const LEASE_S: i64 = 30;
/// Deadline of one set on a target.
pub const SET_DEADLINE_S: i64 = 30;
/// How far clocks of components may differ.
pub(super) const SKEW_S: i64 = 300;
/// Time a target is given before a candidate counts as refused.
pub const SETTLING_S: i64 = 10;
/// Passwords tried on a target: newest candidate, refused ones, current, previous.
pub const TRIES_MAX: usize = 4;
/// Shortest time before consumers that have not followed are called behind.
pub const FOLLOW_GRACE_S: i64 = 60;

/// The record with its claim changed by `change`.
pub(super) fn with(record: &Record, held: &Claim, change: impl FnOnce(&mut Claim)) -> Step {
    let mut claim = held.clone();
    change(&mut claim);
    let mut next = record.to(State::Rotating);
    next.claim = Some(claim);
    Step::Persist(Box::new(next))
}

/// `from` and `seconds` later.
pub(crate) fn after(from: Timestamp, seconds: i64) -> Timestamp {
    from.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
