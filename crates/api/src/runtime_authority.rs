//! `RuntimeAuthority`: the one system of record, its seal, its phase.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use regent_types::grant::PathGrant;
use regent_types::lifecycle::Authoritative;
use regent_types::login::Login;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The runtime authority of this installation. There is one, named `regent`.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
#[kube(group = "regent.dev", version = "v1alpha1", kind = "RuntimeAuthority")]
#[kube(status = "RuntimeAuthorityStatus", shortname = "ra", category = "regent")]
#[kube(printcolumn(json_path = ".status.phase", name = "Phase", type_ = "integer"))]
#[kube(printcolumn(json_path = ".status.authoritative", name = "Authority", type_ = "string"))]
#[kube(printcolumn(json_path = ".status.sealed", name = "Sealed", type_ = "boolean"))]
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
#[kube(validation = Rule::new("self.metadata.name == 'regent'").message("there is one RuntimeAuthority and its name is regent"))]
#[serde(rename_all = "camelCase")]
pub struct RuntimeAuthoritySpec {
    /// Name of this installation; it stands in every record and survives the cluster.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("installation cannot change: records would belong to nobody"))]
    pub installation: String,
    /// Where an authority outside regent's own answers; absent means the embedded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalAuthority>,
    /// A certificate of your own for the embedded authority; absent means that warden makes a CA and certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<OwnCertificate>,
    /// How the root key is split and who holds the shares.
    pub seal: Seal,
    /// Bootstrap secrets that the authority's own initialization uses; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub bootstrap_secrets: Vec<BootstrapUse>,
    /// Paths outside `runtime/{namespace}/` that a namespace may own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000))]
    pub grants: Vec<PathGrant>,
    /// When a handed-over bootstrap Secret may be disposed of.
    #[serde(default)]
    pub dispose_after: DisposeAfter,
}

impl RuntimeAuthoritySpec {
    /// Where and how components log in.
    pub fn login(&self) -> Login {
        self.external.as_ref().and_then(|e| e.login.clone()).unwrap_or_default()
    }
}

/// An authority that regent did not deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthority {
    /// Base URL of the Vault API.
    #[schemars(length(min = 1, max = 2048))]
    pub address: String,
    /// Where and how components log in there; absent means `auth/kubernetes`, whose authority asks this cluster's API
    /// server about each token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// A serving certificate that a person keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnCertificate {
    /// Secret in regent-system with tls.crt and tls.key, which the authority's Pod mounts. Who trusts it reads the
    /// CA from ConfigMap regent-authority-ca (key ca.crt), which is yours to keep as well.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// The seal: one Shamir share a holder, each sealed to that holder's age recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.threshold <= size(self.holders)").message("threshold is larger than the number of holders"))]
pub struct Seal {
    /// Who holds a share.
    #[schemars(length(min = 1, max = 32))]
    pub holders: Vec<Holder>,
    /// How many shares open the seal.
    #[schemars(range(min = 1, max = 32))]
    pub threshold: i64,
    /// Whether warden may unseal by itself, with an unseal identity that lives in Kubernetes alone.
    #[serde(default)]
    pub unattended: bool,
}

/// A person who keeps one share of the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// A name for people.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Public age key that the share is encrypted to; its identity stays with the person.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^age1[0-9a-z]+$"))]
    pub recipient: String,
}

/// A bootstrap secret that initialization uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapUse {
    /// Namespace of the bootstrap Secret.
    pub namespace: String,
    /// Name of the bootstrap Secret.
    pub name: String,
    /// What it is used for: `tls` or `storage`.
    #[schemars(regex(pattern = "^(tls|storage)$"))]
    pub purpose: String,
}

/// When a handed-over bootstrap Secret may be disposed of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DisposeAfter {
    /// As soon as the authority acknowledged and consumers are served.
    #[default]
    Acknowledge,
}

/// The API server that the authority's kubernetes auth asks, as warden configures it: told here so that a person can
/// repair logins where warden cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedBy {
    /// Its URL, as the authority reaches it.
    pub host: String,
    /// Its CA certificates, PEM; absent where the authority finds them beside its own token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<String>,
}

/// That a person accepted an older state of the authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRestore {
    /// User name of who accepted it.
    pub by: String,
    /// `namespace/name` of the run in which he did.
    pub run: String,
    /// When it was accepted.
    pub at: Time,
    /// The ledger heads that were published by then, and are given up where they are gone: chain → `day/seq:hash`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heads: BTreeMap<String, String>,
}

/// The newest snapshot that was restored on trial, and what is wrong since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSnapshot {
    /// When it was taken: its age is how much could be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Time>,
    /// Name of its file at the place of the snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Records in it, every one of which could be read when it was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<i64>,
    /// What was wrong with the place or with a snapshot when they were last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The state of the authority, as warden last found it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeAuthorityStatus {
    /// 2 until the authority is unsealed and configured, 3 from then on, 4 once a secret is delivered from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<i64>,
    /// Who is authoritative now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authoritative: Option<Authoritative>,
    /// Where the authority answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether it was ever initialized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initialized: Option<bool>,
    /// Whether it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// Term of the active barrier key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_term: Option<i64>,
    /// age recipient of the unseal identity that lives in this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseal_recipient: Option<String>,
    /// The step of initialization that is under way or done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initialization: Option<String>,
    /// Whether the root token of initialization was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_revoked: Option<bool>,
    /// The API server as the authority reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<ReviewedBy>,
    /// When the certificate that warden made for the authority expires; it is renewed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<Time>,
    /// The newest snapshot of the embedded authority that was restored on trial; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<LastSnapshot>,
    /// Last heads of the ledger chains: writer → `day/seq:hash`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ledger_heads: BTreeMap<String, String>,
    /// What a person accepted last after the authority's storage was restored to an older state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_restore: Option<AcceptedRestore>,
    /// When any of this was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// Generation of the spec this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` (reasons `Active`, `Unreachable`, `Sealed`, `NoUnsealIdentity`, `InitializedKeysLost`, …), `Audited`,
    /// `SnapshotsCurrent` (of the embedded authority: `RestoredOnTrial`, `SnapshotFailed`, `SnapshotOverdue`,
    /// `NotConfigured`, …), and `Transport` (`Served`, `OwnCertificate`, or what keeps warden from making certificates).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
