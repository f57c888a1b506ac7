//! What a connection may cost: places, and time between requests and within a head.
//!
//! ```text
//!   accepted ─ a place? ─► handshake ─► Guarded (stream: who idles or dawdles is ended)
//!                                     └► Watched (service: what is being answered)
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tower::Service;

use super::connections::{Connection, Connections, Ticket};

/// Longest from the first byte of a request's head to its last.
pub(super) const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longest from one request to the next.
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest that a client may take none of its answer.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// How a connection of HTTP/2 begins; its frames between requests are no head.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// Accepts through another acceptor, where there is a place.
#[derive(Clone)]
pub(super) struct Guard<A> {
    inner: A,
    connections: Arc<Connections>,
}

impl<A> Guard<A> {
    pub(super) fn new(inner: A, connections: Arc<Connections>) -> Self {
        Self { inner, connections }
    }
}

impl<A, S> Accept<TcpStream, S> for Guard<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Guarded<A::Stream>;
    type Service = Watched<A::Service>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Answers are small: none waits for the acknowledgement of another.
        let place = stream.set_nodelay(true).and_then(|()| {
            let full = || io::Error::other("every connection is being answered");
            self.connections.admit().ok_or_else(full)
        });
        let mut accepting = Box::pin(self.inner.accept(stream, service));
        Box::pin(async move {
            let ticket = place?;
            let connection = ticket.connection.clone();
            let accepted = poll_fn(|cx| {
                if connection.is_ended(cx) {
                    return Poll::Ready(Err(ended()));
                }
                accepting.as_mut().poll(cx)
            });
            let (stream, service) = accepted.await?;
            let service = Watched { inner: service, connection };
            Ok((Guarded::new(stream, ticket), service))
        })
    }
}

/// A stream that ends when its client dawdles, idles or must make room.
pub(super) struct Guarded<S> {
    inner: S,
    ticket: Ticket,
    clock: Pin<Box<Sleep>>,
    /// When the first byte came that belongs to no request yet, and the number of requests then.
    head: Option<(Instant, u64)>,
    /// `None` before the first byte.
    is_http2: Option<bool>,
    /// Since when the client has taken nothing of what is written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    fn new(inner: S, ticket: Ticket) -> Self {
        let clock = Box::pin(tokio::time::sleep(HEAD_MAX));
        Self { inner, ticket, clock, head: None, is_http2: None, stuck: None }
    }

    fn note_read(&mut self, bytes: &[u8]) {
        let is_http2 = *self.is_http2.get_or_insert_with(|| bytes.starts_with(HTTP2));
        let connection = &self.ticket.connection;
        if !is_http2 && !connection.is_answering() && self.head_began().is_none() {
            self.head = Some((Instant::now(), connection.requests()));
        }
    }

    /// When the head that is being read began, if one is.
    fn head_began(&self) -> Option<Instant> {
        let (began, requests) = self.head?;
        (requests == self.ticket.connection.requests()).then_some(began)
    }

    /// Until when the client may send nothing more.
    fn deadline(&self) -> Option<Instant> {
        if self.ticket.connection.is_answering() {
            return None;
        }
        let idle = Instant::from_std(self.ticket.connection.used()) + IDLE_MAX;
        Some(self.head_began().map_or(idle, |began| (began + HEAD_MAX).min(idle)))
    }

    /// Whether its time is over; the task is woken when it is.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(deadline) = self.deadline() {
            if self.clock.deadline() > deadline || self.clock.is_elapsed() {
                self.clock.as_mut().reset(deadline);
            }
            if self.clock.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
        }
        false
    }

    /// What became of a write, unless the client takes nothing for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.stuck = None;
            return done;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_MAX)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if let Some(bytes) = buffer.filled().get(before..).filter(|new| !new.is_empty()) {
                    this.note_read(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if this.ticket.connection.is_ended(cx) => Poll::Ready(Err(ended())),
            Poll::Pending if this.is_over(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.written(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.inner).poll_flush(cx);
        this.written(cx, done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.written(cx, done)
    }
}

/// A service that says what is being answered, and to whom.
#[derive(Clone)]
pub(super) struct Watched<S> {
    inner: S,
    connection: Arc<Connection>,
}

impl<S, B, C> Service<Request<B>> for Watched<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answering = self.connection.answering();
        let connection = self.connection.clone();
        let shows = is_no_strangers(&request);
        let answer = self.inner.call(request);
        answer
            .map(move |answer| {
                let _until_here = answering;
                if shows && answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                    connection.note_known();
                }
                answer
            })
            .boxed()
    }
}

/// Whether only somebody known has success with it: it shows a token, or changes something.
fn is_no_strangers<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let shows = headers.contains_key("x-vault-token") || headers.contains_key("authorization");
    let system = request.uri().path().starts_with("/v1/sys/");
    (shows && !(reads && system)) || (!reads && !system)
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it made room for another connection")
}
