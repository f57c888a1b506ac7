//! What the status of a run says: a projection of what came of its steps. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use regent_api::condition::Verdict;
use regent_api::workflow::WorkflowStep;
use regent_api::workflow_run::RunPhase;
use regent_api::{WorkflowRun, WorkflowRunStatus};
use regent_protocol::{Decider, Outcome, Reason};

use super::board::Progress;
use super::workflow::{Next, Plan, record_stages};

/// A run that waits looks at its own deadlines this often; what it waits for comes first.
pub(super) const LOOK: Duration = Duration::from_secs(30);
/// A wait for others that is over sooner is not written down: most are over at once.
const SHORT_WAIT: Duration = Duration::from_secs(2);

/// Whether a run is over.
pub(super) fn ended(run: &WorkflowRun) -> bool {
    let phase = run.status.as_ref().and_then(|s| s.phase);
    phase.is_some_and(RunPhase::is_over)
}

/// What the condition of a run should say, and when to look at it again.
#[derive(Debug)]
pub(super) struct Ending {
    /// For its `Ready` condition.
    pub(super) verdict: Verdict,
    pub(super) again: Action,
}

impl Ending {
    /// It goes on later, and says why not now.
    pub(super) fn waits(reason: Reason, message: impl Into<String>, again: Action) -> Self {
        Self { verdict: Verdict::no(reason.as_str(), message), again }
    }
}

/// Until when a wait is kept to itself; `None` where it is to be written down.
pub(super) fn kept_until(
    status: &WorkflowRunStatus,
    progress: &Progress,
    now: Timestamp,
) -> Option<Timestamp> {
    let Outcome::Waiting { reason, .. } = &progress.outcome else { return None };
    let shown = status.conditions.iter().any(|c| c.reason == reason.as_str());
    let until = progress.since.checked_add(SHORT_WAIT).unwrap_or(progress.since);
    (follows(*reason) && !shown && now < until).then_some(until)
}

/// Writes down what came of `step`; `Some` where nothing more can be done now.
pub(super) fn note(
    status: &mut WorkflowRunStatus,
    plan: &Plan,
    step: &WorkflowStep,
    progress: &Progress,
    now: Timestamp,
) -> Option<Ending> {
    let done = progress.outcome == Outcome::Done;
    record_stages(&mut status.steps, &step.name, &progress.stages, done, now);
    if progress.version.is_some() {
        status.version = progress.version.clone();
    }
    let last = progress.stages.last().filter(|s| **s != "done");
    status.step = Some(match last {
        Some(stage) => format!("{}/{stage}", step.name),
        None => step.name.clone(),
    });
    let again = Action::requeue(LOOK);
    match &progress.outcome {
        // Nothing that the run could do better: no try is counted.
        Outcome::Waiting { reason: Reason::AuthorityNotReady, message, .. } => {
            return Some(Ending::waits(Reason::AuthorityNotReady, message.clone(), again));
        }
        Outcome::Blocked { by, reason, message } => {
            status.phase = Some(match by {
                Decider::Person => RunPhase::Conflict,
                Decider::World => RunPhase::Held,
            });
            plan.record(&mut status.steps, step, progress, now);
            return Some(Ending::waits(*reason, message.clone(), again));
        }
        Outcome::Waiting { reason, message, .. } if *reason != Reason::Retrying => {
            plan.record(&mut status.steps, step, progress, now);
            if matches!(plan.next(&status.steps, now), Next::Run(_)) {
                return Some(Ending::waits(*reason, message.clone(), again));
            }
        }
        Outcome::Done | Outcome::Covered | Outcome::Waiting { .. } | Outcome::Failed { .. } => {
            plan.record(&mut status.steps, step, progress, now);
        }
    }
    None
}

