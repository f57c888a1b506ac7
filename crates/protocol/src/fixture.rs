//! Records and observations for tests.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::policy::RotationPolicy;

use crate::observation::{
    Bootstrap, BootstrapSeen, Consumers, Mount, Observation, PathSeen, PolicySeen, Request, RunRef,
    Target, ValueSeen, VersionSeen,
};
use crate::record::{Origin, Owner, Record, State};

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

/// Nothing exists, everything is allowed.
pub(crate) fn observation() -> Observation {
    Observation {
        run: run("run1"),
        path: PATH.into(),
        owner: owner(),
        request: Request::default(),
        granted: true,
        mount: Mount::default(),
        status: None,
        seen: PathSeen::default(),
        first: ValueSeen::None,
        newest: ValueSeen::None,
        bootstrap: Bootstrap::Absent,
        candidate: None,
        leftovers: Vec::new(),
        consumers: Consumers::default(),
        target: Target::None,
        claimant_alive: false,
        publisher: false,
        appended: BTreeSet::new(),
    }
}

pub(crate) fn bootstrap(hmac: &str) -> BootstrapSeen {
    BootstrapSeen {
        uid: "b1".into(),
        rv: "7".into(),
        hmac: hmac.into(),
        empty: false,
        from_manifest: true,
        marked: None,
        inert_allowed: true,
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

/// Adds a live version to what metadata shows.
pub(crate) fn write(seen: &mut Observation, number: i64, created_time: &str) {
    let version = VersionSeen { created_time: created_time.into(), live: true };
    seen.seen.versions.insert(number, version);
    seen.seen.current_version = seen.seen.current_version.max(number);
}

/// An observation in which version 1 is there, with a policy.
pub(crate) fn acknowledged() -> Observation {
    let mut seen = observation();
    write(&mut seen, 1, "t1");
    seen.seen.policy = PolicySeen::Valid(RotationPolicy::default());
    seen
}
