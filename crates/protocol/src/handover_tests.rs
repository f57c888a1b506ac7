//! Every branch of the handover, as a table of claims.

use super::*;
use crate::fixture::{self, acknowledged as acked, at, bootstrap, observation, pair, record};
use crate::observation::PolicySeen;
use crate::outcome::Decider;
use crate::record::HMACS_MAX;
use regent_types::VersionPair;

fn live(hmac: &str) -> Bootstrap {
    Bootstrap::Live(bootstrap(hmac))
}

fn read(number: i64, hmac: &str) -> ValueSeen {
    ValueSeen::Read { pair: pair(number), hmac: hmac.into() }
}

/// Runs the step and appends every event it asks for, so that tests see what follows.
fn go(record: Option<&Record>, seen: &mut Observation) -> Step {
    loop {
        match step(record, seen, at(100)) {
            Step::Do(Effect::Ledger(event)) => {
                assert!(seen.appended.insert(event.id.clone()), "asked twice for {event:?}");
            }
            other => return other,
        }
    }
}

/// A record of which nothing is left to tell before it waits.
fn told() -> Record {
    let record = record(State::Acknowledged);
    Record { ledgered: record.acknowledged.clone(), ..record }
}

fn persisted(step: Step) -> Record {
    match step {
        Step::Persist(record) => *record,
        other => panic!("expected a record to persist, found {other:?}"),
    }
}

fn reason(step: &Step) -> Option<Reason> {
    match step {
        Step::End(outcome) => outcome.reason(),
        _ => None,
    }
}

/// §4.0: what must hold before anything is written.
#[test]
fn nothing_is_written_before_the_look_is_clean() {
    type Break = fn(&mut Observation);
    let breaks: [(Break, Reason); 8] = [
        (|s| s.subject.granted = false, Reason::PathNotGranted),
        (|s| s.mount.max_versions = 2, Reason::UnsafeMount),
        (|s| s.mount.deletes_versions = true, Reason::UnsafeMount),
        (|s| s.subject.status = Some(pair(1)), Reason::RecordBehindStatus),
        (|s| s.bootstrap = Bootstrap::Absent, Reason::BootstrapSecretMissing),
        (|s| s.bootstrap = Bootstrap::Foreign, Reason::NotABootstrapSecret),
        (|s| s.bootstrap = Bootstrap::Materialized, Reason::NotABootstrapSecret),
        (
            |s| {
                let mut b = bootstrap("k:a");
                b.empty = true;
                s.bootstrap = Bootstrap::Live(b);
            },
            Reason::BootstrapSecretEmpty,
        ),
    ];
    for (change, expected) in breaks {
        let mut seen = observation();
        seen.bootstrap = live("k:a");
        change(&mut seen);
        assert_eq!(reason(&step(None, &seen, at(0))), Some(expected));
    }
}

/// §4.1 to §4.5 without anything in the way.
#[test]
fn a_handover_goes_from_intent_to_done() {
    let mut seen = observation();
    seen.bootstrap = live("k:a");
    let intent = persisted(go(None, &mut seen));
    assert_eq!((intent.state, intent.newest_hmac()), (State::Intent, Some("k:a")));
    assert_eq!(
        go(Some(&intent), &mut seen),
        Step::Do(Effect::WriteFirst { over: 0, source: Source::Bootstrap, hmac: "k:a".into() })
    );
    fixture::write(&mut seen, 1, "t1");
    seen.first = read(1, "k:a");
    let acknowledged = persisted(go(Some(&intent), &mut seen));
    assert!(acknowledged.is_runtime());
    assert!(matches!(go(Some(&acknowledged), &mut seen), Step::Do(Effect::WritePolicy(_))));
    seen.metadata.policy = PolicySeen::Valid(acknowledged.policy.clone());
    assert_eq!(go(Some(&acknowledged), &mut seen), Step::Do(Effect::Project(pair(1))));
    seen.subject.status = Some(pair(1));
    let disposing = persisted(go(Some(&acknowledged), &mut seen));
    assert_eq!(disposing.disposition, Some(Disposition::Delete));
    assert!(seen.appended.len() == 1, "the version's event comes before the state is left");
    assert!(matches!(go(Some(&disposing), &mut seen), Step::Do(Effect::Mark { .. })));
    let mut b = bootstrap("k:a");
    b.marked = Some(Disposition::Delete);
    seen.bootstrap = Bootstrap::Live(b);
    assert!(matches!(go(Some(&disposing), &mut seen), Step::Do(Effect::Delete { .. })));
    seen.bootstrap = Bootstrap::Absent;
    let done = persisted(go(Some(&disposing), &mut seen));
    assert_eq!(done.state, State::Done);
    assert_eq!(go(Some(&done), &mut seen), Step::End(Outcome::Done));
}

