//! `lookup*`, `renew*` and `accessors`.

use jiff::Timestamp;
use regent_types::Sensitive;
use serde_json::{Value, json};

use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::{Call, fields};
use crate::tokens::{TokenRecord, auth_reply};

/// `lookup`: by the token in the body or query, else the caller's own. An unknown token is a 403.
pub(super) async fn token(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    if fields::text(&call.data, "token")?.is_none() {
        return lookup_self(cx, call).await;
    }
    let (_, record) = named_token(cx, call).await?.ok_or(ApiError::Denied)?;
    let id = fields::text(&call.data, "token")?.unwrap_or_default();
    Ok(Reply::ok(describe(&record, id, call.now)))
}

/// `lookup-self`: the caller's own token, which the answer repeats.
pub(super) async fn lookup_self(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    let record = cx.services.tokens.load(&caller.token_id_hash).await?.ok_or(ApiError::Denied)?;
    let id = call.token.as_ref().map_or("", |token| token.expose().as_str());
    Ok(Reply::ok(describe(&record, id, call.now)))
}

/// `lookup-accessor`: all but the token.
pub(super) async fn accessor(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let (_, record) = named_accessor(cx, call).await?;
    Ok(Reply::ok(describe(&record, "", call.now)))
}

/// `accessors`: all of them, sorted; 404 if there are none.
pub(super) async fn accessors(cx: Context<'_>) -> Result<Reply, ApiError> {
    let keys = cx.services.tokens.accessors().await?;
    if keys.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Reply::ok(json!({ "keys": keys })))
}

/// `renew`: the token in the body, else the caller's own.
pub(super) async fn renew(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    match fields::text(&call.data, "token")? {
        None => renew_self(cx, call).await,
        Some(text) => {
            let (hash, _) = named_token(cx, call).await?.ok_or(ApiError::Denied)?;
            extend(cx, call, &hash, text).await
        }
    }
}

/// `renew-self`: more time for the caller's own token.
pub(super) async fn renew_self(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    let text = call.token.as_ref().map_or("", |token| token.expose().as_str());
    extend(cx, call, &caller.token_id_hash, text).await
}

/// `renew-accessor`: the answer does not hold the token.
pub(super) async fn renew_accessor(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let (hash, _) = named_accessor(cx, call).await?;
    extend(cx, call, &hash, "").await
}

async fn extend(cx: Context<'_>, call: &Call, hash: &str, text: &str) -> Result<Reply, ApiError> {
    let increment_s = fields::seconds(&call.data, "increment")?.unwrap_or(0);
    let record = cx.services.tokens.renew(hash, increment_s, call.now).await?;
    let ttl_s = record.ttl_s(call.now);
    let reply = Reply::auth(auth_reply(&record, Sensitive::new(text.to_owned()), ttl_s));
    Ok(if ttl_s < increment_s {
        reply.warn(format!("TTL of {increment_s} s exceeds what is left; capped to {ttl_s} s"))
    } else {
        reply
    })
}

/// The good token that the field `token` holds.
pub(super) async fn named_token(
    cx: Context<'_>,
    call: &Call,
) -> Result<Option<(String, TokenRecord)>, ApiError> {
    let text =
        fields::text(&call.data, "token")?.ok_or_else(|| ApiError::invalid("missing token"))?;
    cx.services.tokens.find(&Sensitive::new(text.to_owned()), call.now).await
}

/// The good token that the field `accessor` names.
pub(super) async fn named_accessor(
    cx: Context<'_>,
    call: &Call,
) -> Result<(String, TokenRecord), ApiError> {
    let text = fields::text(&call.data, "accessor")?;
    let text = text.ok_or_else(|| ApiError::invalid("missing accessor"))?;
    let found = cx.services.tokens.find_by_accessor(text, call.now).await?;
    found.ok_or_else(|| ApiError::invalid("invalid accessor"))
}

fn describe(record: &TokenRecord, id: &str, now: Timestamp) -> Value {
    let mut data = json!({
        "id": id,
        "accessor": record.accessor,
        "policies": record.policies,
        "path": record.path,
        "meta": if record.metadata.is_empty() { Value::Null } else { json!(record.metadata) },
        "display_name": record.display_name,
        "num_uses": record.uses_left,
        "orphan": record.parent.is_none(),
        "creation_time": record.created.as_second(),
        "creation_ttl": record.creation_ttl_s,
        "expire_time": record.expires.map(|end| end.to_string()),
        "ttl": record.ttl_s(now),
        "explicit_max_ttl": record.limits.explicit_max_ttl_s,
        "entity_id": "",
        "type": "service",
        "renewable": record.renewable,
        "issue_time": record.created.to_string(),
    });
    if let Some(data) = data.as_object_mut() {
        if let Some(role) = &record.role {
            data.insert("role".to_owned(), role.clone().into());
        }
        if record.limits.period_s > 0 {
            data.insert("period".to_owned(), record.limits.period_s.into());
        }
        if let Some(renewed) = record.last_renewed {
            data.insert("last_renewal".to_owned(), renewed.to_string().into());
            data.insert("last_renewal_time".to_owned(), renewed.as_second().into());
        }
    }
    data
}
