//! Kubernetes auth (`auth/kubernetes/`): a ServiceAccount's token is exchanged for a token of this
//! authority.
//!
//! ```text
//! {role, jwt} ─ claims, unverified ─ role's names, namespaces ─ TokenReview ─ same account? ─ token
//! ```
//!
//! The API server alone says whether a token is good, for which audience, and whose it is; the
//! claims read before only save it the question. Every refusal looks the same from outside (403);
//! an API server that does not answer is a 500, so that a client can tell. A login costs one
//! commit.
//! Sources: Vault API docs "Kubernetes auth method"; OpenBao
//! `internal/builtin/credential/kubernetes`.

mod claims;
mod config;
mod glob;
mod login;
mod role;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wipe::encode;
use super::{Call, Cx, Engine, Fault, Operation, Reply};
use crate::storage::view::{Batch, View};

/// Answers below `auth/kubernetes/`.
pub(crate) struct KubernetesEngine;

impl Engine for KubernetesEngine {
    fn exists<'a>(
        &'a self,
        cx: Cx<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, Fault>> {
        Box::pin(async move {
            match call.path.strip_prefix("role/") {
                Some(name) => Ok(Some(role::load(cx.view, name).await?.is_some())),
                None => Ok(None),
            }
        })
    }

    fn call<'a>(&'a self, cx: Cx<'a>, call: Call) -> BoxFuture<'a, Result<Reply, Fault>> {
        Box::pin(answer(cx, call))
    }

    fn unauthenticated(&self) -> &'static [&'static str] {
        &["login"]
    }
}

async fn answer(cx: Cx<'_>, call: Call) -> Result<Reply, Fault> {
    use Operation::{Create, Delete, List, Read, Update};
    match (call.path.as_str(), call.op) {
        ("login", Create | Update) => login::login(cx, call).await,
        ("config", Read) => config::read(cx).await,
        ("config", Create | Update) => config::write(cx, &call).await,
        ("role" | "role/", List) => role::list(cx).await,
        ("login" | "config" | "role" | "role/", _) => Err(Fault::Unsupported),
        (path, op) => match (path.strip_prefix("role/"), op) {
            (Some(name), Read) => role::read(cx, name).await,
            (Some(name), Create | Update) => role::write(cx, name, &call).await,
            (Some(name), Delete) => role::delete(cx, name).await,
            (Some(_), _) => Err(Fault::Unsupported),
            (None, _) => Err(Fault::NoHandler(format!("{}{path}", call.mount))),
        },
    }
}

async fn load<T: DeserializeOwned>(
    view: &View,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Fault> {
    let Some(bytes) = view.get(key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| Fault::corrupt(what))
}

async fn store<T: Serialize>(
    view: &View,
    key: &str,
    what: &'static str,
    value: &T,
) -> Result<(), Fault> {
    let mut batch = Batch::new();
    batch.put(key, encode(value, what)?);
    view.commit(batch).await
}
