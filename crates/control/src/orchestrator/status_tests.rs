//! What people and consumers read in a RuntimeSecret's status.

use super::*;
use regent_protocol::record::{Owner, Stop};
use regent_types::policy::RotationPolicy;
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn secret(introduce: serde_json::Value, status: Option<RuntimeSecretStatus>) -> RuntimeSecret {
    let mut secret: RuntimeSecret = serde_json::from_value(json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
        "metadata": { "namespace": "payments", "name": "db", "generation": 1 },
        "spec": { "owner": "o", "purpose": "p", "introduce": introduce },
    }))
    .unwrap();
    secret.status = status;
    secret
}

fn handover(status: Option<RuntimeSecretStatus>) -> RuntimeSecret {
    secret(json!({ "handover": { "bootstrapSecret": "db" } }), status)
}

fn record(state: State) -> Record {
    let owner =
        Owner { installation: "lab".into(), namespace: "payments".into(), name: "db".into() };
    let policy = RotationPolicy::default();
    let mut record =
        Record::intent("runtime/payments/db", owner, Origin::Handover, policy).to(state);
    if state != State::Intent {
        let pair = VersionPair::new(1, "2026-11-24T03:00:00Z");
        record.acknowledged = Some(pair.clone());
        record.current = Some(pair);
    }
    record
}

fn reason(status: &RuntimeSecretStatus) -> (&str, &str) {
    let ready = condition::get(&status.conditions, READY).unwrap();
    (ready.status.as_str(), ready.reason.as_str())
}

fn with(record: Option<Record>, waits: Option<Reason>) -> Observed {
    Observed { record, waits: waits.map(|r| (r, "because".to_owned())), ..Observed::default() }
}

/// C2-1, C3-1: stage, class and authority at each point of a secret's life.
#[test]
fn the_status_follows_the_record() {
    let missing = Some(Reason::BootstrapSecretMissing);
    let consumers = Some(Reason::ConsumersNotReady);
    let mut stopped = record(State::Intent);
    stopped.stop = Some(Stop {
        by: Decider::Person,
        reason: Reason::Occupied,
        message: "m".into(),
        since: at(0),
    });
    for (observed, class, stage, authority, ready) in [
        (
            with(None, None),
            Classification::Bootstrap,
            Stage::Declared,
            Authoritative::Git,
            ("False", "Introducing"),
        ),
        (
            with(None, missing),
            Classification::Bootstrap,
            Stage::Declared,
            Authoritative::Git,
            ("False", "BootstrapSecretMissing"),
        ),
        (
            with(Some(record(State::Intent)), None),
            Classification::Bootstrap,
            Stage::Introducing,
            Authoritative::Git,
            ("False", "Introducing"),
        ),
        (
            with(Some(stopped), None),
            Classification::Bootstrap,
            Stage::Conflict,
            Authoritative::Git,
            ("False", "Occupied"),
        ),
        (
            with(Some(record(State::Acknowledged)), consumers),
            Classification::Runtime,
            Stage::Acknowledged,
            Authoritative::Runtime,
            ("False", "ConsumersNotReady"),
        ),
        (
            with(Some(record(State::Done)), None),
            Classification::Runtime,
            Stage::Runtime,
            Authoritative::Runtime,
            ("True", "Runtime"),
        ),
        (
            with(Some(record(State::Rotating)), None),
            Classification::Runtime,
            Stage::Rotating,
            Authoritative::Runtime,
            ("True", "Rotating"),
        ),
    ] {
        let status = project(&handover(None), &observed, &[], at(0));
        assert_eq!(status.classification, Some(class));
        assert_eq!(status.stage, Some(stage));
        assert_eq!(status.authority, Some(authority));
        assert_eq!(reason(&status), ready);
    }
}

