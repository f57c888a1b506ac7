//! A KV of version 2 in memory, which counts what it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    Sealed,
    Denies,
    Fails,
    /// Takes every request and answers none.
    Hangs,
}

#[derive(Default)]
struct Path {
    /// Raw JSON of `data` and `created_time`; `None`: deleted.
    versions: Vec<(Option<String>, String)>,
    custom: BTreeMap<String, Value>,
}

#[derive(Default)]
struct Kept {
    mood: Mood,
    paths: BTreeMap<String, Path>,
    written: usize,
    told: Vec<String>,
}

#[derive(Default)]
pub(crate) struct FakeAuthority(Mutex<Kept>);

impl FakeAuthority {
    /// Serves on loopback; returns where.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let authority = Arc::<Self>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&authority));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (authority, address)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.kept().mood = mood;
    }

    /// Somebody writes the JSON object `data` at `path`.
    pub(crate) fn put(&self, path: &str, data: &str) {
        let mut kept = self.kept();
        kept.written += 1;
        let created = format!("2026-01-01T00:00:00.{:09}Z", kept.written);
        let path = kept.paths.entry(format!("secret/{path}")).or_default();
        path.versions.push((Some(data.to_owned()), created));
    }

    /// Somebody deletes the newest version of `path`.
    pub(crate) fn delete(&self, path: &str) {
        if let Some(newest) =
            self.kept().paths.get_mut(&format!("secret/{path}")).and_then(|p| p.versions.last_mut())
        {
            newest.0 = None;
        }
    }

    /// Somebody deletes `path` with its metadata.
    pub(crate) fn forget(&self, path: &str) {
        self.kept().paths.remove(&format!("secret/{path}"));
    }

    /// The newest data at `path`, and its version.
    pub(crate) fn newest(&self, path: &str) -> Option<(String, usize)> {
        let kept = self.kept();
        let path = kept.paths.get(&format!("secret/{path}"))?;
        Some((path.versions.last()?.0.clone()?, path.versions.len()))
    }

    pub(crate) fn custom(&self, path: &str) -> BTreeMap<String, Value> {
        self.kept()
            .paths
            .get(&format!("secret/{path}"))
            .map(|p| p.custom.clone())
            .unwrap_or_default()
    }

    pub(crate) fn asked(&self) -> usize {
        self.kept().told.len()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.kept().told.clone()
    }

    pub(crate) fn count_anew(&self) {
        self.kept().told.clear();
    }

    pub(crate) fn reads(&self) -> usize {
        self.kept().told.iter().filter(|line| line.starts_with("GET /v1/secret/data/")).count()
    }
}

fn reply(status: u16, body: impl Into<Body>) -> Response<Body> {
    let status = StatusCode::from_u16(status).expect("a status");
    Response::builder().status(status).body(body.into()).expect("a response")
}

fn refused(status: u16, what: &str) -> Response<Body> {
    reply(status, json!({ "errors": [what] }).to_string())
}

async fn answer(
    State(authority): State<Arc<FakeAuthority>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 21).await.expect("a body");
    let path = parts.uri.path().to_owned();
    let mood = {
        let mut kept = authority.kept();
        kept.told.push(format!("{} {path}", parts.method));
        kept.mood
    };
    if mood == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    let mut kept = authority.kept();
    match (kept.mood, path.as_str()) {
        (_, "/v1/sys/health") => {
            let sealed = kept.mood == Mood::Sealed;
            return reply(
                200,
                json!({ "initialized": true, "sealed": sealed, "standby": false }).to_string(),
            );
        }
        (Mood::Sealed, _) => return refused(503, "Vault is sealed"),
        (Mood::Fails, _) => return refused(500, "internal error"),
        (_, login) if login.ends_with("/login") => {
            let auth = json!({ "client_token": "t", "accessor": "a", "lease_duration": 100_000_000, "policies": [] });
            return reply(200, json!({ "auth": auth }).to_string());
        }
        (Mood::Denies, _) => return refused(403, "permission denied"),
        (Mood::Well | Mood::Hangs, _) => {}
    }
    kept.answer(&parts.method, path.trim_start_matches("/v1/"), &body)
}

