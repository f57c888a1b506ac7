//! What a session reads, and when it reads again.

use super::*;
use crate::fixture::{self, at, pair};
use crate::observation::{Bootstrap, ValueSeen};
use crate::record::State;

fn opened(protocol: Protocol, record: Option<Record>) -> Session {
    let stored = record.map(|r| (r, 7));
    Session::open(protocol, fixture::subject("run1"), stored, at(0))
}

fn look(session: &mut Session) -> Needs {
    match session.next(at(0)) {
        Next::Look(needs) => needs,
        other => panic!("expected a look, found {other:?}"),
    }
}

fn persist(session: &mut Session, version: i64) -> Record {
    match session.next(at(0)) {
        Next::Persist(record) => {
            session.saved((*record).clone(), version);
            *record
        }
        other => panic!("expected a record to persist, found {other:?}"),
    }
}

fn effect(session: &mut Session, answer: Answer) -> Effect {
    match session.next(at(0)) {
        Next::Do(effect) => {
            session.did(answer);
            effect
        }
        other => panic!("expected an effect, found {other:?}"),
    }
}

/// A bootstrap Secret is there, and nothing else.
fn sourced(session: &mut Session) {
    for _ in 0..2 {
        let needs = look(session);
        session.saw(&needs, |seen| {
            if needs.bootstrap {
                live(seen)
            }
        });
    }
}

fn live(seen: &mut Observation) {
    seen.bootstrap = Bootstrap::Live(fixture::bootstrap("k:a"));
}

/// §1.3, §4: every look of a handover, in order; what it wrote itself it does not read again.
#[test]
fn a_handover_looks_once_and_again_only_before_the_bootstrap_secret_is_touched() {
    let mut session = opened(Protocol::Handover, None);
    let source = look(&mut session);
    assert_eq!(source, Needs { bootstrap: true, ..Needs::default() });
    session.saw(&source, live);
    let first = look(&mut session);
    assert_eq!(first, Needs { mount: true, metadata: true, ..Needs::default() }, "§4.0");
    session.saw(&first, |_| ());
    persist(&mut session, 1);
    let write = effect(&mut session, Answer::Written(pair(1)));
    assert!(matches!(write, Effect::WriteFirst { .. }));
    let back = look(&mut session);
    assert_eq!(back, Needs { first: true, ..Needs::default() }, "§4.3: read back");
    let read = ValueSeen::Read { pair: pair(1), hmac: "k:a".into() };
    session.saw(&back, |seen| seen.first = read);
    persist(&mut session, 2);
    let consumers = look(&mut session);
    assert_eq!(consumers, Needs { consumers: Some(pair(1)), ..Needs::default() });
    session.saw(&consumers, |_| ());
    assert!(matches!(effect(&mut session, Answer::Done), Effect::WritePolicy(_)));
    assert!(matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)));
    assert_eq!(effect(&mut session, Answer::Done), Effect::Project(pair(1)), "§4: before B goes");
    assert_eq!(persist(&mut session, 3).state, State::Disposing);
    let again = look(&mut session);
    assert_eq!(again, Needs { bootstrap: true, ..Needs::default() }, "§4.4: B fresh");
    session.saw(&again, live);
    assert!(matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)));
    let last = look(&mut session);
    assert_eq!(last, Needs { metadata: true, ..Needs::default() }, "§4.4: p fresh");
    session.saw(&last, |seen| seen.metadata = fixture::acknowledged().metadata);
    assert!(matches!(effect(&mut session, Answer::Changed("8".into())), Effect::Mark { .. }));
    let delete = effect(&mut session, Answer::Gone);
    assert!(matches!(delete, Effect::Delete { rv, .. } if rv == "8"));
    assert!(matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)));
    assert_eq!(persist(&mut session, 4).state, State::Done);
    assert_eq!(session.next(at(0)), Next::End(Outcome::Done));
    assert_eq!(session.version(), 4);
}

/// A value that the session made and wrote under `cas` is not read back.
#[test]
fn a_generation_reads_neither_its_candidate_nor_its_value_again() {
    let mut session = opened(Protocol::Generate, None);
    let first = look(&mut session);
    assert_eq!(first, Needs { mount: true, metadata: true, ..Needs::default() });
    session.saw(&first, |_| ());
    persist(&mut session, 1);
    effect(&mut session, Answer::Candidate("k:g".into()));
    assert!(matches!(effect(&mut session, Answer::Written(pair(1))), Effect::WriteFirst { .. }));
    assert!(persist(&mut session, 2).is_runtime());
    assert!(matches!(effect(&mut session, Answer::Done), Effect::WritePolicy(_)));
    assert!(matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)));
    assert_eq!(persist(&mut session, 3).state, State::Done);
    assert_eq!(session.next(at(0)), Next::End(Outcome::Done));
}

