//! Bytes → [`Request`]: method, path, headers, body (reference: transport rules of the Vault API).

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query};
use futures::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use regent_types::json::Object;
use regent_types::{Json, Sensitive};
use zeroize::Zeroizing;

use super::limits::{TOKEN_BYTES_MAX, check_json};
use super::path;
use crate::error::ApiError;
use crate::request::duration::duration_s;
use crate::request::{Operation, Request};
use crate::wipe::Data;

/// What a request says before its body.
pub(super) struct Head {
    pub(super) op: Operation,
    pub(super) path: String,
    pub(super) token: Option<Sensitive<String>>,
    /// Seconds for which the answer is to lie wrapped; 0: it is not.
    wrap_ttl_s: u64,
    /// What the query says, where there is no body.
    query: Data,
    pub(super) remote: Option<SocketAddr>,
}

/// Reads the head of one request; nothing is looked up yet.
pub(super) fn head(parts: &Parts) -> Result<Head, ApiError> {
    let remote = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let mut path = path::decode(parts.uri.path())?;
    refuse_unsupported(&parts.headers)?;
    let mut query = query(parts)?;
    let op = operation(parts, &mut query)?;
    if op == Operation::List && !path.ends_with('/') {
        path.push('/');
    }
    let token = token(&parts.headers)?;
    let wrap_ttl_s = wrap_ttl_s(&parts.headers)?;
    Ok(Head { op, path, token, wrap_ttl_s, query, remote })
}

impl Head {
    /// Whether its data is in its body.
    pub(super) fn has_body(&self) -> bool {
        matches!(self.op, Operation::Create | Operation::Update | Operation::Patch)
    }

    /// The request, with the data of its query, or of its `body` where it has one.
    pub(super) fn with_body(
        self,
        body: Option<&[u8]>,
        id: String,
        now: Timestamp,
    ) -> Result<Request, ApiError> {
        let data = match body {
            Some(bytes) => json(bytes)?,
            None if self.has_body() => Data::default(),
            None => self.query,
        };
        let Self { op, path, token, wrap_ttl_s, remote, .. } = self;
        Ok(Request { id, now, op, path, data, token, wrap_ttl_s, remote })
    }
}

fn operation(parts: &Parts, query: &mut Data) -> Result<Operation, ApiError> {
    let list =
        query.remove("list").is_some_and(|value| matches!(value.as_str(), Some("true" | "1")));
    match &parts.method {
        &Method::GET if list => Ok(Operation::List),
        &Method::GET | &Method::HEAD => Ok(Operation::Read),
        &Method::POST | &Method::PUT => Ok(Operation::Update),
        &Method::DELETE => Ok(Operation::Delete),
        &Method::PATCH => merge_patch(&parts.headers).map(|()| Operation::Patch),
        method if method.as_str() == "LIST" => Ok(Operation::List),
        _ => Err(ApiError::Unsupported),
    }
}

fn merge_patch(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Err(ApiError::MediaType) };
    let kind = kind.to_str().map_err(|_| ApiError::invalid("Content-Type: not readable"))?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let right = kind.eq_ignore_ascii_case("application/merge-patch+json");
    if right { Ok(()) } else { Err(ApiError::MediaType) }
}

/// What would change the meaning of the request and is not done here is refused, never ignored.
fn refuse_unsupported(headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(namespace) = headers.get("x-vault-namespace") {
        let name = namespace.to_str().unwrap_or("?").trim_matches('/');
        if !matches!(name, "" | "root") {
            return Err(ApiError::NoHandler("namespaces do not exist here".to_owned()));
        }
    }
    let format = headers.get("x-vault-wrap-format").map(HeaderValue::as_bytes);
    if format.is_some_and(|format| !format.is_empty()) {
        return Err(ApiError::invalid("X-Vault-Wrap-Format: answers are wrapped by a token alone"));
    }
    Ok(())
}

/// Seconds for which the answer is to lie wrapped; 0: it is not.
fn wrap_ttl_s(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(value) = headers.get("x-vault-wrap-ttl") else { return Ok(0) };
    let text = value.to_str().ok().map(|text| Json::String(text.to_owned()));
    let seconds = text.as_ref().and_then(duration_s).and_then(|s| u64::try_from(s).ok());
    seconds.ok_or_else(|| {
        ApiError::invalid(
            "X-Vault-Wrap-TTL: expected a duration such as \"90s\" or \"1h\", or seconds",
        )
    })
}

fn token(headers: &HeaderMap) -> Result<Option<Sensitive<String>>, ApiError> {
    let bearer = || {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    };
    let Some(bytes) = headers.get("x-vault-token").map(|value| value.as_bytes()).or_else(bearer)
    else {
        return Ok(None);
    };
    if bytes.len() > TOKEN_BYTES_MAX {
        return Err(ApiError::Denied);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::Denied)?.trim();
    Ok((!text.is_empty()).then(|| Sensitive::new(text.to_owned())))
}

/// Query parameters as data: strings, a repeated one as an array.
fn query(parts: &Parts) -> Result<Data, ApiError> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|_| ApiError::invalid("query: not readable"))?;
    let mut data = Object::new();
    for (key, value) in pairs.0 {
        let value = Json::String(value);
        match data.get_mut(&key) {
            None => {
                data.insert(key, value);
            }
            Some(Json::Array(items)) => items.push(value),
            Some(first) => *first = Json::Array(vec![std::mem::take(first), value]),
        }
    }
    Ok(Data::new(data))
}

/// Bytes that must be had for `body` before it is read: what its length header promises, for one
/// without a length as much as may be.
pub(super) fn size(body: &Body, bytes_max: usize) -> Result<usize, ApiError> {
    use axum::body::HttpBody as _;
    match body.size_hint().exact() {
        None => Ok(bytes_max),
        Some(bytes) if bytes > bytes_max as u64 => Err(ApiError::TooLarge),
        Some(bytes) => Ok(usize::try_from(bytes).unwrap_or(bytes_max)),
    }
}

/// The body in a buffer of `size` bytes that wipes itself. It is allocated once: growing would leave
/// copies behind.
pub(super) async fn collect(body: Body, size: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|_| ApiError::invalid("request body ended early"))?;
        if bytes.len() + frame.len() > size {
            return Err(ApiError::TooLarge);
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(bytes)
}

/// The body is JSON whatever its Content-Type says; none at all is an empty object.
fn json(bytes: &[u8]) -> Result<Data, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Data::default());
    }
    check_json(bytes)?;
    match Json::parse(bytes) {
        Ok(Json::Object(fields)) => Ok(Data::new(fields)),
        Ok(mut other) => {
            other.wipe();
            Err(ApiError::invalid("body: not a JSON object"))
        }
        Err(at) => {
            let (line, column) = (at.line, at.column);
            let message = format!("body: not a JSON object (line {line}, column {column})");
            Err(ApiError::invalid(message))
        }
    }
}
