//! Each state that asks a person, and each of his answers.

use regent_types::VersionPair;

use super::*;
use crate::fixture::{self, acknowledged, at, bootstrap, pair, record};
use crate::observation::{Bootstrap, ValueSeen};
use crate::protocol::Protocol;
use crate::reason::Reason;
use crate::record::{Origin, RotationStep, State};
use crate::step::{Effect, Source};

fn read(number: i64, hmac: &str) -> ValueSeen {
    ValueSeen::Read { pair: pair(number), hmac: hmac.into() }
}

/// Follows `decision`, with its events appended, to the record that it saves.
fn decide(decision: Decision, before: Option<&Record>, seen: &mut Observation) -> Step {
    seen.subject.run = fixture::run("person1");
    loop {
        match crate::step(Protocol::Decide(decision), before, seen, at(9)) {
            Step::Do(Effect::Ledger(event)) => {
                assert!(seen.appended.insert(event.id.clone()), "asked twice for {event:?}");
            }
            other => return other,
        }
    }
}

fn saved(step: Step) -> Record {
    match step {
        Step::Persist(record) => *record,
        other => panic!("expected a record, found {other:?}"),
    }
}

fn refusal(step: &Step) -> String {
    match step {
        Step::End(Outcome::Failed { reason: Reason::NothingToDecide, message }) => message.clone(),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// What the introduction says next.
fn goes_on(protocol: Protocol, record: &Record, seen: &mut Observation) -> Step {
    seen.subject.run = fixture::run("run1");
    loop {
        match crate::step(protocol, Some(record), seen, at(10)) {
            Step::Do(Effect::Ledger(event)) => assert!(seen.appended.insert(event.id)),
            other => return other,
        }
    }
}

/// A path that was occupied before the handover: version 1 holds another value than B.
fn occupied() -> (Record, Observation) {
    let mut seen = acknowledged();
    seen.subject.status = None;
    seen.bootstrap = Bootstrap::Live(bootstrap("k:a"));
    (seen.first, seen.newest) = (read(1, "k:x"), read(1, "k:x"));
    let stopped = saved(goes_on(Protocol::Handover, &record(State::Intent), &mut seen));
    assert_eq!(stopped.stop.as_ref().map(|s| s.reason), Some(Reason::Occupied));
    (stopped, seen)
}

#[test]
fn an_occupied_path_is_kept_and_the_bootstrap_secret_goes() {
    let (stopped, mut seen) = occupied();
    let kept = saved(decide(Decision::KeepAuthority, Some(&stopped), &mut seen));
    assert_eq!((kept.state, kept.current.clone()), (State::Acknowledged, Some(pair(1))));
    assert!(kept.stop.is_none() && kept.may_go("k:a"), "what was given up may go with B");
    assert_eq!(kept.origin, Origin::Adopted, "no run of regent's wrote it");
    let again = decide(Decision::KeepAuthority, Some(&kept), &mut seen);
    assert_eq!(again, Step::End(Outcome::Done), "decided once");
}

#[test]
fn an_occupied_path_gives_way_to_the_bootstrap_secret_under_cas() {
    let (stopped, mut seen) = occupied();
    let over = saved(decide(Decision::KeepBootstrap, Some(&stopped), &mut seen));
    let hmac = "k:a".to_owned();
    let write = Effect::WriteFirst { over: 1, source: Source::Bootstrap, hmac };
    assert_eq!(goes_on(Protocol::Handover, &over, &mut seen), Step::Do(write));
    // Somebody wrote another one since then: it was not what the person had seen.
    let mut later = seen.clone();
    fixture::write(&mut later, 2, "t2");
    later.newest = read(2, "k:y");
    let stop = saved(goes_on(Protocol::Handover, &over, &mut later));
    assert_eq!(stop.stop.as_ref().map(|s| s.reason), Some(Reason::Occupied));
    // It took effect.
    fixture::write(&mut seen, 2, "t2");
    seen.newest = read(2, "k:a");
    let done = saved(goes_on(Protocol::Handover, &over, &mut seen));
    assert_eq!((done.current.clone(), done.overwrites.clone()), (Some(pair(2)), None));
}

#[test]
fn the_first_version_that_is_gone_gives_way_to_the_newest() {
    let mut seen = acknowledged();
    seen.subject.status = None;
    fixture::write(&mut seen, 2, "t2");
    seen.metadata.versions.get_mut(&1).unwrap().live = false;
    (seen.first, seen.newest) = (ValueSeen::Unreadable, read(2, "k:x"));
    let stopped = saved(goes_on(Protocol::Handover, &record(State::Intent), &mut seen));
    assert_eq!(stopped.stop.as_ref().map(|s| s.reason), Some(Reason::Unreadable));
    let kept = saved(decide(Decision::KeepAuthority, Some(&stopped), &mut seen));
    assert_eq!(kept.current, Some(pair(2)));
}

/// A generated secret whose path is occupied has no record yet.
#[test]
fn an_occupied_path_without_a_record_is_kept() {
    let mut seen = acknowledged();
    seen.subject.status = None;
    seen.subject.request.origin = Origin::Generate;
    seen.newest = read(1, "k:x");
    let kept = saved(decide(Decision::KeepAuthority, None, &mut seen));
    assert_eq!((kept.state, kept.current.clone()), (State::Acknowledged, Some(pair(1))));
}

#[test]
fn a_version_that_somebody_wrote_is_in_force_once_a_person_says_so() {
    let mut seen = acknowledged();
    for number in 2..=3 {
        fixture::write(&mut seen, number, &format!("t{number}"));
    }
    seen.newest = read(3, "k:y");
    let held = saved(goes_on(Protocol::Handover, &record(State::Done), &mut seen));
    assert_eq!(held.stop.as_ref().map(|s| s.reason), Some(Reason::UnknownVersion));
    let told = seen.appended.len();
    let kept = saved(decide(Decision::KeepAuthority, Some(&held), &mut seen));
    assert_eq!((kept.current.clone(), kept.stop.clone()), (Some(pair(3)), None));
    assert_eq!(seen.appended.len() - told, 3, "each version, and that the stop is over");
    seen.subject.status = Some(pair(3));
    assert_eq!(goes_on(Protocol::Handover, &kept, &mut seen), Step::End(Outcome::Done));
}

#[test]
fn a_rotation_that_a_foreign_version_came_into_is_given_up() {
    let mut rotating = record(State::Rotating);
    let mut claim = fixture::claim("r9", RotationStep::Promote);
    claim.hmac = Some("k:n".into());
    rotating.claim = Some(claim);
    let mut seen = acknowledged();
    fixture::write(&mut seen, 2, "t2");
    seen.newest = read(2, "k:y");
    let kept = saved(decide(Decision::KeepAuthority, Some(&rotating), &mut seen));
    assert_eq!((kept.state, kept.current.clone()), (State::Done, Some(pair(2))));
    assert!(kept.claim.is_none() && kept.leftovers.contains(&"r9".to_owned()));
    seen.subject.run = fixture::run("r9");
    let its_run = crate::step(Protocol::Rotation, Some(&kept), &seen, at(9));
    assert!(matches!(its_run, Step::End(Outcome::Failed { reason: Reason::GivenUp, .. })));
    assert_eq!(kept.last_rotation(), None, "nothing was rotated");
    // A password that was sent may be the one that the target has.
    let sent = crate::record::SetSent { candidate: "r9".into(), at: at(0) };
    rotating.claim.as_mut().unwrap().sent.push(sent);
    seen.appended.clear();
    let refused = decide(Decision::KeepAuthority, Some(&rotating), &mut seen);
    assert!(refusal(&refused).contains("sent a new password"));
}

#[test]
fn a_rotation_whose_candidate_is_lost_is_given_up() {
    let mut rotating = record(State::Rotating);
    let mut claim = fixture::claim("r9", RotationStep::Promote);
    claim.hmac = Some("k:n".into());
    rotating.claim = Some(claim);
    let mut seen = acknowledged();
    seen.newest = read(1, "k:a");
    seen.candidate = None;
    seen.subject.run = fixture::run("r9");
    let held = loop {
        match crate::step(Protocol::Rotation, Some(&rotating), &seen, at(9)) {
            Step::Do(Effect::Ledger(event)) => assert!(seen.appended.insert(event.id)),
            other => break saved(other),
        }
    };
    assert_eq!(held.rotation_stop.as_ref().map(|s| s.reason), Some(Reason::CandidateLost));
    let kept = saved(decide(Decision::KeepAuthority, Some(&held), &mut seen));
    assert_eq!((kept.state, kept.current.clone()), (State::Done, Some(pair(1))));
    assert!(kept.in_the_way().is_none() && kept.claim.is_none());
}

#[test]
fn a_value_of_the_bootstrap_secret_that_nobody_knows_is_given_up() {
    let mut seen = acknowledged();
    let unknown = crate::observation::BootstrapSeen { from_manifest: false, ..bootstrap("k:z") };
    seen.bootstrap = Bootstrap::Live(unknown);
    seen.newest = read(1, "k:a");
    let held = saved(goes_on(Protocol::Handover, &record(State::Done), &mut seen));
    assert_eq!(held.stop.as_ref().map(|s| s.reason), Some(Reason::UnknownValue));
    let kept = saved(decide(Decision::KeepAuthority, Some(&held), &mut seen));
    assert!(kept.may_go("k:z"));
    assert!(matches!(goes_on(Protocol::Handover, &kept, &mut seen), Step::Do(Effect::Mark { .. })));
}

#[test]
fn where_nothing_stands_still_nothing_is_decided() {
    let mut seen = acknowledged();
    seen.newest = read(1, "k:a");
    let done = record(State::Done);
    for decision in [Decision::KeepAuthority, Decision::KeepBootstrap, Decision::AcceptRestore] {
        refusal(&decide(decision, Some(&done), &mut seen));
    }
    refusal(&decide(Decision::Release, Some(&done), &mut seen));
}

/// H3: a record that knows less than the status is let go, and the status follows it.
#[test]
fn h03_a_record_that_a_restore_left_behind_counts_once_a_person_accepts_it() {
    let mut seen = acknowledged();
    seen.newest = read(1, "k:a");
    seen.subject.status = Some(pair(3));
    let behind = record(State::Done);
    let held = saved(goes_on(Protocol::Handover, &behind, &mut seen));
    assert_eq!(held.stop.as_ref().map(|s| s.reason), Some(Reason::RecordBehindStatus));
    let kept = saved(decide(Decision::AcceptRestore, Some(&held), &mut seen));
    assert_eq!((kept.current.clone(), kept.given_up.clone()), (Some(pair(1)), Some(pair(3))));
    assert_eq!(goes_on(Protocol::Handover, &kept, &mut seen), Step::End(Outcome::Done));
    // The same version number of another life is evidence again.
    seen.subject.status = Some(VersionPair::new(3, "another"));
    assert!(Record::is_behind(Some(&kept), &VersionPair::new(3, "another")));
}

#[test]
fn a_path_that_went_back_or_vanished_is_accepted_as_it_is() {
    let mut known = record(State::Done);
    known.current = Some(pair(4));
    let mut seen = acknowledged();
    seen.subject.status = Some(pair(4));
    seen.newest = read(1, "k:a");
    let kept = saved(decide(Decision::AcceptRestore, Some(&known), &mut seen));
    assert_eq!((kept.current.clone(), kept.given_up.clone()), (Some(pair(1)), Some(pair(4))));
    // Nothing is there: it is introduced anew, and the status no longer forbids it.
    let mut empty = fixture::observation();
    empty.subject.status = Some(pair(4));
    empty.bootstrap = Bootstrap::Live(bootstrap("k:a"));
    let held = saved(goes_on(Protocol::Handover, &known, &mut empty));
    assert_eq!(held.stop.as_ref().map(|s| s.reason), Some(Reason::ValueMissing));
    let anew = saved(decide(Decision::AcceptRestore, Some(&held), &mut empty));
    assert_eq!((anew.state, anew.current.clone()), (State::Intent, None));
    let noted = saved(goes_on(Protocol::Handover, &anew, &mut empty));
    let write = goes_on(Protocol::Handover, &noted, &mut empty);
    assert!(matches!(write, Step::Do(Effect::WriteFirst { over: 0, .. })));
    // A version that somebody deleted is no restore.
    let mut deleted = acknowledged();
    deleted.metadata.versions.get_mut(&1).unwrap().live = false;
    deleted.newest = ValueSeen::Unreadable;
    let refused = decide(Decision::AcceptRestore, Some(&record(State::Done)), &mut deleted);
    assert!(refusal(&refused).contains("undelete"));
}

/// H23: what a RuntimeSecret that is gone left behind belongs to the one that asks for it, and to no other way.
#[test]
fn h23_a_path_is_released_once_its_runtime_secret_is_gone() {
    let mut theirs = record(State::Done);
    theirs.owner.name = "old-name".into();
    let mut seen = acknowledged();
    let refused = decide(Decision::Release, Some(&theirs), &mut seen);
    assert!(refusal(&refused).contains("payments/old-name still declares"));
    seen.owner_gone = true;
    let ours = saved(decide(Decision::Release, Some(&theirs), &mut seen));
    assert_eq!((ours.owner.clone(), ours.current.clone()), (fixture::owner(), Some(pair(1))));
    theirs.owner.installation = "elsewhere".into();
    refusal(&decide(Decision::Release, Some(&theirs), &mut seen));
    theirs.owner.installation = fixture::owner().installation;
    seen.subject.granted = false;
    seen.appended.clear();
    let refused = decide(Decision::Release, Some(&theirs), &mut seen);
    assert!(matches!(refused, Step::End(Outcome::Blocked { reason: Reason::PathNotGranted, .. })));
}
