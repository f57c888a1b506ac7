//! Where a key's records lie, and reading and writing them.

use jiff::Timestamp;
use regent_types::Json;

use super::model::Metadata;
use crate::barrier::{Batch, View};
use crate::error::ApiError;
use crate::wipe::{Data, encode};

/// Longest key, in bytes.
const KEY_LEN_MAX: usize = 1024;

/// Largest set of values, as JSON. Requests are bounded too; this also bounds what patches add up
/// to.
pub(super) const VALUE_LEN_MAX: usize = 1 << 20;

/// Prefix of all metadata.
pub(super) const META: &str = "meta/";

/// A secret's path within the mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KvKey(String);

impl KvKey {
    /// Segments between single slashes. Listing and storage keys rely on that.
    pub(super) fn parse(path: &str) -> Result<Self, &'static str> {
        let segment = |s: &str| !s.is_empty() && s != "." && s != "..";
        if path.is_empty() {
            return Err("missing path of the secret");
        }
        if path.len() > KEY_LEN_MAX {
            return Err("the path of the secret is longer than 1024 bytes");
        }
        if !path.split('/').all(segment) || path.chars().any(|c| c.is_control() || c == char::MAX) {
            return Err(
                "the path of the secret has an empty, '.' or '..' segment or a control character",
            );
        }
        Ok(Self(path.to_owned()))
    }

    pub(super) fn meta(&self) -> String {
        format!("{META}{}", self.0)
    }

    /// Fixed width, so that versions sort; the last segment is always the version, so no two keys
    /// collide.
    pub(super) fn values(&self, version: u64) -> String {
        format!("data/{}/{version:010}", self.0)
    }
}

/// The metadata of `key`.
pub(super) async fn load(view: &View, key: &KvKey) -> Result<Option<Metadata>, ApiError> {
    let Some(bytes) = view.get(&key.meta()).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| ApiError::corrupt("kv metadata"))
}

/// Puts the metadata of `key` into `batch`.
pub(super) fn put(batch: &mut Batch, key: &KvKey, meta: &Metadata) -> Result<(), ApiError> {
    batch.put(key.meta(), encode(meta, "kv metadata")?);
    Ok(())
}

/// The metadata of `key`, and the values of version `asked` (0: the current one) if they can be read at
/// `now`; both as of one moment, whatever is written meanwhile.
pub(super) async fn version(
    view: &View,
    key: &KvKey,
    asked: u64,
    now: Timestamp,
) -> Result<Option<(Metadata, Option<Data>)>, ApiError> {
    let of = key.clone();
    let look = move |meta: &[u8]| {
        let meta = serde_json::from_slice::<Metadata>(meta).ok();
        let version = meta.as_ref().and_then(|meta| meta.version(asked));
        let readable = version.filter(|(_, version)| version.is_readable(now));
        let values = readable.map(|(number, _)| of.values(number));
        (meta, values)
    };
    let found = view.get_linked(&key.meta(), look).await?;
    let Some((meta, values)) = found else { return Ok(None) };
    let meta = meta.ok_or_else(|| ApiError::corrupt("kv metadata"))?;
    let values = values.map(|values| parse(&values)).transpose()?;
    let readable = meta.version(asked).is_some_and(|(_, version)| version.is_readable(now));
    if readable && values.is_none() {
        return Err(ApiError::corrupt("kv version"));
    }
    Ok(Some((meta, values)))
}

/// The values of one version.
pub(super) async fn values(view: &View, key: &KvKey, version: u64) -> Result<Data, ApiError> {
    let bytes = view.get(&key.values(version)).await?;
    let bytes = bytes.ok_or_else(|| ApiError::corrupt("kv version"))?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Data, ApiError> {
    match Json::parse(bytes) {
        Ok(Json::Object(fields)) => Ok(Data::new(fields)),
        Ok(_) | Err(_) => Err(ApiError::corrupt("kv version")),
    }
}

/// Puts the values of one version into `batch`.
pub(super) fn put_values(
    batch: &mut Batch,
    key: &KvKey,
    version: u64,
    values: &Data,
) -> Result<(), ApiError> {
    let bytes = encode(&**values, "kv version")?;
    if bytes.len() > VALUE_LEN_MAX {
        return Err(ApiError::TooLarge);
    }
    batch.put(key.values(version), bytes);
    Ok(())
}
