//! Deletion: preconditions, finalizers, and the ways in which what is owned goes too.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::context::Cx;
use super::write::TRIES_MAX;
use super::{events, gc, list, shape};
use crate::admission::{self, Operation};
use crate::status::Failure;
use crate::store::ObjectKey;

/// Namespaces that a cluster cannot be without.
const KEPT: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) fn one(cx: &Cx<'_>, body: &Bytes) -> Result<Response, Failure> {
    let options = options(body);
    let removed = remove(cx, &cx.key(), &options)?;
    Ok(axum::Json(removed).into_response())
}

pub(super) fn collection(cx: &Cx<'_>, body: &Bytes) -> Result<Response, Failure> {
    let options = options(body);
    let (items, rv) = list::selected(cx)?;
    for object in &items {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let key = ObjectKey {
            resource: cx.kind.stored_as(),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        };
        match remove(cx, &key, &options) {
            Err(failure) if failure.code != 404 => return Err(failure),
            _ => {}
        }
    }
    let items: Vec<Value> = items.iter().map(|o| shape::shape(cx, o)).collect();
    let body = json!({
        "apiVersion": cx.kind.api_version(), "kind": format!("{}List", cx.kind.kind),
        "metadata": { "resourceVersion": rv.to_string() }, "items": items,
    });
    Ok(axum::Json(body).into_response())
}

fn options(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

fn remove(cx: &Cx<'_>, key: &ObjectKey, options: &Value) -> Result<Value, Failure> {
    for _ in 0..TRIES_MAX {
        let found = cx.state.store.get(key);
        let old = found.ok_or_else(|| Failure::not_found(&cx.kind.resource(), &key.name))?;
        if let Some(answer) = attempt(cx, key, options, old)? {
            return Ok(answer);
        }
    }
    Err(Failure::stale(&cx.kind.resource(), &key.name))
}

/// Removes `old`, or marks it as ending; `None` where another write came between.
fn attempt(
    cx: &Cx<'_>,
    key: &ObjectKey,
    options: &Value,
    old: Arc<Value>,
) -> Result<Option<Value>, Failure> {
    may_go(cx, key, options, &old)?;
    // A client says so in the query or in the options that it sends as the body.
    let dry = cx.dry_run() || options["dryRun"].as_array().is_some_and(|d| !d.is_empty());
    let shown = events::shown(&cx.kind, Value::clone(&old));
    admission::review(cx, Operation::Delete { dry }, None, Some(&shown))?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details(cx, &old),
    });
    if dry {
        return Ok(Some(status));
    }
    let mut tx = cx.state.store.tx();
    if !tx.is(key, &old) {
        return Ok(None);
    }
    let propagation = options["propagationPolicy"].as_str().or(cx.param("propagationPolicy"));
    let (foreground, orphan) = (propagation == Some("Foreground"), propagation == Some("Orphan"));
    let namespace = cx.kind.kind == "Namespace";
    let held = old["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    if held || foreground || namespace {
        let ending = !old["metadata"]["deletionTimestamp"].is_null();
        let marked =
            if ending { old } else { tx.put(key, ending_object(&old, foreground, namespace))? };
        drop(tx);
        if namespace {
            gc::empty(cx.state, &key.name);
        } else if orphan {
            gc::orphan(cx.state, &marked);
        } else if foreground {
            gc::foreground_start(cx.state, key, &marked);
        }
        return Ok(Some(shape::shape(cx, &marked)));
    }
    let last = tx.remove(key);
    drop(tx);
    let last = last.map_or(Value::Null, |l| Value::clone(&l));
    if orphan {
        gc::orphan(cx.state, &last);
    }
    gc::follow(cx.state, &last);
    Ok(Some(status))
}

/// The object, marked as ending.
fn ending_object(old: &Value, foreground: bool, namespace: bool) -> Value {
    let mut object = gc::marked(old);
    if foreground {
        let mut all = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        all.push(gc::FOREGROUND.into());
        object["metadata"]["finalizers"] = all.into();
    }
    if namespace {
        object["status"]["phase"] = "Terminating".into();
    }
    object
}

/// Preconditions, and what is never deleted.
fn may_go(cx: &Cx<'_>, key: &ObjectKey, options: &Value, old: &Value) -> Result<(), Failure> {
    if cx.kind.kind == "Namespace" && KEPT.contains(&key.name.as_str()) {
        let message =
            format!("namespaces {:?} is forbidden: this namespace may not be deleted", key.name);
        return Err(Failure::new(403, "Forbidden", message).about("namespaces", &key.name));
    }
    let fields = [
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ];
    for (field, label, what) in fields {
        let wanted = options["preconditions"][field].as_str();
        let found = old["metadata"][field].as_str().unwrap_or_default();
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            let why = format!(
                "the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). The object might have been {what}"
            );
            return Err(Failure::conflict(&cx.kind.qualified(), &key.name, &why));
        }
    }
    Ok(())
}

fn details(cx: &Cx<'_>, object: &Value) -> Value {
    let meta = &object["metadata"];
    let mut details = json!({ "name": meta["name"], "kind": cx.kind.plural, "uid": meta["uid"] });
    if !cx.kind.group.is_empty() {
        details["group"] = cx.kind.group.as_str().into();
    }
    details
}
