//! Create, update, patch: each reads, decides, and writes under one transaction if what it read still stands.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::context::Cx;
use super::media::{media_type, unsupported};
use super::written::written;
use super::{admit, body, events, gc, secret, shape};
use crate::admission::{self, Operation};
use crate::patch;
use crate::rbac::{self, Ask};
use crate::status::Failure;
use crate::store::ObjectKey;

/// Patches that every kind understands.
const PATCHES: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
/// Times that a write without a resourceVersion is tried again because another came between.
pub(super) const TRIES_MAX: usize = 100;

pub(super) fn create(cx: &Cx<'_>, object: Value) -> Result<Response, Failure> {
    let object = admit::new(cx, object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = ObjectKey { name, ..cx.key() };
    home(cx, &cx.state.store.tx(), &key.name)?;
    admission::review(cx, Operation::Create, Some(&object), None)?;
    let mut tx = cx.state.store.tx();
    home(cx, &tx, &key.name)?;
    if let Some(found) = tx.get(&key) {
        return Err(exists(cx, &key, &found));
    }
    if cx.dry_run() {
        return Ok(shape::one(cx, &object, StatusCode::CREATED));
    }
    let stored = tx.put(&key, events::stored(&cx.kind, object))?;
    drop(tx);
    written(cx.state, &cx.kind, &stored);
    Ok(shape::one(cx, &stored, StatusCode::CREATED))
}

fn exists(cx: &Cx<'_>, key: &ObjectKey, found: &Value) -> Failure {
    let mut failure = Failure::exists(&cx.kind.resource(), &key.name);
    if !found["metadata"]["deletionTimestamp"].is_null() {
        failure.message.insert_str(0, "object is being deleted: ");
    }
    failure
}

/// A namespaced object needs a namespace that is there and not ending.
fn home(cx: &Cx<'_>, tx: &crate::store::Tx<'_>, name: &str) -> Result<(), Failure> {
    if !cx.kind.namespaced {
        return Ok(());
    }
    let namespace = cx.target.namespace.clone();
    let resource = cx.kind.resource();
    if namespace.is_empty() {
        return Err(Failure::bad_request("an empty namespace may not be set during creation"));
    }
    let key =
        ObjectKey { resource: "namespaces".into(), namespace: String::new(), name: namespace };
    let found = tx.get(&key).ok_or_else(|| Failure::not_found("namespaces", &key.name))?;
    if found["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let namespace = &key.name;
    let message = format!(
        "{resource} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    let mut failure = Failure::new(403, "Forbidden", message).about(&resource, name);
    failure.details["causes"] = json!([{
        "reason": "NamespaceTerminating", "field": "metadata.namespace",
        "message": format!("namespace {namespace} is being terminated"),
    }]);
    Err(failure)
}

pub(super) fn update(cx: &Cx<'_>, object: Value) -> Result<Response, Failure> {
    change(cx, false, |_| Ok(object.clone()))
}

pub(super) fn patch(cx: &Cx<'_>, headers: &HeaderMap, body: &Bytes) -> Result<Response, Failure> {
    match media_type(headers, http::header::CONTENT_TYPE) {
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
                return Err(unsupported(PATCHES));
            }
            change(cx, false, |old| {
                let mut object = old.clone();
                patch::strategic(&mut object, body)?;
                Ok(object)
            })
        }
        "application/apply-patch+yaml" => apply(cx, body),
        _ => Err(unsupported(PATCHES)),
    }
}

fn apply(cx: &Cx<'_>, body: &Bytes) -> Result<Response, Failure> {
    let applied = applied(cx, body)?;
    let now = admit::now();
    let subresource = cx.target.subresource.clone().unwrap_or_default();
    let api_version = cx.kind.api_version();
    let apply = patch::Apply {
        manager: cx.manager(),
        force: cx.flag("force"),
        api_version: &api_version,
        subresource: &subresource,
        now: &now,
        lists: cx.kind.lists(),
    };
    let missing = cx.state.store.get(&cx.key()).is_none();
    if missing && subresource.is_empty() {
        if let Some(uid) = applied["metadata"]["uid"].as_str() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Failure::conflict(&cx.kind.resource(), &cx.target.name, &why));
        }
        may_create(cx)?;
        let mut object = admit::new(cx, applied.clone())?;
        object["metadata"]["managedFields"] = json!([]);
        apply.run(&mut object, &applied)?;
        home(cx, &cx.state.store.tx(), &cx.target.name)?;
        admission::review(cx, Operation::Create, Some(&object), None)?;
        let mut tx = cx.state.store.tx();
        home(cx, &tx, &cx.target.name)?;
        if tx.get(&cx.key()).is_none() {
            if cx.dry_run() {
                return Ok(shape::one(cx, &object, StatusCode::CREATED));
            }
            let stored = tx.put(&cx.key(), events::stored(&cx.kind, object))?;
            drop(tx);
            written(cx.state, &cx.kind, &stored);
            return Ok(shape::one(cx, &stored, StatusCode::CREATED));
        }
    }
    change(cx, true, |old| {
        let mut object = old.clone();
        let rv = applied["metadata"]["resourceVersion"].as_str();
        if rv.is_some_and(|rv| old["metadata"]["resourceVersion"] != rv) {
            return Err(Failure::stale(&cx.kind.resource(), &cx.target.name));
        }
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

/// What is applied, as it is stored: `stringData` is data, and status is for its own path.
fn applied(cx: &Cx<'_>, body: &Bytes) -> Result<Value, Failure> {
    let mut applied = body::yaml(body)?;
    let missing = ["apiVersion", "kind"].iter().find(|f| applied[**f].as_str().is_none());
    if let Some(field) = missing {
        return Err(Failure::bad_request(format!(
            "error decoding YAML: Object {field:?} is missing"
        )));
    }
    if !applied["metadata"]["managedFields"].is_null() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    declared(cx, &applied)?;
    if cx.kind.kind == "Secret" {
        secret::fold(&mut applied);
    }
    if cx.kind.status && cx.target.subresource.is_none() {
        admit::remove(&mut applied, "status");
    }
    Ok(applied)
}

/// Unlike other writes, an apply of a field that the schema has not is refused whatever the client wishes.
fn declared(cx: &Cx<'_>, applied: &Value) -> Result<(), Failure> {
    let mut object = applied.clone();
    let mut gone = admit::unknown(cx, &mut object)?;
    let Some(field) = gone.pop() else { return Ok(()) };
    let (namespace, name) = (&cx.target.namespace, &cx.target.name);
    let (version, kind) = (cx.kind.api_version(), &cx.kind.kind);
    let message = format!(
        "failed to create typed patch object ({namespace}/{name}; {version}, Kind={kind}): .{field}: field not declared in schema"
    );
    Err(Failure::new(500, "", message))
}

fn change(
    cx: &Cx<'_>,
    applied: bool,
    make: impl Fn(&Value) -> Result<Value, Failure>,
) -> Result<Response, Failure> {
    let key = cx.key();
    for _ in 0..TRIES_MAX {
        let found = cx.state.store.get(&key);
        let found = found.ok_or_else(|| Failure::not_found(&cx.kind.resource(), &key.name))?;
        let old = events::shown(&cx.kind, Value::clone(&found));
        let object = make(&old)?;
        let Some(object) = admit::update(cx, object, &old, applied)? else {
            return Ok(shape::one(cx, &found, StatusCode::OK));
        };
        admission::review(cx, Operation::Update, Some(&object), Some(&old))?;
        if cx.dry_run() {
            return Ok(shape::one(cx, &object, StatusCode::OK));
        }
        let mut tx = cx.state.store.tx();
        if !tx.is(&key, &found) {
            continue;
        }
        let stored = tx.put(&key, events::stored(&cx.kind, object))?;
        let gone = gc::finished(&mut tx, &key, &stored);
        drop(tx);
        if gone {
            gc::follow(cx.state, &stored);
        } else {
            written(cx.state, &cx.kind, &stored);
        }
        return Ok(shape::one(cx, &stored, StatusCode::OK));
    }
    Err(Failure::stale(&cx.kind.resource(), &key.name))
}
