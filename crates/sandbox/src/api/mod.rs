//! One request: authenticate, resolve what it is about, authorize, act, answer in the form that was asked for.

pub(crate) mod admit;
mod delete;
mod discovery;
mod form;
mod list;
mod path;
mod protobuf;
mod reviews;
mod select;
mod table;
mod watch;
mod write;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::auth::{self, User};
use crate::kinds::Kind;
use crate::rbac::{self, Ask};
use crate::server::State;
use crate::status::Failure;
use crate::store::Key;
use form::Form;
use path::Target;

/// Largest request body, in bytes; the real API server's bound.
const BODY_LEN_MAX: usize = 3 * 1_048_576;

/// What every verb is given.
pub(crate) struct Cx<'a> {
    pub(crate) state: &'a Arc<State>,
    pub(crate) user: User,
    pub(crate) kind: Arc<Kind>,
    pub(crate) target: Target,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Form,
}

impl Cx<'_> {
    pub(crate) fn key(&self) -> Key {
        Key {
            resource: self.kind.resource(),
            namespace: self.target.namespace.clone(),
            name: self.target.name.clone(),
        }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|v| v == "true" || v == "1")
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.param("dryRun").is_some()
    }

    pub(crate) fn manager(&self) -> &str {
        self.param("fieldManager").unwrap_or("unknown")
    }
}

/// Answers one request.
pub(crate) async fn answer(state: Arc<State>, request: Request<Body>) -> Response {
    match serve(&state, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn serve(state: &Arc<State>, request: Request<Body>) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if ["/version", "/healthz", "/livez", "/readyz"].contains(&path.as_str()) {
        return Ok(discovery::open(&path));
    }
    let user = who(state, &parts.headers)?;
    let form = Form::wanted(&parts.headers);
    let Some(target) = Target::parse(&path) else {
        let ask = Ask { verb: "get".into(), path: path.clone(), ..Ask::default() };
        // Discovery is for everybody who is known, as system:discovery grants it.
        let known = path.starts_with("/api") || path.starts_with("/openapi");
        if !known && !rbac::allows(&state.store, &user, &ask) {
            return Err(rbac::forbidden(&user, &ask));
        }
        return discovery::answer(state, &path, &form);
    };
    let found = state.kinds.get(&target.group, &target.version, &target.resource);
    let kind = found.ok_or_else(no_such_path)?;
    let query = path::query(parts.uri.query().unwrap_or_default());
    let cx = Cx { state, user, kind, target, query, form };
    authorize(&cx, &parts.method)?;
    let body = axum::body::to_bytes(body, BODY_LEN_MAX).await.map_err(|_| {
        Failure::new(413, "RequestEntityTooLarge", format!("limit is {BODY_LEN_MAX}"))
    })?;
    dispatch(&cx, &parts, &body)
}

fn who(state: &State, headers: &http::HeaderMap) -> Result<User, Failure> {
    let token = auth::bearer(headers).ok_or_else(auth::unauthorized)?;
    let now_s = jiff::Timestamp::now().as_second();
    let (user, _) = auth::authenticate(
        token,
        state.admin_token.expose(),
        &state.signer,
        &state.store,
        &state.audiences,
        now_s,
    )
    .map_err(|_| auth::unauthorized())?;
    let Some(other) = auth::impersonated(headers) else { return Ok(user) };
    let account = other.name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':'));
    let (resource, namespace, name) = match account {
        Some((namespace, name)) => ("serviceaccounts", namespace, name),
        None => ("users", "", other.name.as_str()),
    };
    let ask = Ask {
        verb: "impersonate".into(),
        resource: resource.into(),
        namespace: namespace.into(),
        name: name.into(),
        ..Ask::default()
    };
    if rbac::allows(&state.store, &user, &ask) {
        Ok(other)
    } else {
        Err(rbac::forbidden(&user, &ask))
    }
}

/// The RBAC verb of a request.
fn verb(cx: &Cx<'_>, method: &Method) -> Result<&'static str, Failure> {
    let one = !cx.target.name.is_empty();
    Ok(match *method {
        Method::GET | Method::HEAD if one => "get",
        Method::GET | Method::HEAD if cx.flag("watch") => "watch",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if one => "delete",
        Method::DELETE => "deletecollection",
        _ => {
            return Err(Failure::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ));
        }
    })
}

fn authorize(cx: &Cx<'_>, method: &Method) -> Result<(), Failure> {
    let target = &cx.target;
    let verb = verb(cx, method)?;
    // A list or watch of one name is authorized by that name, as the real API server does.
    let selected = cx.param("fieldSelector").and_then(|s| s.strip_prefix("metadata.name="));
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
    let anybody = cx.kind.kind.starts_with("Self") && cx.kind.is_review();
    let allowed = anybody || rbac::allows(&cx.state.store, &cx.user, &ask);
    cx.state.note(&cx.user, &ask, allowed);
    if allowed { Ok(()) } else { Err(rbac::forbidden(&cx.user, &ask)) }
}

fn dispatch(cx: &Cx<'_>, parts: &http::request::Parts, body: &Bytes) -> Result<Response, Failure> {
    let one = !cx.target.name.is_empty();
    let sub = cx.target.subresource.as_deref();
    match parts.method {
        Method::POST if cx.kind.is_review() => reviews::answer(cx, &read(body)?),
        Method::POST if sub == Some("token") => reviews::token(cx, &read(body)?),
        Method::GET | Method::HEAD if one => {
            let found = cx.state.store.get(&cx.key());
            let object =
                found.ok_or_else(|| Failure::not_found(&cx.kind.resource(), &cx.target.name))?;
            Ok(form::one(cx, &object, StatusCode::OK))
        }
        Method::GET | Method::HEAD if cx.flag("watch") => watch::answer(cx),
        Method::GET | Method::HEAD => list::answer(cx),
        Method::POST if !one => write::create(cx, read(body)?),
        Method::PUT if one => write::update(cx, read(body)?),
        Method::PATCH if one => write::patch(cx, &parts.headers, body),
        Method::DELETE if one => delete::one(cx, body),
        Method::DELETE => delete::collection(cx, body),
        _ => Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn read(body: &Bytes) -> Result<Value, Failure> {
    if protobuf::is(body) {
        return protobuf::access_review(body);
    }
    serde_json::from_slice(body)
        .map_err(|e| Failure::bad_request(format!("the body is not JSON: {e}")))
}

pub(crate) fn no_such_path() -> Failure {
    Failure::new(404, "NotFound", "the server could not find the requested resource")
}
