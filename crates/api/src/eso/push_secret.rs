//! `PushSecret` (external-secrets.io/v1alpha1).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{preserved, preserved_list};

/// Publication of an operator-generated Secret: Kubernetes Secret → authority.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "external-secrets.io", version = "v1alpha1", kind = "PushSecret", namespaced)]
#[kube(status = "PushSecretStatus", shortname = "ps", category = "external-secrets")]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "AGE", type_ = "date"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Status",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".status.refreshTime", name = "Last Sync", type_ = "date"))]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSpec {
    /// Stores to publish to.
    pub secret_store_refs: Vec<PushStoreRef>,
    /// `Replace` (default) or `IfNotExists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Replace|IfNotExists)$"))]
    pub update_policy: Option<String>,
    /// `None` (default), or `Delete`: what was published leaves the authority when it is mapped no more, or when the
    /// PushSecret is deleted, which waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(Delete|None)$"))]
    pub deletion_policy: Option<String>,
    /// Duration such as `1h0m0s`; the source is watched as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<String>,
    /// What is published: one Secret of the same namespace.
    pub selector: PushSelector,
    /// Which key of the Secret goes to which path, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PushData>,
    /// Bulk mappings; never explicit, so refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "preserved_list")]
    pub data_to: Vec<serde_json::Value>,
    /// Template; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub template: Option<serde_json::Value>,
}

/// A store to publish to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushStoreRef {
    /// Name of the store.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Stores by label; never explicit, so refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub label_selector: Option<serde_json::Value>,
    /// `SecretStore` (default) or `ClusterSecretStore` (the only one regent publishes to).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(SecretStore|ClusterSecretStore)$"))]
    pub kind: Option<String>,
}

/// The source of a publication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSelector {
    /// A Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PushSecretSource>,
    /// A generator; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub generator_ref: Option<serde_json::Value>,
}

/// The Secret to publish, named or selected; regent publishes a named one only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSource {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Secrets by label; never explicit, so refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub selector: Option<serde_json::Value>,
}

/// One key of the Secret and the place in the authority that it is written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushData {
    /// From which key to which place.
    #[serde(rename = "match")]
    pub mapping: PushMatch,
    /// Provider metadata; kept and reported as unsupported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub metadata: Option<serde_json::Value>,
    /// `None` or `ReverseUnicode` (reported as unsupported).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<String>,
}

/// From which key to which place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushMatch {
    /// Key of the source Secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub secret_key: String,
    /// Place in the authority.
    pub remote_ref: PushRemoteRef,
}

/// A place in the authority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushRemoteRef {
    /// Path under `platform-data/` or `platform-config/`.
    pub remote_key: String,
    /// Property of the secret there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// Status with ESO's fields and reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PushSecretStatus {
    /// When it was last published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<Time>,
    /// What was last synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced_resource_version: Option<String>,
    /// `Kind/Store` → `remoteKey/property` → the mapping that was published.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub synced_push_secrets: BTreeMap<String, BTreeMap<String, PushData>>,
    /// `Ready` with ESO's reasons, and regent's: `NamespaceNotServed`, `NotOwner`, `NotExplicit`, `Unsupported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
