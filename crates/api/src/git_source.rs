//! `GitSource`: a repository that intent syncs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Git repository whose objects intent applies. It is read only: regent holds no right to push.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "GitSource", namespaced)]
#[kube(status = "GitSourceStatus", shortname = "gs", category = "regent")]
#[kube(printcolumn(json_path = ".spec.url", name = "URL", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.revision", name = "Revision", type_ = "string"))]
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
#[serde(rename_all = "camelCase")]
pub struct GitSourceSpec {
    /// Where the repository is: `https://`, `http://` (loopback only), `file:///` or an absolute path.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// Branch or tag to follow.
    #[serde(default = "default_reference")]
    #[schemars(length(min = 1, max = 255))]
    pub reference: String,
    /// Folder inside the repository to apply; the whole repository when empty.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub path: String,
    /// Seconds between looks at the repository.
    #[serde(default = "default_interval")]
    #[schemars(range(min = 1, max = 86_400))]
    pub interval_seconds: i64,
    /// Secret in the GitSource's namespace with keys `username` and `password` for https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<LocalRef>,
    /// Account in the GitSource's namespace that intent impersonates for kinds beyond its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Stop syncing while true; nothing is removed.
    #[serde(default)]
    pub suspend: bool,
}

fn default_reference() -> String {
    "main".into()
}

fn default_interval() -> i64 {
    60
}

/// The name of an object in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What intent last saw and applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GitSourceStatus {
    /// Commit that was applied completely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Objects that were applied and did not leave the repository since, for pruning; empty where `inventorySet` says
    /// where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20_000))]
    pub inventory: Vec<InventoryItem>,
    /// Where the inventory is kept once it is too large for a status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory_set: Option<InventorySet>,
    /// When the revision was first applied whole, or was applied whole again after an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied: Option<Time>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and its reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// An inventory in ConfigMaps `regent-inventory-NAME-N` of the GitSource's namespace, N from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventorySet {
    /// Hash of the whole content: a set that lost a part is known by it.
    #[schemars(length(max = 64))]
    pub name: String,
    /// How many ConfigMaps there are.
    #[schemars(range(min = 1, max = 256))]
    pub parts: i64,
    /// How many objects they list.
    pub objects: i64,
}

impl GitSourceStatus {
    /// How many objects are applied.
    pub fn applied_objects(&self) -> usize {
        let listed = self.inventory_set.as_ref().map(|set| usize::try_from(set.objects));
        listed.and_then(Result::ok).unwrap_or(self.inventory.len())
    }
}

/// An object that intent applied, and deletes again once it is gone from the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace; empty for cluster-wide kinds.
    #[serde(default)]
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}
