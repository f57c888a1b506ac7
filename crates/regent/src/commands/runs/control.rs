//! What a person wants of one run, written into its spec under his own name.

use kube::Api;
use kube::api::Patch;
use regent_api::WorkflowRun;
use regent_api::workflow_run::{RunControl, RunPhase};
use regent_host::failure::Failure;
use regent_types::Advice;

use super::{ControlArgs, RetryArgs};
use crate::commands::object_name::ObjectName;
use crate::commands::person_run::{Asked, ask, manager, tell, user_name};
use crate::connect;
use crate::output::Out;

/// What a person may want of a run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Cancel,
    Suspend,
    Resume,
}

async fn existing(api: &kube::Client, name: &ObjectName) -> anyhow::Result<WorkflowRun> {
    let runs: Api<WorkflowRun> = Api::namespaced(api.clone(), &name.namespace);
    runs.get_opt(&name.name).await?.ok_or_else(|| {
        let advice = Advice::new(
            format!("WorkflowRun {name}"),
            "none of that name",
            "see regent runs for those that there are",
        );
        Failure::new("RunMissing", "there is no such run", advice).into()
    })
}

/// Writes what is wanted of the run; the exit code of the process.
pub(super) async fn run(args: &ControlArgs, wish: Wish, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let found = existing(&api, &args.name).await?;
    let phase = found.status.as_ref().and_then(|s| s.phase);
    if phase.is_some_and(RunPhase::is_over) {
        let advice = Advice::new(
            "a run that has not ended",
            format!("{} is {:?}", args.name, phase.unwrap_or(RunPhase::Failed)),
            "make a new run, or regent runs retry where it failed",
        );
        return Err(Failure::new("RunEnded", "the run has ended", advice).into());
    }
    let by = user_name(&api).await?;
    let canceled = found.spec.is_canceled();
    let control = RunControl {
        suspend: wish == Wish::Suspend,
        cancel: canceled || wish == Wish::Cancel,
        by: by.clone(),
        reason: args.reason.clone(),
    };
    let patch = serde_json::json!({
        "metadata": { "resourceVersion": found.metadata.resource_version },
        "spec": { "control": control },
    });
    let runs: Api<WorkflowRun> = Api::namespaced(api.clone(), &args.name.namespace);
    runs.patch(&args.name.name, &manager().patch(), &Patch::Merge(patch)).await?;
    let done = match wish {
        Wish::Cancel => "is canceled",
        Wish::Suspend => "is suspended",
        Wish::Resume => "goes on",
    };
    out.line(&format!("run {} {done}, by {by}", args.name));
    Ok(0)
}

/// Makes a run that goes on with another; the exit code of the process.
pub(super) async fn retry(args: &RetryArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let found = existing(&api, &args.name).await?;
    let phase = found.status.as_ref().and_then(|s| s.phase);
    if !matches!(phase, Some(RunPhase::Failed | RunPhase::Canceled)) {
        let phase = phase.map_or_else(|| "not taken up".to_owned(), |phase| format!("{phase:?}"));
        let advice = Advice::new(
            "a run that failed or was canceled",
            format!("{} is {phase}", args.name),
            "make a new run, or see regent runs",
        );
        return Err(Failure::new("RunNotFailed", "there is nothing to go on with", advice).into());
    }
    let asked = Asked {
        namespace: args.name.namespace.clone(),
        secret: found.spec.runtime_secret.clone(),
        workflow: found.spec.workflow.clone(),
        uses: found.spec.uses,
        with: found.spec.with.clone(),
        retry_of: Some(args.name.name.clone()),
    };
    tell(&[ask(&api, asked, &args.run, out).await?], out)
}
