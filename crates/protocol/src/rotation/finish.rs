//! Await, revoke and close: the old value dies only when nobody needs it, and the claim is given
//! back only when no late set can land any more (PROTOCOLS.md §5.5 to §5.7).

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::policy::FailureStrategy;

use super::terms::{FOLLOW_GRACE_S, LEASE_S, SET_DEADLINE_S, after, with};
use crate::introduce;
use crate::ledger::{Event, kinds};
use crate::observation::{Login, Observation, Target};
use crate::reason::Reason;
use crate::record::{Claim, ClosedRun, Record, RotationStep, State};
use crate::step::{Effect, Step, event, held, tell, wait, wait_until};

/// What must hold in every step after the promotion: the version is there, the newest, and it logs
/// in.
fn sound(record: &Record, claim: &Claim, seen: &Observation) -> Option<Step> {
    if let Some(stop) =
        introduce::present(record, seen).or_else(|| introduce::unknown(record, seen))
    {
        return Some(stop);
    }
    match &seen.target {
        Target::Login(probes) if probes.current == Login::Refused => {
            // Something set another password: the published one is set again.
            Some(with(record, claim, |c| c.step = RotationStep::Set))
        }
        Target::None | Target::Login(_) => None,
    }
}

pub(super) fn await_consumers(
    record: &Record,
    claim: &Claim,
    seen: &Observation,
    now: Timestamp,
) -> Step {
    if let Some(step) = sound(record, claim, seen) {
        return step;
    }
    if !claim.compromise
        && let Some(step) = behind(record, claim, seen, now)
    {
        return step;
    }
    let revokes = record.policy.revoke_old || claim.compromise;
    with(record, claim, |c| {
        (c.step, c.revokes) = match revokes {
            true => (RotationStep::Revoke, doomed(claim, seen)),
            false => (RotationStep::Close, Vec::new()),
        };
    })
}

/// Versions that are to be destroyed: what the run replaced; after a leak every earlier one that is still live.
fn doomed(claim: &Claim, seen: &Observation) -> Vec<VersionPair> {
    let mut all = claim.revokes.clone();
    let Some(promoted) = &claim.promoted else { return all };
    // A claim that an earlier release made names what it replaced as its base alone.
    all.extend((claim.base != *promoted && !all.contains(&claim.base)).then(|| claim.base.clone()));
    if claim.compromise {
        let earlier = seen.metadata.versions.range(..promoted.number).filter(|(_, v)| v.live);
        let earlier = earlier.map(|(number, v)| VersionPair::new(*number, v.created_time.clone()));
        all.extend(earlier.filter(|pair| !claim.revokes.contains(pair) && *pair != claim.base));
    }
    all.sort_by_key(|pair| pair.number);
    all
}

/// Waits for consumers that have not followed, as the failure strategy says.
fn behind(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Option<Step> {
    if seen.consumers.waiting.is_empty() {
        return None;
    }
    let names = seen.consumers.waiting.join(", ");
    let patience = record.policy.max_overlap_seconds.max(FOLLOW_GRACE_S);
    let until = after(claim.promoted_at.unwrap_or(claim.claimed_at), patience);
    if now < until {
        let message = format!("waiting for {names}");
        return Some(wait_until(Reason::ConsumersNotReady, message, Some(until)));
    }
    let message = format!(
        "max_overlap has passed and these consumers have not followed: {names}; the old version \
         stays until they do"
    );
    Some(match record.policy.failure_strategy {
        FailureStrategy::Retry | FailureStrategy::Alert => wait(Reason::ConsumersBehind, message),
        FailureStrategy::Hold => held(Reason::ConsumersBehind, message),
    })
}

pub(super) fn revoke(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Step {
    if let Some(step) = sound(record, claim, seen) {
        return step;
    }
    if !claim.compromise {
        if let Some(step) = behind(record, claim, seen, now) {
            return step;
        }
        if overlaps(record, claim)
            && let Some(until) = overlap_until(record, claim, seen, now)
        {
            let message = format!("old and new stay valid side by side until {until}");
            return wait_until(Reason::Overlap, message, Some(until));
        }
    }
    let doomed = doomed(claim, seen);
    if doomed != claim.revokes {
        // Written down before it is done: afterwards nothing tells which of them this run destroyed.
        return with(record, claim, |c| c.revokes = doomed);
    }
    if let Some(live) = doomed.iter().find(|pair| seen.metadata.has_live(pair)) {
        return Step::Do(Effect::Destroy(live.clone()));
    }
    let cut_off = match seen.consumers.waiting.is_empty() {
        true => String::new(),
        false => format!("cut off: {}", seen.consumers.waiting.join(", ")),
    };
    for pair in &doomed {
        let told = event(seen, now, kinds::REVOKED, Some(pair), "", "");
        if let Some(step) = tell(seen, Event { detail: cut_off.clone(), ..told }) {
            return step;
        }
    }
    with(record, claim, |c| c.step = RotationStep::Close)
}

/// Whether old and new stay valid side by side for a while.
pub(super) fn overlaps(record: &Record, claim: &Claim) -> bool {
    record.policy.max_overlap_seconds > 0 && !claim.compromise
}

/// Until when, by this clock, the old version may not go; `None` once it may. Two clocks must say so, this one and the
/// authority's, so that one that runs ahead destroys nothing.
fn overlap_until(
    record: &Record,
    claim: &Claim,
    seen: &Observation,
    now: Timestamp,
) -> Option<Timestamp> {
    let overlap = record.policy.max_overlap_seconds;
    let ours = after(claim.promoted_at.unwrap_or(claim.claimed_at), overlap);
    let made = claim.promoted.as_ref().and_then(|p| p.created_time.parse::<Timestamp>().ok());
    let left = made
        .zip(seen.authority_time)
        .map(|(made, theirs)| after(made, overlap).duration_since(theirs));
    let theirs = left.filter(|left| left.is_positive()).and_then(|left| now.checked_add(left).ok());
    Some(ours).filter(|until| now < *until).max(theirs)
}

pub(super) fn close(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Step {
    if let Some(step) = sound(record, claim, seen) {
        return step;
    }
    if let (Target::Login(_), Some(sent)) = (&seen.target, claim.sent.last()) {
        let until = after(sent.at, LEASE_S + SET_DEADLINE_S);
        if now < until {
            let message = format!("a late set may still land until {until}");
            return wait_until(Reason::LateSetWindow, message, Some(until));
        }
    }
    if !seen.leftovers.is_empty() {
        return Step::Do(Effect::RemoveCandidates(seen.leftovers.clone()));
    }
    let Some(version) = claim.promoted.clone() else {
        return with(record, claim, |c| c.step = RotationStep::Promote);
    };
    let told = event(seen, now, kinds::ROTATION_CLOSED, Some(&version), "", "");
    if let Some(step) = tell(seen, told) {
        return step;
    }
    let mut next = record.to(State::Done);
    next.claim = None;
    next.leftovers = claim.sent.iter().map(|s| s.candidate.clone()).collect();
    next.leftovers.push(claim.candidate.clone());
    next.leftovers.sort();
    next.leftovers.dedup();
    next.close(ClosedRun {
        run: claim.run.clone(),
        run_name: claim.run_name.clone(),
        version,
        at: claim.promoted_at.unwrap_or(now),
        given_up: false,
    });
    Step::Persist(Box::new(next))
}
