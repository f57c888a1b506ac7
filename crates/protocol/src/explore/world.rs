//! The world that is explored: what is stored, who works, and what a look finds.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crate::fixture::{self, at};
use crate::needs::Needs;
use crate::observation::{
    Bootstrap, CandidateSeen, Observation, PolicySeen, ValueSeen, VersionSeen,
};
use crate::protocol::Protocol;
use crate::record::Record;
use crate::session::{Next, Session};
use regent_types::lifecycle::Disposition;

pub(super) type Value = char;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Secret {
    pub(super) value: Value,
    pub(super) uid: u8,
    pub(super) rv: u8,
    pub(super) marked: bool,
    pub(super) from_manifest: bool,
}

/// A session and what it is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) session: Session,
    pub(super) next: Option<Next>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct World {
    pub(super) record: Option<Record>,
    pub(super) record_version: i64,
    pub(super) versions: Vec<(Value, bool, bool)>,
    pub(super) policy: bool,
    pub(super) pending: BTreeMap<String, Value>,
    pub(super) secret: Option<Secret>,
    pub(super) told: BTreeSet<String>,
    pub(super) workers: Vec<Option<Worker>>,
    pub(super) crashes: u8,
    pub(super) outside: u8,
    pub(super) next_uid: u8,
    pub(super) fresh: u8,
    pub(super) deleted_unread: bool,
    pub(super) overwritten: bool,
    pub(super) blind: bool,
    /// Number of the version that the RuntimeSecret's status says is in force.
    pub(super) projected: Option<i64>,
    /// Whether somebody edited that status.
    pub(super) edited: bool,
    /// Numbers of foreign versions that a person decided to write over.
    pub(super) consented: BTreeSet<i64>,
    /// HMACs of values of B that a person gave up.
    pub(super) given_up: BTreeSet<String>,
    /// Whether B went while the status that bootstrap obeys did not say Runtime, and nobody had edited it.
    pub(super) early: bool,
}

impl World {
    /// Tells worlds apart: 128 bits of a hash over everything that matters.
    pub(super) fn key(&self) -> u128 {
        let mut halves = (DefaultHasher::new(), DefaultHasher::new());
        1_u8.hash(&mut halves.1);
        self.write_to(&mut halves.0);
        self.write_to(&mut halves.1);
        (u128::from(halves.0.finish()) << 64) | u128::from(halves.1.finish())
    }

    fn write_to(&self, key: &mut DefaultHasher) {
        (&self.record, self.record_version, &self.versions, self.policy).hash(key);
        (&self.pending, &self.secret, &self.told).hash(key);
        for worker in &self.workers {
            worker.is_some().hash(key);
            if let Some(worker) = worker {
                worker.session.tells_apart(key);
                worker.next.hash(key);
            }
        }
        (self.crashes, self.outside, self.next_uid, self.fresh).hash(key);
        (self.deleted_unread, self.overwritten, self.blind).hash(key);
        (self.projected, self.edited, self.early).hash(key);
        (&self.consented, &self.given_up).hash(key);
    }
}

/// A condition that can be left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// `cas` of KV writes to the path.
    Cas,
    /// uid and resourceVersion of the deletion.
    Precondition,
    /// `cas` of the record.
    RecordCas,
    /// Reading the record again after a lost `cas`.
    Reload,
    /// The status that bootstrap obeys is written before B goes.
    StatusOrder,
    /// The record is written before what it names is done.
    Intent,
}

pub(super) struct Setup {
    pub(super) without: Option<Guard>,
    pub(super) protocols: Vec<(Protocol, &'static str)>,
    pub(super) crashes: u8,
    pub(super) outside: u8,
    pub(super) git_changes: bool,
    pub(super) foreign: bool,
}

pub(super) fn hmac(value: Value) -> String {
    format!("k:{value}")
}

pub(super) fn value_of(world: &World, number: usize) -> ValueSeen {
    match world.versions.get(number.wrapping_sub(1)) {
        None if world.versions.is_empty() => ValueSeen::None,
        None | Some((_, false, _)) => ValueSeen::Unreadable,
        Some((value, true, _)) => {
            ValueSeen::Read { pair: fixture::pair(number as i64), hmac: hmac(*value) }
        }
    }
}

/// Fills in what `needs` names, as the world is now.
pub(super) fn look(world: &World, record: Option<&Record>, needs: &Needs, seen: &mut Observation) {
    if needs.claimant {
        seen.claimant_alive = true;
    }
    if needs.metadata {
        seen.metadata = Default::default();
        seen.metadata.current_version = world.versions.len() as i64;
        for (index, (_, live, _)) in world.versions.iter().enumerate() {
            let number = index as i64 + 1;
            let version = VersionSeen { created_time: format!("t{number}"), live: *live };
            seen.metadata.versions.insert(number, version);
        }
        if world.policy {
            seen.metadata.policy = PolicySeen::Valid(Default::default());
        }
    }
    if needs.first {
        seen.first = value_of(world, 1);
    }
    if needs.newest {
        seen.newest = value_of(world, world.versions.len());
        seen.newest_keys = ["password".to_owned()].into();
    }
    if needs.bootstrap {
        seen.bootstrap = world.secret.as_ref().map_or(Bootstrap::Absent, |secret| {
            let mut b = fixture::bootstrap(&hmac(secret.value));
            b.uid = secret.uid.to_string();
            b.rv = secret.rv.to_string();
            b.marked = secret.marked.then_some(Disposition::Delete);
            b.from_manifest = secret.from_manifest;
            Bootstrap::Live(b)
        });
    }
    if let Some(name) = &needs.candidate {
        let value = world.pending.get(name);
        seen.candidate = value.map(|v| CandidateSeen { hmac: hmac(*v), name: name.clone() });
    }
    if needs.leftovers {
        let left = record.map(|r| r.leftovers.clone()).unwrap_or_default();
        seen.leftovers = left.into_iter().filter(|n| world.pending.contains_key(n)).collect();
    }
}

pub(super) fn stored(world: &World) -> Option<(Record, i64)> {
    world.record.clone().map(|record| (record, world.record_version))
}

pub(super) fn open(world: &World, protocol: Protocol, uid: &str) -> Session {
    let mut subject = fixture::subject(uid);
    subject.run.renew.insert("password".into(), 32);
    subject.status = world.projected.map(fixture::pair);
    Session::open(protocol, subject, stored(world), at(0))
}

/// What the session does next, once it has looked at all that it asks for.
pub(super) fn advance(world: &World, session: &mut Session, now: i64) -> Next {
    loop {
        match session.next(at(now)) {
            Next::Look(needs) => {
                let record = session.record().cloned();
                session.saw(&needs, |seen| look(world, record.as_ref(), &needs, seen));
            }
            Next::Reload => session.reloaded(stored(world)),
            next => return next,
        }
    }
}
