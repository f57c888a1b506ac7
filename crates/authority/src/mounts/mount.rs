//! One mount: what answers at a path, under which settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::random;

/// Lease bound when neither mount nor role says otherwise: 768 h, Vault's default.
pub(crate) const LEASE_TTL_DEFAULT_S: u64 = 768 * 3600;

/// What answers below a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MountKind {
    /// KV version 2; version 1 is not served.
    Kv,
    Kubernetes,
    /// Mounted at `auth/token/`, always and only.
    Token,
    /// Mounted at `sys/`, always and only.
    System,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Full path with trailing `/`: `secret/`, `auth/kubernetes/`.
    pub(crate) path: String,
    pub(crate) kind: MountKind,
    /// Names its storage; never reused.
    pub(crate) uuid: String,
    /// Public handle, e.g. `kv_1a2b3c4d`.
    pub(crate) accessor: String,
    pub(crate) description: String,
    /// For KV `version: "2"`, which clients read.
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) config: MountConfig,
}

/// Tunable settings; 0 means [`LEASE_TTL_DEFAULT_S`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountConfig {
    pub(crate) default_lease_ttl_s: u64,
    pub(crate) max_lease_ttl_s: u64,
    /// `unauth`, `hidden` or empty.
    pub(crate) listing_visibility: String,
    /// Of an auth mount: `default-service`, or the other spelling of it that was asked for.
    #[serde(default)]
    pub(crate) token_type: String,
}

impl MountConfig {
    /// What an auth mount's tokens are.
    pub(crate) fn token_type(&self) -> &str {
        match self.token_type.as_str() {
            "" | "default" => "default-service",
            named => named,
        }
    }
}

impl Mount {
    /// A new mount at `path` (with trailing `/`).
    pub(crate) fn new(path: &str, kind: MountKind, description: &str) -> Result<Self, ApiError> {
        let mut handle = [0; 4];
        random::fill(&mut handle)?;
        Ok(Self {
            path: path.to_owned(),
            kind,
            uuid: random::uuid()?,
            accessor: format!("{}_{}", kind.name(), random::hex(&handle)),
            description: description.to_owned(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
        })
    }

    /// Seconds in force: the mount's own, else [`LEASE_TTL_DEFAULT_S`] within the mount's bound.
    pub(crate) fn default_lease_ttl_s(&self) -> u64 {
        let own = self.config.default_lease_ttl_s;
        if own == 0 { LEASE_TTL_DEFAULT_S.min(self.max_lease_ttl_s()) } else { own }
    }

    /// Seconds in force: the mount's own, else [`LEASE_TTL_DEFAULT_S`].
    pub(crate) fn max_lease_ttl_s(&self) -> u64 {
        let own = self.config.max_lease_ttl_s;
        if own == 0 { LEASE_TTL_DEFAULT_S } else { own }
    }
}

impl MountKind {
    /// The `type` of the mount.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Kubernetes => "kubernetes",
            Self::Token => "token",
            Self::System => "system",
        }
    }
}
