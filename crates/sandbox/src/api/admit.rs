//! What happens to an object between the request and the store: names, metadata, defaults, validation.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Cx;
use crate::admission;
use crate::patch;
use crate::rbac;
use crate::status::Failure;

/// The largest object, in bytes of JSON; etcd's bound on the real API server.
const OBJECT_LEN_MAX: usize = 1_572_864;

/// Completes a new object.
pub(crate) fn new(cx: &Cx<'_>, mut object: Value) -> Result<Value, Failure> {
    envelope(cx, &mut object)?;
    let now = now();
    let meta = &mut object["metadata"];
    if meta["name"].as_str().unwrap_or_default().is_empty() {
        let prefix = meta["generateName"].as_str().unwrap_or_default().to_owned();
        if prefix.is_empty() {
            return Err(Failure::new(
                422,
                "Invalid",
                "metadata.name: Required value: name or generateName is required",
            ));
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
    patch::track(None, &mut object, cx.manager(), "", &now);
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
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let resource = cx.kind.resource();
    if let Some(uid) = object["metadata"]["uid"].as_str()
        && old["metadata"]["uid"] != uid
    {
        let why = "Precondition failed: UID in precondition does not match the UID in object meta";
        return Err(Failure::conflict(&resource, name, why));
    }
    if let Some(rv) = object["metadata"]["resourceVersion"].as_str()
        && !rv.is_empty()
        && old["metadata"]["resourceVersion"] != rv
    {
        return Err(Failure::stale(&resource, name));
    }
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
        patch::track(Some(old), &mut object, cx.manager(), subresource, &now);
    }
    Ok(differs(old, &object).then_some(object))
}

/// Nothing but who owns which field, and when, is no change.
fn differs(old: &Value, new: &Value) -> bool {
    let (mut a, mut b) = (old.clone(), new.clone());
    remove(&mut a["metadata"], "managedFields");
    remove(&mut b["metadata"], "managedFields");
    if a != b {
        return true;
    }
    let fields = |o: &Value| -> Vec<(Value, Value)> {
        let all = o["metadata"]["managedFields"].as_array().into_iter().flatten();
        all.map(|e| (e["manager"].clone(), e["fieldsV1"].clone())).collect()
    };
    fields(old) != fields(new)
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
    if !valid_name(&name, cx) {
        let cause = (
            "metadata.name".to_owned(),
            format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
            ),
        );
        return Err(Failure::invalid(&cx.kind.kind, &name, &[cause]));
    }
    if object.to_string().len() > OBJECT_LEN_MAX {
        return Err(Failure::new(413, "RequestEntityTooLarge", "the object is too large"));
    }
    rbac::may_write(&cx.state.store, &cx.user, &cx.kind.kind, object)?;
    match cx.kind.kind.as_str() {
        "Secret" => secret(object, old, &name)?,
        "Namespace" => {
            if object["status"]["phase"].is_null() {
                object["status"] = json!({ "phase": "Active" });
            }
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.as_str().into();
        }
        "CustomResourceDefinition" => definition(object, &name)?,
        kind if cx.kind.group == admission::GROUP => admission::check(kind, object, &name)?,
        _ => {}
    }
    match &cx.kind.schema {
        Some(schema) => schema.admit(&cx.kind.kind, object, old),
        None => Ok(()),
    }
}

fn secret(object: &mut Value, old: Option<&Value>, name: &str) -> Result<(), Failure> {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    if let Some(strings) = object.as_object_mut().and_then(|o| o.remove("stringData")) {
        for (key, value) in strings.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            object["data"][key] = base64.encode(text).into();
        }
    }
    if object["type"].as_str().unwrap_or_default().is_empty() {
        object["type"] = "Opaque".into();
    }
    let mut causes = Vec::new();
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        if value.as_str().is_none_or(|v| base64.decode(v).is_err()) {
            causes.push((format!("data[{key}]"), "Invalid value: not base64".to_owned()));
        }
    }
    let needed: &[&str] = match object["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        _ => &[],
    };
    for key in needed {
        if object["data"][*key].is_null() {
            causes.push((format!("data[{key}]"), "Required value".to_owned()));
        }
    }
    if let Some(old) = old {
        if old["type"] != object["type"] {
            causes.push(("type".into(), "Invalid value: field is immutable".into()));
        }
        if old["immutable"] == true
            && (old["data"] != object["data"] || object["immutable"] != true)
        {
            causes.push((
                "data".into(),
                "Forbidden: field is immutable when `immutable` is set".into(),
            ));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid("Secret", name, &causes)) }
}

fn definition(object: &mut Value, name: &str) -> Result<(), Failure> {
    let wanted = format!(
        "{}.{}",
        object["spec"]["names"]["plural"].as_str().unwrap_or_default(),
        object["spec"]["group"].as_str().unwrap_or_default(),
    );
    let mut causes = Vec::new();
    if wanted != name {
        causes.push(("metadata.name".to_owned(), format!("Invalid value: must be {wanted}")));
    }
    for version in object["spec"]["versions"].as_array().into_iter().flatten() {
        let schema = crate::schema::Schema::compile(&version["schema"]["openAPIV3Schema"]);
        let broken = schema.map(|s| s.broken_rules()).unwrap_or_default();
        causes.extend(broken.into_iter().map(|b| ("spec.versions.schema".to_owned(), b)));
    }
    if !causes.is_empty() {
        return Err(Failure::invalid("CustomResourceDefinition", name, &causes));
    }
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now() });
    if object["status"]["conditions"].is_null() {
        object["status"] = json!({
            "acceptedNames": object["spec"]["names"],
            "conditions": [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")],
        });
    }
    Ok(())
}

/// Custom resources, and the built-in kinds with a spec.
fn counts_generations(cx: &Cx<'_>) -> bool {
    cx.kind.schema.is_some()
        || ["apps", "batch", "apiextensions.k8s.io", admission::GROUP]
            .contains(&cx.kind.group.as_str())
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

fn valid_name(name: &str, cx: &Cx<'_>) -> bool {
    let loose = cx.kind.group == "rbac.authorization.k8s.io";
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = |c: char| edge(c) || c == '-' || c == '.';
    if loose {
        return !name.is_empty() && !name.contains('/') && !name.contains('%');
    }
    name.len() <= 253 && name.starts_with(edge) && name.ends_with(edge) && name.chars().all(fine)
}

pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn uid() -> Result<String, Failure> {
    let hex = random_hex(16)?;
    Ok(format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
}

fn random_hex(bytes: usize) -> Result<String, Failure> {
    let mut raw = vec![0; bytes];
    getrandom::fill(&mut raw).map_err(|_| Failure::new(500, "InternalError", "no randomness"))?;
    Ok(raw.iter().map(|b| format!("{b:02x}")).collect())
}

fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}
