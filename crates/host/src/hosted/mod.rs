//! The embedded authority as a server: `regent authority serve` hosts it as a process, `regent dev` in its own.
//!
//! ```text
//!   Certificates ─► TLS, or loopback alone ─► the authority's router ─► storage, audit log
//!   (tls.rs: read anew while it runs)   guard.rs,        │
//!                                  connections.rs: bounds reviewer.rs: TokenReviews, as the authority's account
//! ```

mod connections;
mod guard;
mod reviewer;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum_server::{Handle, Server};
use regent_authority::{Audit, Authority, Options, SnapshotOptions, Storage};
use regent_types::Advice;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use crate::failure::Failure;

use connections::Connections;
use guard::Guard;
pub use reviewer::Reviewer;
pub use tls::Certificates;

/// Folder of restores on trial, in its folder.
const TRIALS: &str = "snapshot-trial";
/// Its audit log in its folder, where nobody names another one.
pub const AUDIT_LOG: &str = "audit.log";
/// Its data file in its folder.
pub const DATA_FILE: &str = "authority.redb";
/// Longest that the storage may take to close, where nobody waits for the process: one commit.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// Longest from a signal to a closed storage, if requests under way end in a second. What was acknowledged is on
/// disk before; a storage that is not closed is only checked at the next start.
const STOP_MAX: Duration = Duration::from_millis(1_700);
/// Shortest time that closing is given, however long requests took.
const CLOSE_MIN: Duration = Duration::from_millis(700);

/// Longest head of a request, of which a client's token and path are the longest parts.
const HEAD_BYTES_MAX: u32 = 32 << 10;
/// What a client of HTTP/2 may send ahead, on one request and on a connection.
const HTTP2_WINDOW_BYTES: u32 = 64 << 10;
/// Requests at once on one connection of HTTP/2.
const HTTP2_STREAMS_MAX: u32 = 64;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Where an authority lives and whom it asks.
pub struct Site {
    /// Folder of its storage; made if it is not there.
    pub folder: PathBuf,
    /// Where its audit log goes; by default a file in that folder.
    pub audit: Option<Audit>,
    /// Asks the API server whose token a login shows.
    pub reviewer: Reviewer,
    /// Where and how often snapshots are taken; `None`: nowhere.
    pub snapshots: Option<SnapshotPlan>,
}

/// Where and how often snapshots are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Directory outside the authority's own volume.
    pub directory: PathBuf,
    /// From one to the next.
    pub interval: Duration,
    /// How many good ones stay.
    pub keep: usize,
}

impl SnapshotPlan {
    /// As the authority of `folder` takes it.
    fn options(self, folder: &Path) -> Result<SnapshotOptions, Failure> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (place, own) = (absolute(&self.directory), absolute(folder));
        if place.starts_with(&own) {
            let advice = Advice::new(
                "a directory on another volume: what takes the storage must not take its snapshots",
                format!("{}, which lies in {}", place.display(), own.display()),
                "name another one with --snapshot-dir",
            );
            let message = "snapshots are not kept beside what they are of";
            return Err(Failure::new("SnapshotsInside", message, advice).code(2));
        }
        let Self { directory, interval, keep } = self;
        Ok(SnapshotOptions { directory, scratch: folder.join(TRIALS), interval, keep })
    }
}

/// An address that is taken and not served yet: whoever connects is refused, and nobody else can take it.
pub struct Reserved {
    socket: TcpSocket,
    addr: SocketAddr,
}

impl Reserved {
    /// Takes `addr`; port 0 is any free one.
    pub fn at(addr: SocketAddr) -> Result<Self, Failure> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(|e| cannot_serve(addr, &e))?;
        // What the last server left closing is no obstacle.
        socket.set_reuseaddr(true).map_err(|e| cannot_serve(addr, &e))?;
        socket.bind(addr).map_err(|e| cannot_serve(addr, &e))?;
        let addr = socket.local_addr().map_err(|e| cannot_serve(addr, &e))?;
        Ok(Self { socket, addr })
    }

    fn listen(self) -> Result<std::net::TcpListener, Failure> {
        let listener = self.socket.listen(BACKLOG).and_then(TcpListener::into_std);
        listener.map_err(|e| cannot_serve(self.addr, &e))
    }
}

/// An authority that answers over TLS until it is stopped.
pub struct Hosted {
    /// Address that it listens on, with the port that was chosen.
    pub addr: SocketAddr,
    authority: Authority,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
    snapshots: JoinHandle<()>,
}

