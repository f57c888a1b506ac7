//! A Git server that lets everything through and keeps count of it: the repository of a run behind git's own
//! `http-backend`, which would take a push from anybody. So a push that somebody tries is seen, and changes something.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use regent_sandbox::git::backend;

/// Requests kept; a run of minutes makes a few hundred.
const REQUESTS_MAX: usize = 100_000;

/// The server; ends with the runtime it was started on.
pub struct GitServer {
    url: String,
    served: Arc<Served>,
}

struct Served {
    root: PathBuf,
    requests: Mutex<Vec<String>>,
}

impl GitServer {
    /// Serves the repositories below `root`. Must be called within a tokio runtime.
    pub fn start(root: &Path) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let served = Arc::new(Served { root: root.to_owned(), requests: Mutex::default() });
        let state = Arc::clone(&served);
        let app =
            axum::Router::new().fallback(move |request| answered(Arc::clone(&state), request));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url, served })
    }

    /// Address of the repository in folder `name` of the root.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// An error where nobody fetched, or anybody tried to push.
    pub fn only_read(&self) -> Result<()> {
        let requests = self.served.requests.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(requests.len() < REQUESTS_MAX, "more requests than are kept");
        let fetched = requests.iter().filter(|r| r.starts_with("POST ") && !is_push(r)).count();
        ensure!(fetched > 0, "nobody fetched: {requests:?}");
        let pushed: Vec<&String> = requests.iter().filter(|r| is_push(r)).collect();
        ensure!(pushed.is_empty(), "somebody pushes: {pushed:?}");
        Ok(())
    }
}

/// A push asks for the service first, then posts to it.
fn is_push(request: &str) -> bool {
    request.contains("git-receive-pack")
}

async fn answered(served: Arc<Served>, request: Request<Body>) -> Response<Body> {
    let told = format!("{} {}", request.method(), request.uri());
    {
        let mut requests = served.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < REQUESTS_MAX {
            requests.push(told);
        }
    }
    backend(&served.root, request).await.unwrap_or_else(|error| {
        let mut reply = Response::new(Body::from(error.to_string()));
        *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        reply
    })
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    async fn git(folder: &Path, args: &[&str]) -> bool {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(who).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().await.unwrap().success()
    }

    /// What is never seen could be absent because it cannot be seen: a push goes through and is told.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_push_goes_through_and_is_seen() {
        let place = tempfile::tempdir().unwrap();
        assert!(git(place.path(), &["init", "--bare", "-b", "main", "r"]).await);
        let server = GitServer::start(place.path()).unwrap();
        assert!(git(place.path(), &["clone", &server.url("r"), "copy"]).await);
        let copy = place.path().join("copy");
        assert!(git(&copy, &["commit", "--allow-empty", "-m", "first"]).await);
        assert!(git(&copy, &["push", "origin", "HEAD:main"]).await);
        assert!(git(place.path(), &["clone", &server.url("r"), "again"]).await);
        let error = server.only_read().unwrap_err().to_string();
        assert!(error.contains("somebody pushes"), "{error}");
    }
}
