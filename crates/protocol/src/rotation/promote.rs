//! Promote: the candidate becomes version N+1, written with `cas=N` and recognized by its HMAC.

use jiff::Timestamp;

use super::target::lost;
use super::terms::with;
use crate::introduce;
use crate::ledger::kinds;
use crate::observation::{Observation, ValueSeen};
use crate::reason::Reason;
use crate::record::{Claim, Record, RotationStep, State};
use crate::step::{Effect, Step, conflict, event, held, tell};

pub(super) fn promote(record: &Record, claim: &Claim, seen: &Observation, now: Timestamp) -> Step {
    let Some(expected) = claim.hmac.clone() else { return lost(claim) };
    match &seen.newest {
        // It was published before, and had to be set once more.
        ValueSeen::Read { pair, hmac }
            if *hmac == expected && claim.promoted.as_ref() == Some(pair) =>
        {
            with(record, claim, |c| c.step = RotationStep::Await)
        }
        ValueSeen::Read { pair, .. } if *pair == claim.base => match &seen.candidate {
            Some(c) if c.hmac == expected => {
                let write = Effect::Promote {
                    candidate: c.name.clone(),
                    hmac: expected,
                    base: claim.base.number,
                };
                introduce::safe(seen).unwrap_or(Step::Do(write))
            }
            _ => lost(claim),
        },
        ValueSeen::Read { pair, hmac }
            if *hmac == expected && pair.number == claim.base.number + 1 =>
        {
            if let Some(step) = tell(seen, event(seen, now, kinds::ROTATED, Some(pair), "", "")) {
                return step;
            }
            let mut next = record.to(State::Rotating);
            let mut claim = claim.clone();
            claim.step = RotationStep::Await;
            claim.revokes.push(std::mem::replace(&mut claim.base, pair.clone()));
            claim.promoted = Some(pair.clone());
            claim.promoted_at = Some(now);
            next.claim = Some(claim);
            next.current = Some(pair.clone());
            next.ledgered = Some(pair.clone());
            next.roll_hmac(&expected);
            Step::Persist(Box::new(next))
        }
        ValueSeen::Read { pair, .. } if pair.number > claim.base.number => conflict(
            Reason::ForeignVersion,
            format!(
                "expected version {} to be the newest at {}, found version {pair} that this run \
                 did not write; \
                 find out who wrote it, and if it is to stay: regent handover resolve {}/{} --keep authority",
                claim.base,
                seen.subject.path,
                seen.subject.owner.namespace,
                seen.subject.owner.name
            ),
        ),
        ValueSeen::Read { pair, .. } => held(
            Reason::AuthorityWentBack,
            format!(
                "expected version {} at {}, found {pair}; restore a newer state, or accept this one: regent authority \
                 accept-restore",
                claim.base, seen.subject.path
            ),
        ),
        ValueSeen::None | ValueSeen::Unreadable => held(
            Reason::ValueMissing,
            format!(
                "expected version {} at {}, found nothing readable; undelete it or restore the \
                 authority's storage",
                claim.base, seen.subject.path
            ),
        ),
    }
}
