//! `metadata/{key}`: read, write, merge patch, and removal of everything.

use regent_types::Json;

use super::authorization::recheck;
use super::custom;
use super::model::{Metadata, VERSIONS_MAX};
use super::store::{self, KvKey};
use crate::barrier::Batch;
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, fields};
use crate::wipe::Data;

/// `metadata/{key}`: settings and what is known of each version, no values; 404 if the key is absent.
pub(super) async fn read(cx: Context<'_>, key: &KvKey) -> Result<Reply, ApiError> {
    let meta = store::load(cx.view, key).await?.ok_or(ApiError::NotFound)?;
    Ok(Reply::ok(meta.describe()))
}

/// PUT or POST: sets what it names, `custom_metadata` whole; makes the key if it is absent.
pub(super) async fn write(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let _guard = cx.view.lock(&key.meta()).await;
    let found = store::load(cx.view, key).await?;
    recheck(cx, call, found.is_some()).await?;
    let mut meta = found.unwrap_or_else(|| Metadata::new(call.now));
    limits(&mut meta, &call.data)?;
    match call.data.get("custom_metadata") {
        None | Some(Json::Null) => {}
        Some(value) => meta.custom = custom::replace(value).map_err(ApiError::Invalid)?,
    }
    save(cx, call, key, meta).await
}

/// PATCH (RFC 7396): null resets, keys of `custom_metadata` that it does not name stay.
pub(super) async fn patch(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let _guard = cx.view.lock(&key.meta()).await;
    let mut meta = store::load(cx.view, key).await?.ok_or(ApiError::NotFound)?;
    let is_null = |name| call.data.get(name).is_some_and(Json::is_null);
    if is_null("max_versions") {
        meta.max_versions = 0;
    }
    if is_null("cas_required") {
        meta.cas_required = false;
    }
    if is_null("delete_version_after") {
        meta.delete_version_after_s = 0;
    }
    limits(&mut meta, &call.data)?;
    match call.data.get("custom_metadata") {
        None => {}
        Some(value) => {
            meta.custom = custom::patch(&meta.custom, value).map_err(ApiError::Invalid)?;
        }
    }
    save(cx, call, key, meta).await
}

/// DELETE: the key, its versions and their values, together.
pub(super) async fn delete(cx: Context<'_>, key: &KvKey) -> Result<Reply, ApiError> {
    let _guard = cx.view.lock(&key.meta()).await;
    if let Some(meta) = store::load(cx.view, key).await? {
        let mut batch = Batch::new();
        let with_values = meta.versions.iter().filter(|(_, version)| !version.destroyed);
        with_values.for_each(|(number, _)| batch.delete(key.values(*number)));
        batch.delete(key.meta());
        cx.view.commit(batch).await?;
    }
    Ok(Reply::no_content())
}

fn limits(meta: &mut Metadata, data: &Data) -> Result<(), ApiError> {
    if let Some(max) = fields::count(data, "max_versions")? {
        meta.max_versions = checked_versions(max)?;
    }
    if let Some(required) = fields::flag(data, "cas_required")? {
        meta.cas_required = required;
    }
    if let Some(seconds) = fields::seconds(data, "delete_version_after")? {
        meta.delete_version_after_s = i64::try_from(seconds).unwrap_or(i64::MAX);
    }
    Ok(())
}

/// `max` if so many versions may be kept.
pub(super) fn checked_versions(max: u64) -> Result<u64, ApiError> {
    if max > VERSIONS_MAX {
        return Err(ApiError::invalid(format!("max_versions: expected at most {VERSIONS_MAX}")));
    }
    Ok(max)
}

async fn save(
    cx: Context<'_>,
    call: &Call,
    key: &KvKey,
    meta: Metadata,
) -> Result<Reply, ApiError> {
    let meta = Metadata { updated: call.now, ..meta };
    let mut batch = Batch::new();
    store::put(&mut batch, key, &meta)?;
    cx.view.commit(batch).await?;
    Ok(Reply::no_content())
}
