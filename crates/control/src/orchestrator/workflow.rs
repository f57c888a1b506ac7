//! Which step of a run is next, and what its record says afterwards. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regent_api::workflow::{Retry, Uses, WorkflowSpec, WorkflowStep};
use regent_api::workflow_run::{RunPhase, StepRecord, WorkflowRunSpec};
use regent_protocol::{Outcome, Reason};
use regent_types::lifecycle::StepPhase;

use super::board::Progress;

/// Step records in one run, as in its schema.
const RECORDS_MAX: usize = 64;
/// Longest pause between two tries.
const PAUSE_MAX_S: i64 = 300;

/// The steps of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    steps: Vec<WorkflowStep>,
    finally: Vec<WorkflowStep>,
    /// Steps that regent starts by itself: they are never given up.
    patient: bool,
    /// Whether a person ended the run: none of its steps is begun or gone on with any more.
    canceled: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Carry out this step.
    Run(WorkflowStep),
    /// A try failed; the next one is due then.
    Pause(Timestamp),
    /// Nothing is left to do.
    End(RunPhase),
}

impl Plan {
    /// The steps of the Workflow that is `pinned` in the run, or the single step of a run without one.
    pub(super) fn of(run: &WorkflowRunSpec, pinned: Option<&WorkflowSpec>) -> Self {
        if let Some(workflow) = pinned {
            let (steps, finally) = (workflow.steps.clone(), workflow.finally.clone());
            return Self { steps, finally, patient: false, canceled: false };
        }
        let step = WorkflowStep {
            with: run.with.clone(),
            ..Self::single(run.uses.unwrap_or(Uses::Handover))
        };
        Self { steps: vec![step], finally: Vec::new(), patient: true, canceled: false }
    }

    /// The same plan of a run that a person ended; what follows are its last steps alone.
    pub(super) fn canceled(self) -> Self {
        Self { canceled: true, ..self }
    }

    /// The first step that is not done and waits for no other.
    pub(super) fn free(&self, records: &[StepRecord]) -> Option<&WorkflowStep> {
        let done = |name: &str| find(records, name).is_some_and(|r| r.phase.is_done());
        self.steps.iter().find(|s| !done(&s.name) && s.depends_on.iter().all(|d| done(d)))
    }

    /// The one step of a run without a Workflow.
    pub(super) fn single(uses: Uses) -> WorkflowStep {
        WorkflowStep {
            name: name_of(uses).to_owned(),
            uses,
            with: Default::default(),
            depends_on: Vec::new(),
            retry: Retry::default(),
            timeout_seconds: i64::MAX,
        }
    }

    /// The next step, by the records of those before it.
    pub(super) fn next(&self, records: &[StepRecord], now: Timestamp) -> Next {
        let phase = |name: &str| find(records, name).map(|r| r.phase);
        let failed = self.steps.iter().any(|s| phase(&s.name) == Some(StepPhase::Failed));
        let done = |name: &str| phase(name).is_some_and(StepPhase::is_done);
        let left = self.steps.iter().any(|s| !done(&s.name));
        if left && self.canceled {
            return self.finally(records, now, RunPhase::Canceled);
        }
        if !failed && left {
            return match self.free(records) {
                Some(step) => due(step, records, now),
                // Steps that wait for each other: admission lets none through, and none is ever
                // free.
                None => self.finally(records, now, RunPhase::Failed),
            };
        }
        let acted = |s: &WorkflowStep| s.uses != Uses::Notify;
        let covered = |s: &WorkflowStep| phase(&s.name) == Some(StepPhase::AlreadyDone);
        let end = match failed {
            true => RunPhase::Failed,
            // Others had done all that there was to do.
            false
                if self.steps.iter().any(covered)
                    && self.steps.iter().filter(|s| acted(s)).all(covered) =>
            {
                RunPhase::AlreadyDone
            }
            false => RunPhase::Succeeded,
        };
        self.finally(records, now, end)
    }

    fn finally(&self, records: &[StepRecord], now: Timestamp, end: RunPhase) -> Next {
        let over = |s: &WorkflowStep| find(records, &s.name).is_some_and(|r| r.phase.is_over());
        match self.finally.iter().find(|s| !over(s)) {
            Some(step) => due(step, records, now),
            None => Next::End(end),
        }
    }

