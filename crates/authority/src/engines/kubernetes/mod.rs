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
mod login;
mod record;
mod role;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

use crate::engines::engine::{Context, Engine};
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};

pub(crate) struct KubernetesEngine;

impl Engine for KubernetesEngine {
    fn exists<'a>(
        &'a self,
        cx: Context<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>> {
        Box::pin(async move {
            match call.path.strip_prefix("role/") {
                Some(name) => Ok(Some(role::load(cx.view, name).await?.is_some())),
                None => Ok(None),
            }
        })
    }

    fn fields(&self, path: &str, op: Operation) -> Schema {
        match (path, op.is_write()) {
            ("login", true) => Schema::of(&["role", "jwt"]),
            ("config", true) => config::FIELDS,
            (path, true) if path.starts_with("role/") => role::FIELDS,
            _ => Schema::NONE,
        }
    }

    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>> {
        Box::pin(answer(cx, call))
    }

    fn unauthenticated(&self) -> &'static [&'static str] {
        &["login"]
    }
}

async fn answer(cx: Context<'_>, call: Call) -> Result<Reply, ApiError> {
    use Operation::{Create, Delete, List, Read, Update};
    match (call.path.as_str(), call.op) {
        ("login", Create | Update) => login::login(cx, call).await,
        ("config", Read) => config::read(cx).await,
        ("config", Create | Update) => config::write(cx, &call).await,
        ("role" | "role/", List) => role::list(cx).await,
        ("login" | "config" | "role" | "role/", _) => Err(ApiError::Unsupported),
        (path, op) => match (path.strip_prefix("role/"), op) {
            (Some(name), Read) => role::read(cx, name).await,
            (Some(name), Create | Update) => role::write(cx, name, &call).await,
            (Some(name), Delete) => role::delete(cx, &call.mount, name).await,
            (Some(_), _) => Err(ApiError::Unsupported),
            (None, _) => Err(ApiError::NoHandler(format!("{}{path}", call.mount))),
        },
    }
}
