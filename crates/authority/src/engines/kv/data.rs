//! `data/{key}`: read, write, merge patch; `subkeys/{key}`: the shape without the values.

use std::mem::take;

use regent_types::Json;
use regent_types::json::Object;
use serde_json::{Map, Value, json};

use super::authorization::recheck;
use super::model::{Metadata, Settings};
use super::settings;
use super::store::{self, KvKey};
use crate::barrier::Batch;
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, fields};
use crate::wipe::Data;

/// `data/{key}[?version=]`. A deleted or destroyed version is a 404 with its metadata.
pub(super) async fn read(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let (described, values) = find(cx, call, key).await?;
    let Some(mut values) = values else {
        return Ok(Reply::not_found_with_data(json!({ "data": null, "metadata": described })));
    };
    let data = Object::from([
        ("data".to_owned(), Json::Object(take(&mut *values))),
        ("metadata".to_owned(), described.into()),
    ]);
    Ok(Reply::ok(Json::Object(data)))
}

/// `subkeys/{key}[?version=&depth=]`: keys with null for values.
pub(super) async fn subkeys(cx: Context<'_>, call: &Call, key: &KvKey) -> Result<Reply, ApiError> {
    let depth = fields::count(&call.data, "depth")?.unwrap_or(0);
    let (described, values) = find(cx, call, key).await?;
    let Some(values) = values else {
        return Ok(Reply::not_found_with_data(json!({ "subkeys": null, "metadata": described })));
    };
    Ok(Reply::ok(json!({ "subkeys": shape(&values, depth, 1), "metadata": described })))
}

/// What is said of the version that was asked for, and its values while it has any.
async fn find(
    cx: Context<'_>,
    call: &Call,
    key: &KvKey,
) -> Result<(Value, Option<Data>), ApiError> {
    let asked = fields::integer(&call.data, "version")?.unwrap_or(0);
    let asked = u64::try_from(asked).unwrap_or(0);
    let found = store::version(cx.view, key, asked, call.now).await?;
    let (meta, values) = found.ok_or(ApiError::NotFound)?;
    let (number, version) = meta.version(asked).ok_or(ApiError::NotFound)?;
    Ok((meta.describe_version(number, version), values))
}

/// Keys with null values; below `depth` (0: no bound) objects are leaves too.
fn shape(map: &Object, depth: u64, level: u64) -> Value {
    let leaf = |value: &Json| match value {
        Json::Object(inner) if !inner.is_empty() && (depth == 0 || level < depth) => {
            shape(inner, depth, level + 1)
        }
        _ => Value::Null,
    };
    map.iter().map(|(name, value)| (name.clone(), leaf(value))).collect::<Map<_, _>>().into()
}

/// `data/{key}` with `{data, options: {cas}}`: one more version, in one commit.
pub(super) async fn write(cx: Context<'_>, call: Call, key: &KvKey) -> Result<Reply, ApiError> {
    let mut call = call;
    let cas = cas(&call)?;
    check_data(&call)?;
    let settings = settings::load(cx.view).await?;
    let _guard = cx.view.lock(&key.meta()).await;
    let found = store::load(cx.view, key).await?;
    recheck(cx, &call, found.is_some()).await?;
    let meta = found.unwrap_or_else(|| Metadata::new(call.now));
    check_cas(cas, &settings, &meta)?;
    let values = take_data(&mut call)?;
    append(cx, &call, key, meta, &settings, &values).await
}

/// `data/{key}` as JSON merge patch (RFC 7396) on the current version.
pub(super) async fn patch(cx: Context<'_>, call: Call, key: &KvKey) -> Result<Reply, ApiError> {
    let mut call = call;
    let cas = cas(&call)?;
    check_data(&call)?;
    let settings = settings::load(cx.view).await?;
    let _guard = cx.view.lock(&key.meta()).await;
    let meta = store::load(cx.view, key).await?.ok_or(ApiError::NotFound)?;
    check_cas(cas, &settings, &meta)?;
    let (number, version) = meta.version(0).ok_or(ApiError::NotFound)?;
    if !version.is_readable(call.now) {
        let described = meta.describe_version(number, version);
        return Ok(Reply::not_found_with_data(json!({ "data": null, "metadata": described })));
    }
    let mut values = store::values(cx.view, key, number).await?;
    let mut changes = take_data(&mut call)?;
    merge(&mut values, take(&mut *changes));
    append(cx, &call, key, meta, &settings, &values).await
}

async fn append(
    cx: Context<'_>,
    call: &Call,
    key: &KvKey,
    meta: Metadata,
    settings: &Settings,
    values: &Data,
) -> Result<Reply, ApiError> {
    let mut meta = meta;
    let (number, pruned) = meta.add_version(settings, call.now);
    let mut batch = Batch::new();
    store::put_values(&mut batch, key, number, values)?;
    pruned.into_iter().for_each(|old| batch.delete(key.values(old)));
    store::put(&mut batch, key, &meta)?;
    cx.view.commit(batch).await?;
    let version = meta.version(number).ok_or_else(|| ApiError::corrupt("kv version"))?.1;
    Ok(Reply::ok(meta.describe_version(number, version)))
}

fn check_data(call: &Call) -> Result<(), ApiError> {
    match call.data.get("data") {
        Some(Json::Object(_)) => Ok(()),
        Some(Json::Null) | None => Err(ApiError::invalid("no data provided")),
        Some(_) => Err(ApiError::invalid("field \"data\": expected an object")),
    }
}

fn take_data(call: &mut Call) -> Result<Data, ApiError> {
    match call.data.get_mut("data") {
        Some(Json::Object(map)) => Ok(Data::new(take(map))),
        _ => Err(ApiError::invalid("no data provided")),
    }
}

/// `options.cas`, a number or its text.
fn cas(call: &Call) -> Result<Option<i64>, ApiError> {
    match call.data.get("options") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(options)) => fields::integer(options, "cas")
            .map_err(|_| ApiError::invalid("error parsing check-and-set parameter")),
        Some(_) => Err(ApiError::invalid("field \"options\": expected an object")),
    }
}

/// The condition is on the newest version's number, deleted or not.
fn check_cas(cas: Option<i64>, settings: &Settings, meta: &Metadata) -> Result<(), ApiError> {
    match cas {
        Some(cas) if u64::try_from(cas) == Ok(meta.current) => Ok(()),
        Some(_) => {
            Err(ApiError::invalid("check-and-set parameter did not match the current version"))
        }
        None if settings.cas_required || meta.cas_required => {
            Err(ApiError::invalid("check-and-set parameter required for this call"))
        }
        None => Ok(()),
    }
}

/// RFC 7396: null removes, objects merge, all else replaces. What goes is wiped.
fn merge(target: &mut Object, patch: Object) {
    for (name, change) in patch {
        let old = target.remove(&name);
        let new = match (change, old) {
            (Json::Object(inner), Some(Json::Object(mut map))) => {
                merge(&mut map, inner);
                Some(Json::Object(map))
            }
            (change, old) => {
                if let Some(mut old) = old {
                    old.wipe();
                }
                merged_into_nothing(change)
            }
        };
        if let Some(new) = new {
            target.insert(name, new);
        }
    }
}

/// What a change makes of a key that is not there: the nulls in it have nothing to remove.
fn merged_into_nothing(change: Json) -> Option<Json> {
    match change {
        Json::Null => None,
        Json::Object(inner) => {
            let mut made = Object::new();
            merge(&mut made, inner);
            Some(Json::Object(made))
        }
        other => Some(other),
    }
}
