//! [`Reply`] and [`ApiError`] → status, headers, body (reference: envelope and status codes of the
//! Vault API).

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use regent_types::Json;
use regent_types::json::Object;
use serde::Serialize;

use crate::error::ApiError;
use crate::reply::{AuthReply, Reply, ReplyStatus, Shape, WrapReply};
use crate::wipe::encode;

/// What surrounds the data. It borrows: no second copy of a value is made.
#[derive(Serialize)]
struct Envelope<'a> {
    request_id: &'a str,
    lease_id: &'a str,
    renewable: bool,
    lease_duration: u64,
    data: Option<&'a Json>,
    wrap_info: Option<WrapBody<'a>>,
    warnings: Option<&'a [String]>,
    auth: Option<AuthBody<'a>>,
    #[serde(flatten)]
    mirrored: Option<&'a Object>,
}

/// A body without envelope, and what is to be said beside it.
#[derive(Serialize)]
struct Warned<'a> {
    #[serde(flatten)]
    fields: Option<&'a Object>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct WrapBody<'a> {
    token: &'a str,
    accessor: &'a str,
    ttl: u64,
    creation_time: String,
    creation_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_accessor: Option<&'a str>,
}

#[derive(Serialize)]
struct AuthBody<'a> {
    client_token: &'a str,
    accessor: &'a str,
    policies: &'a [String],
    token_policies: &'a [String],
    metadata: &'a std::collections::BTreeMap<String, String>,
    lease_duration: u64,
    renewable: bool,
    entity_id: &'a str,
    token_type: &'a str,
    orphan: bool,
    mfa_requirement: Option<()>,
    num_uses: u64,
}

/// The answer for a call that was answered.
pub(super) fn success(id: &str, reply: &Reply) -> Response {
    let status = match reply.status {
        ReplyStatus::Ok => StatusCode::OK,
        ReplyStatus::NoContent if reply.warnings.is_empty() => {
            return build(StatusCode::NO_CONTENT, Bytes::new());
        }
        ReplyStatus::NoContent => StatusCode::OK,
        ReplyStatus::NotFoundWithData => StatusCode::NOT_FOUND,
        ReplyStatus::Code(code) => {
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let data = reply.data.as_deref();
    let body = match reply.shape {
        Shape::Bare if reply.warnings.is_empty() => json(&data),
        Shape::Bare => {
            let fields = data.and_then(Json::as_object);
            json(&Warned { fields, warnings: &reply.warnings })
        }
        Shape::Envelope | Shape::Mirrored => json(&Envelope {
            request_id: id,
            lease_id: &reply.lease.id,
            renewable: reply.lease.renewable,
            lease_duration: reply.lease.duration_s,
            data,
            wrap_info: reply.wrap.as_ref().map(wrap),
            warnings: (!reply.warnings.is_empty()).then_some(&reply.warnings),
            auth: reply.auth.as_ref().map(auth),
            mirrored: data.and_then(Json::as_object).filter(|_| reply.shape == Shape::Mirrored),
        }),
    };
    match body {
        Ok(body) => build(status, body),
        Err(failed) => error(&failed),
    }
}

/// The answer for a call that was not.
pub(super) fn error(error: &ApiError) -> Response {
    let (status, errors) = match error {
        ApiError::Invalid(messages) => (StatusCode::BAD_REQUEST, messages.clone()),
        ApiError::Denied => (StatusCode::FORBIDDEN, vec![denied(error)]),
        ApiError::NotFound => (StatusCode::NOT_FOUND, Vec::new()),
        ApiError::NoHandler(_) => (StatusCode::NOT_FOUND, vec![error.to_string()]),
        ApiError::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, vec![denied(error)]),
        ApiError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, vec![error.to_string()]),
        ApiError::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, vec![error.to_string()]),
        ApiError::Busy => (StatusCode::TOO_MANY_REQUESTS, vec![error.to_string()]),
        ApiError::Sealed => (StatusCode::SERVICE_UNAVAILABLE, vec![error.to_string()]),
        ApiError::Deadline => (StatusCode::GATEWAY_TIMEOUT, vec![error.to_string()]),
        ApiError::CannotWrite => (StatusCode::INTERNAL_SERVER_ERROR, vec![error.to_string()]),
        ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, vec![error.to_string()]),
    };
    // An object of strings always encodes.
    build(status, json(&serde_json::json!({"errors": errors})).unwrap_or_default())
}

/// Status and headers alone, as HEAD is answered.
pub(super) fn without_body(response: Response) -> Response {
    response.map(|_| Body::empty())
}

/// The multi-error form that clients look for.
fn denied(error: &ApiError) -> String {
    format!("1 error occurred:\n\t* {error}\n\n")
}

fn wrap(wrap: &WrapReply) -> WrapBody<'_> {
    WrapBody {
        token: wrap.token.expose(),
        accessor: &wrap.accessor,
        ttl: wrap.ttl_s,
        creation_time: wrap.created.to_string(),
        creation_path: &wrap.path,
        wrapped_accessor: wrap.wrapped_accessor.as_deref(),
    }
}

fn auth(auth: &AuthReply) -> AuthBody<'_> {
    AuthBody {
        client_token: auth.client_token.expose(),
        accessor: &auth.accessor,
        policies: &auth.policies,
        token_policies: &auth.policies,
        metadata: &auth.metadata,
        lease_duration: auth.lease_duration_s,
        renewable: auth.renewable,
        entity_id: "",
        token_type: auth.token_type,
        orphan: auth.orphan,
        mfa_requirement: None,
        num_uses: auth.num_uses,
    }
}

/// JSON in a buffer that wipes itself when the last reference to it goes.
fn json(value: &impl Serialize) -> Result<Bytes, ApiError> {
    encode(value, "answer").map(Bytes::from_owner)
}

fn build(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}
