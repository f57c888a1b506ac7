//! Create, update, patch: each reads, decides, and writes under one transaction if what it read still stands.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Cx, admit, delete, form};
use crate::admission::{self, Operation};
use crate::patch;
use crate::rbac::{self, Ask};
use crate::status::Failure;
use crate::store::Key;

/// Times that a write without a resourceVersion is tried again because another came between.
pub(super) const TRIES_MAX: usize = 100;

pub(super) fn create(cx: &Cx<'_>, object: Value) -> Result<Response, Failure> {
    let object = admit::new(cx, object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = Key { name, ..cx.key() };
    home(cx, &cx.state.store.tx())?;
    admission::review(cx, Operation::Create, Some(&object), None)?;
    let mut tx = cx.state.store.tx();
    home(cx, &tx)?;
    if tx.get(&key).is_some() {
        return Err(Failure::exists(&key.resource, &key.name));
    }
    if cx.dry_run() {
        return Ok(form::one(cx, &object, StatusCode::CREATED));
    }
    let stored = tx.put(&key, object)?;
    drop(tx);
    cx.state.written(&cx.kind, &stored);
    Ok(form::one(cx, &stored, StatusCode::CREATED))
}

/// A namespaced object needs a namespace that is there and not ending.
fn home(cx: &Cx<'_>, tx: &crate::store::Tx<'_>) -> Result<(), Failure> {
    if !cx.kind.namespaced {
        return Ok(());
    }
    let namespace = cx.target.namespace.clone();
    if namespace.is_empty() {
        return Err(Failure::bad_request("an empty namespace may not be set during creation"));
    }
    let key = Key { resource: "namespaces".into(), namespace: String::new(), name: namespace };
    let found = tx.get(&key).ok_or_else(|| Failure::not_found("namespaces", &key.name))?;
    if found["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let message = format!(
        "unable to create new content in namespace {} because it is being terminated",
        key.name
    );
    Err(Failure::new(403, "Forbidden", message))
}

pub(super) fn update(cx: &Cx<'_>, object: Value) -> Result<Response, Failure> {
    change(cx, false, |_| Ok(object.clone()))
}

pub(super) fn patch(cx: &Cx<'_>, headers: &HeaderMap, body: &Bytes) -> Result<Response, Failure> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => change(cx, false, |old| {
            let mut object = old.clone();
            patch::json(&mut object, body)?;
            Ok(object)
        }),
        "application/merge-patch+json" => change(cx, false, |old| {
            let mut object = old.clone();
            patch::merge(&mut object, body)?;
            Ok(object)
        }),
        "application/strategic-merge-patch+json" => {
            if cx.kind.schema.is_some() {
                let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(Failure::new(415, "UnsupportedMediaType", message));
            }
            change(cx, false, |old| {
                let mut object = old.clone();
                patch::strategic(&mut object, body)?;
                Ok(object)
            })
        }
        "application/apply-patch+yaml" => apply(cx, body),
        other => {
            Err(Failure::new(415, "UnsupportedMediaType", format!("{other:?} is not a patch type")))
        }
    }
}

fn apply(cx: &Cx<'_>, body: &Bytes) -> Result<Response, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::bad_request("not UTF-8"))?;
    let applied: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => serde_saphyr::from_str(text)
            .map_err(|_| Failure::bad_request("the applied body is neither JSON nor YAML"))?,
    };
    let manager = cx.param("fieldManager").ok_or_else(|| {
        Failure::bad_request("fieldManager: Required value: is required for apply patch")
    })?;
    let applied = normal(cx, applied);
    let now = admit::now();
    let subresource = cx.target.subresource.clone().unwrap_or_default();
    let api_version = cx.kind.api_version();
    let apply = patch::Apply {
        manager,
        force: cx.flag("force"),
        api_version: &api_version,
        subresource: &subresource,
        now: &now,
    };
    let missing = cx.state.store.get(&cx.key()).is_none();
    if missing && subresource.is_empty() {
        may_create(cx)?;
        let mut object = admit::new(cx, applied.clone())?;
        object["metadata"]["managedFields"] = json!([]);
        apply.run(&mut object, &applied)?;
        home(cx, &cx.state.store.tx())?;
        admission::review(cx, Operation::Create, Some(&object), None)?;
        let mut tx = cx.state.store.tx();
        home(cx, &tx)?;
        if tx.get(&cx.key()).is_none() {
            if cx.dry_run() {
                return Ok(form::one(cx, &object, StatusCode::CREATED));
            }
            let stored = tx.put(&cx.key(), object)?;
            drop(tx);
            cx.state.written(&cx.kind, &stored);
            return Ok(form::one(cx, &stored, StatusCode::CREATED));
        }
    }
    change(cx, true, |old| {
        let mut object = old.clone();
        apply.run(&mut object, &applied)?;
        Ok(object)
    })
}

/// An apply that makes an object is a create too, of that name.
fn may_create(cx: &Cx<'_>) -> Result<(), Failure> {
    let ask = Ask {
        verb: "create".into(),
        group: cx.target.group.clone(),
        resource: cx.target.resource.clone(),
        namespace: cx.target.namespace.clone(),
        name: cx.target.name.clone(),
        path: String::new(),
    };
    let allowed = rbac::allows(&cx.state.store, &cx.user, &ask);
    cx.state.note(&cx.user, &ask, allowed);
    if allowed { Ok(()) } else { Err(rbac::forbidden(&cx.user, &ask)) }
}

/// What is applied, as it is stored: `stringData` is data.
fn normal(cx: &Cx<'_>, mut applied: Value) -> Value {
    use base64::Engine;
    if cx.kind.kind == "Secret"
        && let Some(strings) = applied.as_object_mut().and_then(|o| o.remove("stringData"))
    {
        for (key, value) in strings.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            applied["data"][key] = base64::engine::general_purpose::STANDARD.encode(text).into();
        }
    }
    applied
}

fn change(
    cx: &Cx<'_>,
    applied: bool,
    make: impl Fn(&Value) -> Result<Value, Failure>,
) -> Result<Response, Failure> {
    let key = cx.key();
    for _ in 0..TRIES_MAX {
        let found = cx.state.store.get(&key);
        let old = found.ok_or_else(|| Failure::not_found(&key.resource, &key.name))?;
        let object = make(&old)?;
        let Some(object) = admit::update(cx, object, &old, applied)? else {
            return Ok(form::one(cx, &old, StatusCode::OK));
        };
        admission::review(cx, Operation::Update, Some(&object), Some(&old))?;
        if cx.dry_run() {
            return Ok(form::one(cx, &object, StatusCode::OK));
        }
        let mut tx = cx.state.store.tx();
        if !tx.is(&key, &old) {
            continue;
        }
        let stored = tx.put(&key, object)?;
        let gone = delete::finished(&mut tx, &key, &stored);
        drop(tx);
        if gone {
            delete::orphans(cx.state, &stored);
        } else {
            cx.state.written(&cx.kind, &stored);
        }
        return Ok(form::one(cx, &stored, StatusCode::OK));
    }
    Err(Failure::stale(&key.resource, &key.name))
}
