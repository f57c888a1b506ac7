//! Handover of bootstrap Secret *B* to path *p* (PROTOCOLS.md §4).
//!
//! ```text
//! (none) ─look─► Intent ─write cas=0, read back─► Acknowledged ─consumers─► Disposing ─B gone─► Done
//! ```

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::lifecycle::Disposition;

use crate::introduce;
use crate::ledger::kinds;
use crate::needs::Needs;
use crate::observation::{Bootstrap, BootstrapSeen, Observation, ValueSeen};
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::rotation::after;
use crate::step::{Effect, Source, Step, conflict, event, held, tell, wait, wait_until};

/// How long bootstrap may take from a Secret that it made to its word on it, in seconds: its longest pause is a minute.
const WORD_S: i64 = 90;

/// What the next step looks at.
pub fn needs(record: Option<&Record>, seen: &Observation) -> Needs {
    let none = Needs::default();
    let Some(record) = record else {
        // Without a source there is nothing to look at the path for.
        let path = seen.known.bootstrap && source(seen).is_ok();
        return Needs { bootstrap: true, mount: path, metadata: path, ..none };
    };
    let current = record.current.clone();
    match record.state {
        State::Intent => {
            // A path without a version has no first one to read.
            let written = seen.known.metadata && seen.metadata.current_version > 0;
            let (first, newest) = match record.overwrites {
                Some(_) => (false, written),
                None => (written, false),
            };
            Needs { bootstrap: true, mount: true, metadata: true, first, newest, ..none }
        }
        State::Acknowledged => {
            // Whether the value is there is looked at before B is marked; where consumers are awaited, now.
            let metadata = seen.known.consumers.is_some() && !seen.consumers.waiting.is_empty();
            let bootstrap = seen.subject.request.disposition == Some(Disposition::Inert);
            Needs { metadata, bootstrap, consumers: current, ..none }
        }
        State::Disposing => {
            let consumers = current.filter(|_| seen.subject.request.hurry);
            // Before B is marked the value is looked at by itself; a B that needs no mark needs that look as well.
            let unmarked = matches!(&seen.bootstrap, Bootstrap::Live(b) if b.marked.is_none());
            let metadata = seen.known.bootstrap && !unmarked;
            Needs { bootstrap: true, metadata, consumers, ..none }
        }
        State::Done | State::Rotating => Needs { bootstrap: true, metadata: true, ..none },
    }
}

/// The next step of a handover.
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    let Some(record) = record else { return look(seen) };
    if let Some(stop) = introduce::owned(record, seen, Origin::Handover) {
        return stop;
    }
    if let Some(stop) = introduce::behind(Some(record), seen) {
        return stop;
    }
    match record.state {
        State::Intent => write(record, seen),
        State::Acknowledged => acknowledged(record, seen, now),
        State::Disposing => disposing(record, seen, now),
        State::Done | State::Rotating => done(record, seen, now),
    }
}

/// Steps 0 and 1: what must hold before anything is written, then the intent.
fn look(seen: &Observation) -> Step {
    if let Some(stop) = introduce::safe(seen).or_else(|| introduce::behind(None, seen)) {
        return stop;
    }
    match source(seen) {
        Ok(b) => {
            let owner = seen.subject.owner.clone();
            let policy = seen.subject.request.policy.clone();
            let mut record = Record::intent(&seen.subject.path, owner, Origin::Handover, policy);
            record.push_hmac(&b.hmac);
            note(&mut record, seen, b);
            Step::Persist(Box::new(record))
        }
        Err(step) => step,
    }
}

fn note(record: &mut Record, seen: &Observation, b: &BootstrapSeen) {
    record.notes.bootstrap_uid = Some(b.uid.clone());
    record.notes.bootstrap_rv = Some(b.rv.clone());
    record.notes.run = Some(seen.subject.run.name.clone());
}

