//! Records and observations for tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::policy::RotationPolicy;

use crate::needs::Needs;
use crate::observation::{
    BootstrapSeen, Observation, PolicySeen, Request, RunRef, Subject, VersionSeen,
};
use crate::record::{Claim, Origin, Owner, Record, RotationStep, State};

pub(crate) const PATH: &str = "runtime/payments/db";

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn owner() -> Owner {
    Owner { installation: "lab".into(), namespace: "payments".into(), name: "db".into() }
}

pub(crate) fn run(uid: &str) -> RunRef {
    RunRef {
        uid: uid.into(),
        name: format!("payments/{uid}"),
        actor: "orchestrator".into(),
        cause: "declared".into(),
        slot: None,
        compromise: false,
        renew: BTreeMap::new(),
        finishes: false,
    }
}

/// A run of the RuntimeSecret to which everything is allowed.
pub(crate) fn subject(uid: &str) -> Subject {
    Subject {
        run: run(uid),
        path: PATH.into(),
        owner: owner(),
        request: Request::default(),
        granted: true,
        status: None,
        becoming: None,
    }
}

/// Nothing exists, everything was looked at and is allowed.
pub(crate) fn observation() -> Observation {
    let mut seen = Observation::of(subject("run1"));
    seen.known = Needs {
        bootstrap: true,
        mount: true,
        metadata: true,
        first: true,
        newest: true,
        candidate: Some("run1".into()),
        leftovers: true,
        consumers: Some(pair(1)),
        target: true,
        claimant: true,
        publisher: true,
        owner: true,
        time: true,
    };
    seen
}

pub(crate) fn bootstrap(hmac: &str) -> BootstrapSeen {
    BootstrapSeen {
        uid: "b1".into(),
        rv: "7".into(),
        hmac: hmac.into(),
        empty: false,
        from_manifest: true,
        produced_at: None,
        marked: None,
        inert_allowed: true,
        kept_by: None,
    }
}

pub(crate) fn pair(number: i64) -> VersionPair {
    VersionPair::new(number, format!("t{number}"))
}

/// A record in `state`, of version 1 with HMAC `k:a` unless it is an intent.
pub(crate) fn record(state: State) -> Record {
    let mut record =
        Record::intent(PATH, owner(), Origin::Handover, RotationPolicy::default()).to(state);
    record.push_hmac("k:a");
    if state != State::Intent {
        record.acknowledged = Some(pair(1));
        record.current = Some(pair(1));
        record.acknowledged_hmac = Some("k:a".into());
    }
    record
}

/// A claim of run `uid` on version 1, at `step`.
pub(crate) fn claim(uid: &str, step: RotationStep) -> Claim {
    Claim {
        run: uid.into(),
        run_name: run(uid).name,
        base: pair(1),
        candidate: uid.into(),
        hmac: None,
        step,
        sent: Vec::new(),
        compromise: false,
        renew: BTreeMap::from([("password".into(), 32)]),
        claimed_at: at(0),
        promoted: None,
        promoted_at: None,
        revokes: Vec::new(),
    }
}

/// Adds a live version to what metadata shows.
pub(crate) fn write(seen: &mut Observation, number: i64, created_time: &str) {
    let version = VersionSeen { created_time: created_time.into(), live: true };
    seen.metadata.versions.insert(number, version);
    seen.metadata.current_version = seen.metadata.current_version.max(number);
}

/// An observation in which version 1 is there, with a policy, and the status says so.
pub(crate) fn acknowledged() -> Observation {
    let mut seen = observation();
    write(&mut seen, 1, "t1");
    seen.metadata.policy = PolicySeen::Valid(RotationPolicy::default());
    seen.subject.status = Some(pair(1));
    seen
}
