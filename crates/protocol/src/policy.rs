//! The rotation policy beside the secret: changes count, damage does not (PROTOCOLS.md §5; C6-1).

use jiff::Timestamp;
use regent_types::policy::RotationType;

use crate::ledger::{Event, kinds};
use crate::observation::{Observation, PolicySeen};
use crate::record::{Origin, Record};
use crate::step::event;

/// What a look at the policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyStep {
    /// The policy in the authority is the one in force.
    Same,
    /// It was changed there: append the event, then save this record.
    Changed(Box<Event>, Box<Record>),
    /// It is missing or does not parse: the record's stays in force; append the event and write it
    /// back.
    Restore(Box<Event>),
    /// It differs on a path that the publisher can write: reported, the record decides.
    Reported(String),
}

/// Compares the policy that `custom_metadata` shows with the record's.
pub fn reconcile(record: &Record, seen: &Observation, now: Timestamp) -> PolicyStep {
    let derived = record.origin == Origin::Derived;
    match &seen.seen.policy {
        PolicySeen::Valid(policy) if *policy == record.policy => PolicyStep::Same,
        PolicySeen::Valid(policy) if derived => PolicyStep::Reported(format!(
            "custom_metadata says {:?}, the record says {:?} and counts",
            policy.rotation_type, record.policy.rotation_type
        )),
        PolicySeen::Valid(policy) => {
            let detail = serde_json::to_string(&policy.to_metadata()).unwrap_or_default();
            // The same change may be made again later, so that its time belongs to it.
            let told = event(seen, now, kinds::POLICY_CHANGED, None, &detail, &now.to_string());
            let next = Record { policy: policy.clone(), ..record.clone() };
            PolicyStep::Changed(Box::new(told), Box::new(next))
        }
        // Publications carry no policy unless somebody put one there.
        PolicySeen::Missing | PolicySeen::Invalid(_) if derived => PolicyStep::Same,
        PolicySeen::Missing => restore(seen, now, "missing"),
        PolicySeen::Invalid(why) => restore(seen, now, why),
    }
}

fn restore(seen: &Observation, now: Timestamp, why: &str) -> PolicyStep {
    PolicyStep::Restore(Box::new(event(
        seen,
        now,
        kinds::POLICY_RESTORED,
        None,
        why,
        &now.to_string(),
    )))
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
    fn a_change_that_parses_comes_into_force_and_damage_is_restored() {
        let record = fixture::record(State::Done);
        let mut seen = fixture::observation();
        seen.seen.policy = PolicySeen::Valid(record.policy.clone());
        assert_eq!(reconcile(&record, &seen, at(0)), PolicyStep::Same);
        seen.seen.policy = PolicySeen::Valid(changed());
        let PolicyStep::Changed(event, next) = reconcile(&record, &seen, at(0)) else {
            panic!("expected a change")
        };
        assert_eq!((event.kind.as_str(), next.policy), (kinds::POLICY_CHANGED, changed()));
        for damage in [PolicySeen::Missing, PolicySeen::Invalid("ttl".into())] {
            seen.seen.policy = damage;
            assert!(matches!(reconcile(&record, &seen, at(0)), PolicyStep::Restore(_)));
        }
    }

    #[test]
    fn on_published_paths_the_record_decides() {
        let mut record = fixture::record(State::Done);
        record.origin = Origin::Derived;
        let mut seen = fixture::observation();
        seen.seen.policy = PolicySeen::Valid(changed());
        assert!(matches!(reconcile(&record, &seen, at(0)), PolicyStep::Reported(_)));
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
