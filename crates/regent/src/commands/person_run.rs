//! What a person asks for is a WorkflowRun under his own name, as the API server knows it: made here, carried out by the
//! orchestrator, and told of in the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::ObjectMeta;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use regent_api::condition::{self, READY};
use regent_api::workflow::Uses;
use regent_api::workflow_run::{Cause, CauseKind, RunPhase, WorkflowRunSpec};
use regent_api::{WorkflowRun, WorkflowRunStatus};
use regent_host::failure::Failure;
use regent_operator::write::FieldManager;
use regent_types::Advice;
use serde::Serialize;

use crate::output::{Format, Out};

/// Longest name of a run's prefix, so that the API server can add its own part.
const PREFIX_MAX: usize = 200;

/// Field manager of what people write through commands.
pub fn manager() -> FieldManager {
    FieldManager::new("regent-cli")
}

/// How a command that makes a run ends.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// A sentence for auditors: why.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Do not wait for the end of the run.
    #[arg(long)]
    pub no_wait: bool,
    /// Longest wait for the end of the run, in seconds.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
}

/// A run that a person asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Namespace of the run.
    pub namespace: String,
    /// RuntimeSecret that it is about; empty where it is about the authority.
    pub secret: String,
    /// The workflow, where it is one.
    pub workflow: Option<String>,
    /// The single step, where it is one.
    pub uses: Option<Uses>,
    /// Parameters of the single step.
    pub with: BTreeMap<String, String>,
    /// The run that it goes on with.
    pub retry_of: Option<String>,
}

impl Asked {
    /// The single step `uses` for RuntimeSecret `secret`.
    pub fn step(namespace: &str, secret: &str, uses: Uses) -> Self {
        Self {
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            workflow: None,
            uses: Some(uses),
            with: BTreeMap::new(),
            retry_of: None,
        }
    }
}

/// What came of a run; its fields are API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// `namespace/name` of the run.
    pub run: String,
    /// Who asked for it.
    pub by: String,
    /// How far it is.
    pub phase: String,
    /// Reason of its `Ready` condition; empty where it has none.
    pub reason: String,
    /// Message of that condition.
    pub message: String,
}

impl RunResult {
    /// Whether it ended well, or is not waited for.
    pub fn is_fine(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "AlreadyDone" | "Made")
    }
}

/// The caller's user name, as the API server knows it.
pub async fn user_name(api: &kube::Client) -> anyhow::Result<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(api.clone());
    let review = reviews.create(&manager().post(), &SelfSubjectReview::default()).await?;
    let name = review.status.and_then(|s| s.user_info).and_then(|u| u.username);
    name.filter(|name| !name.is_empty()).ok_or_else(|| {
        let advice = Advice::new(
            "a user name",
            "none: the API server does not know who asks",
            "log in, and see kubectl auth whoami",
        );
        Failure::new("NoUserName", "a run is made under a name", advice).into()
    })
}

/// Makes the run and waits for its end, as `args` say; tells what came of it.
pub async fn ask(
    api: &kube::Client,
    asked: Asked,
    args: &RunArgs,
    out: Out,
) -> anyhow::Result<RunResult> {
    let by = user_name(api).await?;
    let runs: Api<WorkflowRun> = Api::namespaced(api.clone(), &asked.namespace);
    let made = runs.create(&manager().post(), &run(&asked, &by, &args.reason)).await?;
    let name = made.name_any();
    let shown = format!("{}/{name}", asked.namespace);
    if args.no_wait {
        let (phase, reason, message) = ("Made".to_owned(), String::new(), String::new());
        return Ok(RunResult { run: shown, by, phase, reason, message });
    }
    if out.format == Format::Table {
        out.note(&format!("run {shown} by {by}"));
    }
    let stands =
        |run: Option<&WorkflowRun>| run.is_none_or(|run| stands_still(run.status.as_ref()));
    let wait = tokio::time::timeout(
        Duration::from_secs(args.timeout),
        await_condition(runs.clone(), &name, stands),
    );
    let ended = match wait.await {
        Ok(ended) => ended?,
        Err(_) => runs.get_opt(&name).await?,
    };
    Ok(result(shown, by, ended.as_ref()))
}

