//! A small exhaustive explorer: every order of steps, crashes, repeats and outside changes, over
//! the sessions that run in production. Every reachable world is checked against the invariants of
//! PROTOCOLS.md §4.
//!
//! A worker opens a session and holds it: what it knows may be stale by the time it acts, and its
//! record too, which a lost `cas` tells. Effects hold their conditions as KV and Kubernetes do.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use crate::fixture::{self, at};
use crate::freshness::fresh_before;
use crate::needs::Needs;
use crate::observation::{
    Bootstrap, CandidateSeen, Observation, PolicySeen, ValueSeen, VersionSeen,
};
use crate::outcome::Outcome;
use crate::protocol::Protocol;
use crate::reason::Reason;
use crate::record::{Record, State};
use crate::session::{Next, Session};
use crate::step::{Answer, Effect, Source};
use regent_types::lifecycle::Disposition;

type Value = char;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Secret {
    value: Value,
    uid: u8,
    rv: u8,
    marked: bool,
    from_manifest: bool,
}

/// A session and what it is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Worker {
    session: Session,
    next: Option<Next>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct World {
    record: Option<Record>,
    record_version: i64,
    versions: Vec<(Value, bool, bool)>,
    policy: bool,
    pending: BTreeMap<String, Value>,
    secret: Option<Secret>,
    told: BTreeSet<String>,
    workers: Vec<Option<Worker>>,
    crashes: u8,
    outside: u8,
    next_uid: u8,
    fresh: u8,
    deleted_unread: bool,
    overwritten: bool,
    blind: bool,
}

impl World {
    /// Tells worlds apart: 128 bits of a hash over everything that matters.
    fn key(&self) -> u128 {
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
    }
}

/// A condition that can be left out, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// `cas` of KV writes to the path.
    Cas,
    /// uid and resourceVersion of the deletion.
    Precondition,
    /// `cas` of the record.
    RecordCas,
    /// Reading the record again after a lost `cas`.
    Reload,
}

