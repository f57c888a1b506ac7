//! Every world that follows from a world, and what must hold in each.

use std::collections::{HashMap, VecDeque};

use super::effect::act;
use super::world::{Secret, Setup, Worker, World, advance, hmac, open};
use crate::freshness::fresh_before;
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Record, State};
use crate::session::{Next, Session};

/// Everything that may happen next.
pub(super) fn successors(world: &World, setup: &Setup) -> Vec<World> {
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
pub(super) fn plan(world: &World, mut session: Session) -> Option<Worker> {
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

pub(super) fn outside(world: &World, setup: &Setup) -> Vec<World> {
    let mut all = Vec::new();
    let mut base = world.clone();
    base.outside -= 1;
    if setup.git_changes {
        // Git brings B (back) with its first or another value, under a new uid or in place.
        for value in ['a', 'b'] {
            let mut next = base.clone();
            match next.secret.as_mut() {
                Some(secret) if !secret.marked => {
                    (secret.value, secret.rv, secret.from_manifest) = (value, secret.rv + 1, true)
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
    if world.projected.is_some() {
        let (projected, edited) = (None, true);
        all.push(World { projected, edited, ..base.clone() });
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
pub(super) fn broken(world: &World) -> Option<&'static str> {
    let acknowledged = world.record.as_ref().filter(|r| r.is_runtime());
    let number = |r: &Record| r.current.as_ref().map_or(0, |p| p.number as usize);
    let live = |n: usize| world.versions.get(n.wrapping_sub(1)).is_some_and(|v| v.1);
    let first = acknowledged.and_then(|r| r.acknowledged.as_ref());
    let consented = |number: usize| world.consented.contains(&(number as i64));
    let own_after_foreign = (1..world.versions.len())
        .any(|n| !world.versions[n - 1].2 && world.versions[n].2 && !consented(n));
    let decided = acknowledged.is_some_and(|r| !r.decisions.is_empty());
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
        (!decided && (first.is_some_and(|p| p.number != 1) || foreign), "one-first-version"),
        (world.deleted_unread, "no-unread-delete"),
        (world.overwritten, "one-authority"),
        (world.early, "manifest-silent"),
        (world.blind || own_after_foreign, "no-blind-overwrite"),
        (untold, "ledger-covers-versions"),
        (candidate, "no-unknown-password"),
        (stray(world), "intent-before-effect"),
    ]
    .into_iter()
    .find_map(|(broken, name)| broken.then_some(name))
}

/// Whether a candidate lies about that no record names.
fn stray(world: &World) -> bool {
    let record = world.record.as_ref();
    let named = |name: &String| {
        record.is_some_and(|r| {
            let claimed = r.claim.as_ref().is_some_and(|c| c.candidate == *name);
            let refused = r.refused.iter().any(|refused| refused.candidate == *name);
            claimed || refused || r.candidate.as_ref() == Some(name) || r.leftovers.contains(name)
        })
    };
    world.pending.keys().any(|name| !named(name))
}

pub(super) fn acknowledged_foreign(world: &World) -> bool {
    let stands_for = |r: &Record| r.acknowledged_hmac == Some(hmac('z'));
    world.record.as_ref().is_some_and(stands_for)
}

/// At rest: nobody can do anything, so it must be done or stopped with a reason that somebody can
/// act on.
pub(super) fn ends_well(world: &World, setup: &Setup) -> bool {
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
pub(super) fn explore(start: World, setup: &Setup) -> Result<(usize, usize), String> {
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
