//! What a person wants of a run that was started: that it stands still, or ends. Neither leaves half a thing behind: what
//! the record of the path says that the run will do is brought to its end (PROTOCOLS.md §1.1).

use kube::ResourceExt;
use regent_api::WorkflowRun;
use regent_api::workflow::{Uses, WorkflowStep};
use regent_api::workflow_run::StepRecord;
use regent_protocol::Record;

use super::ctx::Ctx;
use super::steps::{is_committed, task_of};
use super::workflow::Plan;

/// What a run may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// What its plan says.
    GoesOn,
    /// Nothing yet: it is not known whether its step has begun.
    Unknown,
    /// The steps that come last whatever happened, and no other.
    Ends,
}

/// What `run` may do, whose `records` tell of the steps of `plan` so far.
pub(super) fn judge(ctx: &Ctx, run: &WorkflowRun, plan: &Plan, records: &[StepRecord]) -> Judged {
    if !run.spec.is_canceled() {
        return Judged::GoesOn;
    }
    let step = plan.free(records).filter(|_| !run.spec.runtime_secret.is_empty());
    let Some(step) = step else { return Judged::Ends };
    let key = (run.namespace().unwrap_or_default(), run.spec.runtime_secret.clone());
    match ctx.memory.record(&key) {
        // It is looked at after a start, and whenever it changes.
        None => Judged::Unknown,
        Some(Some(record)) if has_begun(&record, step, &task_of(run, step)) => Judged::GoesOn,
        Some(_) => Judged::Ends,
    }
}

/// Whether `record` says that `step`, known as `task`, will be done, or that it is.
fn has_begun(record: &Record, step: &WorkflowStep, task: &str) -> bool {
    let introduces = matches!(step.uses, Uses::Handover | Uses::Generate | Uses::Adopt);
    is_committed(Some(record), task)
        || record.runs.iter().any(|closed| closed.run == task)
        || record.decisions.iter().any(|decided| decided == task)
        || (introduces && record.is_runtime())
}

/// Who lets `run` stand still, as a sentence; `None` where nobody does.
pub(super) fn suspended(run: &WorkflowRun) -> Option<String> {
    let control = run.spec.control.as_ref().filter(|c| c.suspend && !c.cancel)?;
    let (namespace, name) = (run.namespace().unwrap_or_default(), run.name_any());
    Some(format!("suspended by {}; to go on: regent runs resume {namespace}/{name}", control.by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_protocol::record::{ClosedRun, Origin, Owner, State, task};
    use regent_types::VersionPair;
    use serde_json::json;

    #[test]
    fn what_a_record_says_of_a_step_is_brought_to_its_end() {
        let owner = Owner { installation: "i".into(), namespace: "n".into(), name: "s".into() };
        let record = Record::intent("p", owner, Origin::Handover, Default::default());
        let step = |uses: &str| -> WorkflowStep {
            serde_json::from_value(json!({ "name": "a", "uses": uses })).unwrap()
        };
        let ours = task("u", "a");
        let mut done = record.to(State::Done);
        assert!(has_begun(&record, &step("handover"), &ours), "an intent");
        assert!(!has_begun(&done, &step("rotate"), &ours), "it waited for others");
        done.close(ClosedRun {
            run: ours.clone(),
            run_name: "n/r".into(),
            version: VersionPair::new(2, "t"),
            at: jiff::Timestamp::UNIX_EPOCH,
            given_up: false,
        });
        assert!(has_begun(&done, &step("rotate"), &ours), "it is over, and nobody has said so yet");
        assert!(!has_begun(&done, &step("rotate"), &task("u", "b")), "each step by itself");
        assert!(!has_begun(&done, &step("resolve"), &task("u", "c")));
        done.decide(&task("u", "c"));
        assert!(has_begun(&done, &step("resolve"), &task("u", "c")));
    }
}