/// §4.2: every answer of version 1.
#[test]
fn version_one_is_judged_by_its_hmac() {
    let mut older = record(State::Intent);
    older.push_hmac("k:b");
    for (first, current, expected) in [
        (ValueSeen::Unreadable, 1, Reason::Unreadable),
        (ValueSeen::None, 3, Reason::Unreadable),
        (read(1, "k:a"), 1, Reason::ChangedDuringHandover),
        (read(1, "k:z"), 1, Reason::Occupied),
    ] {
        let mut seen = observation();
        seen.bootstrap = live("k:b");
        seen.first = first;
        seen.metadata.current_version = current;
        let found = step(Some(&older), &seen, at(0));
        assert!(
            matches!(found, Step::End(Outcome::Blocked { by: Decider::Person, .. })),
            "{found:?}"
        );
        assert_eq!(reason(&found), Some(expected));
    }
    let mut seen = observation();
    seen.first = read(1, "k:b");
    seen.metadata.current_version = 1;
    let next = persisted(step(Some(&older), &seen, at(0)));
    assert_eq!(
        next.acknowledged,
        Some(pair(1)),
        "also when B is gone: the value is in the authority"
    );
}

/// §4.1: B's newest value is noted before it is written, and a record stands for at most eight.
#[test]
fn a_changed_bootstrap_secret_becomes_the_newest_hmac_first() {
    let mut seen = observation();
    seen.bootstrap = live("k:b");
    let next = persisted(step(Some(&record(State::Intent)), &seen, at(0)));
    assert_eq!(next.hmacs, ["k:a", "k:b"]);
    let mut full = record(State::Intent);
    full.hmacs = (0..HMACS_MAX).map(|n| format!("k:{n}")).collect();
    assert_eq!(reason(&step(Some(&full), &seen, at(0))), Some(Reason::KeepsChanging));
}

/// §1.4, §1.7: the record says whose path it is.
#[test]
fn a_record_of_somebody_else_is_a_conflict() {
    let mut seen = observation();
    seen.subject.owner.name = "other".into();
    assert_eq!(reason(&step(Some(&record(State::Done)), &seen, at(0))), Some(Reason::PathClaimed));
    seen.subject.owner = fixture::owner();
    seen.subject.owner.installation = "elsewhere".into();
    assert_eq!(
        reason(&step(Some(&record(State::Done)), &seen, at(0))),
        Some(Reason::OtherInstallation)
    );
    let mut generated = record(State::Intent);
    generated.origin = Origin::Generate;
    let found = step(Some(&generated), &observation(), at(0));
    assert_eq!(reason(&found), Some(Reason::OriginChanged));
}

/// §4.4: the disposition is the declared one, else `become` where it can be, else `delete`.
#[test]
fn the_disposition_defaults_to_become_where_an_external_secret_targets_the_name() {
    let choose = |wish: Option<Disposition>, becoming: bool| {
        let mut seen = acked();
        seen.bootstrap = live("k:a");
        seen.subject.request.disposition = wish;
        seen.subject.becoming = becoming.then(|| "payments/db".to_owned());
        go(Some(&told()), &mut seen)
    };
    for (wish, becoming, expected) in [
        (None, false, Disposition::Delete),
        (None, true, Disposition::Become),
        (Some(Disposition::Delete), true, Disposition::Delete),
        (Some(Disposition::Inert), false, Disposition::Inert),
        (Some(Disposition::Ignore), false, Disposition::Ignore),
        (Some(Disposition::Become), true, Disposition::Become),
    ] {
        assert_eq!(persisted(choose(wish, becoming)).disposition, Some(expected), "{wish:?}");
    }
    let stuck = choose(Some(Disposition::Become), false);
    assert_eq!(reason(&stuck), Some(Reason::NoExternalSecretToBecome));
}

