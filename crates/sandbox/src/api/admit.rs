//! What happens to an object between the request and the store: names, metadata, defaults, validation.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::Cx;
use super::{meta, secret, typed};
use crate::admission;
use crate::kinds::ADMISSION;
use crate::patch;
use crate::rbac;
use crate::status::Failure;

/// The largest object, in bytes of JSON; etcd's bound on the real API server.
const OBJECT_LEN_MAX: usize = 1_572_864;

/// Completes a new object.
pub(crate) fn new(cx: &Cx<'_>, mut object: Value) -> Result<Value, Failure> {
    envelope(cx, &mut object)?;
    known(cx, &mut object)?;
    let now = now();
    let meta = &mut object["metadata"];
    if meta["resourceVersion"].as_str().is_some_and(|rv| !rv.is_empty()) {
        // Such is the real API server's answer: an internal error without a reason.
        return Err(Failure::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if meta["name"].as_str().unwrap_or_default().is_empty() {
        let prefix = meta["generateName"].as_str().unwrap_or_default().to_owned();
        if prefix.is_empty() {
            let cause = "Required value: name or generateName is required";
            let causes = [("metadata.name".to_owned(), cause.to_owned())];
            return Err(Failure::invalid(&cx.kind.qualified(), "", &causes));
        }
        meta["name"] = format!("{prefix}{}", random_hex(3)?).into();
    }
    meta["uid"] = uid()?.into();
    meta["creationTimestamp"] = now.clone().into();
    for field in ["resourceVersion", "deletionTimestamp", "managedFields", "selfLink"] {
        remove(meta, field);
    }
    if counts_generations(cx) {
        meta["generation"] = 1.into();
    }
    if cx.kind.schema.is_some() && cx.kind.status {
        remove(&mut object, "status");
    }
    complete(cx, &mut object, None)?;
    patch::track(None, &mut object, cx.manager(), "", &now, &cx.kind.lists());
    Ok(object)
}

/// Completes an update of `old`; `subresource` decides what may change. Returns `None` where nothing does.
pub(crate) fn update(
    cx: &Cx<'_>,
    mut object: Value,
    old: &Value,
    applied: bool,
) -> Result<Option<Value>, Failure> {
    envelope(cx, &mut object)?;
    known(cx, &mut object)?;
    same_object(cx, &object, old)?;
    let status_only = cx.target.subresource.as_deref() == Some("status");
    if cx.kind.status && status_only {
        let managed = object["metadata"]["managedFields"].clone();
        let status = object["status"].clone();
        object = old.clone();
        object["status"] = status;
        if applied {
            object["metadata"]["managedFields"] = managed;
        }
    } else if cx.kind.status {
        match old.get("status") {
            Some(status) => object["status"] = status.clone(),
            None => remove(&mut object, "status"),
        }
    }
    let meta = &mut object["metadata"];
    for field in [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ] {
        match old["metadata"].get(field) {
            Some(value) => meta[field] = value.clone(),
            None => remove(meta, field),
        }
    }
    complete(cx, &mut object, Some(old))?;
    let now = now();
    if counts_generations(cx) && !status_only && changed(old, &object) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = generation.into();
    }
    if !applied {
        let subresource = if status_only { "status" } else { "" };
        let lists = cx.kind.lists();
        patch::track(Some(old), &mut object, cx.manager(), subresource, &now, &lists);
    }
    Ok(differs(old, &object).then_some(object))
}

/// An update is of the object and of the version that it names.
fn same_object(cx: &Cx<'_>, object: &Value, old: &Value) -> Result<(), Failure> {
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let resource = cx.kind.resource();
    let invalid = |field: &str, why: String| {
        Failure::invalid(&cx.kind.qualified(), name, &[(field.to_owned(), why)])
    };
    let found = old["metadata"]["uid"].as_str().unwrap_or_default();
    let uid = object["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty() && *uid != found);
    if let Some(uid) = uid {
        return Err(if cx.patched {
            invalid("metadata.uid", format!("Invalid value: {uid:?}: field is immutable"))
        } else {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            );
            Failure::conflict(&resource, name, &why)
        });
    }
    match object["metadata"]["resourceVersion"].as_str().filter(|rv| !rv.is_empty()) {
        Some(rv) if old["metadata"]["resourceVersion"] != rv => {
            Err(Failure::stale(&resource, name))
        }
        None if !cx.patched && cx.kind.versioned_updates() => {
            let why = "Invalid value: 0: must be specified for an update".to_owned();
            Err(invalid("metadata.resourceVersion", why))
        }
        _ => Ok(()),
    }
}

/// Fields are those of the kind, and of their type; unknown ones go, as the client wishes it to be told.
fn known(cx: &Cx<'_>, object: &mut Value) -> Result<(), Failure> {
    let gone = unknown(cx, object)?;
    cx.unknown(&gone)
}

/// Takes out unknown fields and returns their paths.
pub(super) fn unknown(cx: &Cx<'_>, object: &mut Value) -> Result<Vec<String>, Failure> {
    let kind = &cx.kind;
    let mut gone = typed::normalize(kind, object).map_err(|why| {
        let (kind, version) = (&kind.kind, &kind.version);
        let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}");
        Failure::bad_request(message)
    })?;
    gone.extend(kind.schema.iter().flat_map(|schema| schema.prune(object)));
    Ok(gone)
}

