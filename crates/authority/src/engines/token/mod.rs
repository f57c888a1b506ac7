//! Tokens (`auth/token/`): make, look up, renew and revoke them over the API. What a token is and how
//! it ends is decided in `tokens/`. Source: Vault API docs "Token auth method".

mod create;
mod lookup;
mod revoke;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

use crate::engines::engine::{Context, Engine};
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, Operation};

pub(crate) struct TokenEngine;

impl Engine for TokenEngine {
    fn exists<'a>(
        &'a self,
        _cx: Context<'a>,
        _call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn call<'a>(&'a self, cx: Context<'a>, call: Call) -> BoxFuture<'a, Result<Reply, ApiError>> {
        Box::pin(answer(cx, call))
    }

    fn sudo(&self) -> &'static [&'static str] {
        &["create-orphan", "revoke-orphan", "accessors", "accessors/"]
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
        "create" => create::create(cx, &call, create::Parent::Caller).await,
        "create-orphan" => create::create(cx, &call, create::Parent::Nobody).await,
        "lookup-accessor" => lookup::accessor(cx, &call).await,
        "renew" => lookup::renew(cx, &call).await,
        "renew-self" => lookup::renew_self(cx, &call).await,
        "renew-accessor" => lookup::renew_accessor(cx, &call).await,
        "revoke" => revoke::token(cx, &call).await,
        "revoke-self" => revoke::revoke_self(cx, &call).await,
        "revoke-accessor" => revoke::accessor(cx, &call).await,
        "revoke-orphan" => revoke::orphan(cx, &call).await,
        other if other.starts_with("create/") || other.starts_with("roles") => {
            Err(ApiError::invalid("token roles are not supported by this authority"))
        }
        other => Err(ApiError::NoHandler(format!("{}{other}", call.mount))),
    }
}
