//! `WorkflowRun`: one execution, and its durable record.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use regent_types::lifecycle::StepPhase;
use regent_types::version::VersionPair;

use super::workflow::{Uses, WorkflowSpec};

/// One execution on one RuntimeSecret. Its record holds references, names and times, never a value.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "WorkflowRun", namespaced)]
#[kube(status = "WorkflowRunStatus", shortname = "wfr", category = "regent")]
#[kube(printcolumn(json_path = ".spec.runtimeSecret", name = "Secret", type_ = "string"))]
#[kube(printcolumn(json_path = ".spec.cause.kind", name = "Cause", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.phase", name = "Phase", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.step", name = "Step", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.version.number", name = "Version", type_ = "integer"))]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"))]
#[kube(validation = Rule::new("!has(self.spec.retryOf) || has(self.spec.workflow) || has(self.spec.uses)").message("a run that goes on with another one names the same workflow or step"))]
#[kube(validation = Rule::new("has(self.spec.runtimeSecret) && size(self.spec.runtimeSecret) > 0 || has(self.spec.uses) && self.spec.uses == 'accept-restore'").message("name the RuntimeSecret that the run is about"))]
#[kube(validation = Rule::new("has(self.spec.runtimeSecret) == has(oldSelf.spec.runtimeSecret) && (!has(self.spec.runtimeSecret) || self.spec.runtimeSecret == oldSelf.spec.runtimeSecret) && has(self.spec.workflow) == has(oldSelf.spec.workflow) && (!has(self.spec.workflow) || self.spec.workflow == oldSelf.spec.workflow) && has(self.spec.uses) == has(oldSelf.spec.uses) && (!has(self.spec.uses) || self.spec.uses == oldSelf.spec.uses) && has(self.spec.with) == has(oldSelf.spec.with) && (!has(self.spec.with) || self.spec.with == oldSelf.spec.with) && has(self.spec.retryOf) == has(oldSelf.spec.retryOf) && (!has(self.spec.retryOf) || self.spec.retryOf == oldSelf.spec.retryOf) && self.spec.cause == oldSelf.spec.cause").message("of a run only spec.control can change: create another run"))]
#[kube(validation = Rule::new("!(has(oldSelf.spec.control) && has(oldSelf.spec.control.cancel) && oldSelf.spec.control.cancel) || has(self.spec.control) && has(self.spec.control.cancel) && self.spec.control.cancel").message("a canceled run stays so: create another run"))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRunSpec {
    /// RuntimeSecret of the same namespace; absent only where `uses` is accept-restore and speaks of the authority.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub runtime_secret: String,
    /// Workflow of the same namespace; absent means the single step `uses`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub workflow: Option<String>,
    /// The single step of a run without a Workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,
    /// Parameters of that step; never a secret value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = { "type": "string", "maxLength": 512 }))]
    pub with: BTreeMap<String, String>,
    /// A run of this namespace that failed or was canceled: what it did is not done again, and its Workflow counts as it
    /// was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub retry_of: Option<String>,
    /// Why it was started.
    pub cause: Cause,
    /// What a person wants of it since; the only part that can change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<RunControl>,
}

impl WorkflowRunSpec {
    /// Whether it is to end.
    pub fn is_canceled(&self) -> bool {
        self.control.as_ref().is_some_and(|c| c.cancel)
    }
}

/// What a person wants of a run that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunControl {
    /// It begins nothing until this is taken back.
    #[serde(default)]
    pub suspend: bool,
    /// It ends; what its record in the authority says that it will do is brought to its end before.
    #[serde(default)]
    pub cancel: bool,
    /// Your user name, as the API server knows it.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// A sentence for auditors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub reason: String,
}

/// Why a run was started, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What kind of cause.
    pub kind: CauseKind,
    /// Who: EventTrigger name, user name or component.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// The slot or delivery, for triggers: what makes the run exactly-once. Of a declared rotation: uid of the run
    /// whose rotation it finishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub slot: Option<String>,
    /// A sentence for auditors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub reason: String,
}

/// What kind of cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// The declaration in Git (handover, generate).
    Declared,
    /// An EventTrigger whose schedule came due.
    Schedule,
    /// A version about to expire.
    Expiry,
    /// An annotation or stage change.
    Change,
    /// A leak that was reported by annotation on the RuntimeSecret.
    Compromise,
    /// A person who made the WorkflowRun by hand.
    Manual,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// The orchestrator has taken up the run and it has not ended.
    Running,
    /// Every step of the workflow succeeded.
    Succeeded,
    /// The slot it stands for was already covered; nothing was done.
    AlreadyDone,
    /// A person must decide; the message says what.
    Conflict,
    /// Something outside must change back; the message says what.
    Held,
    /// A person wants it to stand still.
    Suspended,
    /// A person ended it.
    Canceled,
    /// A step failed for good.
    Failed,
}

impl RunPhase {
    /// Whether nothing more is done about the run.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::AlreadyDone | Self::Canceled | Self::Failed)
    }
}

/// The record of a run: small flat steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRunStatus {
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// The Workflow as it was when the run was taken up: what happens to it later does not change the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<WorkflowSpec>,
    /// The step under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Step records, at most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub steps: Vec<StepRecord>,
    /// Version that the run made or acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionPair>,
    /// When the orchestrator took up the run; absent before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the run succeeded, failed or stopped for good; absent before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (`True` once it ended well) and its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Name of the workflow step, and of the protocol step inside it: `rotate/promote`.
    pub name: String,
    /// How far it is.
    pub phase: StepPhase,
    /// Number of the current try, from 1.
    pub attempts: i64,
    /// When the first try began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the last try ended; absent while it is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What happened, for people; never a value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
