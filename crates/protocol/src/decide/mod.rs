//! What people decide about a path that goes no further: each decision is a run of its own, is written into the record
//! once, and does nothing itself; the protocol that stood still goes on from there (PROTOCOLS.md §4, §6).
//!
//! ```text
//! keep authority   the newest version at the path stays, whoever wrote it
//! keep bootstrap   the bootstrap Secret's value replaces the version at the path
//! accept restore   an older state of the authority counts from now on
//! release          a path whose RuntimeSecret is gone belongs to the one that asks
//! ```

mod keep;
mod restore;
mod written;

use jiff::Timestamp;

use self::written::{decided, nothing, written};
use crate::ledger::{Event, kinds};
use crate::needs::Needs;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::step::Step;

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The newest version at the path stays.
    KeepAuthority,
    /// The bootstrap Secret's value replaces the version at the path.
    KeepBootstrap,
    /// What a restore left counts from now on.
    AcceptRestore,
    /// The path of a RuntimeSecret that is gone belongs to the one that asks.
    Release,
}

/// What the next step looks at.
pub fn needs(decision: Decision, record: Option<&Record>, seen: &Observation) -> Needs {
    let none = Needs::default();
    if is_decided(record, seen) {
        return none;
    }
    match decision {
        Decision::Release => Needs { owner: true, mount: true, metadata: true, ..none },
        Decision::KeepAuthority | Decision::KeepBootstrap | Decision::AcceptRestore => {
            Needs { bootstrap: true, mount: true, metadata: true, newest: true, ..none }
        }
    }
}

/// The next step of a decision.
pub fn step(
    decision: Decision,
    record: Option<&Record>,
    seen: &Observation,
    now: Timestamp,
) -> Step {
    if is_decided(record, seen) {
        return Step::End(Outcome::Done);
    }
    let ours = &seen.subject.owner;
    if let Some(theirs) = record.map(|r| &r.owner).filter(|o| o.installation != ours.installation) {
        return nothing(format!(
            "path {} belongs to installation {}; decide there",
            seen.subject.path, theirs.installation
        ));
    }
    let foreign = record.filter(|r| r.owner != *ours);
    match (decision, foreign) {
        (Decision::Release, Some(record)) => release(record, seen, now),
        (Decision::Release, None) => nothing(format!(
            "path {} belongs to nobody else; there is nothing to release",
            seen.subject.path
        )),
        (_, Some(record)) => nothing(format!(
            "path {} belongs to RuntimeSecret {}/{}; where that is gone: regent release {}",
            seen.subject.path, record.owner.namespace, record.owner.name, seen.subject.path
        )),
        (Decision::KeepAuthority, None) => keep::authority(record, seen, now),
        (Decision::KeepBootstrap, None) => keep::bootstrap(record, seen, now),
        (Decision::AcceptRestore, None) => restore::accept(record, seen, now),
    }
}

/// Whether this run has decided already: what came afterwards is not its to decide.
fn is_decided(record: Option<&Record>, seen: &Observation) -> bool {
    record.is_some_and(|r| r.decisions.contains(&seen.subject.run.uid))
}

fn release(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let (theirs, path) = (&record.owner, &seen.subject.path);
    if let Some(stop) = crate::introduce::safe(seen) {
        return stop;
    }
    if !seen.owner_gone {
        return nothing(format!(
            "RuntimeSecret {}/{} still declares {path}; remove it first",
            theirs.namespace, theirs.name
        ));
    }
    let detail =
        format!("was of RuntimeSecret {}/{}, which is gone", theirs.namespace, theirs.name);
    let mut next = record.clone();
    next.owner = seen.subject.owner.clone();
    let told = Event { detail, ..decided(seen, now, kinds::TAKEN_OVER, record.current.as_ref()) };
    written(next, seen, &[told])
}

#[cfg(test)]
mod tests;
