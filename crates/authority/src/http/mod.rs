//! HTTP in and out: the only place that knows axum, headers and status codes.
//!
//! ```text
//! request.rs  bytes → Request (path, limits, JSON)    limits.rs  what is too much
//! reply.rs    Reply or ApiError → status and body        path.rs    decoding, hygiene
//! ```
//!
//! A call runs in a task of its own that holds one of a bounded number of permits: a client that
//! hangs up, or whose deadline passes, does not cut its effect in half.

mod limits;
mod path;
mod reply;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{ApiError, InternalCause};
use crate::lifecycle::Core;
use crate::reply::Reply;
use crate::{pipeline, random};

/// How long a client is kept waiting. The slowest honest call is a login: one TokenReview.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a client may take to send its request: 1 MiB at 100 KiB/s.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The routes: one, for every path; the mount table decides the rest.
pub(crate) fn router(core: Arc<Core>) -> axum::Router {
    axum::Router::new().fallback(serve).with_state(core)
}

async fn serve(State(core): State<Arc<Core>>, http: Request) -> Response {
    let head = http.method() == http::Method::HEAD;
    let id = match random::uuid() {
        Ok(id) => id,
        Err(error) => return reply::error(&error),
    };
    let result = answer(core, &id, http).await;
    if let Err(ApiError::Internal(cause)) = &result {
        tracing::error!(
            component = "authority",
            request = id,
            error = cause as &dyn std::error::Error,
            "request failed"
        );
    }
    let response = match &result {
        Ok(answer) => reply::success(&id, answer),
        Err(error) => reply::error(error),
    };
    if head { reply::without_body(response) } else { response }
}

/// Reading is bounded by its own, shorter deadline and holds no permit: clients that send slowly
/// are in nobody's way. Then the call waits its turn.
async fn answer(core: Arc<Core>, id: &str, http: Request) -> Result<Reply, ApiError> {
    let remote = http.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let reading = request::read(http, id.to_owned(), core.clock.now(), remote);
    let request = tokio::time::timeout(READ_DEADLINE, reading).await;
    let request = request.unwrap_or(Err(ApiError::Deadline))?;
    let turn = async {
        let permit = core.calls.clone().acquire_owned().await.map_err(|_| ApiError::Busy)?;
        run(core, request, permit).await
    };
    tokio::time::timeout(DEADLINE, turn).await.unwrap_or(Err(ApiError::Deadline))
}

async fn run(
    core: Arc<Core>,
    request: crate::request::Request,
    permit: OwnedSemaphorePermit,
) -> Result<Reply, ApiError> {
    let task = tokio::spawn(async move {
        let _permit = permit;
        core.upkeep(request.now);
        pipeline::handle(&core, request).await
    });
    task.await.unwrap_or(Err(ApiError::Internal(InternalCause::Lost)))
}