impl Kept {
    fn answer(&mut self, method: &Method, path: &str, body: &Bytes) -> Response<Body> {
        let mut words = path.splitn(3, '/');
        let (mount, part) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let place = format!("{mount}/{}", words.next().unwrap_or_default());
        match (method.as_str(), part) {
            ("GET", "data") => self.read(&place),
            ("POST" | "PUT", "data") => self.write(&place, body),
            ("POST" | "PUT", "delete") => self.delete_versions(&place, body),
            ("GET", "metadata") => self.metadata(&place),
            ("PATCH", "metadata") => {
                let Some(path) = self.paths.get_mut(&place) else {
                    return refused(404, "no metadata");
                };
                let body: Value = serde_json::from_slice(body).expect("JSON");
                for (key, value) in body["custom_metadata"].as_object().into_iter().flatten() {
                    if value.is_null() {
                        path.custom.remove(key);
                    } else {
                        path.custom.insert(key.clone(), value.clone());
                    }
                }
                reply(204, "")
            }
            _ => reply(404, r#"{"errors":[]}"#),
        }
    }

    fn read(&self, place: &str) -> Response<Body> {
        let Some(path) = self.paths.get(place) else { return reply(404, r#"{"errors":[]}"#) };
        let (data, created) = path.versions.last().expect("a version");
        let metadata = json!({ "version": path.versions.len(), "created_time": created, "destroyed": false,
            "deletion_time": "", "custom_metadata": path.custom });
        let status = if data.is_some() { 200 } else { 404 };
        let data = data.as_deref().unwrap_or("null");
        // Put together as text, so that numbers stay as they were written.
        reply(status, format!(r#"{{"data":{{"data":{data},"metadata":{metadata}}}}}"#))
    }

    fn delete_versions(&mut self, place: &str, body: &Bytes) -> Response<Body> {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let Some(path) = self.paths.get_mut(place) else { return refused(404, "no path") };
        for number in body["versions"].as_array().into_iter().flatten() {
            let index = number.as_u64().map_or(0, |n| n as usize - 1);
            if let Some(version) = path.versions.get_mut(index) {
                version.0 = None;
            }
        }
        reply(204, "")
    }

    fn write(&mut self, place: &str, body: &Bytes) -> Response<Body> {
        let body: &str = std::str::from_utf8(body).expect("text");
        let parsed: Value = serde_json::from_str(body).expect("JSON");
        let path = self.paths.entry(place.to_owned()).or_default();
        if parsed["options"]["cas"].as_u64().is_some_and(|cas| cas != path.versions.len() as u64) {
            return refused(400, "check-and-set parameter did not match the current version");
        }
        self.written += 1;
        let created = format!("2026-01-01T00:00:00.{:09}Z", self.written);
        let from = body.find("\"data\":").map_or(0, |at| at + 7);
        let to = body.find(",\"options\"").unwrap_or(body.len() - 1);
        path.versions.push((Some(body[from..to].to_owned()), created.clone()));
        let version = path.versions.len();
        reply(200, json!({ "data": { "version": version, "created_time": created } }).to_string())
    }

    fn metadata(&self, place: &str) -> Response<Body> {
        let Some(path) = self.paths.get(place) else { return reply(404, r#"{"errors":[]}"#) };
        let versions: BTreeMap<String, Value> = path.versions.iter().enumerate().map(|(index, (data, created))| {
            let deleted = if data.is_some() { "" } else { "2026-01-01T00:00:00Z" };
            ((index + 1).to_string(), json!({ "created_time": created, "deletion_time": deleted, "destroyed": false }))
        }).collect();
        reply(
            200,
            json!({ "data": { "current_version": path.versions.len(), "versions": versions,
            "custom_metadata": path.custom } })
            .to_string(),
        )
    }
}
