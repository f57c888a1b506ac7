//! A Git server that lets everything through and keeps count of it: the repository of a run behind git's own
//! `http-backend`, which would take a push from anybody. So a push that somebody tries is seen, and changes something.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Largest request body: what a fetch asks for, or a small push.
const BODY_LEN_MAX: usize = 1 << 20;
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
        let mut reply = Response::new(Body::from(format!("{error:#}")));
        *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        reply
    })
}

/// One request through `git http-backend`, as CGI.
async fn backend(root: &Path, request: Request<Body>) -> Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LEN_MAX).await?;
    let text = |name: &str| {
        head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut child = Command::new("git")
        .args(["-c", "http.receivepack=true", "-c", "safe.directory=*", "http-backend"])
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("git is needed to serve a repository")?;
    child.stdin.take().context("no stdin")?.write_all(&body).await?;
    let out = child.wait_with_output().await?.stdout;
    let cut = out.windows(4).position(|w| w == b"\r\n\r\n").context("no CGI headers")?;
    let mut reply = Response::builder();
    for line in String::from_utf8_lossy(&out[..cut]).lines() {
        let (name, value) = line.split_once(": ").context("a CGI header")?;
        reply = match name {
            "Status" => {
                let code = value.split(' ').next().unwrap_or_default();
                reply.status(code.parse::<u16>()?)
            }
            _ => reply.header(name, value),
        };
    }
    Ok(reply.body(Body::from(out[cut + 4..].to_vec()))?)
}

#[cfg(test)]
mod tests {
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
