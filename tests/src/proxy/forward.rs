//! One request: noted, answered in the API server's place or handed on, its answer streamed back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use serde_json::json;

use super::shared::Shared;

/// Longest body of a request: what etcd takes.
const BODY_LEN_MAX: usize = 2 << 20;
/// What a throttled client is told to wait.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");
/// The API server itself gives up after a minute.
const ANSWER_LIMIT: Duration = Duration::from_secs(70);

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Response<Body> {
    let (number, stormy) = {
        let mut state = shared.state();
        let number = state.trace.asked(request.method(), request.uri());
        let storm = state.storm.filter(|storm| (number as u64).is_multiple_of(storm.every));
        (number, storm)
    };
    let answer = match stormy {
        Some(storm) => status(storm.code, "injected by the test"),
        None => match tokio::time::timeout(ANSWER_LIMIT, forward(&shared, request)).await {
            Ok(Ok(answer)) => answer,
            // As a load balancer answers while nothing stands behind it.
            Ok(Err(error)) => status(503, &format!("{error:#}")),
            Err(_) => status(504, "the API server does not answer"),
        },
    };
    shared.state().trace.answered(number, answer.status().as_u16());
    answer
}

async fn forward(shared: &Shared, request: Request<Body>) -> anyhow::Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    // The API server's client completes it.
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    parts.uri = path.parse()?;
    let body = to_bytes(body, BODY_LEN_MAX).await?;
    let body = kube::client::Body::from(body.to_vec());
    let (mut parts, body) =
        shared.upstream.send(Request::from_parts(parts, body)).await?.into_parts();
    for name in [CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let data = body.into_data_stream().map_err(std::io::Error::other).boxed();
    let cut = shared.cut.subscribe();
    let data = futures::stream::unfold((data, cut), |(mut data, mut cut)| async move {
        tokio::select! {
            next = data.next() => next.map(|piece| (piece, (data, cut))),
            // Also where the proxy is gone: the connection breaks in the middle of the answer.
            _ = cut.changed() => Some((Err(std::io::Error::other("cut")), (data, cut))),
        }
    });
    Ok(Response::from_parts(parts, Body::from_stream(data)))
}

/// An answer as the API server words it.
fn status(code: u16, message: &str) -> Response<Body> {
    let reason = match code {
        429 => "TooManyRequests",
        401 => "Unauthorized",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    if code == 429 {
        answer.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
    }
    answer
}
