//! `ExternalSecret` (external-secrets.io/v1).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{preserved, preserved_list};

/// A materialized Secret as it should be: authority → Kubernetes Secret.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "external-secrets.io", version = "v1", kind = "ExternalSecret", namespaced)]
#[kube(status = "ExternalSecretStatus", shortname = "es", category = "external-secrets")]
#[kube(printcolumn(json_path = ".spec.secretStoreRef.kind", name = "StoreType", type_ = "string"))]
#[kube(printcolumn(json_path = ".spec.secretStoreRef.name", name = "Store", type_ = "string"))]
#[kube(printcolumn(
    json_path = ".spec.refreshInterval",
    name = "Refresh Interval",
    type_ = "string"
))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Status",
    type_ = "string"
))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].status",
    name = "Ready",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".status.refreshTime", name = "Last Sync", type_ = "date"))]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretSpec {
    /// The SecretStore or ClusterSecretStore that every key without a store of its own is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_store_ref: Option<StoreRef>,
    /// `CreatedOnce`, `Periodic` or `OnChange`; empty is `Periodic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(CreatedOnce|Periodic|OnChange)?$"))]
    pub refresh_policy: Option<String>,
    /// Duration such as `1h0m0s`; `0` means never on time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<String>,
    /// The Secret to write.
    #[serde(default)]
    pub target: Target,
    /// Keys, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataEntry>,
    /// Secrets of which every property becomes a key of the target Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_from: Vec<DataFromEntry>,
    /// Windows of periodic refresh; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub sync_windows: Option<serde_json::Value>,
}

/// A reference to a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// Name of the store.
    pub name: String,
    /// `SecretStore` (default) or `ClusterSecretStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(SecretStore|ClusterSecretStore)$"))]
    pub kind: Option<String>,
}

/// The Secret to write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Name; the ExternalSecret's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Owner` (default), `Orphan`, `Merge`, `None`, `CreateOrMerge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Owner|Orphan|Merge|None|CreateOrMerge)$"))]
    pub creation_policy: Option<String>,
    /// `Retain` (default), `Delete`, `Merge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Delete|Merge|Retain)$"))]
    pub deletion_policy: Option<String>,
    /// Data may not change once written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// Another kind of object as target; kept and reported as unsupported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub manifest: Option<serde_json::Value>,
    /// Template; `type`, `metadata` are acted on, template data is reported as unsupported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub template: Option<serde_json::Value>,
}

/// One key of the target Secret and the secret that its value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataEntry {
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub secret_key: String,
    /// Where its value is.
    pub remote_ref: RemoteRef,
    /// Store of this entry; a generator is kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub source_ref: Option<serde_json::Value>,
}

/// A place in the authority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteRef {
    /// Path, with or without mount and `data/`.
    pub key: String,
    /// Property of the secret; the whole secret as JSON when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Version number; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `None` or `Fetch` (reported as unsupported).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_policy: Option<String>,
    /// `Default` or `Unicode` (reported as unsupported).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<String>,
    /// `None`, `Base64`, `Base64URL` or `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoding_strategy: Option<String>,
}

/// Properties of a secret that are taken over together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataFromEntry {
    /// All properties of one secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<RemoteRef>,
    /// Many secrets; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub find: Option<serde_json::Value>,
    /// Rewrites of keys; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "preserved_list")]
    pub rewrite: Vec<serde_json::Value>,
    /// Store of this entry; a generator is kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub source_ref: Option<serde_json::Value>,
}

/// Status with ESO's fields and reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalSecretStatus {
    /// When the Secret was last refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<Time>,
    /// What was last synced: generation and a hash of labels and annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced_resource_version: Option<String>,
    /// The Secret that was made, in the form in which servicebinding.io looks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<crate::git_source::LocalRef>,
    /// `Ready` with ESO's reasons, and regent's: `NamespaceNotServed`, `NotAConsumer`, `NotRuntime`, `AuthorityWentBack`, `Unsupported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
