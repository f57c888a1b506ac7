//! The claim: one run at a time rotates a path, and a run that died never blocks it for ever.

use std::collections::BTreeSet;

use jiff::Timestamp;
use regent_types::lifecycle::Disposition;

use super::terms::{SKEW_S, after, with};
use crate::introduce;
use crate::observation::{Observation, ValueSeen};
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Claim, Origin, Record, RotationStep, State};
use crate::step::{Step, failed, held, wait};

/// Claims a path that is done.
pub(super) fn take(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    if seen.subject.run.finishes || covered(record, seen) {
        return Step::End(Outcome::Covered);
    }
    if let Some(refused) = early(seen, now) {
        return refused;
    }
    if record.origin == Origin::Derived {
        return held(
            Reason::NothingToRotate,
            "a derived secret is rotated by whoever publishes it; rotate it there",
        );
    }
    let stop = introduce::present(record, seen)
        .or_else(|| introduce::unknown(record, seen))
        .or_else(|| introduce::safe(seen));
    if let Some(stop) = stop {
        return stop;
    }
    let Some(base) = record.current.clone() else {
        return wait(Reason::NotIntroduced, "the secret has no version yet");
    };
    if let Some(refused) = renewable(seen) {
        return refused;
    }
    let ignored = record.disposition == Some(Disposition::Ignore);
    if ignored && !seen.consumers.waiting.is_empty() && !seen.subject.run.compromise {
        let message = format!("waiting for {}", seen.consumers.waiting.join(", "));
        return wait(Reason::ConsumersNotReady, message);
    }
    let mut next = record.to(State::Rotating);
    if let Some(slot) = &seen.subject.run.slot {
        next.cover(slot);
    }
    next.claim = Some(Claim {
        run: seen.subject.run.uid.clone(),
        run_name: seen.subject.run.name.clone(),
        base,
        candidate: seen.subject.run.uid.clone(),
        hmac: None,
        step: RotationStep::Create,
        sent: Vec::new(),
        compromise: seen.subject.run.compromise,
        renew: seen.subject.run.renew.clone(),
        claimed_at: now,
        promoted: None,
        promoted_at: None,
        revokes: Vec::new(),
    });
    Step::Persist(Box::new(next))
}

/// Another run holds the claim. The same run in a new cluster goes on with it; that of a run which
/// is gone is taken over and finished, which counts as this run's rotation; a living one is
/// awaited.
pub(super) fn meet(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Step {
    let same = claim.run_name == seen.subject.run.name;
    if !same && covered(record, seen) {
        return Step::End(Outcome::Covered);
    }
    if !same && seen.claimant_alive {
        return wait(
            Reason::RotationUnderWay,
            format!("run {} rotates this secret", claim.run_name),
        );
    }
    let step = with(record, claim, |c| {
        c.run = seen.subject.run.uid.clone();
        c.run_name = seen.subject.run.name.clone();
        c.compromise |= seen.subject.run.compromise;
    });
    match (step, seen.subject.run.slot.as_ref().filter(|_| early(seen, now).is_none())) {
        (Step::Persist(mut next), Some(slot)) => {
            next.cover(slot);
            Step::Persist(next)
        }
        (step, _) => step,
    }
}

/// Stops where the slot of the run lies further in the future than clocks differ: it would cover every one until then.
fn early(seen: &Observation, now: Timestamp) -> Option<Step> {
    let slot = &seen.subject.run.slot.as_ref()?.slot;
    let at = slot.parse::<Timestamp>().ok()?;
    (at > after(now, SKEW_S)).then(|| {
        let message = format!(
            "expected a slot that is due, found {slot}, and it is {now}; correct the clock of whoever made the run"
        );
        failed(Reason::SlotInFuture, message)
    })
}

/// Stops before the claim where a key that is to be renewed is not in the value.
fn renewable(seen: &Observation) -> Option<Step> {
    let keys = &seen.newest_keys;
    let asked = &seen.subject.run.renew;
    let known = !asked.is_empty() && asked.keys().all(|k| keys.contains(k));
    let readable = matches!(seen.newest, ValueSeen::Read { .. });
    (readable && !known).then(|| failed(Reason::NothingToRotate, nothing_to_rotate(keys)))
}

/// What is said where a run names no key of the value, whose keys are `known`.
pub fn nothing_to_rotate(known: &BTreeSet<String>) -> String {
    let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("expected keys to rotate among [{known}]; name them in the step's with.keys")
}

pub(super) fn covered(record: &Record, seen: &Observation) -> bool {
    seen.subject.run.slot.as_ref().is_some_and(|s| record.covers(s))
}