/// Nothing but who owns which field, and when, is no change.
fn differs(old: &Value, new: &Value) -> bool {
    !same_but(old, new, "metadata", |a, b| same_but(a, b, "managedFields", |_, _| true))
        || fields(old).ne(fields(new))
}

/// Whether two objects are equal, where `key` is judged by `same`.
fn same_but(a: &Value, b: &Value, key: &str, same: impl Fn(&Value, &Value) -> bool) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let others = |map| serde_json::Map::iter(map).filter(|(k, _)| *k != key);
    let none = Value::Null;
    others(a).eq(others(b)) && same(a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none))
}

/// Who manages which fields.
fn fields(object: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let all = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    all.map(|entry| (&entry["manager"], &entry["fieldsV1"]))
}

fn envelope(cx: &Cx<'_>, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request("the body is not an object"));
    }
    let wanted = (cx.kind.api_version(), cx.kind.kind.clone());
    for (field, wanted) in [("apiVersion", &wanted.0), ("kind", &wanted.1)] {
        match object[field].as_str() {
            None | Some("") => object[field] = wanted.as_str().into(),
            Some(found) if found == wanted => {}
            Some(found) if cx.kind.schema.is_some() && field == "kind" => {
                let wrong = format!("Invalid value: {found:?}: must be {wanted}");
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let kind = format!("{found}.{}", cx.kind.group);
                return Err(Failure::invalid(&kind, name, &[(field.to_owned(), wrong)]));
            }
            Some(found) => {
                let message = format!(
                    "the {field} in the data ({found}) does not match the expected one ({wanted})"
                );
                return Err(Failure::bad_request(message));
            }
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let meta = &mut object["metadata"];
    if cx.kind.namespaced {
        match meta["namespace"].as_str() {
            None | Some("") => meta["namespace"] = cx.target.namespace.as_str().into(),
            Some(found) if found == cx.target.namespace => {}
            Some(_) => {
                return Err(Failure::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        }
    } else {
        remove(meta, "namespace");
    }
    let name = cx.target.name.as_str();
    if !name.is_empty() {
        match meta["name"].as_str() {
            None | Some("") => meta["name"] = name.into(),
            Some(found) if found == name => {}
            Some(found) => {
                let message = format!(
                    "the name of the object ({found}) does not match the name on the URL ({name})"
                );
                return Err(Failure::bad_request(message));
            }
        }
    }
    Ok(())
}

/// Defaults and validation of the kind.
fn complete(cx: &Cx<'_>, object: &mut Value, old: Option<&Value>) -> Result<(), Failure> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let causes = meta::causes(&cx.kind, object, old);
    if !causes.is_empty() {
        return Err(Failure::invalid(&cx.kind.qualified(), &name, &causes));
    }
    if object.to_string().len() > OBJECT_LEN_MAX {
        return Err(Failure::new(413, "RequestEntityTooLarge", "the object is too large"));
    }
    rbac::may_write(&cx.state.store, &cx.user, &cx.kind.kind, object)?;
    match cx.kind.kind.as_str() {
        "Secret" => secret::complete(object, old, &name)?,
        "ConfigMap" => {
            let causes = meta::data_causes(object, &["data", "binaryData"]);
            if !causes.is_empty() {
                return Err(Failure::invalid("ConfigMap", &name, &causes));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let changed = old.filter(|old| old["roleRef"] != object["roleRef"]);
            if changed.is_some() {
                let why = format!("Invalid value: {}: cannot change roleRef", object["roleRef"]);
                let causes = [("roleRef".to_owned(), why)];
                return Err(Failure::invalid(&cx.kind.qualified(), &name, &causes));
            }
        }
        "Namespace" => {
            if object["status"]["phase"].is_null() {
                object["status"] = json!({ "phase": "Active" });
            }
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.as_str().into();
        }
        "CustomResourceDefinition" => definition(object, &name)?,
        kind if cx.kind.group == ADMISSION => admission::check(kind, object, &name)?,
        _ => {}
    }
    match &cx.kind.schema {
        Some(schema) => schema.admit(&cx.kind.qualified(), object, old),
        None => Ok(()),
    }
}

fn definition(object: &mut Value, name: &str) -> Result<(), Failure> {
    let wanted = format!(
        "{}.{}",
        object["spec"]["names"]["plural"].as_str().unwrap_or_default(),
        object["spec"]["group"].as_str().unwrap_or_default(),
    );
    let mut causes = Vec::new();
    if wanted != name {
        causes.push((
            "metadata.name".to_owned(),
            format!("Invalid value: {name:?}: must be spec.names.plural+\".\"+spec.group"),
        ));
    }
    for version in object["spec"]["versions"].as_array().into_iter().flatten() {
        let schema = crate::schema::Schema::compile(&version["schema"]["openAPIV3Schema"]);
        let broken = schema.map(|s| s.broken_rules()).unwrap_or_default();
        causes.extend(broken.into_iter().map(|b| ("spec.versions.schema".to_owned(), b)));
    }
    if !causes.is_empty() {
        return Err(Failure::invalid(
            "CustomResourceDefinition.apiextensions.k8s.io",
            name,
            &causes,
        ));
    }
    if object["spec"]["conversion"].is_null() {
        object["spec"]["conversion"] = json!({ "strategy": "None" });
    }
    let kind = object["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
    let names = &mut object["spec"]["names"];
    for (field, name) in [("listKind", format!("{kind}List")), ("singular", kind.to_lowercase())] {
        if names[field].is_null() {
            names[field] = name.into();
        }
    }
    let versions = object["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> =
        versions.filter(|v| v["storage"] == true).map(|v| v["name"].clone()).collect();
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now() });
    if object["status"]["conditions"].is_null() {
        object["status"] = json!({
            "acceptedNames": object["spec"]["names"], "storedVersions": stored,
            "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
        });
    }
    Ok(())
}

/// Custom resources, and the built-in kinds with a spec.
fn counts_generations(cx: &Cx<'_>) -> bool {
    cx.kind.schema.is_some()
        || ["apps", "batch", "apiextensions.k8s.io", ADMISSION].contains(&cx.kind.group.as_str())
}

/// Whether anything but metadata and status differs.
fn changed(old: &Value, new: &Value) -> bool {
    let rest = |o: &Value| {
        let mut o = o.clone();
        remove(&mut o, "metadata");
        remove(&mut o, "status");
        o
    };
    rest(old) != rest(new)
}

pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn uid() -> Result<String, Failure> {
    let hex = random_hex(16)?;
    Ok(format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
}

fn random_hex(bytes: usize) -> Result<String, Failure> {
    let mut raw = vec![0; bytes];
    getrandom::fill(&mut raw).map_err(|_| Failure::new(500, "InternalError", "no randomness"))?;
    Ok(raw.iter().map(|b| format!("{b:02x}")).collect())
}

pub(super) fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}
