//! A session: one record, held while a protocol is followed, and what is known beside it.
//!
//! ```text
//! open ─► next ─► Look     read what is named, then `saw`
//!                 Reload   read the record, then `reloaded`
//!                 Persist  write the record under `cas`, then `saved` or `lost`
//!                 Do       carry out the effect, then `did`
//!                 End      the outcome
//! ```
//!
//! The record is read when the session is opened, and again after a lost `cas` and just before a
//! set (PROTOCOLS.md §5.2). What a session wrote itself under `cas` it knows; what no `cas` protects
//! is looked at just before it is touched ([`fresh_before`]).

use jiff::Timestamp;

use crate::freshness::fresh_before;
use crate::knowledge;
use crate::needs::Needs;
use crate::observation::{Observation, RunRef, Subject};
use crate::outcome::Outcome;
use crate::protocol::{Protocol, needs, step};
use crate::reason::Reason;
use crate::record::{RELEASE, Record, stage_name};
use crate::step::{Answer, Effect, Step};

/// Turns that one session may take before it gives others theirs. The longest protocol without
/// waiting (a rotation) takes 30.
pub const TURNS_MAX: usize = 80;

/// What a driver does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Look at this now and say so with [`Session::saw`].
    Look(Needs),
    /// Read the record and hand it to [`Session::reloaded`].
    Reload,
    /// Write the record over [`Session::version`]; then [`Session::saved`] or [`Session::lost`].
    Persist(Box<Record>),
    /// Carry this out, then [`Session::did`].
    Do(Effect),
    /// The drive is over.
    End(Outcome),
}

/// One record and what is known about its path, while a protocol is followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    protocol: Protocol,
    record: Option<Record>,
    version: i64,
    seen: Observation,
    opened: Timestamp,
    last: Option<Effect>,
    over: Option<Outcome>,
    reload: bool,
    reloaded: bool,
    /// Whether a write of the record was refused over the very version that is there.
    refused: bool,
    turns: usize,
    stages: Vec<&'static str>,
}

impl Session {
    /// A session for `subject`. `stored` is the record with the number of its version, as read just
    /// now; `now` is the time that belongs to what this session finds.
    pub fn open(
        protocol: Protocol,
        subject: Subject,
        stored: Option<(Record, i64)>,
        now: Timestamp,
    ) -> Self {
        let (record, version) = stored.map_or((None, 0), |(r, n)| (Some(r), n));
        Self {
            protocol,
            record,
            version,
            seen: Observation::of(subject),
            opened: now,
            last: None,
            over: None,
            reload: false,
            reloaded: false,
            refused: false,
            turns: 0,
            stages: Vec::new(),
        }
    }

    /// Goes on with another protocol on behalf of `run`; what is known stays known. `hurry`: the
    /// bootstrap Secret is disposed of without awaiting consumers (PROTOCOLS.md §5.1).
    pub fn turn_to(&mut self, protocol: Protocol, run: RunRef, hurry: bool) {
        self.protocol = protocol;
        (self.over, self.last) = (None, None);
        self.turns = 0;
        self.refused = false;
        self.stages.clear();
        self.seen.known.claimant &= self.seen.subject.run == run;
        self.seen.subject.run = run;
        self.seen.subject.request.hurry = hurry;
    }

