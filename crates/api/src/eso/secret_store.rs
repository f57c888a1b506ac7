//! `SecretStore` and `ClusterSecretStore` (external-secrets.io/v1).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{preserved, preserved_list};
use regent_types::labels::{AUTHORITY_CA_BUNDLE, CA_KEY, SYSTEM_NAMESPACE};

/// A store usable in one namespace.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "external-secrets.io", version = "v1", kind = "SecretStore", namespaced)]
#[kube(status = "StoreStatus", shortname = "ss", category = "external-secrets")]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "AGE", type_ = "date"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Status",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".status.capabilities", name = "Capabilities", type_ = "string"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].status",
    name = "Ready",
    type_ = "string"
))]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreSpec {
    /// Controller class; empty and `regent` are regent's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller: String,
    /// The provider; regent acts on `vault` and keeps any other as it is.
    pub provider: Provider,
    /// HTTP retries; kept, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub retry_settings: Option<serde_json::Value>,
    /// Seconds between validations, or a duration; kept, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_string")]
    pub refresh_interval: Option<serde_json::Value>,
}

/// A store usable in any namespace that its conditions allow.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "external-secrets.io", version = "v1", kind = "ClusterSecretStore")]
#[kube(status = "StoreStatus", shortname = "css", category = "external-secrets")]
#[kube(printcolumn(json_path = ".metadata.creationTimestamp", name = "AGE", type_ = "date"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].reason",
    name = "Status",
    type_ = "string"
))]
#[kube(printcolumn(json_path = ".status.capabilities", name = "Capabilities", type_ = "string"))]
#[kube(printcolumn(
    json_path = ".status.conditions[?(@.type=='Ready')].status",
    name = "Ready",
    type_ = "string"
))]
#[serde(rename_all = "camelCase")]
pub struct ClusterSecretStoreSpec {
    /// Controller class; empty and `regent` are regent's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller: String,
    /// The provider; regent acts on `vault` and keeps any other as it is.
    pub provider: Provider,
    /// Namespaces that may use the store; regent refuses a store whose conditions it cannot evaluate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "preserved_list")]
    pub conditions: Vec<serde_json::Value>,
    /// HTTP retries; kept, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "preserved")]
    pub retry_settings: Option<serde_json::Value>,
    /// Seconds between validations, or a duration; kept, not acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_string")]
    pub refresh_interval: Option<serde_json::Value>,
}

fn int_or_string(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "x-kubernetes-int-or-string": true })
}

fn provider_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "x-kubernetes-preserve-unknown-fields": true
    })
}

/// Exactly one provider. Unknown ones are kept: a cluster with an AWS store is none of regent's business.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Vault API: embedded authority, OpenBao or Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultProvider>,
    /// Any other provider, as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl JsonSchema for Provider {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Provider".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        provider_schema(generator)
    }
}

/// The fields of ESO's Vault provider that regent acts on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultProvider {
    /// URL of the authority, such as `https://vault.example:8200`, without a path.
    pub server: String,
    /// Mount of the secrets; `secret` where absent, and regent serves no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `v1` or `v2`; regent serves v2.
    #[serde(default = "v2")]
    pub version: String,
    /// How to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<VaultAuth>,
    /// Everything else, as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl VaultProvider {
    /// The field by which this store names a CA other than the one that the installation publishes, if it does.
    /// Regent trusts its authority by what its components mount; `caProvider` naming that same ConfigMap says so for
    /// others. (A namespaced store names a copy of it in its own namespace: External Secrets Operator allows no other.)
    pub fn foreign_ca(&self) -> Option<&'static str> {
        if self.other.get("caBundle").is_some_and(|bundle| bundle.as_str() != Some("")) {
            return Some("caBundle");
        }
        let named = self.other.get("caProvider").filter(|named| !named.is_null())?;
        let field = |name: &str| named.get(name).and_then(serde_json::Value::as_str);
        let own = field("type") == Some("ConfigMap")
            && field("name") == Some(AUTHORITY_CA_BUNDLE)
            && field("key").is_none_or(|key| key == CA_KEY)
            && field("namespace").is_none_or(|n| n == SYSTEM_NAMESPACE);
        (!own).then_some("caProvider")
    }
}

fn v2() -> String {
    "v2".into()
}

/// How a store logs in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultAuth {
    /// Login with a ServiceAccount token, the only method that regent uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesAuth>,
    /// Any other method, as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Kubernetes auth of a store. With regent's own role, regent's own identity is used and the store serves a
/// namespace only what it may read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesAuth {
    /// Auth mount, `kubernetes` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// Role to log in with.
    pub role: String,
    /// Everything else, as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Status of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StoreStatus {
    /// `ReadOnly`, `WriteOnly` or `ReadWrite`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
    /// `Ready` with ESO's reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
