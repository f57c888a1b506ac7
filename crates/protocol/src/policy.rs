//! The rotation policy beside the secret: changes count, damage does not (PROTOCOLS.md §5; C6-1).

use jiff::Timestamp;
use regent_types::policy::RotationType;

use crate::ledger::{Event, kinds};
use crate::needs::Needs;
use crate::observation::{Observation, PathSeen, PolicySeen};
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::step::{Effect, Step, event, tell, wait};

/// What the comparison looks at.
pub fn needs(record: Option<&Record>, seen: &Observation) -> Needs {
    let metadata = record.is_some_and(|r| is_compared(r, seen));
    Needs { metadata, ..Needs::default() }
}

/// Only while nothing else is done with the path.
fn is_compared(record: &Record, seen: &Observation) -> bool {
    record.state == State::Done
        && record.in_the_way().is_none()
        && record.owner == seen.subject.owner
}

/// Whether `seen`, read just now, is what `record` says lies at its path: its version as the newest, live, with its policy.
/// Anything else is worth a look.
pub fn is_as_recorded(record: &Record, seen: &PathSeen) -> bool {
    let in_force = record.current.as_ref();
    let newest =
        in_force.is_some_and(|pair| seen.has_live(pair) && seen.current_version == pair.number);
    // On a path that the publisher can write the record's policy counts whatever is there.
    let policy = record.origin == Origin::Derived
        || matches!(&seen.policy, PolicySeen::Valid(policy) if *policy == record.policy);
    newest && policy
}

/// Compares the policy that `custom_metadata` shows with the record's. A change that parses comes
/// into force; what is missing or does not parse is put back. On a path that the publisher can
/// write the record decides, and a difference is an outcome of [`Reason::PolicyDrift`].
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let done = Step::End(Outcome::Done);
    let Some(record) = record.filter(|r| is_compared(r, seen)) else { return done };
    let derived = record.origin == Origin::Derived;
    match &seen.metadata.policy {
        PolicySeen::Valid(policy) if *policy == record.policy => {
            let told = |why: &String| event_at(seen, now, kinds::POLICY_RESTORED, why);
            seen.restored.as_ref().and_then(|why| tell(seen, told(why))).unwrap_or(done)
        }
        PolicySeen::Valid(policy) if derived => wait(
            Reason::PolicyDrift,
            format!(
                "custom_metadata says {:?}, the record says {:?} and counts",
                policy.rotation_type, record.policy.rotation_type
            ),
        ),
        PolicySeen::Valid(policy) => {
            let detail = serde_json::to_string(&policy.to_metadata()).unwrap_or_default();
            let told = event_at(seen, now, kinds::POLICY_CHANGED, &detail);
            let next = Record { policy: policy.clone(), ..record.clone() };
            tell(seen, told).unwrap_or_else(|| Step::Persist(Box::new(next)))
        }
        // Publications carry no policy unless somebody put one there.
        PolicySeen::Missing | PolicySeen::Invalid(_) if derived => done,
        PolicySeen::Missing | PolicySeen::Invalid(_) => {
            Step::Do(Effect::WritePolicy(record.policy.clone()))
        }
    }
}

/// The same change may be made again later, so that its time belongs to it.
fn event_at(seen: &Observation, now: Timestamp, kind: &str, detail: &str) -> Event {
    event(seen, now, kind, None, detail, &now.to_string())
}

/// When the version in force is due to be rotated, by policy; `made_at` is when it was made.
pub fn next_rotation(record: &Record, made_at: Timestamp) -> Option<Timestamp> {
    let policy = &record.policy;
    if policy.rotation_type != RotationType::TimeBased || policy.ttl_seconds <= 0 {
        return None;
    }
    let seconds = (policy.ttl_seconds - policy.rotate_before_seconds).max(0);
    made_at.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use crate::record::State;
    use regent_types::policy::RotationPolicy;

    fn changed() -> RotationPolicy {
        RotationPolicy { ttl_seconds: 99, ..RotationPolicy::default() }
    }

    #[test]
    fn h12_whatever_differs_from_the_record_is_seen() {
        let record = fixture::record(State::Done);
        let sound = fixture::acknowledged().metadata;
        assert!(is_as_recorded(&record, &sound));
        let mut others: Vec<PathSeen> = vec![PathSeen::default()];
        let mut change = |change: fn(&mut PathSeen)| {
            let mut seen = sound.clone();
            change(&mut seen);
            others.push(seen);
        };
        change(|s| _ = s.versions.get_mut(&1).map(|v| v.live = false));
        change(|s| _ = s.versions.get_mut(&1).map(|v| v.created_time = "another".into()));
        change(|s| s.current_version = 2);
        change(|s| s.policy = PolicySeen::Missing);
        change(|s| s.policy = PolicySeen::Valid(changed()));
        for seen in others {
            assert!(!is_as_recorded(&record, &seen), "{seen:?}");
        }
        assert!(!is_as_recorded(&fixture::record(State::Intent), &sound));
    }

    #[test]
    fn a_change_that_parses_comes_into_force_and_damage_is_restored() {
        let record = fixture::record(State::Done);
        let mut seen = fixture::observation();
        seen.metadata.policy = PolicySeen::Valid(record.policy.clone());
        assert_eq!(step(Some(&record), &seen, at(0)), Step::End(Outcome::Done));
        seen.metadata.policy = PolicySeen::Valid(changed());
        let Step::Do(Effect::Ledger(event)) = step(Some(&record), &seen, at(0)) else {
            panic!("a change is told first")
        };
        assert_eq!(event.kind, kinds::POLICY_CHANGED);
        seen.appended.insert(event.id.clone());
        let Step::Persist(next) = step(Some(&record), &seen, at(0)) else {
            panic!("expected a change")
        };
        assert_eq!(next.policy, changed());
        for damage in [PolicySeen::Missing, PolicySeen::Invalid("ttl".into())] {
            seen.metadata.policy = damage;
            let write = Step::Do(Effect::WritePolicy(record.policy.clone()));
            assert_eq!(step(Some(&record), &seen, at(0)), write);
        }
        seen.metadata.policy = PolicySeen::Valid(record.policy.clone());
        seen.restored = Some("ttl".into());
        let restored = step(Some(&record), &seen, at(0));
        assert!(
            matches!(restored, Step::Do(Effect::Ledger(e)) if e.kind == kinds::POLICY_RESTORED)
        );
    }

    #[test]
    fn on_published_paths_the_record_decides() {
        let mut record = fixture::record(State::Done);
        record.origin = Origin::Derived;
        let mut seen = fixture::observation();
        seen.metadata.policy = PolicySeen::Valid(changed());
        let Step::End(outcome) = step(Some(&record), &seen, at(0)) else { panic!("nothing to do") };
        assert_eq!(outcome.reason(), Some(Reason::PolicyDrift));
        seen.metadata.policy = PolicySeen::Missing;
        assert_eq!(step(Some(&record), &seen, at(0)), Step::End(Outcome::Done));
    }

    #[test]
    fn a_time_based_policy_is_due_before_it_expires() {
        let mut record = fixture::record(State::Done);
        assert_eq!(next_rotation(&record, at(0)), None);
        record.policy.rotation_type = RotationType::TimeBased;
        record.policy.ttl_seconds = 100;
        record.policy.rotate_before_seconds = 30;
        assert_eq!(next_rotation(&record, at(0)), Some(at(70)));
    }
}
