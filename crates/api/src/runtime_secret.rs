//! `RuntimeSecret`: the first-class secret.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use regent_types::lifecycle::{Authoritative, Classification, DeletionPolicy, Disposition, Stage};
use regent_types::policy::RotationPolicy;
use regent_types::version::VersionPair;

/// A secret with an owner, a purpose, a lifecycle and known consumers. Git says that it exists and how it
/// was first introduced; the authority says what it is.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "RuntimeSecret", namespaced)]
#[kube(status = "RuntimeSecretStatus", shortname = "rsec", category = "regent")]
#[kube(printcolumn(json_path = ".status.classification", name = "Class", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.stage", name = "Stage", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.authority", name = "Authority", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.version.number", name = "Version", type_ = "integer"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Reason",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".status.lastRotation", name = "Rotated", type_ = "date"))]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSecretSpec {
    /// Path in the `secret/` mount; `runtime/{namespace}/{name}` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 560),
        regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)*$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("path cannot change: declare another RuntimeSecret"))]
    pub path: Option<String>,
    /// Who answers for it.
    #[schemars(length(min = 1, max = 253))]
    pub owner: String,
    /// What it is for.
    #[schemars(length(min = 1, max = 1024))]
    pub purpose: String,
    /// How it comes into the authority.
    pub introduce: Introduce,
    /// Namespaces that consume it, beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub consumers: Vec<Consumer>,
    /// The policy it starts with; from then on the one in the authority counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_policy: Option<RotationPolicy>,
    /// What happens to the value when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// How a secret is first introduced: exactly one of the four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.handover), has(self.generate), has(self.derived), has(self.adopt)].filter(x, x).size() == 1").message("exactly one of handover, generate, derived, adopt"))]
pub struct Introduce {
    /// Handed over from a bootstrap Secret of this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handover: Option<HandoverFrom>,
    /// Generated inside the authority; no person ever sees the first value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// Published by a PushSecret of this namespace; regent observes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived: Option<DerivedFrom>,
    /// It lives at the path already; its value is neither read nor written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
}

/// Handover from a bootstrap Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandoverFrom {
    /// Name of the bootstrap Secret in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub bootstrap_secret: String,
    /// What becomes of it; by default `become` where an ExternalSecret targets its name, else `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// Renames keys on the way: key in the bootstrap Secret → key in the authority. All keys are copied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename_keys: BTreeMap<String, String>,
}

/// A credential generated inside the authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generate {
    /// Key → how its value is made.
    pub keys: BTreeMap<String, GeneratedKey>,
}

/// How one value is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.length) && has(self.value))").message("a key has a length or a fixed value, not both"))]
pub struct GeneratedKey {
    /// Random characters from letters and digits, this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 4096))]
    pub length: Option<i64>,
    /// A fixed value that is no secret, such as a user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub value: Option<String>,
}

/// A secret that lived in the authority before it was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Adopt {}

/// A secret that a PushSecret publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DerivedFrom {
    /// Name of the PushSecret in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub push_secret: String,
}

/// A namespace that may read the secret, and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// The namespace; its ExternalSecrets may name this path.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
}

/// Projection of the record; it decides nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeSecretStatus {
    /// Where it comes from and where it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// Stage of its lifecycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Who is authoritative for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authoritative>,
    /// Path in the `secret/` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version that consumers are given, with the time at which it was made; absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionPair>,
    /// When the version in force was made by rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rotation: Option<Time>,
    /// When the next rotation is due by its policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation: Option<Time>,
    /// Declared consumers seen at the version in force: `namespace/externalsecret`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub consumers_observed: Vec<String>,
    /// Last runs, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub last_runs: Vec<String>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl RuntimeSecret {
    /// Whether its path, declared or by default, is `path`; the same as comparing with
    /// [`RuntimeSecret::secret_path`] where that is valid, without building it.
    pub fn declares(&self, path: &str) -> bool {
        match &self.spec.path {
            Some(declared) => declared == path,
            None => {
                let mut parts = path.splitn(3, '/');
                parts.next() == Some("runtime")
                    && parts.next() == self.metadata.namespace.as_deref()
                    && parts.next() == self.metadata.name.as_deref()
            }
        }
    }

    /// Path in the `secret/` mount, declared or by default.
    pub fn secret_path(&self) -> Result<regent_types::SecretPath, regent_types::path::PathError> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let name = self.metadata.name.as_deref().unwrap_or_default();
        match &self.spec.path {
            Some(path) => regent_types::SecretPath::parse(path),
            None => regent_types::SecretPath::runtime(namespace, name),
        }
    }
}