    /// Writes down what came of `step`.
    pub(super) fn record(
        &self,
        records: &mut Vec<StepRecord>,
        step: &WorkflowStep,
        progress: &Progress,
        now: Timestamp,
    ) {
        let mut record =
            find(records, &step.name).cloned().unwrap_or_else(|| begun(&step.name, now));
        let since = record.started_at.as_ref().map_or(now, |t| t.0);
        let late = !self.patient && now > later(since, step.timeout_seconds);
        record.finished_at = None;
        let committed = progress.committed || matches!(progress.outcome, Outcome::Blocked { .. });
        match &progress.outcome {
            Outcome::Done => {
                record.phase = StepPhase::Succeeded;
                record.finished_at = Some(Time(now));
                record.message = String::new();
            }
            Outcome::Covered => {
                record.phase = StepPhase::AlreadyDone;
                record.finished_at = Some(Time(now));
                record.message = "another run covered the slot of this one before".to_owned();
            }
            // What the record says that the step will do is brought to its end, however often that takes.
            Outcome::Waiting { reason: Reason::Retrying, message, .. }
                if self.patient || committed || (!late && record.attempts <= step.retry.limit) =>
            {
                record.phase = StepPhase::Waiting;
                record.attempts += 1;
                record.finished_at = Some(Time(now));
                record.message = message.clone();
            }
            Outcome::Waiting { reason, message, .. } | Outcome::Blocked { reason, message, .. }
                if *reason != Reason::Retrying && (committed || !late) =>
            {
                record.phase = StepPhase::Waiting;
                record.message = message.clone();
            }
            Outcome::Waiting { message, .. }
            | Outcome::Blocked { message, .. }
            | Outcome::Failed { message, .. } => {
                record.phase = StepPhase::Failed;
                record.finished_at = Some(Time(now));
                record.message = match late {
                    true => format!("not done within {} s: {message}", step.timeout_seconds),
                    false => message.clone(),
                };
            }
        }
        put(records, record);
    }
}

/// Writes down the protocol steps that a try went through: `rotate/promote`.
pub(super) fn record_stages(
    records: &mut Vec<StepRecord>,
    step: &str,
    stages: &[&str],
    done: bool,
    now: Timestamp,
) {
    let shown: Vec<&&str> = stages.iter().filter(|s| **s != "done").collect();
    for (index, stage) in shown.iter().enumerate() {
        let name = format!("{step}/{stage}");
        let mut record = find(records, &name).cloned().unwrap_or_else(|| begun(&name, now));
        let last = index + 1 == shown.len();
        let over = !last || done || stages.last() == Some(&"done");
        if over && record.phase != StepPhase::Succeeded {
            record.finished_at = Some(Time(now));
        }
        record.phase = if over { StepPhase::Succeeded } else { StepPhase::Waiting };
        put(records, record);
    }
    // What an earlier try waited in is over once a later one went on.
    if let Some(last) = shown.last() {
        let current = format!("{step}/{last}");
        let prefix = format!("{step}/");
        for record in records.iter_mut() {
            if record.name.starts_with(&prefix)
                && record.name != current
                && record.phase == StepPhase::Waiting
            {
                record.phase = StepPhase::Succeeded;
                record.finished_at = Some(Time(now));
            }
        }
    }
}

fn begun(name: &str, now: Timestamp) -> StepRecord {
    StepRecord {
        name: name.to_owned(),
        phase: StepPhase::Running,
        attempts: 1,
        started_at: Some(Time(now)),
        finished_at: None,
        message: String::new(),
    }
}

fn find<'a>(records: &'a [StepRecord], name: &str) -> Option<&'a StepRecord> {
    records.iter().find(|r| r.name == name)
}

fn put(records: &mut Vec<StepRecord>, record: StepRecord) {
    match records.iter_mut().find(|r| r.name == record.name) {
        Some(old) => *old = record,
        None => records.push(record),
    }
    while records.len() > RECORDS_MAX {
        // Records of workflow steps decide what is next; those of protocol steps are for people.
        match records.iter().position(|r| r.name.contains('/')) {
            Some(index) => records.remove(index),
            None => break,
        };
    }
}

