//! What only answers: TokenReview, access reviews, TokenRequest.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::Cx;
use crate::auth::tokens::Claims;
use crate::auth::{self, User};
use crate::rbac::{self, Ask};
use crate::status::Failure;
use crate::store::ObjectKey;

/// A token's life where none is asked for, and its bounds, in seconds.
const LIFE_DEFAULT_S: i64 = 3_600;
const LIFE_MIN_S: i64 = 600;
const LIFE_MAX_S: i64 = 1 << 32;

pub(super) fn answer(cx: &Cx<'_>, body: &Value) -> Result<Response, Failure> {
    let spec = &body["spec"];
    let status = match cx.kind.kind.as_str() {
        "TokenReview" => token_review(cx, spec),
        "SelfSubjectReview" => json!({ "userInfo": cx.user.to_json() }),
        "SelfSubjectAccessReview" => access(cx, &cx.user, spec)?,
        "SubjectAccessReview" => {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let groups = spec["groups"].as_array().into_iter().flatten().map(text).collect();
            let user = User { name: text(&spec["user"]), uid: text(&spec["uid"]), groups };
            access(cx, &user, spec)?
        }
        _ => rules(cx, spec)?,
    };
    let answer = json!({
        "apiVersion": cx.kind.api_version(), "kind": cx.kind.kind, "metadata": {},
        "spec": if cx.kind.kind == "TokenReview" { json!({}) } else { spec.clone() },
        "status": status,
    });
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

fn token_review(cx: &Cx<'_>, spec: &Value) -> Value {
    let token = spec["token"].as_str().unwrap_or_default();
    let asked: Vec<String> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    let audiences = if asked.is_empty() { cx.state.audiences.clone() } else { asked };
    let state = cx.state;
    let now_s = Timestamp::now().as_second();
    let admin = state.admin_token.expose();
    match auth::authenticate(token, admin, &state.signer, &state.store, &audiences, now_s) {
        Ok((user, shared)) => {
            json!({ "authenticated": true, "user": user.to_json(), "audiences": shared })
        }
        Err(why) => json!({ "user": {}, "error": why }),
    }
}

fn access(cx: &Cx<'_>, user: &User, spec: &Value) -> Result<Value, Failure> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let resource = &spec["resourceAttributes"];
    if resource.is_object() == spec["nonResourceAttributes"].is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let causes = [("spec.resourceAttributes".to_owned(), format!("Invalid value: {why}"))];
        return Err(Failure::invalid(&cx.kind.qualified(), "", &causes));
    }
    let ask = if resource.is_object() {
        let sub = text(&resource["subresource"]);
        let plural = text(&resource["resource"]);
        Ask {
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            resource: if sub.is_empty() { plural } else { format!("{plural}/{sub}") },
            namespace: text(&resource["namespace"]),
            name: text(&resource["name"]),
            path: String::new(),
        }
    } else {
        let path = &spec["nonResourceAttributes"];
        Ask { verb: text(&path["verb"]), path: text(&path["path"]), ..Ask::default() }
    };
    if user.is_master() {
        return Ok(json!({ "allowed": true }));
    }
    Ok(match rbac::grantor(&cx.state.store, user, &ask) {
        Some(reason) => json!({ "allowed": true, "reason": reason }),
        None => json!({ "allowed": false }),
    })
}

fn rules(cx: &Cx<'_>, spec: &Value) -> Result<Value, Failure> {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Failure::bad_request("no namespace on request"));
    }
    let everything = json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] });
    let all = if cx.user.is_master() {
        vec![everything]
    } else {
        rbac::rules(&cx.state.store, &cx.user, namespace)
    };
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|r| r["nonResourceURLs"].is_array());
    Ok(json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false }))
}

pub(super) fn token(cx: &Cx<'_>, body: &Value) -> Result<Response, Failure> {
    let key = ObjectKey { resource: "serviceaccounts".into(), ..cx.key() };
    let account =
        cx.state.store.get(&key).ok_or_else(|| Failure::not_found("serviceaccounts", &key.name))?;
    let asked: Vec<String> = body["spec"]["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    let life_s = body["spec"]["expirationSeconds"].as_i64().unwrap_or(LIFE_DEFAULT_S);
    let bound = match life_s {
        ..LIFE_MIN_S => Some("may not specify a duration less than 10 minutes"),
        LIFE_MIN_S..=LIFE_MAX_S => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(why) = bound {
        let causes =
            [("spec.expirationSeconds".to_owned(), format!("Invalid value: {life_s}: {why}"))];
        return Err(Failure::invalid("TokenRequest.authentication.k8s.io", "", &causes));
    }
    let now = Timestamp::now();
    let claims = Claims {
        namespace: key.namespace.clone(),
        account: key.name.clone(),
        uid: account["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        audiences: if asked.is_empty() { cx.state.audiences.clone() } else { asked },
        expires_s: now.as_second() + life_s,
    };
    let token = cx
        .state
        .signer
        .sign(&claims, now.as_second())
        .ok_or_else(|| Failure::new(500, "InternalError", "the token could not be signed"))?;
    let expires = Timestamp::from_second(claims.expires_s).unwrap_or(now);
    let answer = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": { "name": key.name, "namespace": key.namespace },
        "spec": { "audiences": claims.audiences, "expirationSeconds": life_s },
        "status": { "token": token, "expirationTimestamp": expires.to_string() },
    });
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}
