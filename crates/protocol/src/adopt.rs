//! Adoption of a secret that already lives in the authority: its newest version is taken note of, and no value is read or
//! written (PROTOCOLS.md §4).

use jiff::Timestamp;

use crate::introduce;
use crate::needs::Needs;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::step::{Step, wait};

/// What the next step looks at.
pub fn needs(record: Option<&Record>) -> Needs {
    let none = Needs::default();
    match record.map(|r| r.state) {
        None | Some(State::Intent) => Needs { mount: true, metadata: true, ..none },
        Some(State::Rotating) => none,
        Some(_) => Needs { metadata: true, ..none },
    }
}

/// The next step of an adoption.
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let stop = record.and_then(|r| introduce::owned(r, seen, Origin::Adopted));
    if let Some(stop) = stop.or_else(|| introduce::behind(record, seen)) {
        return stop;
    }
    let Some(record) = record else {
        let (subject, policy) = (&seen.subject, seen.subject.request.policy.clone());
        let record = Record::intent(&subject.path, subject.owner.clone(), Origin::Adopted, policy);
        return adopt(&record, seen);
    };
    match record.state {
        State::Intent => adopt(record, seen),
        State::Acknowledged | State::Disposing => acknowledged(record, seen, now),
        State::Done => introduce::present(record, seen)
            .or_else(|| introduce::unknown(record, seen))
            .unwrap_or(Step::End(Outcome::Done)),
        State::Rotating => Step::End(Outcome::Done),
    }
}

/// The first record of the path says at once that its newest version is in force: nothing is done that an intent would
/// have to come before.
fn adopt(record: &Record, seen: &Observation) -> Step {
    if let Some(stop) = introduce::safe(seen) {
        return stop;
    }
    let (path, newest) = (&seen.subject.path, seen.metadata.current_version);
    let pair = seen.metadata.pair(newest).filter(|pair| seen.metadata.has_live(pair));
    let Some(pair) = pair else {
        let found =
            if newest == 0 { "none".to_owned() } else { format!("version {newest} deleted") };
        let message = format!(
            "expected a version at {path} that can be adopted, found {found}; write the secret there, or undelete it"
        );
        return wait(Reason::NothingToAdopt, message);
    };
    let mut next = record.to(State::Acknowledged);
    next.notes.run = Some(seen.subject.run.name.clone());
    (next.acknowledged, next.current) = (Some(pair.clone()), Some(pair));
    Step::Persist(Box::new(next))
}

fn acknowledged(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let first = introduce::present(record, seen)
        .or_else(|| introduce::policy(record, seen))
        .or_else(|| introduce::told(record, seen, now));
    first.unwrap_or_else(|| {
        let ledgered = record.acknowledged.clone();
        Step::Persist(Box::new(Record { ledgered, ..record.to(State::Done) }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at, pair};
    use crate::step::Effect;

    /// Its value is neither read nor written: only metadata is asked for, and only the policy is put beside it.
    #[test]
    fn a_secret_is_adopted_as_it_lies_there() {
        let mut seen = fixture::observation();
        assert!(matches!(
            step(None, &seen, at(0)),
            Step::End(Outcome::Waiting { reason: Reason::NothingToAdopt, .. })
        ));
        for number in 1..=3 {
            fixture::write(&mut seen, number, &format!("t{number}"));
        }
        let Step::Persist(record) = step(None, &seen, at(0)) else { panic!("expected a record") };
        assert_eq!((record.origin, record.current.clone()), (Origin::Adopted, Some(pair(3))));
        assert!(record.hmacs.is_empty() && record.acknowledged_hmac.is_none());
        let wanted = [None, Some(&*record)].map(needs);
        assert!(wanted.iter().all(|n| !n.first && !n.newest && n.candidate.is_none()));
        let policy = step(Some(&record), &seen, at(0));
        assert!(matches!(policy, Step::Do(Effect::WritePolicy(_))));
        seen.metadata.policy = crate::observation::PolicySeen::Valid(Default::default());
        let Step::Do(Effect::Ledger(told)) = step(Some(&record), &seen, at(0)) else {
            panic!("expected its event")
        };
        assert_eq!((told.kind.as_str(), told.version.clone()), ("adopted", Some(pair(3))));
        seen.appended.insert(told.id);
        let Step::Persist(done) = step(Some(&record), &seen, at(0)) else {
            panic!("expected done")
        };
        assert_eq!(step(Some(&done), &seen, at(0)), Step::End(Outcome::Done));
    }

    #[test]
    fn what_is_deleted_or_unsafe_is_not_adopted() {
        let mut seen = fixture::acknowledged();
        seen.subject.status = None;
        seen.metadata.versions.get_mut(&1).unwrap().live = false;
        assert!(matches!(
            step(None, &seen, at(0)),
            Step::End(Outcome::Waiting { reason: Reason::NothingToAdopt, .. })
        ));
        let mut seen = fixture::acknowledged();
        seen.subject.status = None;
        seen.mount.deletes_versions = true;
        assert!(matches!(
            step(None, &seen, at(0)),
            Step::End(Outcome::Blocked { reason: Reason::UnsafeMount, .. })
        ));
    }
}
