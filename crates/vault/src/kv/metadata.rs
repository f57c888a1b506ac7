//! Metadata: versions, `custom_metadata`, names, and the end of versions and paths.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::Kv;
use crate::{Error, wire};

/// Answer of `metadata/{path}`: everything but the values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KvMetadata {
    /// Number of the newest version; 0 before the first.
    #[serde(default)]
    pub current_version: i64,
    /// Number of the oldest one kept.
    #[serde(default)]
    pub oldest_version: i64,
    /// Versions that metadata still shows, by number.
    #[serde(default, deserialize_with = "versions")]
    pub versions: BTreeMap<i64, VersionInfo>,
    /// Versions kept at most; 0 means what the mount says.
    #[serde(default)]
    pub max_versions: i64,
    /// Whether writes must name a version.
    #[serde(default)]
    pub cas_required: bool,
    /// Lifetime of a version, Go style; `0s` means none.
    #[serde(default)]
    pub delete_version_after: String,
    /// Data beside the secret.
    #[serde(default, deserialize_with = "nullable")]
    pub custom_metadata: BTreeMap<String, String>,
}

/// One version in [`KvMetadata`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct VersionInfo {
    /// When it was written.
    pub created_time: String,
    /// When it was or will be deleted; empty: never.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether its data is gone.
    #[serde(default)]
    pub destroyed: bool,
}

/// `config` of the mount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KvConfig {
    /// Versions kept at most; 0 means the engine's default, 10.
    #[serde(default)]
    pub max_versions: i64,
    /// Whether writes must name a version.
    #[serde(default)]
    pub cas_required: bool,
    /// Lifetime of a version, Go style; `0s` means none.
    #[serde(default)]
    pub delete_version_after: String,
}

/// Version numbers are JSON keys.
fn versions<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<i64, VersionInfo>, D::Error> {
    let named = Option::<BTreeMap<String, VersionInfo>>::deserialize(from)?.unwrap_or_default();
    let number = |(key, info): (String, VersionInfo)| {
        key.parse().map(|n| (n, info)).map_err(|_| serde::de::Error::custom("version number"))
    };
    named.into_iter().map(number).collect()
}

fn nullable<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::<BTreeMap<String, String>>::deserialize(from).map(Option::unwrap_or_default)
}

impl Kv {
    /// Metadata of `path`; `None` where there is none. A missing mount is [`Error::NotFound`].
    pub async fn metadata(&self, path: &str) -> Result<Option<KvMetadata>, Error> {
        let full = self.path("metadata", path);
        let Some(reply) = self.get(&full).await? else { return Ok(None) };
        let envelope: wire::Envelope<KvMetadata> =
            wire::parse(&full, &reply, "metadata of KV version 2")?;
        Ok(Some(envelope.data))
    }

    /// Merges `entries` into `custom_metadata`; `None` removes a key, keys not named stay.
    /// [`Error::NotFound`] where the path has no metadata.
    pub async fn patch_custom_metadata(
        &self,
        path: &str,
        entries: &BTreeMap<String, Option<String>>,
    ) -> Result<(), Error> {
        let full = self.path("metadata", path);
        let body = wire::body(&full, &json!({ "custom_metadata": entries }))?;
        self.demand(Method::PATCH, &full, body).await.map(drop)
    }

    /// Names below `path` (empty for the root), sorted; folders end in `/`. Empty where there are
    /// none.
    pub async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Keys {
            #[serde(default)]
            keys: Vec<String>,
        }
        let folder = path.trim_end_matches('/');
        let base = match folder {
            "" => format!("{}/metadata/", self.mount),
            _ => format!("{}/", self.path("metadata", folder)),
        };
        let full = format!("{base}?list=true");
        let Some(reply) = self.get(&full).await? else { return Ok(Vec::new()) };
        let envelope: wire::Envelope<Keys> = wire::parse(&full, &reply, "data.keys")?;
        Ok(envelope.data.keys)
    }

    /// Deletes `versions`, which can be undone; repeatable.
    pub async fn delete(&self, path: &str, versions: &[i64]) -> Result<(), Error> {
        let full = self.path("delete", path);
        let body = wire::body(&full, &json!({ "versions": versions }))?;
        self.demand(Method::PUT, &full, body).await.map(drop)
    }

    /// Destroys the data of `versions`; repeatable.
    pub async fn destroy(&self, path: &str, versions: &[i64]) -> Result<(), Error> {
        let full = self.path("destroy", path);
        let body = wire::body(&full, &json!({ "versions": versions }))?;
        self.demand(Method::PUT, &full, body).await.map(drop)
    }

    /// Removes every version and the metadata of `path`; repeatable.
    pub async fn delete_metadata(&self, path: &str) -> Result<(), Error> {
        let full = self.path("metadata", path);
        self.demand(Method::DELETE, &full, Bytes::new()).await.map(drop)
    }

    /// Configuration of the mount. [`Error::NotFound`] for a missing mount, [`Error::Protocol`] for
    /// KV v1.
    pub async fn mount_config(&self) -> Result<KvConfig, Error> {
        let full = format!("{}/config", self.mount);
        let reply = self.demand(Method::GET, &full, Bytes::new()).await?;
        let envelope: wire::Envelope<KvConfig> =
            wire::parse(&full, &reply.body, "config of KV version 2")?;
        Ok(envelope.data)
    }

    /// The body of a read, or `None` for a 404 that names no error.
    async fn get(&self, full: &str) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Error> {
        let reply = self.send(Method::GET, full, Bytes::new()).await?;
        if reply.status == StatusCode::NOT_FOUND && wire::messages(&reply.body).is_empty() {
            return Ok(None);
        }
        self.session.client().check(full, reply).map(|r| Some(r.body))
    }
}
