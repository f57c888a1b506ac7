//! Values: read and conditional write.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{Method, StatusCode};
use regent_types::{SecretData, VersionPair};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Kv;
use super::values::{Texts, Values};
use crate::transport::Reply;
use crate::{Error, wire};

/// One version of a secret.
#[derive(Debug)]
pub struct KvSecret {
    /// Number and `created_time` of the version that was read.
    pub version: VersionPair,
    /// Whether it still has data.
    pub state: VersionState,
    /// Its keys and values; `None` unless [`VersionState::Live`].
    pub data: Option<SecretData>,
    /// Keys of `data` whose bytes are JSON rather than text: numbers, booleans, arrays, objects, and null, which has none.
    pub json: BTreeSet<String>,
    /// `custom_metadata` of the path.
    pub custom_metadata: BTreeMap<String, String>,
}

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// Its data can be read.
    Live,
    /// Soft-deleted: the data may come back.
    Deleted,
    /// Destroyed: the data is gone.
    Destroyed,
}

#[derive(Deserialize)]
struct ReadData<T> {
    // The path of the default names the function, so that T needs no Default.
    #[serde(default = "none")]
    data: Option<T>,
    metadata: ReadMetadata,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
struct ReadMetadata {
    version: i64,
    #[serde(default)]
    created_time: String,
    #[serde(default)]
    destroyed: bool,
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct WriteBody<'a, T: ?Sized> {
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Options {
    cas: i64,
}

#[derive(Deserialize)]
struct Written {
    version: i64,
    created_time: String,
}

impl Kv {
    /// Version `version` of `path`, or the newest. `None`: never written, or its metadata was
    /// deleted, or that version was pruned. A missing mount is [`Error::NotFound`].
    pub async fn read(&self, path: &str, version: Option<i64>) -> Result<Option<KvSecret>, Error> {
        let Some(seen) = self.fetch::<Values>(path, version).await? else { return Ok(None) };
        let state = match (&seen.data, seen.metadata.destroyed) {
            (_, true) => VersionState::Destroyed,
            (None, false) => VersionState::Deleted,
            (Some(_), false) => VersionState::Live,
        };
        let (data, json) = seen.data.map(|values| (values.data, values.json)).unzip();
        Ok(Some(KvSecret {
            version: VersionPair::new(seen.metadata.version, seen.metadata.created_time),
            state,
            data,
            json: json.unwrap_or_default(),
            custom_metadata: seen.metadata.custom_metadata.unwrap_or_default(),
        }))
    }

    /// The newest version of `path` as a `T`; `None` too when that version is deleted.
    pub async fn read_json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<(T, VersionPair)>, Error> {
        let seen = self.read_json_or_deleted(path).await?;
        Ok(seen.and_then(|(data, pair)| data.map(|data| (data, pair))))
    }

    /// The same, where it matters that the newest version is deleted or destroyed: then there is a version and no `T`.
    pub async fn read_json_or_deleted<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<(Option<T>, VersionPair)>, Error> {
        let seen = self.fetch::<T>(path, None).await?;
        Ok(seen.map(|seen| {
            let pair = VersionPair::new(seen.metadata.version, seen.metadata.created_time);
            (seen.data, pair)
        }))
    }

    /// Writes `data` as the next version; with `cas`, only if the newest is that number (0: only
    /// the first). A value that is no UTF-8 is [`Error::NotText`], and nothing is sent.
    pub async fn write(
        &self,
        path: &str,
        data: &SecretData,
        cas: Option<i64>,
    ) -> Result<VersionPair, Error> {
        self.put(path, &Texts::of(data, &BTreeSet::new())?, cas).await
    }

    /// The same, where the values under the keys `json` are JSON as [`KvSecret::json`] has it: they keep their type.
    pub async fn write_typed(
        &self,
        path: &str,
        data: &SecretData,
        json: &BTreeSet<String>,
        cas: Option<i64>,
    ) -> Result<VersionPair, Error> {
        self.put(path, &Texts::of(data, json)?, cas).await
    }

    /// Writes `value`, which must serialize to a JSON object; `cas` as in [`Kv::write`].
    pub async fn write_json<T: Serialize>(
        &self,
        path: &str,
        value: &T,
        cas: Option<i64>,
    ) -> Result<VersionPair, Error> {
        self.put(path, value, cas).await
    }

    async fn fetch<T: DeserializeOwned>(
        &self,
        path: &str,
        version: Option<i64>,
    ) -> Result<Option<ReadData<T>>, Error> {
        let mut full = self.path("data", path);
        if let Some(version) = version {
            full.push_str(&format!("?version={version}"));
        }
        let reply = self.send(Method::GET, &full, Bytes::new()).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return absent(&full, &reply);
        }
        let reply = self.session.client().check(&full, reply)?;
        let expected = "data.data and data.metadata of KV version 2";
        let envelope: wire::Envelope<ReadData<T>> = wire::parse(&full, &reply.body, expected)?;
        Ok(Some(envelope.data))
    }

    async fn put<T: Serialize + ?Sized>(
        &self,
        path: &str,
        data: &T,
        cas: Option<i64>,
    ) -> Result<VersionPair, Error> {
        let full = self.path("data", path);
        let options = cas.map(|cas| Options { cas });
        let body = wire::body(&full, &WriteBody { data, options })?;
        let reply = self.demand(Method::POST, &full, body).await?;
        let expected = "data.version and data.created_time";
        let wire::Envelope { data: Written { version, created_time } } =
            wire::parse(&full, &reply.body, expected)?;
        Ok(VersionPair::new(version, created_time))
    }
}

/// What a 404 means: a version without data, nothing, or no such mount.
fn absent<T: DeserializeOwned>(full: &str, reply: &Reply) -> Result<Option<ReadData<T>>, Error> {
    if let Ok(envelope) = serde_json::from_slice::<wire::Envelope<ReadData<T>>>(&reply.body) {
        return Ok(Some(ReadData { data: None, ..envelope.data }));
    }
    match wire::messages(&reply.body) {
        none if none.is_empty() => Ok(None),
        messages => Err(Error::NotFound { path: full.to_owned(), messages }),
    }
}