/// S5.7-3: an authority that is away takes nothing back.
#[test]
fn without_an_authority_what_was_known_stays() {
    let known = project(&handover(None), &with(Some(record(State::Done)), None), &[], at(0));
    let (reason_of, message) = (Reason::AuthorityNotReady, "sealed".to_owned());
    let obstacle = Some(Obstacle { reason: reason_of, message, conflict: false });
    let away = Observed { obstacle, ..Observed::default() };
    let status = project(&handover(Some(known.clone())), &away, &[], at(1));
    assert_eq!(
        (status.stage, status.authority, status.version),
        (known.stage, known.authority, known.version)
    );
    let fresh = project(&handover(None), &away, &[], at(1));
    assert_eq!((fresh.stage, fresh.authority), (Some(Stage::Declared), Some(Authoritative::Git)));
    assert_eq!(reason(&fresh), ("False", "AuthorityNotReady"));
}

/// S5.7-4: after a cluster loss the record alone rebuilds the status.
#[test]
fn an_empty_status_is_rebuilt_from_the_record() {
    let status = project(&handover(None), &with(Some(record(State::Done)), None), &[], at(0));
    assert_eq!(status.version, Some(VersionPair::new(1, "2026-11-24T03:00:00Z")));
    assert_eq!(status.authority, Some(Authoritative::Runtime));
}

/// PROTOCOLS.md §4.5: the status is the evidence of a restored snapshot and is not overwritten.
#[test]
fn a_status_that_knows_more_than_the_record_is_kept_and_held() {
    let mut newer = record(State::Done);
    newer.current = Some(VersionPair::new(4, "t4"));
    let known = project(&handover(None), &with(Some(newer), None), &[], at(0));
    for older in [Some(record(State::Done)), None] {
        let status = project(&handover(Some(known.clone())), &with(older, None), &[], at(1));
        assert_eq!(status.version, known.version);
        assert_eq!(status.stage, Some(Stage::Held));
        assert_eq!(reason(&status), ("False", "RecordBehindStatus"));
    }
}

#[test]
fn what_is_the_same_gives_the_same_status() {
    let observed = with(Some(record(State::Done)), None);
    let first = project(&handover(None), &observed, &[], at(0));
    let second = project(&handover(Some(first.clone())), &observed, &[], at(100));
    assert_eq!(first, second);
}

#[test]
fn the_next_rotation_is_reckoned_from_the_version_in_force() {
    let mut timed = record(State::Done);
    timed.policy.rotation_type = regent_types::policy::RotationType::TimeBased;
    timed.policy.ttl_seconds = 3_600;
    let status = project(&handover(None), &with(Some(timed), None), &[], at(0));
    let due: Timestamp = "2026-11-24T04:00:00Z".parse().unwrap();
    assert_eq!(status.next_rotation, Some(Time(due)));
}

#[test]
fn policy_drift_is_a_condition_of_its_own() {
    let mut observed = with(Some(record(State::Done)), None);
    observed.drift = Some("ttl is missing".into());
    let status = project(&handover(None), &observed, &[], at(0));
    assert_eq!(condition::get(&status.conditions, POLICY).unwrap().reason, "PolicyDrift");
    assert_eq!(reason(&status), ("True", "Runtime"));
}

/// H25: a policy that is changed in Git afterwards is not silently another one.
#[test]
fn h25_a_policy_that_git_declares_and_that_is_not_in_force_is_named_with_what_applies_it() {
    let mut declaring = handover(None);
    let said = |declaring: &RuntimeSecret, record: &Record| {
        let new = project(declaring, &with(Some(record.clone()), None), &[], at(0));
        let policy = condition::get(&new.conditions, POLICY).unwrap();
        (policy.status.clone(), policy.reason.clone(), policy.message.clone())
    };
    let mut done = record(State::Done);
    assert_eq!(said(&declaring, &done).1, "InForce", "nothing is declared");
    declaring.spec.rotation_policy = Some(done.policy.clone());
    assert_eq!(said(&declaring, &done).1, "InForce");
    done.policy.ttl_seconds += 60;
    let (status, reason, message) = said(&declaring, &done);
    assert_eq!((status.as_str(), reason.as_str()), ("True", "PolicyIgnored"));
    assert!(message.contains("-custom-metadata=ttl=0s runtime/"), "{message}");
    done.origin = Origin::Derived;
    assert_eq!(said(&declaring, &done).1, "InForce");
}
