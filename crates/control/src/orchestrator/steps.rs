//! The registry of step types that talk to the authority: what each `uses` does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use regent_api::WorkflowRun;
use regent_api::workflow::{Uses, WorkflowStep};
use regent_api::workflow_run::CauseKind;
use regent_protocol::observation::RunRef;
use regent_protocol::record::{Slot, State, task};
use regent_protocol::{Decision, Outcome, Protocol, Reason, Record};
use regent_types::VersionPair;

use super::board::{Progress, Work};
use super::effects;
use super::error::Error;
use super::session::Drive;

/// Carries out the step of `work` as far as it goes.
pub(super) async fn execute(
    drive: &mut Drive<'_>,
    work: &Work,
    now: Timestamp,
) -> Result<Progress, Error> {
    let run = run_ref(&work.run, &work.step);
    let outcome = match work.step.uses {
        Uses::Handover => drive.follow(Protocol::Handover, run, false).await?,
        Uses::Generate => drive.follow(Protocol::Generate, run, false).await?,
        Uses::Rotate => {
            let renew = effects::renewed(&drive.declared.secret, &work.step.with);
            rotate(drive, RunRef { renew, ..run }).await?
        }
        Uses::Adopt => drive.follow(Protocol::Adopt, run, false).await?,
        Uses::Resolve | Uses::AcceptRestore | Uses::Release => match decision(&work.step) {
            Ok(decision) => drive.follow(Protocol::Decide(decision), run, false).await?,
            Err(outcome) => outcome,
        },
        // It asks nothing of the authority; the run does it itself.
        Uses::Notify => Outcome::Done,
    };
    Ok(progress(outcome, drive, work, now))
}

/// What the step decides.
fn decision(step: &WorkflowStep) -> Result<Decision, Outcome> {
    match (step.uses, step.with.get("keep").map(String::as_str)) {
        (Uses::AcceptRestore, _) => Ok(Decision::AcceptRestore),
        (Uses::Release, _) => Ok(Decision::Release),
        (_, Some("authority")) => Ok(Decision::KeepAuthority),
        (_, Some("bootstrap")) => Ok(Decision::KeepBootstrap),
        (_, found) => {
            let found = found.unwrap_or("nothing");
            let message = format!("expected with.keep to be authority or bootstrap, found {found}");
            Err(Outcome::Failed { reason: Reason::NothingToDecide, message })
        }
    }
}

/// The step of a run as records know it: each step of a Workflow is remembered by itself.
pub(super) fn task_of(run: &WorkflowRun, step: &WorkflowStep) -> String {
    let uid = run.uid().unwrap_or_default();
    match run.spec.workflow {
        Some(_) => task(&uid, &step.name),
        None => uid,
    }
}

/// The run as records and ledger know it while it carries out `step`.
pub(super) fn run_ref(run: &WorkflowRun, step: &WorkflowStep) -> RunRef {
    let cause = &run.spec.cause;
    let kind = serde_json::to_value(cause.kind).unwrap_or_default();
    let kind = kind.as_str().unwrap_or_default().to_owned();
    // The claim that a declared rotation names is what it finishes, nothing that it stands for.
    let finishes = cause.kind == CauseKind::Declared
        && run.spec.uses == Some(Uses::Rotate)
        && cause.slot.is_some();
    let slot = cause.slot.clone().filter(|_| !finishes);
    let mut trigger = format!("{kind}/{}", cause.by);
    if run.spec.workflow.is_some() {
        // Two steps of one run stand for one slot each.
        trigger = format!("{trigger}/{}", step.name);
    }
    let slot = slot.map(|slot| Slot { trigger, slot });
    RunRef {
        uid: task_of(run, step),
        name: format!("{}/{}", run.namespace().unwrap_or_default(), run.name_any()),
        actor: cause.by.clone(),
        cause: if cause.reason.is_empty() { kind } else { format!("{kind}: {}", cause.reason) },
        slot,
        compromise: cause.kind == CauseKind::Compromise,
        renew: BTreeMap::new(),
        finishes,
    }
}

/// Rotation. A leak does not wait for consumers of the bootstrap Secret (PROTOCOLS.md §5.1).
async fn rotate(drive: &mut Drive<'_>, run: RunRef) -> Result<Outcome, Error> {
    let introducing = |r: &Record| matches!(r.state, State::Acknowledged | State::Disposing);
    let handover = drive.declared.secret.spec.introduce.handover.is_some();
    if run.compromise && handover && drive.record().is_some_and(introducing) {
        let outcome = drive.follow(Protocol::Handover, run.clone(), true).await?;
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
    }
    drive.follow(Protocol::Rotation, run, false).await
}