#[test]
fn consumers_are_awaited_before_the_bootstrap_secret_is_touched() {
    let mut seen = acked();
    seen.bootstrap = live("k:a");
    seen.consumers.waiting = vec!["shop/db: not served".into()];
    let found = go(Some(&told()), &mut seen);
    assert_eq!(reason(&found), Some(Reason::ConsumersNotReady));
    seen.subject.request.hurry = true;
    assert_eq!(persisted(go(Some(&told()), &mut seen)).state, State::Disposing);
}

#[test]
fn inert_is_refused_where_the_type_does_not_allow_it() {
    let mut b = bootstrap("k:a");
    b.inert_allowed = false;
    let mut seen = acked();
    seen.bootstrap = Bootstrap::Live(b);
    seen.subject.request.disposition = Some(Disposition::Inert);
    let found = go(Some(&told()), &mut seen);
    assert_eq!(reason(&found), Some(Reason::InertNotAllowed));
}

/// §4.4: each disposition, from the mark to its end.
#[test]
fn each_disposition_marks_first_and_ends_in_done() {
    for how in [Disposition::Delete, Disposition::Inert, Disposition::Ignore, Disposition::Become] {
        let mut disposing = record(State::Disposing);
        disposing.disposition = Some(how);
        let mut seen = acked();
        seen.subject.becoming = Some("payments/db".into());
        let mut b = bootstrap("k:a");
        seen.bootstrap = Bootstrap::Live(b.clone());
        let marked = go(Some(&disposing), &mut seen);
        assert!(
            matches!(&marked, Step::Do(Effect::Mark { rv, disposition, .. })
                if rv == "7" && *disposition == how),
            "{how:?}: {marked:?}"
        );
        b.marked = Some(how);
        seen.bootstrap = Bootstrap::Live(b.clone());
        match (how, go(Some(&disposing), &mut seen)) {
            (Disposition::Delete, Step::Do(Effect::Delete { .. })) => {
                seen.bootstrap = Bootstrap::Absent;
            }
            (Disposition::Inert, Step::Do(Effect::Blank { .. })) => {
                b.empty = true;
                b.hmac = "k:empty".into();
                seen.bootstrap = Bootstrap::Live(b);
            }
            (
                Disposition::Become,
                Step::End(Outcome::Waiting { reason: Reason::BecomeAwaited, .. }),
            ) => {
                seen.bootstrap = Bootstrap::Materialized;
            }
            (Disposition::Ignore, Step::Persist(_)) => {}
            (how, found) => panic!("{how:?}: {found:?}"),
        }
        let done = persisted(go(Some(&disposing), &mut seen));
        assert_eq!(done.state, State::Done);
        assert_eq!(go(Some(&done), &mut seen), Step::End(Outcome::Done), "{how:?}");
    }
}

#[test]
fn a_default_become_falls_back_to_delete_when_its_external_secret_is_gone() {
    let mut disposing = record(State::Disposing);
    disposing.disposition = Some(Disposition::Become);
    let mut seen = acked();
    seen.bootstrap = live("k:a");
    let next = persisted(go(Some(&disposing), &mut seen));
    assert_eq!(next.disposition, Some(Disposition::Delete));
}

/// §4.4: what to do with a B that differs from the record.
#[test]
fn another_value_is_disposed_of_only_when_it_came_from_git() {
    for (state, from_manifest) in [
        (State::Disposing, true),
        (State::Disposing, false),
        (State::Done, true),
        (State::Done, false),
    ] {
        let mut b = bootstrap("k:other");
        b.from_manifest = from_manifest;
        let mut seen = acked();
        seen.bootstrap = Bootstrap::Live(b);
        let found = go(Some(&record(state)), &mut seen);
        match from_manifest {
            true => {
                let ignored = persisted(found);
                assert_eq!(ignored.ignored_hmac.as_deref(), Some("k:other"), "before B is touched");
                let marks = go(Some(&ignored), &mut seen);
                assert!(matches!(marks, Step::Do(Effect::Mark { .. })), "{marks:?}");
            }
            false => assert_eq!(reason(&found), Some(Reason::UnknownValue)),
        }
    }
}

/// H22: until bootstrap has said whether a Secret that was just made is as it made it, nothing is done and nobody is asked.
#[test]
fn h22_bootstraps_word_on_a_new_secret_is_awaited_and_then_not_any_more() {
    let mut b = bootstrap("k:other");
    (b.from_manifest, b.produced_at) = (false, Some(at(40)));
    let mut seen = acked();
    seen.bootstrap = Bootstrap::Live(b);
    let record = record(State::Done);
    let waits = |now| reason(&step(Some(&record), &seen, at(now)));
    assert_eq!(waits(129), Some(Reason::SourceUnconfirmed));
    assert_eq!(waits(130), Some(Reason::UnknownValue));
}

