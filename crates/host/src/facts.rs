//! One object as it is seen from outside: the few fields that decide whether the system is steady. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use regent_api::condition;
use regent_api::workflow_run::{CauseKind, RunPhase};
use regent_api::{RuntimeSecret, WorkflowRun};
use regent_types::labels;
use regent_types::lifecycle::Stage;
use serde::Serialize;

/// The `Ready` condition, briefly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Whether it is `True`.
    pub ready: bool,
    /// Its reason; empty when there is no condition yet.
    pub reason: String,
    /// Message of the condition; empty when there is none yet.
    pub message: String,
}

/// What a RuntimeSecret says of itself, as far as steady state depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its `Ready` condition; without a reason where it has none yet.
    pub ready: Ready,
    /// How far it is; absent until the orchestrator has seen it.
    pub stage: Option<Stage>,
    /// Number of the version in force; 0 before the first.
    pub version: i64,
    /// How it is introduced: `handover`, `generate` or `derived`.
    pub introduced: &'static str,
    /// Bootstrap Secret that it takes over.
    pub bootstrap: Option<String>,
    /// What triggers select it by, and read from it.
    pub(super) selectable: Selectable,
}

/// What a WorkflowRun says of itself, as far as steady state depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Its phase, once it has one.
    pub phase: Option<RunPhase>,
    /// Name of its RuntimeSecret.
    pub secret: String,
    /// EventTrigger, user or component that started it.
    pub by: String,
    /// Whether it is a command of a person, who is told what came of it.
    pub is_command: bool,
    /// Slot or delivery that it was started for, where a trigger started it.
    pub slot: Option<String>,
    /// Number of the version that it made; 0 before that.
    pub version: i64,
    /// Message of its `Ready` condition: why it stopped, if it did.
    pub message: String,
}

/// What triggers select a secret by, and read from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selectable {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) created: Option<Timestamp>,
}

impl Selectable {
    fn of(secret: &RuntimeSecret) -> Self {
        let source = [labels::SOURCE_REPO, labels::SOURCE_COMMIT, labels::SOURCE_FILE];
        let mut annotations = secret.annotations().clone();
        // Of each secret from Git, and nothing that a trigger is set on.
        annotations.retain(|key, _| !source.contains(&key.as_str()));
        Self {
            labels: secret.labels().clone(),
            annotations,
            created: secret.creation_timestamp().map(|time| time.0),
        }
    }
}

/// `namespace/name`, or the name of what has no namespace.
pub(super) fn key(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        _ => format!("{namespace}/{name}"),
    }
}

/// Condition `Ready` of them.
pub(super) fn ready(all: &[Condition]) -> Ready {
    condition::get(all, condition::READY).map_or_else(Ready::default, |c| Ready {
        ready: c.status == "True",
        reason: c.reason.clone(),
        message: c.message.clone(),
    })
}

/// A RuntimeSecret as far as it is seen.
pub(super) fn secret_facts(secret: &RuntimeSecret) -> SecretFacts {
    let status = secret.status.clone().unwrap_or_default();
    let introduce = &secret.spec.introduce;
    let introduced = match (&introduce.handover, &introduce.generate) {
        (Some(_), _) => "handover",
        (None, Some(_)) => "generate",
        (None, None) => "derived",
    };
    SecretFacts {
        ready: ready(&status.conditions),
        stage: status.stage,
        version: status.version.map_or(0, |v| v.number),
        introduced,
        bootstrap: introduce.handover.as_ref().map(|h| h.bootstrap_secret.clone()),
        selectable: Selectable::of(secret),
    }
}

/// A run as far as it is seen.
pub(super) fn run_facts(run: &WorkflowRun) -> RunFacts {
    let status = run.status.clone().unwrap_or_default();
    RunFacts {
        phase: status.phase,
        secret: run.spec.runtime_secret.clone(),
        by: run.spec.cause.by.clone(),
        is_command: run.spec.cause.kind == CauseKind::Manual && run.spec.uses.is_some(),
        slot: run.spec.cause.slot.clone(),
        version: status.version.as_ref().map_or(0, |v| v.number),
        message: ready(&status.conditions).message,
    }
}
