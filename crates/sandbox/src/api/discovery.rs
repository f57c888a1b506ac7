//! Discovery, version, health and the issuer of tokens: what is served.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form::Form;
use super::openapi;
use crate::kinds::ResourceKind;
use crate::state::ClusterState;
use crate::status::Failure;

/// The version whose semantics are played.
const MINOR: &str = "33";

fn version() -> Response {
    let version = json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0+regent-sandbox"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
    });
    axum::Json(version).into_response()
}

pub(super) fn answer(state: &ClusterState, path: &str, form: &Form) -> Result<Response, Failure> {
    match path {
        "/healthz" | "/livez" | "/readyz" => return Ok("ok".into_response()),
        "/version" | "/version/" => return Ok(version()),
        "/.well-known/openid-configuration" => {
            return Ok(axum::Json(state.signer.configuration()).into_response());
        }
        "/openid/v1/jwks" => return Ok(axum::Json(state.signer.keys()).into_response()),
        _ => {}
    }
    let kinds = state.kinds.all();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let aggregated = *form == Form::Discovery;
    let body = match parts.as_slice() {
        ["api"] if aggregated => discovery_list(&kinds, |g| g.is_empty()),
        ["apis"] if aggregated => discovery_list(&kinds, |g| !g.is_empty()),
        ["api"] => {
            json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
        }
        ["apis"] => {
            let groups: Vec<Value> =
                groups(&kinds).into_iter().map(|(g, v)| group(&g, &v)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        ["apis", name] => {
            let found = groups(&kinds);
            let versions = found.get(*name).ok_or_else(Failure::no_such_path)?;
            let mut one = group(name, versions);
            one["kind"] = "APIGroup".into();
            one["apiVersion"] = "v1".into();
            one
        }
        ["api", version] => resources(&kinds, "", version)?,
        ["apis", group, version] => resources(&kinds, group, version)?,
        ["openapi", "v3"] => openapi::index(&kinds),
        ["openapi", "v3", "api", version] => openapi::group(&kinds, "", version)?,
        ["openapi", "v3", "apis", group, version] => openapi::group(&kinds, group, version)?,
        _ => return Err(Failure::no_such_path()),
    };
    let mut response = axum::Json(body).into_response();
    if aggregated {
        let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    }
    Ok(response)
}

type Kinds = [std::sync::Arc<ResourceKind>];

fn groups(kinds: &Kinds) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in kinds.iter().filter(|k| !k.group.is_empty()) {
        let versions = groups.entry(kind.group.clone()).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version.clone());
        }
    }
    groups
}

fn group(name: &str, versions: &[String]) -> Value {
    let version = |v: &String| json!({ "groupVersion": format!("{name}/{v}"), "version": v });
    let all: Vec<Value> = versions.iter().map(version).collect();
    json!({ "name": name, "versions": all, "preferredVersion": all.first() })
}

fn resources(kinds: &Kinds, group: &str, version: &str) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for kind in kinds.iter().filter(|k| k.group == group && k.version == version) {
        all.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": kind.verbs(), "shortNames": kind.short_names,
            "categories": kind.categories,
        }));
        if kind.status {
            all.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": ["get", "patch", "update"],
            }));
        }
        if kind.plural == "serviceaccounts" {
            all.push(json!({
                "name": "serviceaccounts/token", "singularName": "", "namespaced": true,
                "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"],
            }));
        }
    }
    if all.is_empty() {
        return Err(Failure::no_such_path());
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(
        json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": all }),
    )
}

fn discovery_list(kinds: &Kinds, wanted: impl Fn(&str) -> bool) -> Value {
    let mut found: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for kind in kinds.iter().filter(|k| wanted(&k.group)) {
        let response_kind =
            json!({ "group": kind.group, "version": kind.version, "kind": kind.kind });
        let mut resource = json!({
            "resource": kind.plural, "responseKind": response_kind,
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": kind.singular, "verbs": kind.verbs(),
            "shortNames": kind.short_names, "categories": kind.categories,
        });
        if kind.status {
            resource["subresources"] = json!([{
                "subresource": "status", "responseKind": response_kind, "verbs": ["get", "patch", "update"],
            }]);
        }
        found.entry((kind.group.clone(), kind.version.clone())).or_default().push(resource);
    }
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for ((group, version), resources) in found {
        let version = json!({ "version": version, "resources": resources, "freshness": "Current" });
        groups.entry(group).or_default().push(version);
    }
    let items: Vec<Value> = groups
        .into_iter()
        .map(|(name, versions)| {
            let metadata = if name.is_empty() { json!({}) } else { json!({ "name": name }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}
