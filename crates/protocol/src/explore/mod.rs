//! A small exhaustive explorer: every order of steps, crashes, repeats and outside changes, over
//! the sessions that run in production. Every reachable world is checked against the invariants of
//! PROTOCOLS.md §4.
//!
//! A worker opens a session and holds it: what it knows may be stale by the time it acts, and its
//! record too, which a lost `cas` tells. Effects hold their conditions as KV and Kubernetes do.

mod effect;
mod search;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::Decision;
use crate::fixture;
use crate::protocol::Protocol;
use crate::record::{RotationStep, State};
use search::explore;
use world::{Guard, Secret, Setup, World};

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
        projected: None,
        edited: false,
        early: false,
        consented: BTreeSet::new(),
        given_up: BTreeSet::new(),
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

/// A rotation that was under way when its cluster was lost: Git brought B back, and another run of the same name goes on.
fn cluster_loss(step: RotationStep, risen: char) -> Result<(usize, usize), String> {
    let setup = Setup {
        without: None,
        protocols: vec![(Protocol::Handover, "h1"), (Protocol::Rotation, "r9")],
        crashes: 1,
        outside: 1,
        git_changes: true,
        foreign: false,
    };
    let mut start = world(true, 2, &setup);
    let mut record = fixture::record(State::Rotating);
    record.ledgered = record.acknowledged.clone();
    let mut claim = fixture::claim("r9-of-the-lost-cluster", step);
    claim.run_name = fixture::run("r9").name;
    start.versions = vec![('a', true, true)];
    start.told.insert("v1".into());
    if step != RotationStep::Create {
        start.pending.insert(claim.candidate.clone(), 'p');
        (start.fresh, claim.hmac) = (1, Some(world::hmac('p')));
    }
    if !matches!(step, RotationStep::Create | RotationStep::Promote) {
        start.versions.push(('p', true, true));
        start.told.insert("v2".into());
        claim.revokes.push(std::mem::replace(&mut claim.base, fixture::pair(2)));
        (claim.promoted, claim.promoted_at) = (Some(fixture::pair(2)), Some(fixture::at(0)));
        record.current = Some(fixture::pair(2));
        record.ledgered = record.current.clone();
        record.roll_hmac(&world::hmac('p'));
    }
    record.claim = Some(claim);
    start.record = Some(record);
    start.policy = true;
    start.secret = start.secret.map(|secret| Secret { value: risen, ..secret });
    explore(start, &setup)
}

/// A path that somebody had written to before its handover, and a person who decides while it goes on.
fn decisions(
    without: Option<Guard>,
    decision: Decision,
    outside: u8,
) -> Result<(usize, usize), String> {
    let setup = Setup {
        without,
        protocols: vec![(Protocol::Handover, "r1"), (Protocol::Decide(decision), "p1")],
        crashes: 1,
        outside,
        git_changes: true,
        foreign: true,
    };
    let mut start = world(true, 2, &setup);
    start.versions = vec![('z', true, false)];
    explore(start, &setup)
}

/// §4: a decision counts once and for what was there; a version that comes later is not written over by it.
#[test]
fn a_person_decides_while_a_handover_goes_on() {
    for decision in [Decision::KeepAuthority, Decision::KeepBootstrap] {
        fine(decisions(None, decision, 1));
    }
}

/// H5: whatever a rotation had come to when the cluster was lost, it goes on in the new one, and B goes.
#[test]
fn h05_every_state_of_a_rotation_is_resumed_in_a_new_cluster() {
    use RotationStep::{Await, Close, Create, Promote, Revoke};
    for step in [Create, Promote, Await, Revoke, Close] {
        for risen in ['a', 'b'] {
            fine(cluster_loss(step, risen));
        }
    }
}

fn fine(found: Result<(usize, usize), String>) {
    let (worlds, done) = found.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(worlds > 100 && done > 0, "{worlds} worlds, {done} done");
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    println!("{test} {worlds} worlds, {done} ends in which the record is done");
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
    broken(handovers(Some(Guard::StatusOrder), &["r1"], 0), "manifest-silent");
    let over = decisions(Some(Guard::Cas), Decision::KeepBootstrap, 1);
    broken(over, "no-blind-overwrite");
    broken(generations(Some(Guard::Cas)), "no-blind-overwrite");
    broken(generations(Some(Guard::Intent)), "intent-before-effect");
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