/// *B* as a source of the value; an empty, marked or foreign one never is.
fn source(seen: &Observation) -> Result<&BootstrapSeen, Step> {
    match &seen.bootstrap {
        Bootstrap::Absent => Err(wait(
            Reason::BootstrapSecretMissing,
            "the bootstrap Secret does not exist yet; its EncryptedManifest says why",
        )),
        Bootstrap::Materialized | Bootstrap::Foreign => Err(wait(
            Reason::NotABootstrapSecret,
            "the Secret of that name was not made by bootstrap and is never taken as a source; \
             remove it, or name another one in bootstrapSecret",
        )),
        Bootstrap::Live(b) if b.empty || b.marked.is_some() => Err(wait(
            Reason::BootstrapSecretEmpty,
            "the bootstrap Secret is empty or marked as handed over and is never taken as a source",
        )),
        Bootstrap::Live(b) => Ok(b),
    }
}

/// Step 2, and the acknowledgement of step 3.
fn write(record: &Record, seen: &Observation) -> Step {
    if let Some(stop) = introduce::safe(seen) {
        return stop;
    }
    // The newest value of B is noted before anything is compared with it.
    if let Ok(b) = source(seen)
        && record.newest_hmac() != Some(b.hmac.as_str())
    {
        let mut next = record.to(State::Intent);
        if !next.push_hmac(&b.hmac) {
            return conflict(
                Reason::KeepsChanging,
                "the bootstrap Secret had more than 8 different values before it was handed over; \
                 find out who \
                 writes it",
            );
        }
        note(&mut next, seen, b);
        return Step::Persist(Box::new(next));
    }
    let newest = record.newest_hmac().unwrap_or_default();
    let written = seen.metadata.current_version;
    if let Some(over) = record.overwrites.as_ref().filter(|_| written > 0) {
        return overwrite(record, over, seen);
    }
    match &seen.first {
        ValueSeen::None if seen.metadata.current_version == 0 => match source(seen) {
            Ok(b) => {
                let (source, hmac) = (Source::Bootstrap, b.hmac.clone());
                Step::Do(Effect::WriteFirst { over: 0, source, hmac })
            }
            Err(step) => step,
        },
        ValueSeen::None | ValueSeen::Unreadable => conflict(
            Reason::Unreadable,
            format!(
                "version 1 of {} cannot be read; restore that version, declare another path, or decide: {}",
                seen.subject.path,
                introduce::resolve(seen)
            ),
        ),
        ValueSeen::Read { pair, hmac } if hmac == newest => {
            introduce::acknowledge(record, pair, hmac)
        }
        ValueSeen::Read { hmac, .. } if record.hmacs.contains(hmac) => conflict(
            Reason::ChangedDuringHandover,
            format!(
                "run {} wrote version 1 of {} and the bootstrap Secret has changed since; put the \
                 value that was handed over back into Git, or decide: {}",
                record.notes.run.as_deref().unwrap_or("unknown"),
                seen.subject.path,
                introduce::resolve(seen)
            ),
        ),
        ValueSeen::Read { pair, .. } => conflict(
            Reason::Occupied,
            format!(
                "expected no version at {}, found version {pair} that no run of this installation \
                 wrote; declare another path, or decide: {}",
                seen.subject.path,
                introduce::resolve(seen)
            ),
        ),
    }
}

/// A person decided that B's value replaces version `over`, which is the newest.
fn overwrite(record: &Record, over: &VersionPair, seen: &Observation) -> Step {
    let there = seen.metadata.pair(seen.metadata.current_version);
    match &seen.newest {
        ValueSeen::Read { pair, hmac } if Some(hmac.as_str()) == record.newest_hmac() => {
            introduce::acknowledge(record, pair, hmac)
        }
        _ if there.as_ref() == Some(over) => match source(seen) {
            Ok(b) => {
                let (over, source, hmac) = (over.number, Source::Bootstrap, b.hmac.clone());
                Step::Do(Effect::WriteFirst { over, source, hmac })
            }
            Err(step) => step,
        },
        _ => conflict(
            Reason::Occupied,
            format!(
                "version {over} of {} was to give way to the bootstrap Secret, and another one has come since; decide \
                 anew: {}",
                seen.subject.path,
                introduce::resolve(seen)
            ),
        ),
    }
}