/// §4.5, §3: after a cluster loss B is there again; it goes without any write to the path.
#[test]
fn a_recreated_bootstrap_secret_is_disposed_of_without_a_write() {
    let mut seen = acked();
    seen.bootstrap = live("k:a");
    assert!(matches!(go(Some(&record(State::Done)), &mut seen), Step::Do(Effect::Mark { .. })));
}

#[test]
fn where_the_world_went_back_nothing_is_written() {
    for state in [State::Acknowledged, State::Disposing, State::Done] {
        let mut gone = observation();
        gone.bootstrap = live("k:a");
        let found = go(Some(&record(state)), &mut gone);
        assert_eq!(reason(&found), Some(Reason::ValueMissing), "{state:?}");
        let mut other = observation();
        fixture::write(&mut other, 1, "another time");
        let found = go(Some(&record(state)), &mut other);
        assert_eq!(reason(&found), Some(Reason::AuthorityWentBack), "{state:?}");
        let mut deleted = acked();
        if let Some(v) = deleted.metadata.versions.get_mut(&1) {
            v.live = false;
        }
        let found = go(Some(&record(state)), &mut deleted);
        assert_eq!(reason(&found), Some(Reason::ValueMissing), "{state:?}");
    }
    for status in [pair(2), VersionPair::new(1, "another time")] {
        let mut seen = acked();
        seen.subject.status = Some(status);
        let found = step(Some(&record(State::Done)), &seen, at(0));
        assert_eq!(reason(&found), Some(Reason::RecordBehindStatus));
    }
}

/// S5.4-4: a replay of any state of a finished handover changes nothing.
#[test]
fn a_replayed_handover_writes_nothing() {
    let mut seen = acked();
    assert_eq!(go(Some(&record(State::Done)), &mut seen), Step::End(Outcome::Done));
    assert_eq!(go(Some(&record(State::Rotating)), &mut seen), Step::End(Outcome::Done));
}

/// §1.10: a stop is told, written down once, answered, and taken out again when it is over.
#[test]
fn stops_are_recorded_and_released() {
    let outer = |r: &Record, s: &mut Observation| loop {
        match crate::step(crate::Protocol::Handover, Some(r), s, at(100)) {
            Step::Do(Effect::Ledger(event)) => assert!(s.appended.insert(event.id.clone())),
            other => return other,
        }
    };
    let mut seen = observation();
    seen.bootstrap = live("k:a");
    seen.first = read(1, "k:z");
    seen.metadata.current_version = 1;
    let stopped = persisted(outer(&record(State::Intent), &mut seen));
    assert_eq!(stopped.stop.as_ref().map(|s| s.reason), Some(Reason::Occupied));
    assert!(matches!(
        outer(&stopped, &mut seen),
        Step::End(Outcome::Blocked { by: Decider::Person, .. })
    ));
    assert_eq!(seen.appended.len(), 1);
    seen.bootstrap = Bootstrap::Absent;
    seen.first = ValueSeen::None;
    seen.metadata.current_version = 0;
    let released = persisted(outer(&stopped, &mut seen));
    assert_eq!(released.stop, None);
    assert_eq!(seen.appended.len(), 2);
}

/// H1: what bootstrap obeys is written and read back before anything happens to B.
#[test]
fn h01_the_status_says_runtime_before_the_bootstrap_secret_is_touched() {
    for state in [State::Acknowledged, State::Disposing, State::Done, State::Rotating] {
        let mut seen = acked();
        seen.bootstrap = live("k:a");
        seen.subject.status = None;
        let found = go(Some(&record(state)), &mut seen);
        assert_eq!(found, Step::Do(Effect::Project(pair(1))), "{state:?}");
        seen.subject.status = Some(pair(1));
        let found = go(Some(&record(state)), &mut seen);
        assert_ne!(found, Step::Do(Effect::Project(pair(1))), "{state:?}");
    }
}

