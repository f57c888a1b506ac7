//! Tokens (`auth/token/`): make, look up, renew and revoke them over the API. What a token is and how
//! it ends is decided in `tokens/`. Source: Vault API docs "Token auth method".

mod create;
mod lookup;
mod revoke;
mod roles;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

use crate::engines::engine::{Context, Engine};
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation};

pub(crate) struct TokenEngine;

impl Engine for TokenEngine {
    fn exists<'a>(
        &'a self,
        cx: Context<'a>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>> {
        Box::pin(async move {
            match call.path.strip_prefix("roles/") {
                Some(name) => Ok(Some(roles::load(cx.view, name).await?.is_some())),
                None => Ok(None),
            }
        })
    }

    fn fields(&self, path: &str, op: Operation) -> Schema {
        match (path, op) {
            ("lookup", Operation::Read) => Schema::of(&["token"]),
            (_, Operation::Read | Operation::List | Operation::Delete) => Schema::NONE,
            ("create" | "create-orphan", _) => create::FIELDS,
            ("lookup" | "revoke" | "revoke-orphan", _) => Schema::of(&["token"]),
            ("lookup-accessor" | "revoke-accessor", _) => Schema::of(&["accessor"]),
            ("renew", _) => Schema::of(&["token", "increment"]),
            ("renew-accessor", _) => Schema::of(&["accessor", "increment"]),
            ("renew-self", _) => Schema::of(&["increment", "token"]),
            (path, _) if path.starts_with("create/") => create::FIELDS,
            (path, _) if path.starts_with("roles/") => roles::FIELDS,
            _ => Schema::NONE,
        }
    }

    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>> {
        Box::pin(answer(cx, call))
    }

    fn sudo(&self) -> &'static [&'static str] {
        &["revoke-orphan", "accessors", "accessors/"]
    }
}

async fn answer(cx: Context<'_>, call: Call) -> Result<Reply, ApiError> {
    let read = call.op == Operation::Read;
    let path = call.path.clone();
    match path.as_str() {
        "accessors/" | "accessors" if call.op == Operation::List => lookup::accessors(cx).await,
        "lookup" if read || call.op.is_write() => lookup::token(cx, &call).await,
        "lookup-self" if read || call.op.is_write() => lookup::lookup_self(cx, &call).await,
        "create" | "create-orphan" | "lookup-accessor" | "renew" | "renew-self"
        | "renew-accessor" | "revoke" | "revoke-self" | "revoke-accessor" | "revoke-orphan"
            if !call.op.is_write() =>
        {
            Err(ApiError::Unsupported)
        }
        "accessors" | "accessors/" | "lookup" | "lookup-self" => Err(ApiError::Unsupported),
        "create" => create::create(cx, &call, create::Parent::Caller, None).await,
        "create-orphan" => create::create(cx, &call, create::Parent::Nobody, None).await,
        "lookup-accessor" => lookup::accessor(cx, &call).await,
        "renew" => lookup::renew(cx, &call).await,
        "renew-self" => lookup::renew_self(cx, &call).await,
        "renew-accessor" => lookup::renew_accessor(cx, &call).await,
        "revoke" => revoke::token(cx, &call).await,
        "revoke-self" => revoke::revoke_self(cx, &call).await,
        "revoke-accessor" => revoke::accessor(cx, &call).await,
        "revoke-orphan" => revoke::orphan(cx, &call).await,
        "roles" | "roles/" if call.op == Operation::List => roles::list(cx).await,
        "roles" | "roles/" => Err(ApiError::Unsupported),
        other => with_role(cx, &call, other).await,
    }
}

/// Tokens by a role, and the roles themselves; 404 for a path that is neither.
async fn with_role(cx: Context<'_>, call: &Call, path: &str) -> Result<Reply, ApiError> {
    match (path.split_once('/'), call.op) {
        (Some(("create", role)), op) if op.is_write() => {
            create::create(cx, call, create::Parent::Caller, Some(role)).await
        }
        (Some(("roles", role)), Operation::Read) => roles::read(cx, role).await,
        (Some(("roles", role)), Operation::Delete) => roles::delete(cx, role).await,
        (Some(("roles", role)), op) if op.is_write() => roles::write(cx, role, call).await,
        (Some(("create" | "roles", _)), _) => Err(ApiError::Unsupported),
        _ => Err(ApiError::NoHandler(format!("{}{path}", call.mount))),
    }
}