/// Rest of step 3, and the waiting of step 4.
fn acknowledged(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let first = introduce::present(record, seen)
        .or_else(|| introduce::policy(record, seen))
        .or_else(|| introduce::told(record, seen, now));
    if let Some(step) = first {
        return step;
    }
    match choose(record, seen) {
        // What waits here is looked at again and again: that the version was told is written down before.
        Step::End(_) if record.ledgered != record.acknowledged => {
            let ledgered = record.acknowledged.clone();
            Step::Persist(Box::new(Record { ledgered, ..record.clone() }))
        }
        step => step,
    }
}

/// What becomes of B, once everybody is served from the authority.
fn choose(record: &Record, seen: &Observation) -> Step {
    let becoming = seen.subject.becoming.is_some();
    let choice = match seen.subject.request.disposition {
        Some(wish) => wish,
        None if becoming => Disposition::Become,
        None => Disposition::Delete,
    };
    if choice == Disposition::Become && !becoming {
        return wait(
            Reason::NoExternalSecretToBecome,
            "disposition become needs an ExternalSecret that targets the bootstrap Secret's name; \
             declare one, or \
             another disposition",
        );
    }
    if let (Disposition::Inert, Bootstrap::Live(b)) = (choice, &seen.bootstrap)
        && !b.inert_allowed
    {
        return held(
            Reason::InertNotAllowed,
            "this Secret is immutable or of a type that does not allow empty values; use \
             disposition delete",
        );
    }
    if !seen.consumers.waiting.is_empty() && !seen.subject.request.hurry {
        return wait(
            Reason::ConsumersNotReady,
            format!("waiting for {}", seen.consumers.waiting.join(", ")),
        );
    }
    if let Some(step) = project(record, seen) {
        return step;
    }
    let mut next = record.to(State::Disposing);
    next.disposition = Some(choice);
    next.ledgered = next.acknowledged.clone();
    Step::Persist(Box::new(next))
}

/// The status says who is authoritative before anything happens to B: bootstrap makes no B for what is Runtime.
fn project(record: &Record, seen: &Observation) -> Option<Step> {
    let pair = record.current.as_ref()?;
    (seen.subject.status.as_ref() != Some(pair)).then(|| Step::Do(Effect::Project(pair.clone())))
}

/// Rest of step 4.
fn disposing(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let first = introduce::present(record, seen).or_else(|| introduce::policy(record, seen));
    if let Some(step) = first {
        return step;
    }
    let chosen = record.disposition.unwrap_or(Disposition::Delete);
    if let Some(other) = chosen_anew(chosen, seen) {
        let mut next = record.to(State::Disposing);
        next.disposition = Some(other);
        return Step::Persist(Box::new(next));
    }
    if let Some(step) = dispose(record, seen, now, chosen) {
        return step;
    }
    let cut_off = match seen.subject.request.hurry && !seen.consumers.waiting.is_empty() {
        true => format!("cut off: {}", seen.consumers.waiting.join(", ")),
        false => format!("disposition {}", word(chosen)),
    };
    let pair = record.acknowledged.as_ref();
    let mut disposed = event(seen, now, kinds::DISPOSED, pair, "", "");
    disposed.detail = cut_off;
    tell(seen, disposed).unwrap_or_else(|| Step::Persist(Box::new(record.to(State::Done))))
}

/// What becomes of B in place of what was chosen before: what is declared now; deletion after a leak, which waits for no
/// materializer; deletion too where `become` was only the default and its ExternalSecret is gone.
fn chosen_anew(chosen: Disposition, seen: &Observation) -> Option<Disposition> {
    let becoming = seen.subject.becoming.is_some();
    let other = match seen.subject.request.disposition {
        _ if chosen == Disposition::Become && seen.subject.request.hurry => Disposition::Delete,
        Some(Disposition::Become) if !becoming => chosen,
        Some(wish) => wish,
        None if chosen == Disposition::Become && !becoming => Disposition::Delete,
        None => chosen,
    };
    (other != chosen).then_some(other)
}

/// Step 5: the tombstone. A *B* that came back (a new cluster, the same Git) is disposed of
/// without a write.
fn done(record: &Record, seen: &Observation, now: Timestamp) -> Step {
    let stop = introduce::present(record, seen)
        .or_else(|| introduce::unknown(record, seen).filter(|_| record.state == State::Done));
    if let Some(stop) = stop {
        return stop;
    }
    let chosen = record.disposition.unwrap_or(Disposition::Delete);
    let lives = matches!(seen.bootstrap, Bootstrap::Live(_)) && record.state == State::Done;
    if let Some(other) = chosen_anew(chosen, seen).filter(|_| lives) {
        let next = Record { disposition: Some(other), ..record.clone() };
        return Step::Persist(Box::new(next));
    }
    dispose(record, seen, now, chosen).unwrap_or(Step::End(Outcome::Done))
}