fn due(step: &WorkflowStep, records: &[StepRecord], now: Timestamp) -> Next {
    let record = find(records, &step.name).filter(|r| r.phase == StepPhase::Waiting);
    let failed_at = record.and_then(|r| r.finished_at.as_ref().map(|t| (t.0, r.attempts)));
    let at = failed_at.map(|(at, attempts)| {
        let doublings = u32::try_from((attempts - 2).clamp(0, 16)).unwrap_or(16);
        let pause = step.retry.backoff_seconds.saturating_mul(1 << doublings);
        later(at, pause.min(PAUSE_MAX_S))
    });
    match at {
        Some(at) if now < at => Next::Pause(at),
        _ => Next::Run(step.clone()),
    }
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Name of the single step of a run without a Workflow.
fn name_of(uses: Uses) -> &'static str {
    match uses {
        Uses::Handover => "handover",
        Uses::Generate => "generate",
        Uses::Rotate => "rotate",
        Uses::Notify => "notify",
        Uses::Adopt => "adopt",
        Uses::Resolve => "resolve",
        Uses::AcceptRestore => "accept-restore",
        Uses::Release => "release",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn progress(outcome: Outcome, committed: bool) -> Progress {
        Progress { outcome, committed, stages: Vec::new(), version: None, since: at(0) }
    }

    fn waiting(reason: Reason) -> Outcome {
        Outcome::Waiting { reason, message: "m".into(), until: None }
    }

    fn plan(workflow: serde_json::Value) -> Plan {
        let workflow: WorkflowSpec = serde_json::from_value(workflow).unwrap();
        let run: WorkflowRunSpec = serde_json::from_value(json!({
            "runtimeSecret": "db", "workflow": "w", "cause": { "kind": "manual", "by": "ann" },
        }))
        .unwrap();
        Plan::of(&run, Some(&workflow))
    }

    fn order(plan: &Plan, fail: &str) -> (Vec<String>, RunPhase) {
        let mut records = Vec::new();
        let mut names = Vec::new();
        loop {
            match plan.next(&records, at(0)) {
                Next::Run(step) => {
                    names.push(step.name.clone());
                    let outcome = match step.name == fail {
                        true => Outcome::Failed {
                            reason: Reason::NothingToRotate,
                            message: "broken".into(),
                        },
                        false => Outcome::Done,
                    };
                    plan.record(&mut records, &step, &progress(outcome, false), at(0));
                }
                Next::End(phase) => return (names, phase),
                Next::Pause(_) => panic!("nothing was transient"),
            }
        }
    }

    #[test]
    fn steps_run_in_the_order_of_their_dependencies_and_finally_always() {
        let plan = plan(json!({
            "steps": [
                { "name": "tell", "uses": "notify", "dependsOn": ["rotate"] },
                { "name": "rotate", "uses": "rotate" },
            ],
            "finally": [{ "name": "last", "uses": "notify" }],
        }));
        assert_eq!(order(&plan, ""), (names(&["rotate", "tell", "last"]), RunPhase::Succeeded));
        assert_eq!(order(&plan, "rotate"), (names(&["rotate", "last"]), RunPhase::Failed));
        assert_eq!(order(&plan, "last").1, RunPhase::Succeeded);
    }

    #[test]
    fn steps_that_wait_for_each_other_fail() {
        let plan = plan(json!({ "steps": [
            { "name": "a", "uses": "notify", "dependsOn": ["b"] },
            { "name": "b", "uses": "notify", "dependsOn": ["a"] },
        ] }));
        assert_eq!(order(&plan, ""), (Vec::new(), RunPhase::Failed));
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_transient_failure_is_tried_again_after_a_growing_pause_and_then_given_up() {
        let plan = plan(json!({ "steps": [
            { "name": "a", "uses": "rotate", "retry": { "limit": 2, "backoffSeconds": 4 } },
        ] }));
        let mut records = Vec::new();
        let mut now = at(0);
        let mut pauses = Vec::new();
        loop {
            match plan.next(&records, now) {
                Next::Run(step) => {
                    let away = waiting(Reason::Retrying);
                    plan.record(&mut records, &step, &progress(away, false), now);
                }
                Next::Pause(until) => {
                    pauses.push(until.as_second() - now.as_second());
                    now = until;
                }
                Next::End(phase) => {
                    assert_eq!(phase, RunPhase::Failed);
                    break;
                }
            }
        }
        assert_eq!(pauses, [4, 8]);
    }

    /// H16: a step that others had covered is passed by, and the next one is carried out.
    #[test]
    fn h16_a_step_that_was_done_by_another_run_skips_no_other() {
        let steps = json!({ "steps": [
            { "name": "a", "uses": "rotate" },
            { "name": "b", "uses": "rotate", "dependsOn": ["a"] },
            { "name": "c", "uses": "notify", "dependsOn": ["b"] },
        ] });
        let plan = plan(steps);
        for (of_a, of_b, end) in [
            (Outcome::Covered, Outcome::Done, RunPhase::Succeeded),
            (Outcome::Covered, Outcome::Covered, RunPhase::AlreadyDone),
            (Outcome::Done, Outcome::Covered, RunPhase::Succeeded),
        ] {
            let mut records = Vec::new();
            for (name, outcome) in [("a", of_a), ("b", of_b), ("c", Outcome::Done)] {
                let Next::Run(step) = plan.next(&records, at(0)) else { panic!("expected {name}") };
                assert_eq!(step.name, name);
                plan.record(&mut records, &step, &progress(outcome, false), at(0));
            }
            assert_eq!(plan.next(&records, at(0)), Next::End(end));
        }
    }

    /// H16: what the record says will be done is brought to its end: no number of tries and no time ends it.
    #[test]
    fn h16_a_written_intent_outlives_every_transient_error() {
        let plan = plan(json!({ "steps": [
            { "name": "a", "uses": "rotate", "timeoutSeconds": 10, "retry": { "limit": 1 } },
        ] }));
        let Next::Run(step) = plan.next(&[], at(0)) else { panic!("expected the step") };
        let mut records = Vec::new();
        for n in 0..50 {
            plan.record(
                &mut records,
                &step,
                &progress(waiting(Reason::Retrying), true),
                at(n * 400),
            );
            assert_eq!(records[0].phase, StepPhase::Waiting, "try {n}");
        }
        let again = plan.next(&records, at(49 * 400));
        assert_eq!(again, Next::Pause(at(49 * 400 + 300)), "tried again, ever more seldom");
    }

    #[test]
    fn waiting_times_out_only_before_the_intent() {
        let plan =
            plan(json!({ "steps": [{ "name": "a", "uses": "rotate", "timeoutSeconds": 10 }] }));
        let Next::Run(step) = plan.next(&[], at(0)) else { panic!("expected the step") };
        let waits = |committed| progress(waiting(Reason::ConsumersNotReady), committed);
        let mut records = Vec::new();
        plan.record(&mut records, &step, &waits(false), at(0));
        plan.record(&mut records, &step, &waits(true), at(1_000));
        assert_eq!(records[0].phase, StepPhase::Waiting);
        plan.record(&mut records, &step, &waits(false), at(1_000));
        assert_eq!(records[0].phase, StepPhase::Failed);
    }

    #[test]
    fn protocol_steps_are_recorded_beside_the_step_and_stay_within_bounds() {
        let mut records = Vec::new();
        record_stages(&mut records, "rotate", &["create", "promote", "await"], false, at(1));
        record_stages(&mut records, "rotate", &["await", "revoke", "close", "done"], true, at(2));
        let all: Vec<(&str, StepPhase)> =
            records.iter().map(|r| (r.name.as_str(), r.phase)).collect();
        assert_eq!(all.len(), 5);
        assert!(
            all.iter()
                .all(|(name, phase)| name.starts_with("rotate/") && *phase == StepPhase::Succeeded)
        );
        for n in 0..100 {
            put(&mut records, begun(&format!("x/{n}"), at(0)));
        }
        assert_eq!(records.len(), RECORDS_MAX);
    }
}
