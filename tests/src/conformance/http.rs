//! One request, as anybody, and its answer as it came.

use anyhow::{Context, Result, ensure};
use futures::{AsyncBufReadExt, TryStreamExt};
use http::{Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

use super::limit::LIMIT;
use super::server::Server;
use super::text::{Ask, yaml};

/// Largest answer read, in bytes: OpenAPI of a real API server is a few of these.
const ANSWER_LEN_MAX: usize = 64 * 1_048_576;

pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Value,
    pub(super) warnings: Vec<String>,
}

/// Sends it; of a watch, reads as many events as are expected.
pub(super) async fn ask(server: &Server, ask: &Ask, events: usize) -> Result<Answer> {
    let option = |name: &str| ask.options.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let request = request(ask)?;
    let response = match option("token") {
        Some(token) => server.bearer(token)?.send(request).await?,
        None => server.admin.send(request).await?,
    };
    let code = response.status().as_u16();
    let warnings = response.headers().get_all(header::WARNING).iter();
    let warnings = warnings.filter_map(|w| w.to_str().ok().map(str::to_owned)).collect();
    let body = if ask.method == "WATCH" && code == 200 {
        Value::Array(watch(response.into_body(), events).await?)
    } else {
        let body = http_body_util::Limited::new(response.into_body(), ANSWER_LEN_MAX);
        let bytes = body.collect().await.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        serde_json::from_slice(&bytes).unwrap_or_else(|_| text())
    };
    Ok(Answer { code, body, warnings })
}

fn request(ask: &Ask) -> Result<Request<Body>> {
    let (method, path) = match ask.method.as_str() {
        "WATCH" => {
            let mark = if ask.path.contains('?') { '&' } else { '?' };
            ("GET", format!("{}{mark}watch=true&timeoutSeconds={}", ask.path, LIMIT.as_secs()))
        }
        method => (method, ask.path.clone()),
    };
    let mut request = Request::builder().method(method).uri(path);
    let mut kind = "application/json";
    let mut raw = None;
    for (name, value) in &ask.options {
        request = match name.as_str() {
            "as" => request.header("Impersonate-User", value),
            "group" => request.header("Impersonate-Group", value),
            "accept" => request.header(header::ACCEPT, accept(value)),
            "type" => {
                kind = content_type(value);
                request
            }
            "raw" => {
                raw = Some(value.clone().into_bytes());
                request
            }
            "token" => request,
            other => anyhow::bail!("unknown option {other:?}"),
        };
    }
    let body = match raw {
        Some(raw) => raw,
        None if ask.body.is_empty() => Vec::new(),
        None => serde_json::to_vec(&yaml(&ask.body)?)?,
    };
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    request.body(body.into()).context("a request")
}

fn accept(name: &str) -> &str {
    match name {
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "metadata" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "metadatalist" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "discovery" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        other => other,
    }
}

fn content_type(name: &str) -> &str {
    match name {
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => other,
    }
}

async fn watch(body: Body, events: usize) -> Result<Vec<Value>> {
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let mut lines = stream.into_async_read().lines();
    let mut found = Vec::new();
    while found.len() < events {
        let line = tokio::time::timeout(LIMIT, lines.try_next()).await;
        let line = line.with_context(|| format!("the watch says no more than {found:?}"))??;
        let Some(line) = line else { break };
        found.push(serde_json::from_str(&line)?);
    }
    ensure!(found.len() == events, "the watch ended after {found:?}");
    Ok(found)
}
