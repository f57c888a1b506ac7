//! `Workflow`: declarative multi-step automation.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Typed steps that a WorkflowRun executes on one RuntimeSecret of its own namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "Workflow", namespaced)]
#[kube(shortname = "wf", category = "regent")]
#[kube(printcolumn(json_path = ".spec.steps[*].uses", name = "Uses", type_ = "string"))]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSpec {
    /// Steps, run in the order that `dependsOn` allows.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.all(s, !has(s.dependsOn) || s.dependsOn.all(d, self.exists(o, o.name == d && o.name != s.name)))").message("dependsOn names a step that is not there"))]
    pub steps: Vec<WorkflowStep>,
    /// Steps run once at the end, whatever happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub finally: Vec<WorkflowStep>,
}

/// One step of a workflow, with its parameters and the steps that it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowStep {
    /// Name, unique in the workflow.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The action that the step carries out.
    pub uses: Uses,
    /// Parameters of the step; never a secret value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = { "type": "string", "maxLength": 512 }))]
    pub with: BTreeMap<String, String>,
    /// Steps that must have succeeded before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    pub depends_on: Vec<String>,
    /// How often a transient failure is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Seconds after which the step has failed.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub timeout_seconds: i64,
}

fn default_timeout() -> i64 {
    3_600
}

/// The registry of step types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Uses {
    /// Handover of a bootstrap Secret.
    Handover,
    /// First value of a generated secret.
    Generate,
    /// A new value in place of the current one.
    Rotate,
    /// A Kubernetes Event on the RuntimeSecret: `with.reason`, `with.message`.
    Notify,
    /// A secret that already lives in the authority: its newest version is taken note of.
    Adopt,
    /// A person's decision which value stays: `with.keep` is `authority` or `bootstrap`.
    Resolve,
    /// A person's word that what a restore of the authority left counts from now on; without a RuntimeSecret, in
    /// regent-system, for the ledger.
    AcceptRestore,
    /// A path whose RuntimeSecret is gone, for the one that the run names.
    Release,
}

/// Retries of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// Tries after the first; transient failures only.
    #[schemars(range(min = 0, max = 1_000))]
    pub limit: i64,
    /// First pause in seconds; doubles up to five minutes.
    #[schemars(range(min = 1, max = 300))]
    pub backoff_seconds: i64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { limit: 20, backoff_seconds: 1 }
    }
}