/// What is still to do with *B*; `None` once it is as `how` says.
fn dispose(record: &Record, seen: &Observation, now: Timestamp, how: Disposition) -> Option<Step> {
    let b = match &seen.bootstrap {
        Bootstrap::Absent | Bootstrap::Materialized => return None,
        Bootstrap::Foreign => {
            return Some(held(
                Reason::UnknownValue,
                "a Secret that bootstrap did not make stands under the bootstrap Secret's name; \
                 it is kept: remove \
                 or rename it",
            ));
        }
        Bootstrap::Live(b) => b,
    };
    if b.empty && matches!(how, Disposition::Inert | Disposition::Ignore) && b.marked == Some(how) {
        return None;
    }
    let same = b.empty || record.may_go(&b.hmac);
    if !same && !b.from_manifest {
        return Some(unvouched(b, seen, now));
    }
    if how == Disposition::Ignore && b.marked == Some(how) {
        return None;
    }
    if !same {
        let ignored = event(seen, now, kinds::IGNORED_GIT_VALUE, None, "", &b.uid);
        // Once B is marked it is another one than bootstrap spoke of: that it may go is written down before.
        let ignored_hmac = Some(b.hmac.clone());
        let next = Step::Persist(Box::new(Record { ignored_hmac, ..record.clone() }));
        return Some(tell(seen, ignored).unwrap_or(next));
    }
    if let Some(step) = project(record, seen) {
        return Some(step);
    }
    if let Some(finalizers) = b.kept_by.as_ref().filter(|_| b.marked == Some(how)) {
        return Some(kept(finalizers));
    }
    let (uid, rv) = (b.uid.clone(), b.rv.clone());
    if b.marked != Some(how) {
        // Told first, so that nothing but the mark itself lies between the last look and the end of B.
        let pair = record.acknowledged.as_ref();
        let disposing = event(seen, now, kinds::DISPOSING, pair, word(how), &b.uid);
        let mark = Step::Do(Effect::Mark { uid, rv, disposition: how });
        return Some(tell(seen, disposing).unwrap_or(mark));
    }
    match how {
        Disposition::Delete => Some(Step::Do(Effect::Delete { uid, rv })),
        Disposition::Inert => Some(Step::Do(Effect::Blank { uid, rv })),
        Disposition::Ignore => None,
        Disposition::Become => Some(wait(
            Reason::BecomeAwaited,
            "the materializer has yet to turn the bootstrap Secret into the materialized one; the \
             ExternalSecret \
             says why it waits",
        )),
    }
}

/// B holds a value that nobody vouches for: it is kept. Where it was just made, bootstrap's word on it is awaited first.
fn unvouched(b: &BootstrapSeen, seen: &Observation, now: Timestamp) -> Step {
    let fresh = b.produced_at.is_some_and(|made| now.duration_since(made).as_secs() < WORD_S);
    if fresh {
        let message = "bootstrap has just made the Secret anew and has yet to say that it is as its manifest has it";
        return wait_until(Reason::SourceUnconfirmed, message, Some(after(now, 5)));
    }
    held(
        Reason::UnknownValue,
        format!(
            "the bootstrap Secret has a value that is neither in the authority nor from its manifest; it is kept: put the \
             value into the authority if it is needed, and give it up: {}",
            introduce::resolve(seen)
        ),
    )
}

fn kept(finalizers: &[String]) -> Step {
    let message = format!(
        "the bootstrap Secret is being deleted, and finalizers keep it: {}; whoever put them there has to take them away",
        finalizers.join(", ")
    );
    wait(Reason::FinalizerAwaited, message)
}

/// A disposition as it is written in a RuntimeSecret.
pub fn word(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Delete => "delete",
        Disposition::Inert => "inert",
        Disposition::Ignore => "ignore",
        Disposition::Become => "become",
    }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