fn progress(outcome: Outcome, drive: &Drive<'_>, work: &Work, now: Timestamp) -> Progress {
    let record = drive.record();
    let task = task_of(&work.run, &work.step);
    let rotates = work.step.uses == Uses::Rotate;
    Progress {
        outcome,
        committed: is_committed(record, &task),
        stages: drive.stages(),
        version: record.and_then(|r| version_of(r, &task, rotates)),
        since: now,
    }
}

/// Whether the record says what will be done, so that the step must be brought to its end.
pub(super) fn is_committed(record: Option<&Record>, task: &str) -> bool {
    let claimed = record.and_then(|r| r.claim.as_ref()).is_some_and(|c| c.run == task);
    claimed || record.is_some_and(|r| r.state != State::Done && r.state != State::Rotating)
}

/// Version that the step `task` made, or with which the secret was introduced.
fn version_of(record: &Record, task: &str, rotates: bool) -> Option<VersionPair> {
    let closed = record.runs.iter().find(|c| c.run == task).map(|c| c.version.clone());
    let promoted = record.claim.as_ref().filter(|c| c.run == task).and_then(|c| c.promoted.clone());
    closed.or(promoted).or_else(|| record.acknowledged.clone().filter(|_| !rotates))
}

/// How a step ends for now that `error` ended: the authority is awaited, anything else is tried again.
pub(super) fn awaited(error: &Error) -> Outcome {
    let reason = match error.is_authority() {
        true => Reason::AuthorityNotReady,
        false => Reason::Retrying,
    };
    Outcome::waiting(reason, error.to_string())
}

/// What is said of a step that an error ended: the authority is awaited, anything else is tried
/// again as the step says.
pub(super) fn failed(
    error: &Error,
    record: Option<&Record>,
    work: &Work,
    now: Timestamp,
) -> Progress {
    let outcome = awaited(error);
    let committed = is_committed(record, &task_of(&work.run, &work.step));
    Progress { committed, ..stopped(outcome, now) }
}

/// What is said of a step that was not begun.
pub(super) fn stopped(outcome: Outcome, now: Timestamp) -> Progress {
    Progress { outcome, committed: false, stages: Vec::new(), version: None, since: now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(name: &str) -> WorkflowStep {
        serde_json::from_value(json!({ "name": name, "uses": "rotate" })).unwrap()
    }

    /// H16: the second of two `rotate` steps is a rotation of its own, and stands for a slot of its own.
    #[test]
    fn h16_each_step_of_a_workflow_is_remembered_by_itself() {
        let run: WorkflowRun = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": "nightly-db-1", "uid": "u" },
            "spec": { "runtimeSecret": "db", "workflow": "twice", "cause": {
                "kind": "schedule", "by": "nightly", "slot": "2026-11-24T02:00:00Z" } },
        }))
        .unwrap();
        let (one, two) = (run_ref(&run, &step("first")), run_ref(&run, &step("second")));
        assert_eq!((one.uid.as_str(), two.uid.as_str()), ("u.first", "u.second"));
        assert_ne!(one.slot, two.slot);
        assert_eq!(one.name, two.name, "the same run for people");
    }

    #[test]
    fn a_run_is_known_by_its_cause_and_its_slot() {
        let run: WorkflowRun = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": "nightly-db-1", "uid": "u" },
            "spec": { "runtimeSecret": "db", "cause": {
                "kind": "compromise", "by": "leak", "slot": "d1", "reason": "seen in a log" } },
        }))
        .unwrap();
        let found = run_ref(&run, &step("rotate"));
        assert_eq!((found.name.as_str(), found.actor.as_str()), ("payments/nightly-db-1", "leak"));
        assert_eq!(found.cause, "compromise: seen in a log");
        assert_eq!(found.slot, Some(Slot { trigger: "compromise/leak".into(), slot: "d1".into() }));
        assert!(found.compromise && !found.finishes);
    }

    #[test]
    fn a_declared_rotation_that_names_a_claim_only_finishes_it() {
        let mut run: WorkflowRun = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": "resume-db-1", "uid": "u" },
            "spec": { "runtimeSecret": "db", "uses": "rotate", "cause": {
                "kind": "declared", "by": "orchestrator", "slot": "uid of the run that is gone" } },
        }))
        .unwrap();
        let found = run_ref(&run, &step("rotate"));
        assert!(found.finishes && found.slot.is_none());
        run.spec.cause.slot = None;
        assert!(!run_ref(&run, &step("rotate")).finishes, "who declares a rotation has it begun");
    }
}
