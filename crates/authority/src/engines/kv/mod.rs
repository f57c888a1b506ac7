//! KV version 2: secrets by path, each write a new version.
//!
//! ```text
//! meta/{key}                 Metadata: versions, limits, custom_metadata
//! data/{key}/{version}       one version's values
//! config                     the mount's settings
//! ```
//!
//! Every change of a key is get → decide (`model.rs`, pure) → one commit, under the key's lock, so
//! `cas` is exact under any concurrency. A create that was allowed because the path was absent is
//! decided again under the lock: a policy with `create` alone never lets two racing writers both
//! write (PROTOCOLS.md §8). Times come from the request. Source: Vault API docs "KV secrets engine
//! v2"; OpenBao `internal/builtin/logical/kv`.

mod authorization;
mod custom;
mod data;
mod fields;
mod list;
mod metadata;
mod model;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod versions;

use futures::future::BoxFuture;

use self::store::KvKey;
use crate::engines::engine::{Context, Engine};
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};

pub(crate) struct KvEngine;

impl Engine for KvEngine {
    /// A path exists once it has metadata, even if all its versions are deleted.
    fn exists<'a>(
        &'a self,
        cx: Context<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>> {
        Box::pin(async move {
            let key = call.path.strip_prefix("data/").or(call.path.strip_prefix("metadata/"));
            match key.map(KvKey::parse) {
                Some(Ok(key)) => Ok(Some(store::load(cx.view, &key).await?.is_some())),
                Some(Err(_)) | None => Ok(None),
            }
        })
    }

    fn fields(&self, path: &str, op: Operation) -> Schema {
        fields::of(path, op)
    }

    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>> {
        Box::pin(answer(cx, call))
    }
}

async fn answer(cx: Context<'_>, call: Call) -> Result<Reply, ApiError> {
    use Operation::{Create, Delete, List, Patch, Read, Update};
    let path = call.path.clone();
    let (area, rest) = path.split_once('/').unwrap_or((path.as_str(), ""));
    if (area, call.op) == ("metadata", List) {
        return list::list(cx, &call, rest).await;
    }
    if path == "config" {
        return match call.op {
            Read => settings::read(cx).await,
            Create | Update => settings::write(cx, &call).await,
            _ => Err(ApiError::Unsupported),
        };
    }
    if !["data", "delete", "undelete", "destroy", "metadata", "subkeys"].contains(&area) {
        return Err(ApiError::NoHandler(format!("{}{path}", call.mount)));
    }
    let key = KvKey::parse(rest).map_err(ApiError::invalid)?;
    match (area, call.op) {
        ("data", Read) => data::read(cx, &call, &key).await,
        ("data", Create | Update) => data::write(cx, call, &key).await,
        ("data", Patch) => data::patch(cx, call, &key).await,
        ("data", Delete) => versions::delete_latest(cx, &call, &key).await,
        ("subkeys", Read) => data::subkeys(cx, &call, &key).await,
        ("delete", Create | Update) => versions::delete(cx, &call, &key).await,
        ("undelete", Create | Update) => versions::undelete(cx, &call, &key).await,
        ("destroy", Create | Update) => versions::destroy(cx, &call, &key).await,
        ("metadata", Read) => metadata::read(cx, &key).await,
        ("metadata", Create | Update) => metadata::write(cx, &call, &key).await,
        ("metadata", Patch) => metadata::patch(cx, &call, &key).await,
        ("metadata", Delete) => metadata::delete(cx, &key).await,
        _ => Err(ApiError::Unsupported),
    }
}
