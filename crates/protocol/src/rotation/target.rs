//! Create, set and test: the candidate is persisted before any target hears of it, and a target
//! always holds a password that the authority knows (PROTOCOLS.md §5.2 to §5.4).

use jiff::Timestamp;

use super::terms::{SET_DEADLINE_S, SETTLING_S, TRIES_MAX, after, with};
use crate::observation::{Login, Observation, Probes, Target};
use crate::reason::Reason;
use crate::record::{Claim, Record, Refused, RotationStep, SetSent, State};
use crate::step::{Effect, Step, held, wait, wait_until};

/// Mark by which a driver says, in `Observation::appended`, that this set was answered.
pub fn set_token(candidate: &str, sent: usize) -> String {
    format!("set/{candidate}/{sent}")
}

pub(super) fn create(record: &Record, claim: &Claim, seen: &Observation) -> Step {
    let Some(candidate) = &seen.candidate else {
        if claim.hmac.is_some() {
            return lost(claim);
        }
        let renew = Some(claim.renew.clone());
        return Step::Do(Effect::CreateCandidate { name: claim.candidate.clone(), renew });
    };
    with(record, claim, |c| {
        c.hmac = Some(candidate.hmac.clone());
        c.step = match seen.target {
            Target::None => RotationStep::Promote,
            Target::Login(_) => RotationStep::Set,
        };
    })
}

/// The candidate is not where it was persisted.
pub(super) fn lost(claim: &Claim) -> Step {
    held(
        Reason::CandidateLost,
        format!(
            "expected candidate regent/pending/{} with the HMAC in the record, found none; \
             restore the \
             authority's storage",
            claim.candidate
        ),
    )
}

pub(super) fn set(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Step {
    let Target::Login(probes) = &seen.target else {
        return with(record, claim, |c| c.step = RotationStep::Promote);
    };
    if seen.candidate.is_none() {
        return lost(claim);
    }
    if probes.candidate == Login::Works {
        return with(record, claim, |c| c.step = RotationStep::Test);
    }
    let last = claim.sent.last().filter(|s| s.candidate == claim.candidate);
    let token = set_token(&claim.candidate, claim.sent.len());
    match last {
        Some(sent) if seen.appended.contains(&token) => settle(record, claim, probes, sent, now),
        Some(sent) if now >= after(sent.at, SET_DEADLINE_S) && settled_refusal(probes) => {
            // Sent by a pass that never saw the answer, long enough ago to have landed or died.
            settle(record, claim, probes, sent, now)
        }
        Some(sent) if now < after(sent.at, SET_DEADLINE_S) => send(claim, probes),
        _ => match working(probes) {
            Some(_) => with(record, claim, |c| {
                c.sent.push(SetSent { candidate: c.candidate.clone(), at: now });
            }),
            None => no_login(probes),
        },
    }
}

fn settled_refusal(probes: &Probes) -> bool {
    probes.candidate == Login::Refused
}

fn send(claim: &Claim, probes: &Probes) -> Step {
    match working(probes) {
        Some(login) => Step::Do(Effect::Set { candidate: claim.candidate.clone(), login }),
        None => no_login(probes),
    }
}

/// After a set: is the candidate refused for good, or does the target need time?
fn settle(record: &Record, claim: &Claim, probes: &Probes, sent: &SetSent, now: Timestamp) -> Step {
    let until = after(sent.at, SETTLING_S);
    if now < until || probes.candidate == Login::Unknown {
        let until = until.max(after(now, 1));
        let message = "the target is given time to settle after the set";
        return wait_until(Reason::Settling, message, Some(until));
    }
    if probes.current != Login::Works && probes.previous != Login::Works {
        return no_login(probes);
    }
    if record.refused.len() + TRIES_REST >= TRIES_MAX {
        return held(
            Reason::TooManyCandidates,
            format!(
                "the target refused {} candidates; look at its password rules",
                record.refused.len() + 1
            ),
        );
    }
    let step = with(record, claim, |c| {
        let (stem, n) = match c.candidate.rsplit_once('.') {
            Some((stem, n)) => (stem.to_owned(), n.parse::<u32>().unwrap_or(1)),
            None => (c.candidate.clone(), 1),
        };
        c.candidate = format!("{stem}.{}", n + 1);
        c.hmac = None;
        c.step = RotationStep::Create;
    });
    match step {
        Step::Persist(mut next) => {
            next.refused.push(Refused { candidate: claim.candidate.clone(), at: now });
            Step::Persist(next)
        }
        other => other,
    }
}

/// Newest candidate, current and previous: what is tried beside the refused ones.
const TRIES_REST: usize = 3;

/// Index of the first password that logs in, in the order of [`Effect::Set::login`].
fn working(probes: &Probes) -> Option<usize> {
    let all = std::iter::once(probes.candidate)
        .chain(probes.refused.iter().copied())
        .chain([probes.current, probes.previous]);
    all.take(TRIES_MAX).position(|l| l == Login::Works)
}

fn no_login(probes: &Probes) -> Step {
    let mut all = vec![probes.candidate, probes.current, probes.previous];
    all.extend(probes.refused.iter().copied());
    if all.contains(&Login::Unknown) {
        return wait(Reason::Settling, "the target does not answer");
    }
    held(
        Reason::TargetLockedOut,
        "the target answers and refuses the candidate, the current and the previous password; set \
         one of them there",
    )
}

pub(super) fn test(record: &Record, claim: &Claim, seen: &Observation) -> Step {
    let login = match &seen.target {
        Target::None => Login::Works,
        Target::Login(probes) => probes.candidate,
    };
    match login {
        Login::Unknown => wait(Reason::Settling, "the target does not answer"),
        Login::Refused => with(record, claim, |c| c.step = RotationStep::Set),
        Login::Works => {
            // A later candidate has passed its test: the refused ones are of no use any more.
            let mut next = record.to(State::Rotating);
            next.refused.clear();
            let mut claim = claim.clone();
            claim.step = RotationStep::Promote;
            next.claim = Some(claim);
            Step::Persist(Box::new(next))
        }
    }
}
