//! An API server that finds every token good, and whose token it is said to be.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Json;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves TokenReviews on loopback for as long as the process runs; returns its URL.
pub(crate) async fn start() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr: SocketAddr = listener.local_addr()?;
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let router = axum::Router::new().route(path, post(review));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{addr}"))
}

/// Takes every question and answers none.
pub(crate) async fn start_silent() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr: SocketAddr = listener.local_addr()?;
    let router = axum::Router::new().fallback(std::future::pending::<()>);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{addr}"))
}

async fn review(Json(asked): Json<Value>) -> Json<Value> {
    let user = "system:serviceaccount:payments:app";
    Json(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": asked["spec"],
        "status": {
            "authenticated": true,
            "user": {"username": user, "uid": "6c1f7e1c-0d0c-4a7e-9b77-7e8e1c8f7a10", "groups": []},
            "audiences": ["https://kubernetes.default.svc"],
        },
    }))
}

/// A token of the account that the role admits. Nobody checks its signature but the API server above.
pub(crate) fn account_token() -> String {
    token(0)
}

/// The same, another one for each `turn`.
pub(crate) fn token(turn: usize) -> String {
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"],
        "sub": "system:serviceaccount:payments:app", "jti": turn.to_string(),
        "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
        "kubernetes.io": {
            "namespace": "payments",
            "serviceaccount": {"name": "app", "uid": "6c1f7e1c-0d0c-4a7e-9b77-7e8e1c8f7a10"},
        },
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([7; 256]);
    format!("{}.{}.{signature}", part(&json!({"alg": "RS256", "kid": "bench"})), part(&claims))
}