/// H1: a B that lives again is disposed of whenever it is seen, also while the path is rotated.
#[test]
fn h01_a_bootstrap_secret_that_rises_again_is_disposed_of_in_every_later_state() {
    for state in [State::Done, State::Rotating] {
        for hmac in ["k:a", "k:other"] {
            let mut seen = acked();
            seen.bootstrap = live(hmac);
            let ignored = Record { ignored_hmac: Some("k:other".into()), ..record(state) };
            let found = go(Some(&ignored), &mut seen);
            assert!(matches!(found, Step::Do(Effect::Mark { .. })), "{state:?} {hmac}: {found:?}");
        }
        assert!(needs(Some(&record(state)), &acked()).bootstrap);
    }
}

/// H12: what `verify` refutes is not called done.
#[test]
fn h12_a_version_that_no_run_wrote_holds_a_path_that_was_done() {
    let mut seen = acked();
    fixture::write(&mut seen, 2, "t2");
    let found = go(Some(&record(State::Done)), &mut seen);
    assert_eq!(reason(&found), Some(Reason::UnknownVersion));
    // A rotation judges its own versions.
    assert_eq!(go(Some(&record(State::Rotating)), &mut seen), Step::End(Outcome::Done));
}

/// H13: another disposition may be chosen as long as B lives, and a leak waits for no materializer.
#[test]
fn h13_another_disposition_can_be_chosen_and_a_compromise_is_not_blocked() {
    let disposition =
        |record: &Record, seen: &mut Observation| persisted(go(Some(record), seen)).disposition;
    let chosen = |state, how| Record { disposition: Some(how), ..record(state) };
    let mut seen = acked();
    seen.bootstrap = live("k:a");
    for state in [State::Disposing, State::Done] {
        for (before, wish) in [
            (Disposition::Become, Disposition::Delete),
            (Disposition::Ignore, Disposition::Delete),
            (Disposition::Delete, Disposition::Inert),
        ] {
            seen.subject.request.disposition = Some(wish);
            assert_eq!(disposition(&chosen(state, before), &mut seen), Some(wish), "{state:?}");
        }
    }
    // One that cannot be had changes nothing.
    seen.subject.request.disposition = Some(Disposition::Become);
    let kept = go(Some(&chosen(State::Disposing, Disposition::Delete)), &mut seen);
    assert!(matches!(kept, Step::Do(Effect::Mark { disposition: Disposition::Delete, .. })));
    seen.subject.becoming = Some("payments/db".into());
    seen.subject.request.disposition = None;
    seen.subject.request.hurry = true;
    let become_ = chosen(State::Disposing, Disposition::Become);
    assert_eq!(disposition(&become_, &mut seen), Some(Disposition::Delete));
    // Where B is gone nothing is left to choose.
    seen.bootstrap = Bootstrap::Absent;
    seen.subject.request.disposition = Some(Disposition::Inert);
    let done = chosen(State::Done, Disposition::Delete);
    assert_eq!(go(Some(&done), &mut seen), Step::End(Outcome::Done));
}

/// H6: however often and by whomever it is looked at while it waits, a version is told once.
#[test]
fn h06_a_version_is_told_once_however_long_the_handover_waits() {
    let mut seen = acked();
    seen.consumers.waiting = vec!["shop/db".into()];
    let told = persisted(go(Some(&record(State::Acknowledged)), &mut seen));
    assert_eq!((told.state, &told.ledgered), (State::Acknowledged, &told.acknowledged));
    assert_eq!(seen.appended.len(), 1);
    for _restart in 0..3 {
        seen.appended.clear();
        let waits = go(Some(&told), &mut seen);
        assert_eq!(reason(&waits), Some(Reason::ConsumersNotReady));
        assert_eq!(seen.appended.len(), 0);
    }
}

/// H14: what keeps a bootstrap Secret that was deleted is named, and it is not deleted again and again.
#[test]
fn h14_a_finalizer_that_keeps_the_bootstrap_secret_is_named() {
    let mut b = bootstrap("k:a");
    b.marked = Some(Disposition::Delete);
    b.kept_by = Some(vec!["example.com/backup".into()]);
    let mut seen = acked();
    seen.bootstrap = Bootstrap::Live(b);
    for state in [State::Disposing, State::Done] {
        let record = Record { disposition: Some(Disposition::Delete), ..record(state) };
        let Step::End(Outcome::Waiting { reason, message, .. }) = go(Some(&record), &mut seen)
        else {
            panic!("{state:?}: it waits")
        };
        assert_eq!(reason, Reason::FinalizerAwaited);
        assert!(message.contains("example.com/backup"), "{message}");
    }
}