impl Hosted {
    /// Opens the storage and serves it at `place`: over TLS with `certificates`, without them on loopback only.
    pub async fn start(
        site: Site,
        place: Reserved,
        certificates: Option<&Certificates>,
    ) -> Result<Self, Failure> {
        let addr = place.addr;
        if certificates.is_none() && !addr.ip().is_loopback() {
            return Err(plain_beyond_loopback(addr));
        }
        std::fs::create_dir_all(&site.folder).map_err(|e| cannot_serve(addr, &e))?;
        let audit = site.audit.unwrap_or_else(|| Audit::File(site.folder.join(AUDIT_LOG)));
        let storage = Storage::File(site.folder.join(DATA_FILE));
        let mut options = Options::new(storage, audit, Arc::new(site.reviewer));
        options.snapshots = site.snapshots.map(|plan| plan.options(&site.folder)).transpose()?;
        let authority = Authority::open(options)
            .map_err(|e| Failure::of("opening the authority's storage", &e))?;
        let listener = place.listen()?;
        let handle = Handle::new();
        let service = authority.router().into_make_service_with_connect_info::<SocketAddr>();
        let task = match certificates {
            Some(certificates) => {
                let server = axum_server::from_tcp_rustls(listener, certificates.config())
                    .map_err(|e| cannot_serve(addr, &e))?;
                tokio::spawn(bounded(server).handle(handle.clone()).serve(service))
            }
            None => {
                let server = axum_server::from_tcp(listener).map_err(|e| cannot_serve(addr, &e))?;
                tokio::spawn(bounded(server).handle(handle.clone()).serve(service))
            }
        };
        let snapshots = tokio::spawn(authority.keep_snapshots());
        Ok(Self { addr, authority, handle, task, snapshots })
    }

    /// Returns when the server ended without having been asked to, with what it said.
    pub async fn ended(&mut self) -> Failure {
        let said = match (&mut self.task).await {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let advice = Advice::new("a server until it is stopped", said, "start it again");
        Failure::new("ServerEnded", "the authority is served no more", advice)
    }

    /// Opens the audit log anew, as after a log rotation moved it away.
    pub async fn reopen_audit(&self) {
        if self.authority.reopen_audit().await {
            tracing::info!("the audit log was opened anew");
        }
    }

    /// Ends the server at once and closes the storage.
    pub async fn stop(self) {
        self.handle.shutdown();
        self.close(|_| CLOSE_MAX).await;
    }

    /// Takes no new connections, gives requests under way until `grace` to end, closes the storage.
    pub async fn stop_within(self, grace: Duration) {
        self.handle.graceful_shutdown(Some(grace));
        self.close(|took| STOP_MAX.saturating_sub(took).max(CLOSE_MIN)).await;
    }

    /// `left` says how long the storage has when the server took so long to end.
    async fn close(self, left: impl FnOnce(Duration) -> Duration) {
        let began = Instant::now();
        // One under way is given up: nothing waits for its place.
        self.snapshots.abort();
        // The server's own error no longer matters: it is being ended.
        let _ended = self.task.await;
        if tokio::time::timeout(left(began.elapsed()), self.authority.close()).await.is_err() {
            // What was acknowledged is on disk already; the next start finds it.
            tracing::warn!(reason = "Timeout", "the storage was not closed in time");
        }
    }
}

/// The same server with bounds on what a connection may cost.
fn bounded<A>(server: Server<SocketAddr, A>) -> Server<SocketAddr, Guard<A>> {
    let connections = Connections::new();
    let mut server = server
        .map(|acceptor| Guard::new(acceptor, connections))
        .first_request_timeout(guard::HEAD_MAX);
    let http = server.http_builder();
    http.http1().max_buf_size(HEAD_BYTES_MAX as usize);
    http.http2()
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX);
    server
}

fn plain_beyond_loopback(addr: SocketAddr) -> Failure {
    let advice = Advice::new(
        "TLS for an address that others can reach: tokens and values travel there",
        format!("{addr} without --tls-dir"),
        "name a folder with tls.crt and tls.key, or listen on 127.0.0.1",
    );
    Failure::new("PlainBeyondLoopback", "the authority is not served without TLS there", advice)
        .code(2)
}

fn cannot_serve(addr: SocketAddr, error: &std::io::Error) -> Failure {
    let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
    Failure::new(
        if in_use { "PortInUse" } else { "CannotServe" },
        "the authority cannot be served",
        Advice::new(
            "a free address",
            format!("{addr}: {error}"),
            "name another one: --listen, or --authority-port of `regent dev`",
        ),
    )
}
