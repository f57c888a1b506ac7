//! One request: authenticate, resolve what it is about, authorize, act, answer in the form that was asked for.

pub(crate) mod admit;
mod body;
mod check;
pub(crate) mod context;
mod delete;
mod discovery;
mod events;
mod form;
mod gc;
mod list;
mod media;
mod meta;
mod openapi;
mod path;
mod protobuf;
mod reviews;
mod secret;
mod select;
mod shape;
mod table;
mod typed;
mod watch;
mod write;
mod written;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::auth::{self, User};
use crate::kinds::ResourceKind;
use crate::rbac::{self, Ask};
use crate::state::ClusterState;
use crate::status::Failure;
use context::Cx;
use form::Form;
use path::RequestPath;

/// Largest request body, in bytes; the real API server's bound.
const BODY_LEN_MAX: usize = 3 * 1_048_576;

pub(crate) async fn answer(state: Arc<ClusterState>, request: Request<Body>) -> Response {
    match serve(&state, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn serve(state: &Arc<ClusterState>, request: Request<Body>) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let user = who(state, &parts.headers)?;
    let form = Form::wanted(&parts.headers);
    let Some(target) = RequestPath::parse(&path) else {
        let verb = parts.method.as_str().to_lowercase();
        let ask = Ask { verb, path: path.clone(), ..Ask::default() };
        if !rbac::allows(&state.store, &user, &ask) {
            state.note(&user, &ask, false);
            return Err(rbac::forbidden(&user, &ask));
        }
        return discovery::answer(state, &path, &form);
    };
    let query = path::query(parts.uri.query().unwrap_or_default());
    authorize(state, &user, &target, &query, &parts.method)?;
    let found = state.kinds.get(&target.group, &target.version, &target.resource);
    let kind = found.filter(|kind| served(kind, &target)).ok_or_else(Failure::no_such_path)?;
    let cx = Cx {
        state,
        user,
        kind,
        target,
        query,
        form,
        patched: parts.method == Method::PATCH,
        warnings: Mutex::default(),
    };
    let body = axum::body::to_bytes(body, BODY_LEN_MAX).await.map_err(|_| {
        Failure::new(413, "RequestEntityTooLarge", format!("limit is {BODY_LEN_MAX}"))
    })?;
    check::request(&cx, &parts, &body)?;
    let mut response = dispatch(&cx, &parts, &body)?;
    for warning in cx.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // 299: a warning that lasts; the text is quoted.
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

/// Whether the kind has this scope and subresource.
fn served(kind: &ResourceKind, target: &RequestPath) -> bool {
    let scope = kind.namespaced || target.namespace.is_empty();
    scope
        && match target.subresource.as_deref() {
            None => true,
            Some("status") => kind.status,
            Some("token") => kind.plural == "serviceaccounts",
            Some("finalize") => kind.plural == "namespaces",
            Some(_) => false,
        }
}

fn who(state: &ClusterState, headers: &http::HeaderMap) -> Result<User, Failure> {
    let now_s = jiff::Timestamp::now().as_second();
    let user = match auth::bearer(headers) {
        None => auth::anonymous(),
        Some(token) => {
            let admin = state.admin_token.expose();
            let (signer, store) = (&state.signer, &state.store);
            auth::authenticate(token, admin, signer, store, &state.audiences, now_s)
                .map_err(|_| auth::unauthorized())?
                .0
        }
    };
    let Some((other, groups)) = auth::impersonated(headers) else { return Ok(user) };
    let account = other.name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':'));
    let (resource, namespace, name) = match account {
        Some((namespace, name)) => ("serviceaccounts", namespace, name),
        None => ("users", "", other.name.as_str()),
    };
    let asks = std::iter::once((resource, namespace, name))
        .chain(groups.iter().map(|group| ("groups", "", group.as_str())));
    for (resource, namespace, name) in asks {
        let ask = Ask {
            verb: "impersonate".into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Ask::default()
        };
        if !rbac::allows(&state.store, &user, &ask) {
            state.note(&user, &ask, false);
            return Err(rbac::forbidden(&user, &ask));
        }
    }
    Ok(other)
}

/// The RBAC verb of a request.
fn verb(one: bool, watch: bool, method: &Method) -> Result<&'static str, Failure> {
    Ok(match *method {
        Method::GET | Method::HEAD if one => "get",
        Method::GET | Method::HEAD if watch => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if one => "delete",
        Method::DELETE => "deletecollection",
        _ => return Err(Failure::method()),
    })
}

fn authorize(
    state: &ClusterState,
    user: &User,
    target: &RequestPath,
    query: &[(String, String)],
    method: &Method,
) -> Result<(), Failure> {
    let param = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let watch = param("watch").is_some_and(|v| v == "true" || v == "1");
    let verb = verb(!target.name.is_empty(), watch, method)?;
    // A list or watch of one name is authorized by that name, as the real API server does.
    let selected = param("fieldSelector").and_then(|s| s.strip_prefix("metadata.name="));
    let name = if target.name.is_empty() { selected.unwrap_or_default() } else { &target.name };
    let ask = Ask {
        verb: verb.into(),
        group: target.group.clone(),
        resource: match &target.subresource {
            Some(sub) => format!("{}/{sub}", target.resource),
            None => target.resource.clone(),
        },
        // A Namespace is authorized in itself.
        namespace: if target.resource == "namespaces" && target.group.is_empty() {
            target.name.clone()
        } else {
            target.namespace.clone()
        },
        name: name.to_owned(),
        path: String::new(),
    };
    let allowed = rbac::allows(&state.store, user, &ask);
    state.note(user, &ask, allowed);
    if allowed { Ok(()) } else { Err(rbac::forbidden(user, &ask)) }
}

fn dispatch(cx: &Cx<'_>, parts: &http::request::Parts, body: &Bytes) -> Result<Response, Failure> {
    let one = !cx.target.name.is_empty();
    let sub = cx.target.subresource.as_deref();
    match parts.method {
        Method::POST if cx.kind.is_review() => {
            reviews::answer(cx, &body::read(&parts.headers, body)?)
        }
        Method::POST if sub == Some("token") => {
            reviews::token(cx, &body::read(&parts.headers, body)?)
        }
        _ if cx.kind.is_review() => Err(Failure::method()),
        Method::GET | Method::HEAD if one => {
            let found = cx.state.store.get(&cx.key());
            let object =
                found.ok_or_else(|| Failure::not_found(&cx.kind.resource(), &cx.target.name))?;
            Ok(shape::one(cx, &object, StatusCode::OK))
        }
        Method::GET | Method::HEAD if cx.flag("watch") => watch::answer(cx),
        Method::GET | Method::HEAD => list::answer(cx),
        Method::POST if !one => write::create(cx, body::read(&parts.headers, body)?),
        Method::PUT if one => write::update(cx, body::read(&parts.headers, body)?),
        Method::PATCH if one => write::patch(cx, &parts.headers, body),
        Method::DELETE if one => delete::one(cx, body),
        Method::DELETE => delete::collection(cx, body),
        _ => Err(Failure::method()),
    }
}
