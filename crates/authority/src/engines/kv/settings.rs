//! `config`: the mount's settings.

use serde_json::json;

use super::metadata;
use super::model::Settings;
use crate::barrier::{Batch, View};
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::duration::go_duration;
use crate::request::{Call, fields};
use crate::wipe::encode;

const KEY: &str = "config";

/// The settings in force.
pub(super) async fn load(view: &View) -> Result<Settings, ApiError> {
    match view.get(KEY).await? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| ApiError::corrupt("kv config")),
        None => Ok(Settings::default()),
    }
}

pub(super) async fn read(cx: Context<'_>) -> Result<Reply, ApiError> {
    let settings = load(cx.view).await?;
    Ok(Reply::ok(json!({
        "max_versions": settings.max_versions,
        "cas_required": settings.cas_required,
        "delete_version_after": go_duration(settings.delete_version_after_s),
    })))
}

/// Sets what the request names; a negative `delete_version_after` switches it off for all keys.
pub(super) async fn write(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let _guard = cx.view.lock(KEY).await;
    let mut settings = load(cx.view).await?;
    if let Some(max) = fields::count(&call.data, "max_versions")? {
        settings.max_versions = metadata::checked_versions(max)?;
    }
    if let Some(required) = fields::flag(&call.data, "cas_required")? {
        settings.cas_required = required;
    }
    if let Some(seconds) = fields::signed_seconds(&call.data, "delete_version_after")? {
        settings.delete_version_after_s = seconds.max(-1);
    }
    let mut batch = Batch::new();
    batch.put(KEY, encode(&settings, "kv config")?);
    cx.view.commit(batch).await?;
    Ok(Reply::no_content())
}
