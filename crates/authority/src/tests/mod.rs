//! Requests as text over the whole authority.
//!
//! `app.check("PUT sys/unseal {…}", "200 {…}")`: the answer must have this status and at least
//! these fields; `"*"` stands for anything that is there.

mod contract;
mod crash;
mod disk;
mod life;
mod mounts;
mod planted;
mod recover;
mod strangers;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use futures::future::BoxFuture;
use jiff::Timestamp;
use regent_types::Sensitive;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::storage::Backend;
use crate::{
    Audit, Authority, Clock, Options, Review, ReviewError, ReviewTarget, Storage, TokenReviewer,
};

/// Finds no token good.
struct NoReviewer;

impl TokenReviewer for NoReviewer {
    fn review<'a>(
        &'a self,
        _target: &'a ReviewTarget,
        _jwt: &'a Sensitive<String>,
        _audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        Box::pin(async { Ok(Review::default()) })
    }
}

/// An authority, the token in use and the clock.
pub(crate) struct App {
    authority: Authority,
    pub(crate) token: String,
    shares: Vec<String>,
    now_s: Arc<AtomicI64>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: http::HeaderMap,
    pub(crate) body: Value,
    /// The body as it came: `body` has lost how numbers were written.
    pub(crate) text: String,
}

pub(crate) fn options(storage: Storage, audit: Audit) -> Options {
    Options::new(storage, audit, Arc::new(NoReviewer))
}

impl App {
    pub(crate) fn open(storage: Storage) -> Self {
        Self::with(|mut options| {
            options.storage = storage;
            Authority::open(options).unwrap()
        })
    }

    fn on(backend: Backend) -> Self {
        Self::with(|options| Authority::open_backend(options, backend).unwrap())
    }

    pub(crate) fn with(open: impl FnOnce(Options) -> Authority) -> Self {
        let now_s = Arc::new(AtomicI64::new(1_800_000_000));
        let mut options = options(Storage::Memory, Audit::Memory);
        let clock = now_s.clone();
        options.clock =
            Clock::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
        Self { authority: open(options), token: String::new(), shares: Vec::new(), now_s }
    }

    /// In memory, initialized with 3 shares of which 2 unseal, unsealed, with the root token.
    pub(crate) async fn ready() -> Self {
        let mut app = Self::open(Storage::Memory);
        app.init().await;
        app.unseal().await;
        app
    }

    pub(crate) async fn init(&mut self) {
        let answer = self.ask(r#"PUT sys/init {"secret_shares": 3, "secret_threshold": 2}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.token = answer.body["root_token"].as_str().unwrap().to_owned();
        self.shares = texts(&answer.body["keys_base64"]);
    }

    pub(crate) async fn unseal(&self) {
        for share in &self.shares[..2] {
            self.ask(&format!(r#"PUT sys/unseal {{"key": "{share}"}}"#)).await;
        }
        self.check("GET sys/seal-status", r#"200 {"sealed": false}"#).await;
    }

    /// What the authority is made of, to leave it as a crash would.
    pub(crate) fn core(&self) -> &crate::lifecycle::Core {
        self.authority.core()
    }

    /// Takes snapshots until it is dropped.
    pub(crate) fn keep_snapshots(&self) -> impl Future<Output = ()> + Send + 'static {
        self.authority.keep_snapshots()
    }

    /// The newest lines of the audit log.
    pub(crate) fn audit_lines(&self) -> Vec<Value> {
        let lines = self.authority.audit_lines();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Seals and unseals, as a restart does.
    pub(crate) async fn reopen(&self) {
        self.check("PUT sys/seal", "204").await;
        self.unseal().await;
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now_s.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sends `METHOD path [json]`.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        self.ask_with(request, &[]).await
    }

    pub(crate) async fn ask_with(&self, request: &str, headers: &[(&str, &str)]) -> Answer {
        let mut parts = request.splitn(3, ' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        let body = parts.next().unwrap_or_default().to_owned();
        let mut http = http::Request::builder().method(method).uri(format!("/v1/{path}"));
        if !self.token.is_empty() {
            http = http.header("x-vault-token", &self.token);
        }
        if method == "PATCH" {
            http = http.header("content-type", "application/merge-patch+json");
        }
        for (name, value) in headers {
            http = http.header(*name, *value);
        }
        let http = http.body(Body::from(body)).unwrap();
        let response = self.authority.router().oneshot(http).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            // A number that is no f64: `text` has it.
            Err(error) => json!({"not read": error.to_string()}),
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    /// Sends a request and compares the answer with `STATUS [json]`.
    pub(crate) async fn check(&self, request: &str, expected: &str) -> Answer {
        let answer = self.ask(request).await;
        let (status, body) = expected.split_once(' ').unwrap_or((expected, "null"));
        let wanted: Value = serde_json::from_str(body).unwrap();
        let found = format!("{} {}", answer.status, answer.body);
        assert_eq!(answer.status.to_string(), status, "{request}\n  found {found}");
        assert!(
            covers(&answer.body, &wanted),
            "{request}\n  expected {expected}\n  found    {found}"
        );
        answer
    }

    /// Several `request → answer` pairs in order.
    pub(crate) async fn script(&self, lines: &[(&str, &str)]) {
        for (request, expected) in lines {
            self.check(request, expected).await;
        }
    }

    /// The same authority with another token.
    pub(crate) async fn with_token<T>(
        &mut self,
        token: &str,
        act: impl AsyncFnOnce(&Self) -> T,
    ) -> T {
        let own = std::mem::replace(&mut self.token, token.to_owned());
        let result = act(self).await;
        self.token = own;
        result
    }

    /// A token of `policies`.
    pub(crate) async fn token_of(&self, policies: &[&str]) -> String {
        let body = json!({"policies": policies, "no_default_policy": true});
        let answer = self.ask(&format!("POST auth/token/create {body}")).await;
        answer.body["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

/// Whether `found` has all of `wanted`: fields of objects, items of lists in order.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (found, Value::String(any)) if any == "*" => !found.is_null(),
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| covers(found.get(key).unwrap_or(&Value::Null), wanted)),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| covers(found, wanted))
        }
        (Value::String(found), Value::String(wanted)) => match wanted.strip_prefix('~') {
            Some(part) => found.contains(part),
            None => found == wanted,
        },
        (found, wanted) => found == wanted,
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
