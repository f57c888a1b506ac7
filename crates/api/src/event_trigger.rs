//! `EventTrigger`: time- or signal-based starter of runs.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use regent_types::lifecycle::Stage;

/// Starts a Workflow for the RuntimeSecrets it selects, exactly once per slot.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "EventTrigger", namespaced)]
#[kube(status = "EventTriggerStatus", shortname = "et", category = "regent")]
#[kube(printcolumn(json_path = ".spec.workflow", name = "Workflow", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.lastSlot", name = "Last Slot", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.lastRun", name = "Last Run", type_ = "string"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Reason",
    type_ = "string"
))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.source)").message("write what fires it under spec.source (spec.on is no field: YAML 1.1 reads on as true)"))]
pub struct EventTriggerSpec {
    /// What fires it, always. A rule says so and not the schema: it names what to write, and an object of a release that
    /// called the field otherwise can still be read, and its status be written while its spec stays.
    #[serde(default, skip_serializing_if = "TriggerSource::is_empty")]
    pub source: TriggerSource,
    /// Which RuntimeSecrets of this namespace.
    pub select: Selection,
    /// Workflow of this namespace to run.
    #[schemars(length(min = 1, max = 253))]
    pub workflow: String,
    /// Whether a run may start while another of this trigger and secret is under way.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// At most this many runs an hour; more are deferred and reported.
    #[serde(default = "default_runs_per_hour")]
    #[schemars(range(min = 1, max = 10_000))]
    pub runs_per_hour: i64,
    /// Starts nothing while true.
    #[serde(default)]
    pub suspend: bool,
}

fn default_runs_per_hour() -> i64 {
    1_000
}

/// What fires a trigger: exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.schedule), has(self.expiry), has(self.stage), has(self.annotation)].filter(x, x).size() == 1").message("exactly one of schedule, expiry, stage, annotation"))]
pub struct TriggerSource {
    /// Slots of a cron schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// At each slot, the secrets whose policy says that they are due within a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// A secret reaches this stage for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// An annotation with this key is set or changed on the RuntimeSecret; its value is the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub annotation: Option<String>,
}

impl TriggerSource {
    /// Whether it names nothing, as in an object of a release that called it otherwise.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Points in time, as cron describes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Five fields, or six with seconds first, or `@daily` and the like.
    #[schemars(length(min = 1, max = 128))]
    pub cron: String,
    /// IANA time zone name. A slot that daylight saving skips does not fire; one it repeats fires once.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// What happens to slots missed while triggers was down.
    #[serde(default)]
    pub missed_runs: MissedRuns,
}

fn default_time_zone() -> String {
    "UTC".into()
}

/// What happens to missed slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MissedRuns {
    /// No run is started for a slot that was missed.
    #[default]
    Skip,
    /// The newest of them runs once.
    RunOnce,
}

/// An expiry window, evaluated at the slots of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// Secrets that are due within this many seconds.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub within_seconds: i64,
    /// Points in time at which secrets are checked for it.
    #[serde(flatten)]
    pub schedule: Schedule,
}

/// Which RuntimeSecrets: by name, by label, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Selection {
    /// Names; empty means any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub names: Vec<String>,
    /// Labels that must all match; empty means any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

/// Whether runs of one trigger and secret may overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// A new run waits until the one before has ended, except after a reported leak.
    #[default]
    Forbid,
    /// Both run; the record still lets only one rotate at a time.
    Allow,
}

/// The watermark, persisted before a run is created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventTriggerStatus {
    /// Last slot or delivery taken; slots at or below it are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_slot: Option<String>,
    /// Deliveries taken, newest last: `secret=slot` for stage and annotation sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2_000))]
    pub deliveries: Vec<String>,
    /// Name of the last run created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fired: Option<Time>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
