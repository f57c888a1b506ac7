//! What can be said of a request before anything is looked up: its forms and its parameters.

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use serde_json::Value;

use super::context::Cx;
use super::media::{media_type, unsupported};
use super::protobuf;
use crate::status::Failure;

const BODIES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const POLICIES: [&str; 3] = ["Orphan", "Background", "Foreground"];
const VALIDATIONS: [&str; 3] = ["Ignore", "Strict", "Warn"];

/// Refuses what the API server refuses without looking at any object.
pub(super) fn request(cx: &Cx<'_>, parts: &Parts, body: &Bytes) -> Result<(), Failure> {
    forms(parts, body)?;
    match parts.method {
        Method::GET | Method::HEAD => read(cx),
        Method::DELETE => delete(cx, body),
        _ => write(cx, parts),
    }
}

fn forms(parts: &Parts, body: &Bytes) -> Result<(), Failure> {
    let accept = parts.headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let known = |kind: &str| ["application/json", "*/*", "application/*"].contains(&kind);
    let mut wanted = accept.split(',').map(|k| k.split(';').next().unwrap_or_default().trim());
    if !accept.is_empty() && !wanted.any(known) {
        let message = format!("only the following media types are accepted: {BODIES}");
        return Err(Failure::new(406, "NotAcceptable", message));
    }
    let kind = media_type(&parts.headers, CONTENT_TYPE);
    let known = ["", "application/json", "application/yaml"].contains(&kind) || protobuf::is(body);
    if parts.method == Method::PATCH || body.is_empty() || known {
        return Ok(());
    }
    Err(unsupported(BODIES))
}

fn read(cx: &Cx<'_>) -> Result<(), Failure> {
    if !cx.target.name.is_empty() {
        return Ok(());
    }
    let (watch, initial) = (cx.flag("watch"), cx.flag("sendInitialEvents"));
    let options = |field: &str, message: &str| {
        Err(Failure::invalid("ListOptions.meta.k8s.io", "", &[(field.into(), message.into())]))
    };
    let version = cx.param("resourceVersion").filter(|v| !v.is_empty());
    let field = "resourceVersionMatch";
    match cx.param(field).filter(|m| !m.is_empty()) {
        None if initial => options(
            field,
            "Forbidden: resourceVersionMatch is required when sendInitialEvents is set",
        ),
        None => Ok(()),
        Some("NotOlderThan") if watch && initial => Ok(()),
        Some(_) if watch => options(
            field,
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        Some(_) if version.is_none() => options(
            field,
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        Some("Exact") if version == Some("0") => options(
            field,
            "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
        ),
        Some("NotOlderThan" | "Exact") => Ok(()),
        Some(other) => options(
            field,
            &format!("Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""),
        ),
    }
}

fn delete(cx: &Cx<'_>, body: &Bytes) -> Result<(), Failure> {
    let options: Value = serde_json::from_slice(body).unwrap_or_default();
    let policy = cx.param("propagationPolicy").or(options["propagationPolicy"].as_str());
    one_of("DeleteOptions", "propagationPolicy", policy, &POLICIES)?;
    one_of("DeleteOptions", "dryRun", cx.param("dryRun"), &["All"])
}

fn write(cx: &Cx<'_>, parts: &Parts) -> Result<(), Failure> {
    let options = match parts.method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        _ => "PatchOptions",
    };
    one_of(options, "dryRun", cx.param("dryRun"), &["All"])?;
    one_of(options, "fieldValidation", cx.param("fieldValidation"), &VALIDATIONS)?;
    if parts.method != Method::PATCH {
        return Ok(());
    }
    let apply = media_type(&parts.headers, CONTENT_TYPE) == "application/apply-patch+yaml";
    let manager = cx.param("fieldManager").unwrap_or_default();
    let (field, message) = match (apply, manager.is_empty(), cx.param("force").is_some()) {
        (true, true, _) => ("fieldManager", "Required value: is required for apply patch"),
        (false, _, true) => ("force", "Forbidden: may not be specified for non-apply patch"),
        _ => return Ok(()),
    };
    Err(Failure::invalid("PatchOptions.meta.k8s.io", "", &[(field.into(), message.into())]))
}

fn one_of(
    options: &str,
    field: &str,
    found: Option<&str>,
    allowed: &[&str],
) -> Result<(), Failure> {
    let Some(found) = found.filter(|f| !f.is_empty() && !allowed.contains(f)) else {
        return Ok(());
    };
    let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
    let message = format!("Unsupported value: {found:?}: supported values: {}", allowed.join(", "));
    Err(Failure::invalid(&format!("{options}.meta.k8s.io"), "", &[(field.to_owned(), message)]))
}
