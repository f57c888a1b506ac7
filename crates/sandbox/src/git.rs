//! A Git server beside the API server, for runs and tests: git's own `http-backend` as CGI. It lets everything through,
//! a push as well; who has to know what is asked looks at the requests before they come here.

use std::io::{Error, Result};
use std::path::Path;
use std::process::Stdio;

use axum::body::{Body, Bytes, to_bytes};
use http::request::Parts;
use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Largest request body: what a fetch asks for, or a small push.
const BODY_LEN_MAX: usize = 1 << 20;
/// What is between the headers of a CGI answer and its body.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Answers `request`, whose path begins with the name of a bare repository below `root`.
///
/// # Errors
/// The body is longer than 1 MiB, there is no git here, or it answers what is no CGI.
pub async fn backend(root: &Path, request: Request<Body>) -> Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LEN_MAX).await.map_err(Error::other)?;
    answer(&run(root, &head, &body).await?)
}

/// What git says to the request.
async fn run(root: &Path, head: &Parts, body: &Bytes) -> Result<Vec<u8>> {
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
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or_else(|| Error::other("git has no input"))?;
    stdin.write_all(body).await?;
    // Its end is the end of the body.
    drop(stdin);
    Ok(child.wait_with_output().await?.stdout)
}

/// A CGI answer as one of HTTP.
fn answer(out: &[u8]) -> Result<Response<Body>> {
    let cut = out.windows(HEAD_END.len()).position(|w| w == HEAD_END);
    let cut = cut.ok_or_else(|| Error::other("git answers without CGI headers"))?;
    let mut reply = Response::builder();
    for line in String::from_utf8_lossy(&out[..cut]).lines() {
        let pair = line.split_once(": ");
        let (name, value) = pair.ok_or_else(|| Error::other(format!("no CGI header: {line:?}")))?;
        reply = match name {
            "Status" => reply.status(value.split(' ').next().unwrap_or_default()),
            _ => reply.header(name, value),
        };
    }
    reply.body(Body::from(out[cut + HEAD_END.len()..].to_vec())).map_err(Error::other)
}
