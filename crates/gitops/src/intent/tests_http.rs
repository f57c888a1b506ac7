//! Fetching over smart HTTP from git's own server side; skipped where there is no git binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use futures::StreamExt;
use regent_sandbox::git::backend;
use regent_types::{Explain, Sensitive};

use super::fetch::{Account, Copies, Head, Wanted, look};
use super::location::Location;
use crate::gitrepo::{self, GitError};

struct Served {
    root: PathBuf,
    packs_sent: AtomicUsize,
    asks_for_credentials: bool,
    authorized: AtomicBool,
}

/// Hands a request on to git, or asks for credentials; notes what the tests ask of it.
async fn answer(served: Arc<Served>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.headers.contains_key(header::AUTHORIZATION) {
        served.authorized.store(true, Ordering::Relaxed);
    }
    if served.asks_for_credentials {
        let reply = Response::builder().status(StatusCode::UNAUTHORIZED);
        let reply = reply.header(header::WWW_AUTHENTICATE, "Basic realm=\"git\"");
        return reply.body(Body::empty()).unwrap();
    }
    let body = to_bytes(body, 1 << 20).await.unwrap();
    if String::from_utf8_lossy(&body).contains("command=fetch") {
        served.packs_sent.fetch_add(1, Ordering::Relaxed);
    }
    backend(&served.root, Request::from_parts(head, Body::from(body))).await.unwrap()
}

async fn serve(root: &Path, asks_for_credentials: bool) -> (String, Arc<Served>) {
    let served = Arc::new(Served {
        root: root.to_owned(),
        packs_sent: AtomicUsize::new(0),
        asks_for_credentials,
        authorized: AtomicBool::new(false),
    });
    let state = Arc::clone(&served);
    let app = axum::Router::new().fallback(move |request| answer(Arc::clone(&state), request));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/r.git"), served)
}

fn wanted(url: &str, home: &Path, reference: &str, password: Option<&str>) -> Wanted {
    Wanted {
        location: Location::parse(url).unwrap(),
        reference: reference.to_owned(),
        account: password.map(|p| Account {
            username: "reader".to_owned(),
            password: Sensitive::new(p.to_owned()),
        }),
        cache_dir: home.join("cache"),
    }
}

async fn fetch(wanted: Wanted) -> Result<Head, GitError> {
    let stop = Arc::default();
    tokio::task::spawn_blocking(move || look(&wanted, &Copies::default(), &stop)).await.unwrap()
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

fn prepare(home: &Path) -> Option<String> {
    // reqwest takes rustls' process default; a second installation is refused and means the same.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    std::process::Command::new("git").arg("--version").output().ok()?;
    let first: BTreeMap<String, Vec<u8>> = [("a/b.yaml".to_owned(), b"x: 1\n".to_vec())].into();
    Some(gitrepo::create(&home.join("r.git"), &first, "one", at(5)).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_fetched_once_and_the_next_one_when_it_comes() {
    let home = tempfile::tempdir().unwrap();
    let Some(first) = prepare(home.path()) else { return };
    let (url, served) = serve(home.path(), false).await;
    for _ in 0..3 {
        let head = fetch(wanted(&url, home.path(), "main", None)).await.unwrap();
        assert_eq!(head.commit.to_string(), first);
    }
    assert_eq!(served.packs_sent.load(Ordering::Relaxed), 1);

    let change = [("a/c.yaml".to_owned(), Some(b"y: 1\n".to_vec()))].into();
    let second = gitrepo::commit(&home.path().join("r.git"), &change, "two", at(6)).unwrap();
    let head = fetch(wanted(&url, home.path(), "main", None)).await.unwrap();
    assert_eq!(head.commit.to_string(), second);
    let mut paths = Vec::new();
    let repo = gitrepo::open(&head.dir).unwrap();
    gitrepo::walk(&repo, head.commit, gitrepo::LIMITS, &mut |e| paths.push(e.path.to_owned()))
        .unwrap();
    assert_eq!(paths, ["a/b.yaml", "a/c.yaml"]);
    assert_eq!(served.packs_sent.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_or_repository_that_is_not_there_is_an_error_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    if prepare(home.path()).is_none() {
        return;
    }
    let (url, _) = serve(home.path(), false).await;
    let missing = fetch(wanted(&url, home.path(), "release", None)).await.unwrap_err();
    assert_eq!(missing.reason(), "NoSuchReference");
    let gone = url.replace("r.git", "other.git");
    let gone = fetch(wanted(&gone, home.path(), "main", None)).await.unwrap_err();
    assert_eq!(gone.reason(), "Unreachable");
}

/// A password never crosses plain HTTP, and stands in no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_not_sent_in_clear_and_stand_in_no_error() {
    let home = tempfile::tempdir().unwrap();
    if prepare(home.path()).is_none() {
        return;
    }
    let (url, served) = serve(home.path(), true).await;
    for password in [None, Some("planted-password")] {
        let error = fetch(wanted(&url, home.path(), "main", password)).await.unwrap_err();
        let text = format!("{error} {error:?} {}", error.advice());
        assert_eq!(error.reason(), "Unreachable", "{text}");
        assert!(!text.contains("planted"), "{text}");
    }
    assert!(!served.authorized.load(Ordering::Relaxed));
}

/// A few hundred kilobytes that unpack to more than any object may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g11_an_object_that_unpacks_to_too_much_is_refused() {
    let home = tempfile::tempdir().unwrap();
    if prepare(home.path()).is_none() {
        return;
    }
    let (url, _) = serve(home.path(), false).await;
    let change = [("zeros".to_owned(), Some(vec![0; 129 << 20]))].into();
    gitrepo::commit(&home.path().join("r.git"), &change, "two", at(6)).unwrap();
    let error = fetch(wanted(&url, home.path(), "main", None)).await.unwrap_err();
    assert_eq!(error.reason(), "TooLarge", "{error:?}");
    assert!(error.to_string().contains("128 MiB"), "{error}");
}

/// An answer that goes on for ever: references in protocol version 0, whatever was asked for.
fn endless() -> Response<Body> {
    let line = |n: u64| {
        let capabilities = if n == 0 { "\0ofs-delta" } else { "" };
        let text = format!("{:040x} refs/heads/{n}{capabilities}\n", n + 1);
        format!("{:04x}{text}", text.len() + 4)
    };
    let head = "001e# service=git-upload-pack\n0000".to_owned();
    let lines = futures::stream::iter(0_u64..)
        .map(move |block| (0..1_000).map(|n| line(block * 1_000 + n)).collect::<String>());
    let all = futures::stream::once(async { head }).chain(lines).map(Ok::<_, std::io::Error>);
    let reply = Response::builder()
        .header(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement");
    reply.body(Body::from_stream(all)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g11_a_server_that_advertises_without_end_is_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let app = axum::Router::new().fallback(|| async { endless() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r.git", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let error = fetch(wanted(&url, home.path(), "main", None)).await.unwrap_err();
    assert_eq!(error.reason(), "TooLarge", "{error:?}");
}
