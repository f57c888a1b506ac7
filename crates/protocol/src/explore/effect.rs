//! What each step of a worker does to the world, under the conditions that KV and Kubernetes hold.

use super::world::{Guard, Secret, Value, Worker, World, hmac};
use crate::fixture;
use crate::observation::Bootstrap;
use crate::session::{Next, Session};
use crate::step::{Answer, Effect, Source};

pub(super) fn write(
    world: &mut World,
    value: Option<Value>,
    cas: usize,
    without: Option<Guard>,
) -> Answer {
    let holds = world.versions.len() == cas || without == Some(Guard::Cas);
    let Some(value) = value.filter(|_| holds) else { return Answer::Lost };
    world.blind |= world.versions.len() != cas;
    world.versions.push((value, true, true));
    Answer::Written(fixture::pair(world.versions.len() as i64))
}

pub(super) fn matching(world: &World, uid: &str, rv: &str) -> bool {
    world.secret.as_ref().is_some_and(|s| s.uid.to_string() == uid && s.rv.to_string() == rv)
}

/// The value that the session holds from its look is written, if it is the one meant.
pub(super) fn held(session: &Session, source: &Source, wanted: &str) -> Option<Value> {
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

/// Whether the value of `secret` is neither in the authority, nor from Git, nor given up by a person.
fn unread(world: &World, secret: &Secret) -> bool {
    let known = world.versions.iter().any(|(w, live, _)| *w == secret.value && *live);
    !known && !secret.from_manifest && !world.given_up.contains(&hmac(secret.value))
}

pub(super) fn effect(
    world: &mut World,
    session: &Session,
    effect: &Effect,
    without: Option<Guard>,
) -> Answer {
    match effect {
        Effect::WriteFirst { over, source, hmac: wanted } => {
            write(world, held(session, source, wanted), *over as usize, without)
        }
        Effect::Promote { candidate, hmac: wanted, base } => {
            let source = Source::Candidate(candidate.clone());
            write(world, held(session, &source, wanted), *base as usize, without)
        }
        Effect::Project(pair) => {
            if without != Some(Guard::StatusOrder) {
                world.projected = Some(pair.number);
            }
            Answer::Done
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
            world.early |= gone.is_some() && world.projected.is_none() && !world.edited;
            world.deleted_unread |= gone.as_ref().is_some_and(|secret| unread(world, secret));
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

pub(super) fn act(world: &mut World, worker: &mut Worker, next: Next, without: Option<Guard>) {
    let loose = without == Some(Guard::RecordCas);
    let session = &mut worker.session;
    match next {
        Next::Persist(record) if without == Some(Guard::Intent) && record.current.is_none() => {
            let version = session.version();
            session.saved(*record, version);
        }
        Next::Persist(record) if loose || session.version() == world.record_version => {
            let before = world.record.as_ref().and_then(|r| r.current.clone());
            world.overwritten |= before.is_some() && record.current.is_none();
            let decisions = world.record.as_ref().map_or(0, |r| r.decisions.len());
            if record.decisions.len() > decisions {
                world.consented.extend(record.overwrites.as_ref().map(|p| p.number));
                world.given_up.extend(record.ignored_hmac.clone());
            }
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
