//! HTTP in and out: the only place that knows axum, headers and status codes.
//!
//! ```text
//! request.rs  bytes → Request (path, limits, JSON)    limits.rs  what is too much
//! reply.rs    Reply or ApiError → status and body        path.rs    decoding, hygiene
//! ```
//!
//! What changes something runs in a task of its own that holds one of a bounded number of turns: a
//! client that hangs up, or whose deadline passes, does not cut its effect in half.

mod limits;
mod path;
mod reply;
mod request;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::FutureExt as _;
use jiff::Timestamp;

use self::limits::{BODY_BYTES_MAX, STRANGER_BODY_BYTES_MAX};
use self::request::Head;
use crate::error::{ApiError, InternalCause};
use crate::lifecycle::{Core, Kind, Turn};
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

/// The head decides about the rest: who may have a body read, who waits for whom.
///
/// What only reads runs here. What changes something runs in a task of its own.
async fn answer(core: Arc<Core>, id: &str, http: Request) -> Result<Reply, ApiError> {
    let now = core.clock.now();
    let (parts, body) = http.into_parts();
    let head = request::head(&parts)?;
    let kind = pipeline::kind(&core, &head.path);
    if kind == Kind::System && head.op.only_reads() {
        // Health and its like wait for nobody.
        let request = head.with_body(None, id.to_owned(), now)?;
        return within(DEADLINE, pipeline::handle(&core, request)).await;
    }
    let reading = read(&core, kind, head, body, id, now);
    let (request, bytes_held) = within(READ_DEADLINE, reading).await?;
    let turn = async {
        let turn = core.turns.turn(kind).await?;
        core.upkeep(now);
        if request.op.only_reads() {
            return guarded(pipeline::handle(&core, request)).await;
        }
        let core = core.clone();
        let task = tokio::spawn(async move {
            let _held = (turn, bytes_held);
            pipeline::handle(&core, request).await
        });
        task.await.unwrap_or(Err(ApiError::Internal(InternalCause::Lost)))
    };
    within(DEADLINE, turn).await
}

/// The request with its body, and what keeps the body's bytes counted. Waiting and reading hold no
/// turn: clients that send slowly are in nobody's way. Of whoever shows a token that is no good no
/// body is read: the pipeline refuses him without.
async fn read(
    core: &Core,
    kind: Kind,
    head: Head,
    body: Body,
    id: &str,
    now: Timestamp,
) -> Result<(crate::request::Request, Option<Turn>), ApiError> {
    let id = id.to_owned();
    if !head.has_body() || !pipeline::may_send(core, kind, head.token.as_ref(), now).await? {
        return Ok((head.with_body(None, id, now)?, None));
    }
    let bytes_max = match kind {
        Kind::Call => BODY_BYTES_MAX,
        Kind::Login | Kind::System => STRANGER_BODY_BYTES_MAX,
    };
    let size = request::size(&body, bytes_max)?;
    let held = core.turns.body(kind, size).await?;
    let bytes = request::collect(body, size).await?;
    Ok((head.with_body(Some(&bytes), id, now)?, Some(held)))
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(ApiError::Deadline))
}

/// A defect in an engine is a 500, not a connection that ends.
async fn guarded(work: impl Future<Output = Result<Reply, ApiError>>) -> Result<Reply, ApiError> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or(Err(ApiError::Internal(InternalCause::Lost)))
}
