//! Tokens (`auth/token/`, Vault's token store): who they belong to, how long they live, how trees
//! of them end.
//!
//! ```text
//! id/{HMAC of the token}        the record; the token itself is stored nowhere
//! accessor/{accessor}           → HMAC
//! child/{parent}/{child}        what ends with its parent
//! expiry/{unix seconds}/{HMAC}  what to remove, oldest first
//! ```
//!
//! A token is good only while it and every ancestor are: **ending a token is one commit on its own
//! record**, whatever its tree holds. What is dead is removed afterwards, leaves first, by whoever
//! comes by (`revoke.rs`), so a crash in between revives nothing. Issuing costs one commit.
//! Sources: Vault API docs "Token auth method"; OpenBao `internal/vault/token_store.go`.

mod create;
mod lookup;
mod record;
mod revoke;
mod store;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

pub(crate) use self::record::TokenSpec;
pub(crate) use self::store::TokenStore;
use super::{Call, Cx, Engine, Fault, Operation, Reply};

/// Answers below `auth/token/`.
pub(crate) struct TokenEngine;

impl Engine for TokenEngine {
    fn exists<'a>(
        &'a self,
        _cx: Cx<'a>,
        _call: &'a Call,
    ) -> BoxFuture<'a, Result<Option<bool>, Fault>> {
        Box::pin(async { Ok(None) })
    }

    fn call<'a>(&'a self, cx: Cx<'a>, call: Call) -> BoxFuture<'a, Result<Reply, Fault>> {
        Box::pin(answer(cx, call))
    }

    fn sudo(&self) -> &'static [&'static str] {
        &["create-orphan", "revoke-orphan", "accessors", "accessors/"]
    }
}

async fn answer(cx: Cx<'_>, call: Call) -> Result<Reply, Fault> {
    let read = call.op == Operation::Read;
    let path = call.path.clone();
    match path.as_str() {
        "accessors/" | "accessors" if call.op == Operation::List => lookup::accessors(cx).await,
        "lookup" if read || call.op.is_write() => lookup::token(cx, &call).await,
        "lookup-self" if read || call.op.is_write() => lookup::own(cx, &call).await,
        "create" | "create-orphan" | "lookup-accessor" | "renew" | "renew-self"
        | "renew-accessor" | "revoke" | "revoke-self" | "revoke-accessor" | "revoke-orphan"
            if !call.op.is_write() =>
        {
            Err(Fault::Unsupported)
        }
        "accessors" | "accessors/" | "lookup" | "lookup-self" => Err(Fault::Unsupported),
        "create" => create::create(cx, &call, create::Parent::Caller).await,
        "create-orphan" => create::create(cx, &call, create::Parent::Nobody).await,
        "lookup-accessor" => lookup::accessor(cx, &call).await,
        "renew" => lookup::renew(cx, &call).await,
        "renew-self" => lookup::renew_own(cx, &call).await,
        "renew-accessor" => lookup::renew_accessor(cx, &call).await,
        "revoke" => revoke::token(cx, &call).await,
        "revoke-self" => revoke::own(cx, &call).await,
        "revoke-accessor" => revoke::accessor(cx, &call).await,
        "revoke-orphan" => revoke::orphan(cx, &call).await,
        other if other.starts_with("create/") || other.starts_with("roles") => {
            Err(Fault::invalid("token roles are not supported by this authority"))
        }
        other => Err(Fault::NoHandler(format!("{}{other}", call.mount))),
    }
}
