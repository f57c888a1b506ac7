//! OpenAPI v3, enough for `kubectl`: schemas of custom resources for `explain`, and for every kind a patch that knows
//! `fieldValidation`, so that `apply` leaves validation to the server.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::kinds::ResourceKind;
use crate::status::Failure;

/// Where the document of each group and version is.
pub(super) fn index(kinds: &[Arc<ResourceKind>]) -> Value {
    let mut paths = Map::new();
    for kind in kinds {
        let at = if kind.group.is_empty() { "api" } else { "apis" };
        let path = format!("{at}/{}", kind.api_version());
        let url = format!("/openapi/v3/{path}");
        paths.insert(path, json!({ "serverRelativeURL": url }));
    }
    json!({ "paths": paths })
}

/// The document of one group and version.
pub(super) fn group(
    kinds: &[Arc<ResourceKind>],
    group: &str,
    version: &str,
) -> Result<Value, Failure> {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for kind in kinds.iter().filter(|k| k.group == group && k.version == version) {
        schemas.insert(schema_name(kind), schema(kind));
        paths.insert(path(kind), operations(kind));
    }
    if schemas.is_empty() {
        return Err(Failure::no_such_path());
    }
    Ok(json!({
        "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "sandbox" },
        "paths": paths, "components": { "schemas": schemas },
    }))
}

fn schema_name(kind: &ResourceKind) -> String {
    if kind.schema.is_none() {
        let group = kind.group.split('.').next().filter(|g| !g.is_empty()).unwrap_or("core");
        return format!("io.k8s.api.{group}.{}.{}", kind.version, kind.kind);
    }
    let group: Vec<&str> = kind.group.rsplit('.').collect();
    format!("{}.{}.{}", group.join("."), kind.version, kind.kind)
}

fn group_version_kind(kind: &ResourceKind) -> Value {
    json!({ "group": kind.group, "version": kind.version, "kind": kind.kind })
}

fn schema(kind: &ResourceKind) -> Value {
    let plain = kind.schema.as_ref().map(|schema| schema.plain().clone());
    let mut schema = plain.unwrap_or_else(|| json!({ "type": "object" }));
    let envelope = [
        (
            "apiVersion",
            json!({ "type": "string", "description": "APIVersion defines the versioned schema of this representation of an object." }),
        ),
        (
            "kind",
            json!({ "type": "string", "description": "Kind is the REST resource that this object represents." }),
        ),
        ("metadata", json!({ "type": "object", "description": "Standard object's metadata." })),
    ];
    for (field, of) in envelope {
        schema["properties"][field] = of;
    }
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
    schema
}

fn path(kind: &ResourceKind) -> String {
    let at = if kind.group.is_empty() { "api" } else { "apis" };
    let place = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{at}/{}/{place}{}/{{name}}", kind.api_version(), kind.plural)
}

fn operations(kind: &ResourceKind) -> Value {
    let of = group_version_kind(kind);
    let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    json!({
        "get": {
            "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": of,
            "responses": { "200": { "description": "OK", "content": { "application/json": {
                "schema": { "$ref": format!("#/components/schemas/{}", schema_name(kind)) },
            } } } },
        },
        "patch": {
            "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": of,
            "parameters": parameters,
            "responses": { "200": { "description": "OK" } },
        },
    })
}
