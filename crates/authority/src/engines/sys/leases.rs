//! `sys/leases/*`: tokens as leases. A token that ends by itself has the lease `{path}/{its HMAC}`, where
//! path is what issued it; there are no other leases here. Source: Vault API docs "/sys/leases".

use std::collections::BTreeSet;

use serde_json::json;

use crate::error::ApiError;
use crate::lifecycle::Unsealed;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation, fields};
use crate::tokens::{TokenRecord, TokenStore};

/// Fields of the requests below `sys/leases`.
pub(super) fn fields(tail: &str, op: Operation) -> Schema {
    let verb = tail.split_once('/').map_or(tail, |(verb, _)| verb);
    match (verb, op.is_write()) {
        ("lookup", true) => Schema::of(&["lease_id"]),
        // Revocation always ends before it is answered.
        ("revoke", true) => Schema::of(&["lease_id", "url_lease_id", "sync"]),
        ("renew", true) => Schema::of(&["lease_id", "url_lease_id", "increment"]),
        ("revoke-prefix" | "revoke-force", true) => Schema::of(&["sync"]),
        _ => Schema::NONE,
    }
}

pub(super) async fn call(unsealed: &Unsealed, tail: &str, call: &Call) -> Result<Reply, ApiError> {
    let tokens = &unsealed.services.tokens;
    let (verb, rest) = tail.split_once('/').unwrap_or((tail, ""));
    match verb {
        "lookup" if call.op == Operation::List => list(tokens, rest).await,
        "lookup" if rest.is_empty() => {
            call.require_write()?;
            let (id, record) = named(tokens, call, "").await?.ok_or_else(invalid)?;
            Ok(Reply::ok(describe(&id, &record, call)))
        }
        "lookup" => Err(ApiError::Unsupported),
        "revoke" => {
            call.require_write()?;
            // What is not there has ended.
            if let Some((id, _)) = named(tokens, call, rest).await? {
                let hash = id.rsplit('/').next().unwrap_or_default();
                tokens.revoke_tree(hash).await?;
            }
            Ok(Reply::no_content())
        }
        "renew" => {
            call.require_write()?;
            named(tokens, call, rest).await?.ok_or_else(|| ApiError::invalid("lease not found"))?;
            Err(ApiError::invalid("tokens cannot be renewed through this endpoint"))
        }
        "revoke-prefix" | "revoke-force" if !rest.is_empty() => {
            call.require_write()?;
            tokens.revoke_prefix(&format!("{}/", rest.trim_end_matches('/'))).await?;
            Ok(Reply::no_content())
        }
        _ => Err(ApiError::NoHandler(format!("sys/leases/{tail}"))),
    }
}

/// The lease in the path or in the field `lease_id`, and its token.
async fn named(
    tokens: &TokenStore,
    call: &Call,
    in_path: &str,
) -> Result<Option<(String, TokenRecord)>, ApiError> {
    let field = match fields::text(&call.data, "lease_id")? {
        None => fields::text(&call.data, "url_lease_id")?,
        given => given,
    };
    let id = field.filter(|id| !id.is_empty()).unwrap_or(in_path);
    let (path, hash) = id.rsplit_once('/').ok_or_else(|| {
        ApiError::invalid("field \"lease_id\": expected the path that issued it and its name")
    })?;
    let record = tokens.find_by_hash(hash, call.now).await?;
    let record = record.filter(|record| record.path == path && record.expires.is_some());
    Ok(record.map(|record| (id.to_owned(), record)))
}

/// Names directly below `prefix`; 404 if there are none.
async fn list(tokens: &TokenStore, prefix: &str) -> Result<Reply, ApiError> {
    let prefix = match prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let mut names = BTreeSet::new();
    tokens
        .each_lease(&mut |id| {
            if let Some(rest) = id.strip_prefix(&prefix) {
                let end = rest.find('/').map_or(rest.len(), |slash| slash + 1);
                names.extend(rest.get(..end).map(str::to_owned));
            }
            names.len() <= NAMES_MAX
        })
        .await?;
    match names.len() {
        0 => Err(ApiError::NotFound),
        1..=NAMES_MAX => Ok(Reply::ok(json!({ "keys": names }))),
        _ => Err(ApiError::invalid(format!("more than {NAMES_MAX} leases here"))),
    }
}

/// Names in one listing.
const NAMES_MAX: usize = 100_000;

fn describe(id: &str, record: &TokenRecord, call: &Call) -> serde_json::Value {
    json!({
        "id": id,
        "issue_time": record.created.to_string(),
        "expire_time": record.expires.map(|end| end.to_string()),
        "last_renewal": record.last_renewed.map(|at| at.to_string()),
        "renewable": record.renewable,
        "ttl": record.ttl_s(call.now),
    })
}

fn invalid() -> ApiError {
    ApiError::invalid("invalid lease")
}