pub(super) fn finish(
    status: &mut WorkflowRunStatus,
    phase: RunPhase,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> Ending {
    status.phase = Some(phase);
    status.finished_at = Some(Time(now));
    status.step = None;
    let verdict = match phase {
        RunPhase::Succeeded | RunPhase::AlreadyDone => Verdict::yes(reason, message),
        _ => Verdict::no(reason, message),
    };
    Ending { verdict, again: Action::await_change() }
}

/// What the last step that said anything said.
pub(super) fn last_message(status: &WorkflowRunStatus) -> String {
    let said = status.steps.iter().rev().find(|s| !s.message.is_empty());
    said.map_or_else(String::new, |s| format!("{}: {}", s.name, s.message))
}

/// Waits that end when somebody else acts, rather than by time.
pub(super) fn follows(reason: Reason) -> bool {
    matches!(reason, Reason::ConsumersNotReady | Reason::ConsumersBehind | Reason::BecomeAwaited)
}

/// At `until`, but not before a tenth of a second and within an hour.
pub(super) fn requeue_at(until: Timestamp, now: Timestamp) -> Action {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    Action::requeue(left.clamp(Duration::from_millis(100), Duration::from_secs(3_600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn progress(outcome: Outcome) -> Progress {
        Progress {
            outcome,
            committed: false,
            stages: vec!["dispose"],
            version: None,
            since: at(10),
        }
    }

    fn waiting(reason: Reason) -> Progress {
        progress(Outcome::Waiting { reason, message: "m".into(), until: None })
    }

    fn plan() -> (Plan, WorkflowStep) {
        let run = serde_json::from_value(serde_json::json!({
            "runtimeSecret": "db", "uses": "handover", "cause": { "kind": "manual", "by": "ann" },
        }))
        .unwrap();
        let plan = Plan::of(&run, None);
        let Next::Run(step) = plan.next(&[], at(0)) else { panic!("expected the step") };
        (plan, step)
    }

    #[test]
    fn a_short_wait_for_others_is_kept_and_every_other_one_shown() {
        let status = WorkflowRunStatus::default();
        let follows = waiting(Reason::BecomeAwaited);
        assert_eq!(kept_until(&status, &follows, at(11)), Some(at(12)));
        assert_eq!(kept_until(&status, &follows, at(12)), None);
        assert_eq!(kept_until(&status, &waiting(Reason::BootstrapSecretMissing), at(11)), None);
        assert_eq!(kept_until(&status, &progress(Outcome::Done), at(11)), None);
    }

    /// The reason goes from the protocol to the condition as it is.
    #[test]
    fn what_blocks_a_step_is_the_phase_and_the_reason_of_its_run() {
        let (plan, step) = plan();
        for (by, phase) in [(Decider::Person, RunPhase::Conflict), (Decider::World, RunPhase::Held)]
        {
            let mut status = WorkflowRunStatus::default();
            let reason = Reason::Occupied;
            let outcome = Outcome::Blocked { by, reason, message: "m".into() };
            let ending = note(&mut status, &plan, &step, &progress(outcome), at(0)).unwrap();
            assert_eq!((status.phase, ending.verdict.reason), (Some(phase), "Occupied"));
            assert_eq!(status.step.as_deref(), Some("handover/dispose"));
        }
    }

    #[test]
    fn an_authority_that_is_away_counts_no_try() {
        let (plan, step) = plan();
        let mut status = WorkflowRunStatus::default();
        let mut away = waiting(Reason::AuthorityNotReady);
        away.stages.clear();
        let ending = note(&mut status, &plan, &step, &away, at(0)).unwrap();
        assert_eq!((ending.verdict.reason, status.steps.len()), ("AuthorityNotReady", 0));
    }

    #[test]
    fn a_covered_slot_ends_the_run() {
        let (plan, step) = plan();
        let mut status = WorkflowRunStatus::default();
        assert!(note(&mut status, &plan, &step, &progress(Outcome::Covered), at(0)).is_none());
        assert_eq!(plan.next(&status.steps, at(0)), Next::End(RunPhase::AlreadyDone));
    }
}
