//! Where the two controllers meet: the WorkflowRun controller says which step of a run is due, the
//! RuntimeSecret controller, which alone talks to the authority, says what came of it.
//!
//! It is kept in memory only. After a restart runs ask again, and a step that was done is found
//! done in the record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use regent_api::WorkflowRun;
use regent_api::workflow::WorkflowStep;
use regent_protocol::{Outcome, Reason};
use regent_types::VersionPair;

/// Runs of one secret that are kept at most; the others ask again later.
const RUNS_PER_SECRET_MAX: usize = 1_000;

/// Namespace and name of a RuntimeSecret.
pub(super) type SecretKey = (String, String);

/// What came of a step, for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How the drive ended.
    pub(super) outcome: Outcome,
    /// Whether the intent of the run is in the record, so that it must be brought to its end.
    pub(super) committed: bool,
    /// Stages of the protocol that it went through.
    pub(super) stages: Vec<&'static str>,
    /// Version that the run made or acknowledged.
    pub(super) version: Option<VersionPair>,
    /// When it came to this.
    pub(super) since: Timestamp,
}

/// A step that a run has due.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) run: Arc<WorkflowRun>,
    pub(super) step: WorkflowStep,
    /// Whether it is to be tried now, whatever is known of it.
    pub(super) due: bool,
    /// Whether the run was just made and its controller has not seen it.
    pub(super) is_new: bool,
    /// What came of it so far.
    pub(super) progress: Option<Arc<Progress>>,
}

impl Work {
    /// Whether it goes on as soon as the world has changed.
    pub(super) fn is_waiting(&self) -> bool {
        let outcome = self.progress.as_ref().map(|p| &p.outcome);
        matches!(outcome, Some(Outcome::Waiting { reason, .. }) if *reason != Reason::Retrying)
            || matches!(outcome, Some(Outcome::Blocked { .. }))
    }
}

type Works = BTreeMap<SecretKey, BTreeMap<String, Work>>;

/// The steps that are due, by secret and by uid of the run.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Works>);

impl Board {
    /// `run` has `step` due. `true` where its RuntimeSecret is to be looked at.
    pub(super) fn request(&self, run: &Arc<WorkflowRun>, step: &WorkflowStep) -> bool {
        let mut all = self.lock();
        let uid = run.uid().unwrap_or_default();
        let runs = all.entry(key_of(run)).or_default();
        if let Some(work) = runs.get_mut(&uid).filter(|w| w.step.name == step.name) {
            work.is_new = false;
            let retries = work.progress.as_ref().and_then(|p| p.outcome.reason());
            work.due |= retries == Some(Reason::Retrying);
            return work.due;
        }
        if runs.len() >= RUNS_PER_SECRET_MAX {
            return false;
        }
        runs.insert(uid, begun(run, step, false));
        true
    }

    /// `run` was just made, and `step` is its first.
    pub(super) fn create(&self, run: &Arc<WorkflowRun>, step: &WorkflowStep) {
        let mut all = self.lock();
        let uid = run.uid().unwrap_or_default();
        let runs = all.entry(key_of(run)).or_default();
        runs.entry(uid).or_insert_with(|| begun(run, step, true));
    }

    /// What runs of `secret` have due, oldest run first.
    pub(super) fn of(&self, secret: &SecretKey) -> Vec<Work> {
        let all = self.lock();
        let mut works: Vec<Work> =
            all.get(secret).into_iter().flat_map(BTreeMap::values).cloned().collect();
        works.sort_by_key(|w| {
            let created = w.run.metadata.creation_timestamp.as_ref().map(|t| t.0);
            (created, w.run.name_any())
        });
        works
    }

    /// Writes down what came of the step of `work`, unless the run has gone on; whether that is new.
    pub(super) fn report(&self, work: &Work, progress: Progress) -> bool {
        let mut all = self.lock();
        let runs = all.get_mut(&key_of(&work.run));
        let known = runs.and_then(|r| r.get_mut(&work.run.uid().unwrap_or_default()));
        let Some(known) = known.filter(|k| k.step.name == work.step.name) else { return false };
        known.due = false;
        let same = known.progress.as_ref().is_some_and(|old| {
            Progress { since: progress.since, ..Progress::clone(old) } == progress
        });
        if !same {
            known.progress = Some(Arc::new(progress));
        }
        !same
    }

    /// What came of `step` of `run`.
    pub(super) fn progress(&self, run: &WorkflowRun, step: &str) -> Option<Arc<Progress>> {
        let all = self.lock();
        let work = all.get(&key_of(run))?.get(&run.uid().unwrap_or_default())?;
        work.progress.clone().filter(|_| work.step.name == step && !work.due)
    }

    /// `run` has nothing due any more.
    pub(super) fn remove(&self, run: &WorkflowRun) {
        let mut all = self.lock();
        let key = key_of(run);
        let Some(runs) = all.get_mut(&key) else { return };
        runs.remove(&run.uid().unwrap_or_default());
        if runs.is_empty() {
            all.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Works> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begun(run: &Arc<WorkflowRun>, step: &WorkflowStep, is_new: bool) -> Work {
    Work { run: Arc::clone(run), step: step.clone(), due: true, is_new, progress: None }
}

fn key_of(run: &WorkflowRun) -> SecretKey {
    (run.namespace().unwrap_or_default(), run.spec.runtime_secret.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(uid: &str) -> Arc<WorkflowRun> {
        let run = json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": uid, "uid": uid },
            "spec": { "runtimeSecret": "db", "cause": { "kind": "manual", "by": "ann" } },
        });
        Arc::new(serde_json::from_value(run).unwrap())
    }

    fn step(name: &str) -> WorkflowStep {
        serde_json::from_value(json!({ "name": name, "uses": "rotate" })).unwrap()
    }

    fn progress(outcome: Outcome) -> Progress {
        let since = Timestamp::UNIX_EPOCH;
        Progress { outcome, committed: false, stages: Vec::new(), version: None, since }
    }

    fn waiting(reason: Reason) -> Outcome {
        Outcome::Waiting { reason, message: "m".into(), until: None }
    }

    #[test]
    fn a_step_is_due_once_and_again_where_a_try_failed() {
        let (board, one) = (Board::default(), run("u"));
        let key = ("payments".to_owned(), "db".to_owned());
        assert!(board.request(&one, &step("a")));
        let work = board.of(&key).remove(0);
        assert!(board.report(&work, progress(waiting(Reason::ConsumersNotReady))));
        assert!(!board.request(&one, &step("a")), "it waits");
        assert!(board.of(&key)[0].is_waiting());
        assert!(board.report(&work, progress(waiting(Reason::Retrying))));
        assert!(!board.of(&key)[0].is_waiting(), "its time comes by the run");
        assert!(board.request(&one, &step("a")));
        assert_eq!(board.progress(&one, "a"), None, "it is being tried again");
    }

    #[test]
    fn what_comes_of_a_step_that_is_over_is_dropped() {
        let (board, one) = (Board::default(), run("u"));
        let key = ("payments".to_owned(), "db".to_owned());
        board.request(&one, &step("a"));
        let work = board.of(&key).remove(0);
        board.request(&one, &step("b"));
        assert!(!board.report(&work, progress(Outcome::Done)));
        assert_eq!(board.progress(&one, "b"), None);
        board.remove(&one);
        assert!(board.of(&key).is_empty());
    }
}
