//! A run that goes on with another one, which failed or was canceled: under its own name, with the plan that the other
//! one had, and without repeating what that one did.

use kube::{Api, ResourceExt};
use regent_api::workflow_run::{RunPhase, StepRecord};
use regent_api::{WorkflowRun, WorkflowRunStatus};

use super::ctx::Ctx;
use super::error::Error;

/// Takes plan and finished steps of the run `of` into `status`; the inner error says why that cannot be.
pub(super) async fn take_over(
    ctx: &Ctx,
    run: &WorkflowRun,
    of: &str,
    status: &mut WorkflowRunStatus,
) -> Result<Result<(), String>, Error> {
    let namespace = run.namespace().unwrap_or_default();
    let api: Api<WorkflowRun> = Api::namespaced(ctx.cx.api.clone(), &namespace);
    let found = api.get_opt(of).await;
    let found =
        found.map_err(|e| Error::api("get", format!("WorkflowRun {namespace}/{of}"), &e))?;
    Ok(taken(run, found.as_ref(), of, status))
}

fn taken(
    run: &WorkflowRun,
    found: Option<&WorkflowRun>,
    of: &str,
    status: &mut WorkflowRunStatus,
) -> Result<(), String> {
    let found = found.ok_or_else(|| format!("there is no run {of} in this namespace any more"))?;
    let (ours, theirs) = (&run.spec, &found.spec);
    let same = (&ours.runtime_secret, &ours.workflow, ours.uses)
        == (&theirs.runtime_secret, &theirs.workflow, theirs.uses);
    if !same {
        return Err(format!("run {of} is of another RuntimeSecret, Workflow or step"));
    }
    let before = found.status.clone().unwrap_or_default();
    match before.phase {
        Some(RunPhase::Failed | RunPhase::Canceled) => {}
        phase => {
            let phase = phase.map_or_else(|| "not begun".to_owned(), |p| format!("{p:?}"));
            return Err(format!("expected a run that failed or was canceled, {of} is {phase}"));
        }
    }
    if ours.workflow.is_some() && before.plan.is_none() {
        return Err(format!("run {of} never had a plan; make a new run"));
    }
    status.plan = before.plan;
    let done = |step: &StepRecord| step.phase.is_done() && !step.name.contains('/');
    status.steps = before.steps.into_iter().filter(done).collect();
    let finally = status.plan.iter().flat_map(|p| &p.finally);
    let last: Vec<&str> = finally.map(|s| s.name.as_str()).collect();
    // What always comes last comes once more.
    status.steps.retain(|step| !last.contains(&step.name.as_str()));
    for step in &mut status.steps {
        step.message = format!("done by run {}", found.name_any());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn run(name: &str, spec: &Value, status: &Value) -> WorkflowRun {
        let mut all = json!({ "runtimeSecret": "db", "workflow": "w",
            "cause": { "kind": "manual", "by": "ann" } });
        for (key, value) in spec.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": name }, "spec": all, "status": status,
        }))
        .unwrap()
    }

    fn failed() -> Value {
        let step = |name: &str, phase: &str| json!({ "name": name, "phase": phase, "attempts": 1 });
        json!({ "phase": "Failed",
            "plan": { "steps": [{ "name": "a", "uses": "rotate" }, { "name": "b", "uses": "rotate" }],
                      "finally": [{ "name": "last", "uses": "notify" }] },
            "steps": [step("a", "Succeeded"), step("a/promote", "Succeeded"), step("b", "Failed"),
                      step("last", "Succeeded")] })
    }

    #[test]
    fn a_retry_goes_on_behind_what_was_done_with_the_plan_of_then() {
        let again = run("second", &json!({ "retryOf": "first" }), &json!({}));
        let mut status = WorkflowRunStatus::default();
        let first = run("first", &json!({}), &failed());
        taken(&again, Some(&first), "first", &mut status).unwrap();
        let names: Vec<&str> = status.steps.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a"], "the step that failed and the last ones come again");
        assert_eq!(status.plan.map(|p| p.steps.len()), Some(2));
    }

    #[test]
    fn what_is_no_failed_run_of_the_same_kind_is_refused() {
        let again = run("second", &json!({ "retryOf": "first" }), &json!({}));
        let running = json!({ "phase": "Running" });
        let refused = [
            None,
            Some(run("first", &json!({ "runtimeSecret": "other" }), &failed())),
            Some(run("first", &json!({ "workflow": "other" }), &failed())),
            Some(run("first", &json!({}), &running)),
            Some(run("first", &json!({}), &json!({ "phase": "Failed" }))),
        ];
        for found in refused {
            let mut status = WorkflowRunStatus::default();
            assert!(taken(&again, found.as_ref(), "first", &mut status).is_err(), "{found:?}");
            assert!(status.plan.is_none() && status.steps.is_empty());
        }
    }
}
