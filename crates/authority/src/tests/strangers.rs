//! Whoever has no good token is in nobody's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use regent_types::Sensitive;
use serde_json::json;
use tower::ServiceExt as _;

use super::App;
use crate::{Authority, Review, ReviewError, ReviewTarget, TokenReviewer};

/// An API server that takes every question and answers none; or finds no token good.
#[derive(Default)]
struct Silent {
    hangs: bool,
    asked: AtomicUsize,
}

impl TokenReviewer for Silent {
    fn review<'a>(
        &'a self,
        _target: &'a ReviewTarget,
        _jwt: &'a Sensitive<String>,
        _audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(Review::default())
        })
    }
}

async fn app(reviewer: Arc<Silent>) -> App {
    let mut app = App::with(move |mut options| {
        options.reviewer = reviewer;
        Authority::open(options).unwrap()
    });
    app.init().await;
    app.unseal().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"POST secret/data/a {"data": {"k": "1"}}"#, "200 {}"),
        (r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, "204"),
        (r#"POST auth/kubernetes/config {"kubernetes_host": "https://k"}"#, "204"),
        (
            r#"POST auth/kubernetes/role/app {"bound_service_account_names": "app",
                "bound_service_account_namespaces": "payments"}"#,
            "204",
        ),
    ])
    .await;
    app
}

fn forged(turn: usize) -> String {
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "exp": 4_000_000_000_u64, "jti": turn,
        "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "app", "uid": "u"}},
    });
    let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("POST auth/kubernetes/login {}", json!({"role": "app", "jwt": jwt}))
}

#[tokio::test]
async fn v06_nobody_else_notices_forged_logins_while_the_api_server_is_silent() {
    let reviewer = Arc::new(Silent { hangs: true, ..Silent::default() });
    let app = Arc::new(app(reviewer.clone()).await);
    let logins: Vec<_> = (0..300)
        .map(|turn| {
            let app = app.clone();
            tokio::spawn(async move { app.ask(&forged(turn)).await.status })
        })
        .collect();
    while reviewer.asked.load(Ordering::Relaxed) < 64 {
        tokio::task::yield_now().await;
    }
    let others = async {
        for _ in 0..100 {
            app.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "1"}}}"#).await;
            app.check("GET sys/health", "200 {}").await;
        }
        app.check(r#"POST secret/data/b {"data": {"k": "2"}}"#, "200 {}").await;
    };
    tokio::time::timeout(Duration::from_secs(10), others).await.unwrap();
    let asked = reviewer.asked.load(Ordering::Relaxed);
    assert_eq!(asked, 64, "the API server is asked so many questions at once, no more");
    logins.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn v06_a_token_that_was_refused_is_not_asked_about_again_at_once() {
    let reviewer = Arc::new(Silent::default());
    let app = app(reviewer.clone()).await;
    for _ in 0..10 {
        app.check(&forged(0), "403 {}").await;
    }
    assert_eq!(reviewer.asked.load(Ordering::Relaxed), 1);
    app.check(&forged(1), "403 {}").await;
    assert_eq!(reviewer.asked.load(Ordering::Relaxed), 2);
    app.advance(11);
    app.check(&forged(0), "403 {}").await;
    assert_eq!(reviewer.asked.load(Ordering::Relaxed), 3);
}

async fn send(app: &App, path: &str, token: &str, body: Body) -> http::StatusCode {
    let http = http::Request::put(format!("/v1/{path}")).header("x-vault-token", token);
    let http = http.body(body).unwrap();
    app.authority.router().oneshot(http).await.unwrap().status()
}

fn endless() -> Body {
    Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>())
}

#[tokio::test]
async fn v07_no_body_is_read_of_whoever_shows_no_good_token() {
    let app = App::ready().await;
    let began = Instant::now();
    for token in ["", "hvs.forged"] {
        assert_eq!(send(&app, "secret/data/a", token, endless()).await, 403, "{token:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let large = Body::from(vec![b' '; 1 << 20]);
    assert_eq!(send(&app, "sys/unseal", "", large).await, 413);
    // A use of a token is counted once, though it is looked at before the body is read.
    let created =
        app.ask(r#"POST auth/token/create {"policies": ["root"], "num_uses": 2}"#).await.body;
    let token = created["auth"]["client_token"].as_str().unwrap();
    for status in [204, 204, 403] {
        let body = Body::from(r#"{"policy": "path \"a\" {capabilities = [\"read\"]}"}"#);
        assert_eq!(send(&app, "sys/policies/acl/p", token, body).await, status);
    }
}

#[tokio::test]
async fn v06_whoever_has_no_good_token_has_so_many_lines_in_the_audit_log() {
    let mut app = App::ready().await;
    let root = std::mem::replace(&mut app.token, "hvs.forged".to_owned());
    let router = app.authority.router();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    let lines = app.authority.audit_lines().len();
    for _ in 0..2_100 {
        let mut http = http::Request::get("/v1/secret/data/a").body(Body::empty()).unwrap();
        http.headers_mut().insert("x-vault-token", "hvs.forged".parse().unwrap());
        let from = std::net::SocketAddr::from(([10, 0, 0, 1], 1));
        http.extensions_mut().insert(axum::extract::ConnectInfo(from));
        let status = router.clone().oneshot(http).await.unwrap().status();
        *statuses.entry(status.as_u16()).or_default() += 1;
    }
    assert_eq!(statuses, [(403, 2_000), (429, 100)].into());
    assert_eq!(app.authority.audit_lines().len() - lines, 4_000);
    // Who is known, and who comes from elsewhere, is not concerned.
    app.check("GET secret/data/a", "403 {}").await;
    app.token = root;
    app.check("GET sys/mounts", "200 {}").await;
}