struct Setup {
    without: Option<Guard>,
    protocols: Vec<(Protocol, &'static str)>,
    crashes: u8,
    outside: u8,
    git_changes: bool,
    foreign: bool,
}

fn hmac(value: Value) -> String {
    format!("k:{value}")
}

fn value_of(world: &World, number: usize) -> ValueSeen {
    match world.versions.get(number.wrapping_sub(1)) {
        None if world.versions.is_empty() => ValueSeen::None,
        None | Some((_, false, _)) => ValueSeen::Unreadable,
        Some((value, true, _)) => {
            ValueSeen::Read { pair: fixture::pair(number as i64), hmac: hmac(*value) }
        }
    }
}

/// Fills in what `needs` names, as the world is now.
fn look(world: &World, record: Option<&Record>, needs: &Needs, seen: &mut Observation) {
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

fn stored(world: &World) -> Option<(Record, i64)> {
    world.record.clone().map(|record| (record, world.record_version))
}

fn open(world: &World, protocol: Protocol, uid: &str) -> Session {
    let mut subject = fixture::subject(uid);
    subject.run.renew.insert("password".into(), 32);
    Session::open(protocol, subject, stored(world), at(0))
}

/// What the session does next, once it has looked at all that it asks for.
fn advance(world: &World, session: &mut Session, now: i64) -> Next {
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

fn write(world: &mut World, value: Option<Value>, cas: usize, without: Option<Guard>) -> Answer {
    let holds = world.versions.len() == cas || without == Some(Guard::Cas);
    let Some(value) = value.filter(|_| holds) else { return Answer::Lost };
    world.blind |= world.versions.len() != cas;
    world.versions.push((value, true, true));
    Answer::Written(fixture::pair(world.versions.len() as i64))
}

fn matching(world: &World, uid: &str, rv: &str) -> bool {
    world.secret.as_ref().is_some_and(|s| s.uid.to_string() == uid && s.rv.to_string() == rv)
}

/// The value that the session holds from its look is written, if it is the one meant.
fn held(session: &Session, source: &Source, wanted: &str) -> Option<Value> {
    let seen = session.seen();
    let found = match source {
        Source::Bootstrap => match &seen.bootstrap {
            Bootstrap::Live(b) => Some(b.hmac.as_str()),
            _ => None,
        },
        Source::Candidate(name) => {
            seen.candidate.as_ref().filter(|c| c.name == *name).map(|c| c.hmac.as_str())
        }
    };
    found.filter(|f| *f == wanted).and_then(|f| f.chars().last())
}

fn effect(world: &mut World, session: &Session, effect: &Effect, without: Option<Guard>) -> Answer {
    match effect {
        Effect::WriteFirst { source, hmac: wanted } => {
            write(world, held(session, source, wanted), 0, without)
        }
        Effect::Promote { candidate, hmac: wanted, base } => {
            let source = Source::Candidate(candidate.clone());
            write(world, held(session, &source, wanted), *base as usize, without)
        }
        Effect::WritePolicy(_) => {
            world.policy = !world.versions.is_empty();
            Answer::Done
        }
        Effect::Ledger(event) => {
            if let Some(version) = &event.version {
                world.told.insert(format!("v{}", version.number));
            }
            Answer::Done
        }
        Effect::Mark { uid, rv, .. } if matching(world, uid, rv) => match world.secret.as_mut() {
            Some(secret) => {
                secret.marked = true;
                secret.rv += 1;
                Answer::Changed(secret.rv.to_string())
            }
            None => Answer::Lost,
        },
        Effect::Delete { uid, rv }
            if matching(world, uid, rv) || without == Some(Guard::Precondition) =>
        {
            let gone = world.secret.take();
            let known = |v: Value| world.versions.iter().any(|(w, live, _)| *w == v && *live);
            world.deleted_unread |= gone.is_some_and(|s| !known(s.value) && !s.from_manifest);
            Answer::Gone
        }
        Effect::CreateCandidate { name, .. } => {
            let value = char::from(b'p' + world.fresh);
            if !world.pending.contains_key(name) {
                world.fresh += 1;
                world.pending.insert(name.clone(), value);
            }
            Answer::Candidate(hmac(world.pending[name]))
        }
        Effect::Destroy(pair) => {
            if let Some(version) = world.versions.get_mut(pair.number as usize - 1) {
                version.1 = false;
            }
            Answer::Done
        }
        Effect::RemoveCandidates(names) => {
            world.pending.retain(|n, _| !names.contains(n));
            Answer::Done
        }
        Effect::Mark { .. } | Effect::Delete { .. } | Effect::Blank { .. } | Effect::Set { .. } => {
            Answer::Lost
        }
    }
}

fn act(world: &mut World, worker: &mut Worker, next: Next, without: Option<Guard>) {
    let loose = without == Some(Guard::RecordCas);
    let session = &mut worker.session;
    match next {
        Next::Persist(record) if loose || session.version() == world.record_version => {
            let before = world.record.as_ref().and_then(|r| r.current.clone());
            world.overwritten |= before.is_some() && record.current.is_none();
            world.record = Some((*record).clone());
            world.record_version += 1;
            session.saved(*record, world.record_version);
        }
        // Without the reload the session goes on with what it has.
        Next::Persist(_) if without != Some(Guard::Reload) => session.lost(),
        Next::Do(todo) => {
            let answer = effect(world, session, &todo, without);
            session.did(answer);
        }
        _ => {}
    }
}

/// Everything that may happen next.
fn successors(world: &World, setup: &Setup) -> Vec<World> {
    let mut all = Vec::new();
    for (index, (protocol, uid)) in setup.protocols.iter().enumerate() {
        let mut next = world.clone();
        match next.workers[index].take() {
            Some(mut worker) => match worker.next.take() {
                Some(planned) => {
                    if world.crashes > 0 {
                        // It may die before the effect (what it planned is lost) or act and die
                        // (the same as acting, and a new session).
                        let mut crashed = next.clone();
                        crashed.crashes -= 1;
                        all.push(crashed);
                    }
                    act(&mut next, &mut worker, planned, setup.without);
                    next.workers[index] = Some(worker);
                }
                None => next.workers[index] = plan(world, worker.session),
            },
            None => {
                let session = open(world, *protocol, uid);
                let Some(worker) = plan(world, session) else { continue };
                next.workers[index] = Some(worker);
            }
        }
        all.push(next);
    }
    if world.outside > 0 {
        all.extend(outside(world, setup));
    }
    all
}

/// The session with what it does next; `None` where it is over.
fn plan(world: &World, mut session: Session) -> Option<Worker> {
    let next = advance(world, &mut session, 1_000);
    if let Next::Do(effect) = &next {
        let stale = fresh_before(effect).without(&session.seen().known);
        assert!(stale.is_empty(), "{effect:?} without a look at {stale:?}");
    }
    if let Next::End(Outcome::Blocked { reason: Reason::ValueMissing, message, .. }) = &next {
        let in_force = session.record().and_then(|r| r.current.as_ref()).map_or(0, |v| v.number);
        let version = world.versions.get(usize::try_from(in_force).unwrap().wrapping_sub(1));
        assert!(!version.is_some_and(|v| v.1), "what was not looked at is judged: {message}");
    }
    session.count_from_here();
    (!matches!(next, Next::End(_))).then_some(Worker { session, next: Some(next) })
}

fn outside(world: &World, setup: &Setup) -> Vec<World> {
    let mut all = Vec::new();
    let mut base = world.clone();
    base.outside -= 1;
    if setup.git_changes {
        // Git brings B (back) with its first or another value, under a new uid or in place.
        for value in ['a', 'b'] {
            let mut next = base.clone();
            match next.secret.as_mut() {
                Some(secret) if !secret.marked => {
                    (secret.value, secret.rv) = (value, secret.rv + 1)
                }
                Some(_) => continue,
                None => {
                    next.next_uid += 1;
                    let uid = next.next_uid;
                    let made = Secret { value, uid, rv: 1, marked: false, from_manifest: true };
                    next.secret = Some(made);
                }
            }
            all.push(next);
        }
    }
    if setup.foreign {
        let mut written = base.clone();
        written.versions.push(('z', true, false));
        all.push(written);
        let mut edited = base.clone();
        if let Some(secret) = edited.secret.as_mut() {
            (secret.value, secret.from_manifest, secret.rv) = ('y', false, secret.rv + 1);
            all.push(edited);
        }
    }
    all
}

/// The invariants of §4 that a single world shows; the name of the first one that is broken.
fn broken(world: &World) -> Option<&'static str> {
    let acknowledged = world.record.as_ref().filter(|r| r.is_runtime());
    let number = |r: &Record| r.current.as_ref().map_or(0, |p| p.number as usize);
    let live = |n: usize| world.versions.get(n.wrapping_sub(1)).is_some_and(|v| v.1);
    let first = acknowledged.and_then(|r| r.acknowledged.as_ref());
    let own_after_foreign = world.versions.windows(2).any(|w| !w[0].2 && w[1].2);
    let untold = acknowledged
        .and_then(|r| r.ledgered.as_ref())
        .is_some_and(|pair| !world.told.contains(&format!("v{}", pair.number)));
    // The first value lives in B until the authority has it; foreign edits of B are nobody's
    // promise.
    let lost = acknowledged.is_some_and(|r| !live(number(r)));
    let foreign = first.is_some() && acknowledged_foreign(world);
    let candidate = acknowledged.and_then(|r| r.claim.as_ref()).is_some_and(|c| {
        c.hmac.is_some() && c.promoted.is_none() && !world.pending.contains_key(&c.candidate)
    });
    [
        (lost, "value-survives"),
        (first.is_some_and(|p| p.number != 1) || foreign, "one-first-version"),
        (world.deleted_unread, "no-unread-delete"),
        (world.overwritten, "one-authority"),
        (world.blind || own_after_foreign, "no-blind-overwrite"),
        (untold, "ledger-covers-versions"),
        (candidate, "no-unknown-password"),
    ]
    .into_iter()
    .find_map(|(broken, name)| broken.then_some(name))
}

fn acknowledged_foreign(world: &World) -> bool {
    let stands_for = |r: &Record| r.acknowledged_hmac == Some(hmac('z'));
    world.record.as_ref().is_some_and(stands_for)
}

/// At rest: nobody can do anything, so it must be done or stopped with a reason that somebody can
/// act on.
fn ends_well(world: &World, setup: &Setup) -> bool {
    setup.protocols.iter().all(|(protocol, uid)| {
        let mut session = open(world, *protocol, uid);
        match advance(world, &mut session, 1_000_000) {
            // B is gone before anything was written: Git brings it back.
            Next::End(Outcome::Waiting { .. }) => world.secret.is_none() || world.record.is_none(),
            Next::End(_) => true,
            _ => false,
        }
    })
}

/// Explores everything; returns worlds seen and ends in which the record is done, or the first
/// invariant that some world breaks.
fn explore(start: World, setup: &Setup) -> Result<(usize, usize), String> {
    let mut seen: HashMap<u128, usize> = HashMap::new();
    let mut edges: Vec<Vec<usize>> = Vec::new();
    let mut good: Vec<usize> = Vec::new();
    let mut done = 0;
    let mut queue = VecDeque::from([(start.clone(), 0_usize)]);
    seen.insert(start.key(), 0);
    edges.push(Vec::new());
    while let Some((world, id)) = queue.pop_front() {
        if let Some(name) = broken(&world) {
            return Err(format!("{name}: {world:?}"));
        }
        let next = successors(&world, setup);
        let at_rest = world.workers.iter().all(Option::is_none) && ends_well(&world, setup);
        if at_rest {
            good.push(id);
            done += usize::from(world.record.as_ref().is_some_and(|r| r.state == State::Done));
        }
        if !at_rest && next.is_empty() {
            return Err(format!("always-a-way-out: {world:?}"));
        }
        for after in next {
            let fresh = seen.len();
            let target = *seen.entry(after.key()).or_insert(fresh);
            if target == fresh {
                edges.push(Vec::new());
                queue.push_back((after, target));
            }
            edges[target].push(id);
        }
        assert!(seen.len() < 2_000_000, "the model is larger than it should be");
    }
    // Backwards from the good ends: every world must reach one.
    let mut reaches: Vec<bool> = vec![false; edges.len()];
    let mut back = VecDeque::from(good);
    while let Some(id) = back.pop_front() {
        if !std::mem::replace(&mut reaches[id], true) {
            back.extend(edges[id].iter().copied());
        }
    }
    match reaches.iter().all(|r| *r) {
        true => Ok((seen.len(), done)),
        false => Err("always-a-way-out: some world reaches no end".into()),
    }
}

fn world(secret: bool, workers: usize, setup: &Setup) -> World {
    let made = Secret { value: 'a', uid: 1, rv: 1, marked: false, from_manifest: true };
    World {
        record: None,
        record_version: 0,
        versions: Vec::new(),
        policy: false,
        pending: BTreeMap::new(),
        secret: secret.then_some(made),
        told: BTreeSet::new(),
        workers: vec![None; workers],
        crashes: setup.crashes,
        outside: setup.outside,
        next_uid: 1,
        fresh: 0,
        deleted_unread: false,
        overwritten: false,
        blind: false,
    }
}

fn handovers(
    without: Option<Guard>,
    workers: &[&'static str],
    outside: u8,
) -> Result<(usize, usize), String> {
    let setup = Setup {
        without,
        protocols: workers.iter().map(|w| (Protocol::Handover, *w)).collect(),
        crashes: 1,
        outside,
        git_changes: true,
        foreign: true,
    };
    explore(world(true, workers.len(), &setup), &setup)
}

fn generations(without: Option<Guard>) -> Result<(usize, usize), String> {
    let setup = Setup {
        without,
        protocols: vec![(Protocol::Generate, "r1"), (Protocol::Generate, "r2")],
        crashes: 2,
        outside: 1,
        git_changes: false,
        foreign: true,
    };
    explore(world(false, 2, &setup), &setup)
}

fn rotations(without: Option<Guard>) -> Result<(usize, usize), String> {
    let setup = Setup {
        without,
        protocols: vec![(Protocol::Rotation, "r9"), (Protocol::Rotation, "r9")],
        crashes: 2,
        outside: 1,
        git_changes: false,
        foreign: true,
    };
    let mut start = world(false, 2, &setup);
    let mut record = fixture::record(State::Done);
    record.ledgered = record.acknowledged.clone();
    start.told.insert("v1".into());
    start.record = Some(record);
    start.versions = vec![('a', true, true)];
    start.policy = true;
    explore(start, &setup)
}

fn fine(found: Result<(usize, usize), String>) {
    let (worlds, done) = found.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(worlds > 100 && done > 0, "{worlds} worlds, {done} done");
}

/// S5.4-3, S5.4-4: two orchestrators hand over at once and die, while Git changes or brings back
/// the Secret, or somebody writes the path or edits the Secret.
#[test]
fn two_concurrent_handovers_that_crash_keep_every_invariant() {
    fine(handovers(None, &["r1", "r2"], 1));
}

/// S5.4-4, S5.7-2: one orchestrator, three changes from outside in any order.
#[test]
fn a_handover_survives_any_three_changes_from_outside() {
    fine(handovers(None, &["r1"], 3));
}

#[test]
fn two_concurrent_generations_make_one_first_version() {
    fine(generations(None));
}

/// S5.6-2, C6-4: two workers of one run rotate at once and die.
#[test]
fn a_rotation_by_two_workers_of_one_run_keeps_every_invariant() {
    fine(rotations(None));
}

/// The explorer finds what each condition prevents: none of them is there for show.
#[test]
fn without_any_of_its_guards_an_invariant_breaks() {
    let broken = |found: Result<(usize, usize), String>, name: &str| {
        let message = found.err().unwrap_or_else(|| panic!("{name}: expected a broken invariant"));
        assert!(message.starts_with(name), "expected {name}, found {message}");
    };
    broken(handovers(Some(Guard::Cas), &["r1"], 2), "no-blind-overwrite");
    broken(handovers(Some(Guard::Precondition), &["r1"], 2), "no-unread-delete");
    broken(generations(Some(Guard::Cas)), "no-blind-overwrite");
    broken(rotations(Some(Guard::Cas)), "no-blind-overwrite");
    let alone = |guard| {
        let protocols = vec![(Protocol::Handover, "r1"), (Protocol::Handover, "r2")];
        let (without, git_changes, foreign) = (Some(guard), false, false);
        let setup = Setup { without, protocols, crashes: 0, outside: 0, git_changes, foreign };
        explore(world(true, 2, &setup), &setup)
    };
    broken(alone(Guard::Reload), "always-a-way-out");
    for all in
        [handovers(Some(Guard::RecordCas), &["r1", "r2"], 1), rotations(Some(Guard::RecordCas))]
    {
        assert!(all.is_err(), "the record's cas is needed");
    }
}
