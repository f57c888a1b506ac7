//! Every branch of a generation.

use super::*;
use crate::fixture::{self, at, observation, pair};
use crate::observation::CandidateSeen;
use crate::outcome::Decider;
use regent_types::policy::RotationPolicy;

/// Version 1 is there, and no status says so yet.
fn acked() -> Observation {
    let mut seen = fixture::acknowledged();
    seen.subject.status = None;
    seen
}

fn candidate(name: &str, hmac: &str) -> Option<CandidateSeen> {
    Some(CandidateSeen { name: name.into(), hmac: hmac.into() })
}

fn intent() -> Record {
    let policy = RotationPolicy::default();
    let mut record = Record::intent(fixture::PATH, fixture::owner(), Origin::Generate, policy);
    record.candidate = Some("run1".into());
    record.push_hmac("k:g");
    record
}

fn persisted(step: Step) -> Record {
    match step {
        Step::Persist(record) => *record,
        other => panic!("expected a record to persist, found {other:?}"),
    }
}

/// H15: the record names the candidate before it is made, so that none lies about that no record knows.
#[test]
fn h15_the_intent_names_the_candidate_before_it_is_made_and_it_is_made_before_the_write() {
    let mut seen = observation();
    let record = persisted(step(None, &seen, at(0)));
    assert_eq!((record.newest_hmac(), record.candidate.as_deref()), (None, Some("run1")));
    let made = step(Some(&record), &seen, at(0));
    assert_eq!(made, Step::Do(Effect::CreateCandidate { name: "run1".into(), renew: None }));
    seen.candidate = candidate("run1", "k:g");
    let source = Source::Candidate("run1".into());
    let write = Step::Do(Effect::WriteFirst { over: 0, source, hmac: "k:g".into() });
    assert_eq!(step(Some(&record), &seen, at(0)), write);
    fixture::write(&mut seen, 1, "t1");
    seen.first = ValueSeen::Read { pair: pair(1), hmac: "k:g".into() };
    let acknowledged = persisted(step(Some(&record), &seen, at(0)));
    assert_eq!(acknowledged.acknowledged, Some(pair(1)));
    assert_eq!(acknowledged.newest_hmac(), Some("k:g"));
    seen.candidate = candidate("run1", "k:other");
    let foreign = step(Some(&record), &seen, at(0));
    assert!(matches!(
        foreign,
        Step::End(Outcome::Blocked { by: Decider::Person, reason: Reason::Occupied, .. })
    ));
}

#[test]
fn a_written_value_is_recognized_and_its_candidate_left_to_the_next_run() {
    let mut seen = acked();
    seen.candidate = candidate("run1", "k:g");
    seen.first = ValueSeen::Read { pair: pair(1), hmac: "k:g".into() };
    let record = persisted(step(Some(&intent()), &seen, at(0)));
    assert_eq!((record.state, record.acknowledged.clone()), (State::Acknowledged, Some(pair(1))));
    let Step::Do(Effect::Ledger(event)) = step(Some(&record), &seen, at(0)) else {
        panic!("the version's event comes first")
    };
    seen.appended.insert(event.id.clone());
    let done = persisted(step(Some(&record), &seen, at(0)));
    assert_eq!((done.state, done.candidate.clone()), (State::Done, None));
    assert_eq!(done.leftovers, ["run1"]);
    assert_eq!(step(Some(&done), &seen, at(0)), Step::End(Outcome::Done));
}

#[test]
fn an_occupied_path_is_never_written() {
    let mut seen = acked();
    let first = step(None, &seen, at(0));
    assert!(matches!(
        first,
        Step::End(Outcome::Blocked { by: Decider::Person, reason: Reason::Occupied, .. })
    ));
    seen.first = ValueSeen::Read { pair: pair(1), hmac: "k:z".into() };
    let second = step(Some(&intent()), &seen, at(0));
    assert!(matches!(
        second,
        Step::End(Outcome::Blocked { by: Decider::Person, reason: Reason::Occupied, .. })
    ));
    seen.first = ValueSeen::Unreadable;
    let third = step(Some(&intent()), &seen, at(0));
    assert!(matches!(
        third,
        Step::End(Outcome::Blocked { by: Decider::Person, reason: Reason::Unreadable, .. })
    ));
}

/// §4.5: where a record says acknowledged and the path has no version, nothing is generated.
#[test]
fn a_lost_value_is_never_generated_again() {
    for state in [State::Acknowledged, State::Done] {
        let mut record = fixture::record(state);
        record.origin = Origin::Generate;
        let found = step(Some(&record), &observation(), at(0));
        assert!(
            matches!(
                found,
                Step::End(Outcome::Blocked {
                    by: Decider::World,
                    reason: Reason::ValueMissing,
                    ..
                })
            ),
            "{state:?}"
        );
    }
}

#[test]
fn a_lost_candidate_is_replaced_under_a_name_never_used() {
    let seen = observation();
    let named = persisted(step(Some(&intent()), &seen, at(0)));
    assert_eq!((named.candidate.as_deref(), named.hmacs.len()), (Some("run1.2"), 0));
    let made = step(Some(&named), &seen, at(0));
    assert_eq!(made, Step::Do(Effect::CreateCandidate { name: "run1.2".into(), renew: None }));
    let mut seen = seen;
    seen.candidate = candidate("run1.2", "k:h");
    assert!(matches!(step(Some(&named), &seen, at(0)), Step::Do(Effect::WriteFirst { .. })));
}