#[test]
fn a_lost_cas_has_the_record_read_and_everything_looked_at_again() {
    let mut session = opened(Protocol::Handover, None);
    sourced(&mut session);
    assert!(matches!(session.next(at(0)), Next::Persist(_)));
    session.lost();
    assert_eq!(session.next(at(0)), Next::Reload);
    session.reloaded(Some((fixture::record(State::Intent), 3)));
    let all = Needs { bootstrap: true, mount: true, metadata: true, ..Needs::default() };
    assert_eq!(look(&mut session), all);
}

#[test]
fn a_refused_write_has_the_mount_looked_at_again() {
    let mut session = opened(Protocol::Handover, None);
    sourced(&mut session);
    persist(&mut session, 1);
    effect(&mut session, Answer::Lost);
    assert!(look(&mut session).mount);
}

/// §5.2: the record is read again just before each set.
#[test]
fn before_a_set_the_record_is_read_again() {
    use crate::observation::{CandidateSeen, Login, Probes, Target};
    let mut record = fixture::record(State::Rotating);
    let (step, hmac) = (crate::record::RotationStep::Set, Some("k:n".into()));
    let candidate = "c".to_owned();
    record.claim = Some(crate::record::Claim { candidate, hmac, ..fixture::claim("run1", step) });
    let mut session = opened(Protocol::Rotation, Some(record));
    let first = look(&mut session);
    session.saw(&first, |seen| {
        seen.candidate = Some(CandidateSeen { name: "c".into(), hmac: "k:n".into() });
        seen.target = Target::Login(Probes {
            candidate: Login::Refused,
            current: Login::Works,
            ..Probes::default()
        });
    });
    let noted = persist(&mut session, 8);
    assert!(matches!(session.next(at(0)), Next::Reload), "another may hold the claim by now");
    session.reloaded(Some((noted, 8)));
    assert!(matches!(session.next(at(0)), Next::Do(Effect::Set { .. })));
}

#[test]
fn an_effect_that_does_not_take_ends_the_session_for_now() {
    let mut session = opened(Protocol::Generate, None);
    let first = look(&mut session);
    session.saw(&first, |_| ());
    persist(&mut session, 1);
    assert!(matches!(session.next(at(0)), Next::Do(Effect::CreateCandidate { .. })));
    let again = session.next(at(0));
    assert!(matches!(again, Next::End(Outcome::Waiting { reason: Reason::EffectAwaited, .. })));
}

/// H14: a write that is refused although nobody else wrote is not tried again at once.
#[test]
fn h14_a_record_that_takes_no_write_ends_the_session_for_now() {
    let mut session = opened(Protocol::Handover, None);
    sourced(&mut session);
    assert!(matches!(session.next(at(0)), Next::Persist(_)));
    session.lost();
    assert_eq!(session.next(at(0)), Next::Reload);
    session.reloaded(None);
    let again = session.next(at(0));
    assert!(matches!(again, Next::End(Outcome::Waiting { reason: Reason::EffectAwaited, .. })));
}

/// A session that begins where another one waited looks at the value once, just before B is touched.
#[test]
fn a_handover_that_waited_for_consumers_looks_at_the_value_once() {
    let mut session = opened(Protocol::Handover, Some(fixture::record(State::Acknowledged)));
    let consumers = look(&mut session);
    assert_eq!(consumers, Needs { consumers: Some(pair(1)), ..Needs::default() });
    session.saw(&consumers, |_| ());
    assert!(
        matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)),
        "told or not, the ledger knows"
    );
    assert_eq!(effect(&mut session, Answer::Done), Effect::Project(pair(1)));
    assert_eq!(persist(&mut session, 8).state, State::Disposing);
    let source = look(&mut session);
    assert_eq!(source, Needs { bootstrap: true, ..Needs::default() });
    session.saw(&source, live);
    assert!(matches!(effect(&mut session, Answer::Done), Effect::Ledger(_)));
    assert_eq!(look(&mut session), Needs { metadata: true, ..Needs::default() });
}

/// While consumers are awaited a value that is gone is said.
#[test]
fn a_value_that_is_missing_is_said_while_consumers_are_awaited() {
    let mut session = opened(Protocol::Handover, Some(fixture::record(State::Acknowledged)));
    let consumers = look(&mut session);
    session.saw(&consumers, |seen| seen.consumers.waiting.push("shop/db".into()));
    let metadata = look(&mut session);
    assert_eq!(metadata, Needs { metadata: true, ..Needs::default() });
    session.saw(&metadata, |_| ());
    let Next::Do(Effect::Ledger(event)) = session.next(at(0)) else { panic!("a stop is told") };
    assert_eq!(event.result, Reason::ValueMissing.as_str());
}