/// Prints what came of runs; the exit code.
pub fn tell(results: &[RunResult], out: Out) -> anyhow::Result<u8> {
    match out.format {
        Format::Table => {
            for RunResult { run, phase, message, .. } in results {
                let message =
                    if message.is_empty() { String::new() } else { format!(": {message}") };
                out.line(&format!("run {run} {phase}{message}"));
            }
        }
        Format::Json | Format::Yaml => out.value(&results)?,
    }
    Ok(u8::from(!results.iter().all(RunResult::is_fine)))
}

/// Whether waiting any longer tells nothing new by itself.
fn stands_still(status: Option<&WorkflowRunStatus>) -> bool {
    let phase = status.and_then(|s| s.phase);
    phase.is_some_and(|p| p.is_over() || matches!(p, RunPhase::Conflict | RunPhase::Held))
}

fn result(run: String, by: String, found: Option<&WorkflowRun>) -> RunResult {
    let status = found.and_then(|run| run.status.clone()).unwrap_or_default();
    let ready = condition::get(&status.conditions, READY);
    let phase = match (found, status.phase) {
        (None, _) => "Gone".to_owned(),
        (Some(_), None) => "NotTakenUp".to_owned(),
        (Some(_), Some(phase)) => format!("{phase:?}"),
    };
    let (reason, message) =
        ready.map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default();
    RunResult { run, by, phase, reason, message }
}

fn run(asked: &Asked, by: &str, reason: &str) -> WorkflowRun {
    let uses = asked.uses.and_then(|uses| serde_json::to_value(uses).ok());
    let uses = uses.as_ref().and_then(|uses| uses.as_str()).or(asked.workflow.as_deref());
    let mut prefix = format!("{}-{}", uses.unwrap_or("run"), asked.secret);
    prefix.truncate(PREFIX_MAX);
    let prefix = prefix.trim_end_matches(['-', '.']).to_owned();
    WorkflowRun {
        metadata: ObjectMeta {
            generate_name: Some(format!("{prefix}-")),
            namespace: Some(asked.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec: WorkflowRunSpec {
            runtime_secret: asked.secret.clone(),
            workflow: asked.workflow.clone(),
            uses: asked.uses,
            with: asked.with.clone(),
            retry_of: asked.retry_of.clone(),
            cause: Cause {
                kind: CauseKind::Manual,
                by: by.to_owned(),
                slot: None,
                reason: reason.to_owned(),
            },
            control: None,
        },
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_person_says_who_and_why_and_has_a_name_that_fits() {
        let mut asked = Asked::step("payments", &"x".repeat(253), Uses::Resolve);
        asked.with.insert("keep".into(), "authority".into());
        let made = run(&asked, "ann", "the vendor set it");
        let prefix = made.metadata.generate_name.unwrap();
        assert!(prefix.starts_with("resolve-x") && prefix.len() <= PREFIX_MAX + 1);
        let cause = made.spec.cause;
        assert_eq!((cause.by.as_str(), cause.reason.as_str()), ("ann", "the vendor set it"));
        assert_eq!(cause.slot, None);
    }

    #[test]
    fn what_waits_for_a_person_is_not_waited_for() {
        let of = |phase| WorkflowRunStatus { phase, ..WorkflowRunStatus::default() };
        for (phase, stands) in [
            (None, false),
            (Some(RunPhase::Running), false),
            (Some(RunPhase::Suspended), false),
            (Some(RunPhase::Conflict), true),
            (Some(RunPhase::Held), true),
            (Some(RunPhase::Failed), true),
            (Some(RunPhase::Canceled), true),
        ] {
            assert_eq!(stands_still(Some(&of(phase))), stands, "{phase:?}");
        }
    }
}