    /// What to do now.
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.turns += 1;
        if let Some(outcome) = self.over.clone() {
            return Next::End(outcome);
        }
        if self.turns > TURNS_MAX {
            return Next::End(again(now));
        }
        if self.reload {
            return Next::Reload;
        }
        let stage = stage_name(self.record.as_ref());
        if self.stages.last() != Some(&stage) {
            self.stages.push(stage);
        }
        let record = self.record.as_ref();
        let wanted = needs(self.protocol, record, &self.seen).without(&self.seen.known);
        if !wanted.is_empty() {
            return Next::Look(wanted);
        }
        // A change of the policy has one time, however often its step is asked for.
        let now = if self.protocol == Protocol::Policy { self.opened } else { now };
        match step(self.protocol, record, &self.seen, now) {
            Step::End(outcome) => Next::End(outcome),
            Step::Persist(_) if self.refused => Next::End(again(now)),
            Step::Persist(mut next) => {
                RELEASE.clone_into(&mut next.release);
                Next::Persist(next)
            }
            Step::Do(effect) => self.effect(effect, now),
        }
    }

    fn effect(&mut self, effect: Effect, now: Timestamp) -> Next {
        if self.last.as_ref() == Some(&effect) {
            return Next::End(again(now));
        }
        let stale = fresh_before(&effect).without(&self.seen.known);
        if !stale.is_empty() {
            return Next::Look(stale);
        }
        if matches!(effect, Effect::Set { .. }) && !self.reloaded {
            self.reload = true;
            return Next::Reload;
        }
        self.last = Some(effect.clone());
        Next::Do(effect)
    }

    /// What `needs` named was looked at; `fill` writes it down.
    pub fn saw(&mut self, needs: &Needs, fill: impl FnOnce(&mut Observation)) {
        self.reloaded = false;
        fill(&mut self.seen);
        self.seen.known = self.seen.known.and(needs);
    }

    /// The record as it was read again.
    pub fn reloaded(&mut self, stored: Option<(Record, i64)>) {
        let (record, version) = stored.map_or((None, 0), |(r, n)| (Some(r), n));
        if version != self.version {
            self.seen.forget();
            (self.last, self.refused) = (None, false);
        }
        (self.record, self.version) = (record, version);
        (self.reload, self.reloaded) = (false, true);
    }

    /// The record was saved and is version `version` now.
    pub fn saved(&mut self, record: Record, version: i64) {
        self.over = knowledge::after_save(self.record.as_ref(), &record, &mut self.seen);
        (self.record, self.version) = (Some(record), version);
        (self.last, self.reloaded, self.refused) = (None, false, false);
    }

    /// The record was not saved: somebody else was faster. It is read again.
    pub fn lost(&mut self) {
        self.reload = true;
        self.last = None;
        // Whoever was faster left another version. Where there is none, trying again at once changes nothing.
        self.refused = true;
    }

    /// The effect that was to be done was answered so.
    pub fn did(&mut self, answer: Answer) {
        self.reloaded = false;
        if let Some(effect) = &self.last {
            let sent = self.record.as_ref().and_then(|r| r.claim.as_ref());
            let sent = sent.map_or(0, |claim| claim.sent.len());
            knowledge::after_effect(self.protocol, effect, answer, sent, &mut self.seen);
        }
    }

    /// The record as it is known to be.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Number of the record's version; 0 where there is none.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What is known beside the record.
    pub fn seen(&self) -> &Observation {
        &self.seen
    }

    /// Forgets turns and stages, which tell no two sessions apart that do the same from here on.
    #[cfg(test)]
    pub(crate) fn count_from_here(&mut self) {
        self.turns = 0;
        self.stages.clear();
    }

    /// Writes down what tells this session from another of the same run.
    #[cfg(test)]
    pub(crate) fn tells_apart(&self, key: &mut impl std::hash::Hasher) {
        use std::hash::Hash as _;
        let seen = &self.seen;
        (&self.record, self.version, self.reload, self.reloaded, &self.last, &self.over).hash(key);
        self.refused.hash(key);
        (&seen.known, &seen.metadata, &seen.appended).hash(key);
        (&seen.first, &seen.newest, &seen.bootstrap, &seen.candidate, &seen.leftovers).hash(key);
    }

    /// Stages of the protocol that it went through, in order.
    pub fn stages(&self) -> &[&'static str] {
        &self.stages
    }
}

/// An effect that did not take (a finalizer), or a session that took its share: soon again.
fn again(now: Timestamp) -> Outcome {
    let until = now.checked_add(jiff::SignedDuration::from_secs(1)).ok();
    let message = "the last step has not taken effect yet".to_owned();
    Outcome::Waiting { reason: Reason::EffectAwaited, message, until }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
