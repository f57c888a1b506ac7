//! What a person wants of a run that was started: that it stands still, or ends. Neither leaves half a thing behind: what
//! the record of the path says that the run will do is brought to its end (PROTOCOLS.md §1.1).

use kube::ResourceExt;
use regent_api::WorkflowRun;
use regent_api::workflow_run::StepRecord;

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
    /// Nothing until a person says so; the sentence tells who stopped it.
    Suspended(String),
    /// Its last steps.
    Ends,
}

/// What `run` may do, whose `records` tell of the steps of `plan` so far.
pub(super) fn judge(ctx: &Ctx, run: &WorkflowRun, plan: &Plan, records: &[StepRecord]) -> Judged {
    let Some(control) = run.spec.control.as_ref().filter(|c| c.suspend || c.cancel) else {
        return Judged::GoesOn;
    };
    if run.spec.is_suspended() && !run.spec.is_canceled() {
        let by = &control.by;
        return Judged::Suspended(format!(
            "suspended by {by}; to go on: regent runs resume {}",
            name(run)
        ));
    }
    let step = plan.due_step(records).filter(|_| !run.spec.runtime_secret.is_empty());
    let Some(step) = step else { return Judged::Ends };
    let key = (run.namespace().unwrap_or_default(), run.spec.runtime_secret.clone());
    match ctx.memory.record(&key) {
        // It is looked at after a start, and whenever it changes.
        None => Judged::Unknown,
        Some(record) if is_committed(record.as_ref(), &task_of(run, step)) => Judged::GoesOn,
        Some(_) => Judged::Ends,
    }
}

fn name(run: &WorkflowRun) -> String {
    format!("{}/{}", run.namespace().unwrap_or_default(), run.name_any())
}
