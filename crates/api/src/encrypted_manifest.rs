//! `EncryptedManifest`: a bootstrap secret, encrypted, as it stands in Git.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A SOPS document as one opaque string, so that its MAC can always be checked, in the cluster. Its plaintext
/// must be a Secret of this object's own namespace and name.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "EncryptedManifest", namespaced)]
#[kube(status = "EncryptedManifestStatus", shortname = "em", category = "regent")]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].status",
    name = "Ready",
    type_ = "string"
))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Reason",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".spec.source.file", name = "File", type_ = "string"))]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"))]
#[serde(rename_all = "camelCase")]
pub struct EncryptedManifestSpec {
    /// The SOPS document, as text, byte for byte as in Git.
    #[schemars(length(min = 1, max = 1_048_576))]
    pub sops: String,
    /// Where it came from. Absent under Flux or Argo CD: the revision of the owner decides, else `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ManifestSource>,
}

/// Where a manifest came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestSource {
    /// Repository URL without credentials.
    #[schemars(length(max = 2048))]
    pub repository: String,
    /// Commit that the manifest was applied from, or `unknown`.
    #[schemars(length(max = 64))]
    pub commit: String,
    /// File inside the repository.
    #[schemars(length(max = 4096))]
    pub file: String,
}

/// What bootstrap made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EncryptedManifestStatus {
    /// Keyed HMAC of the plaintext that was last produced, with its key id; never a plain hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext_hmac: Option<String>,
    /// uid of the bootstrap Secret that was produced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_uid: Option<String>,
    /// resourceVersion at which that Secret held exactly the plaintext, as bootstrap wrote or found it. Whoever is to dispose
    /// of it knows by that whether somebody else has changed it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub secret_resource_version: Option<String>,
    /// When another value than before was produced, the last eight times: where values come faster than eight an hour,
    /// Git makes a new one at each render.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub changed_at: Vec<Time>,
    /// When it was produced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_at: Option<Time>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (reasons `Produced`, `HandedOver`, `IgnoredGitValue`, `WrongTarget`, `BadMac`, `NoIdentity`, …).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
