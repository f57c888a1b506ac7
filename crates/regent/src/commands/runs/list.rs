//! Lists runs, and follows them.

use futures::{StreamExt, TryStreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use regent_api::WorkflowRun;
use regent_api::condition::{self, READY};
use regent_operator::object_watch;
use serde::Serialize;

use super::RunsArgs;
use crate::output::{Format, Out, Row};

/// One run; its fields are API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunRow {
    namespace: String,
    name: String,
    runtime_secret: String,
    does: String,
    cause: String,
    by: String,
    phase: String,
    step: String,
    reason: String,
    message: String,
    started_at: String,
    finished_at: String,
}

impl RunRow {
    fn of(run: &WorkflowRun) -> Self {
        let status = run.status.clone().unwrap_or_default();
        let text = |value: Option<serde_json::Value>| {
            value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let uses = text(run.spec.uses.and_then(|uses| serde_json::to_value(uses).ok()));
        let ready = condition::get(&status.conditions, READY);
        let time = |at: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
            at.map(|t| t.0.to_string()).unwrap_or_default()
        };
        Self {
            namespace: run.namespace().unwrap_or_default(),
            name: run.name_any(),
            runtime_secret: run.spec.runtime_secret.clone(),
            does: run.spec.workflow.clone().unwrap_or(uses),
            cause: text(serde_json::to_value(run.spec.cause.kind).ok()),
            by: run.spec.cause.by.clone(),
            phase: status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default(),
            step: status.step.unwrap_or_default(),
            reason: ready.map(|c| c.reason.clone()).unwrap_or_default(),
            message: ready.map(|c| c.message.clone()).unwrap_or_default(),
            started_at: time(status.started_at),
            finished_at: time(status.finished_at),
        }
    }

    fn line(&self) -> String {
        let Self { namespace, name, does, phase, step, reason, message, .. } = self;
        let step = if step.is_empty() { String::new() } else { format!(" at {step}") };
        let why = match (reason.as_str(), message.as_str()) {
            ("", _) => String::new(),
            (reason, "") => format!(" {reason}"),
            (reason, message) => format!(" {reason}: {message}"),
        };
        format!("{namespace}/{name} {does} {phase}{step}{why}")
    }
}

impl Row for RunRow {
    const COLUMNS: &'static [&'static str] =
        &["NAMESPACE", "NAME", "SECRET", "DOES", "CAUSE", "BY", "PHASE", "STEP", "REASON"];
    fn cells(&self) -> Vec<String> {
        let Self { namespace, name, runtime_secret, does, cause, by, phase, step, reason, .. } =
            self.clone();
        vec![namespace, name, runtime_secret, does, cause, by, phase, step, reason]
    }
}

/// Lists what `args` name, and follows it where they say so.
pub(super) async fn run(api: &kube::Client, args: &RunsArgs, out: Out) -> anyhow::Result<u8> {
    let runs: Api<WorkflowRun> = match &args.secret {
        Some(secret) => Api::namespaced(api.clone(), &secret.namespace),
        None => Api::all(api.clone()),
    };
    let wanted = |run: &WorkflowRun| {
        args.secret.as_ref().is_none_or(|secret| run.spec.runtime_secret == secret.name)
    };
    if !args.watch {
        let mut found = runs.list(&Default::default()).await?.items;
        found.retain(wanted);
        found.sort_by_key(|run| (run.creation_timestamp().map(|t| t.0), run.name_any()));
        let rows: Vec<RunRow> = found.iter().map(RunRow::of).collect();
        out.list(&rows)?;
        return Ok(0);
    }
    let changes = object_watch::watch(runs, watcher::Config::default()).applied_objects();
    let mut changes = changes.take_until(tokio::signal::ctrl_c()).boxed();
    let mut last = std::collections::BTreeMap::new();
    while let Some(run) = changes.try_next().await? {
        let row = RunRow::of(&run);
        if !wanted(&run) || last.get(&row.name) == Some(&row) {
            continue;
        }
        match out.format {
            Format::Table => out.line(&row.line()),
            Format::Json => out.line(&serde_json::to_string(&row)?),
            Format::Yaml => out.value(&[&row])?,
        }
        last.insert(row.name.clone(), row);
    }
    Ok(0)
}
