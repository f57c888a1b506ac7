//! Deletion: preconditions, finalizers, and what follows: dependents of an owner, contents of a namespace.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use super::write::TRIES_MAX;
use super::{Cx, admit, list};
use crate::admission::{self, Operation};
use crate::server::State;
use crate::status::Failure;
use crate::store::{Key, Tx};

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
        let key = Key {
            resource: cx.kind.resource(),
            namespace: text(&object["metadata"]["namespace"]),
            name: text(&object["metadata"]["name"]),
        };
        match remove(cx, &key, &options) {
            Err(failure) if failure.code != 404 => return Err(failure),
            _ => {}
        }
    }
    let body = json!({
        "apiVersion": cx.kind.api_version(), "kind": format!("{}List", cx.kind.kind),
        "metadata": { "resourceVersion": rv.to_string() }, "items": [],
    });
    Ok(axum::Json(body).into_response())
}

fn options(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

fn remove(cx: &Cx<'_>, key: &Key, options: &Value) -> Result<Value, Failure> {
    for _ in 0..TRIES_MAX {
        let found = cx.state.store.get(key);
        let old = found.ok_or_else(|| Failure::not_found(&key.resource, &key.name))?;
        if let Some(answer) = attempt(cx, key, options, &old)? {
            return Ok(answer);
        }
    }
    Err(Failure::stale(&key.resource, &key.name))
}

/// Removes `old`, or marks it as ending; `None` where another write came between.
fn attempt(
    cx: &Cx<'_>,
    key: &Key,
    options: &Value,
    old: &Arc<Value>,
) -> Result<Option<Value>, Failure> {
    for field in ["uid", "resourceVersion"] {
        let wanted = &options["preconditions"][field];
        if wanted.is_string() && *wanted != old["metadata"][field] {
            let why = format!(
                "Precondition failed: {field} in precondition: {wanted}, in object meta: {}",
                old["metadata"][field]
            );
            return Err(Failure::conflict(&key.resource, &key.name, &why));
        }
    }
    // A client says so in the query or in the options that it sends as the body.
    let dry = cx.dry_run() || options["dryRun"].as_array().is_some_and(|d| !d.is_empty());
    admission::review(cx, Operation::Delete { dry }, None, Some(old))?;
    if dry {
        return Ok(Some(Value::clone(old)));
    }
    let mut tx = cx.state.store.tx();
    if !tx.is(key, old) {
        return Ok(None);
    }
    let held = old["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    if held {
        if old["metadata"]["deletionTimestamp"].is_null() {
            let mut object = Value::clone(old);
            object["metadata"]["deletionTimestamp"] = admit::now().into();
            object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
            return Ok(Some(Value::clone(&*tx.put(key, object)?)));
        }
        return Ok(Some(Value::clone(old)));
    }
    let last = tx.remove(key);
    drop(tx);
    let last = last.map_or(Value::Null, |l| Value::clone(&l));
    cx.state.removed(&cx.kind, &last);
    let propagation = options["propagationPolicy"].as_str().or(cx.param("propagationPolicy"));
    if propagation != Some("Orphan") {
        orphans(cx.state, &last);
    }
    Ok(Some(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": key.name, "kind": cx.kind.plural, "group": cx.kind.group, "uid": last["metadata"]["uid"] },
    })))
}

/// Removes an object that was waiting for its last finalizer; says whether it did.
pub(super) fn finished(tx: &mut Tx<'_>, key: &Key, object: &Value) -> bool {
    let ending = !object["metadata"]["deletionTimestamp"].is_null();
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    ending && !held && tx.remove(key).is_some()
}

/// What goes with `owner`: objects whose only owner it was, and everything in a namespace that is gone. Done at
/// once, where the real cluster's controllers take a moment.
pub(super) fn orphans(state: &State, owner: &Value) {
    let mut gone = vec![owner.clone()];
    while let Some(owner) = gone.pop() {
        let uid = owner["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut tx = state.store.tx();
        let mut found = tx.owned_by(&uid);
        found.retain(|key| {
            // An object with another owner left stays.
            let object = tx.get(key);
            let owners = object.as_ref().and_then(|o| o["metadata"]["ownerReferences"].as_array());
            owners.is_some_and(|all| all.iter().all(|o| o["uid"] == uid.as_str()))
        });
        if owner["kind"] == "Namespace" {
            let name = owner["metadata"]["name"].as_str().unwrap_or_default();
            found.extend(tx.find(|key, _| key.namespace == name));
        }
        for key in found {
            let Some(object) = tx.get(&key) else { continue };
            let held = object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
            if held {
                let mut object = Value::clone(&object);
                object["metadata"]["deletionTimestamp"] = admit::now().into();
                // A full store refuses new objects only.
                let _marked = tx.put(&key, object);
            } else if let Some(last) = tx.remove(&key) {
                gone.push(Value::clone(&last));
            }
        }
    }
}
