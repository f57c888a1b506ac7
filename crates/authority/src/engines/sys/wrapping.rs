//! `sys/wrapping/*`: hand out what was wrapped, once. Source: Vault API docs "/sys/wrapping".

use regent_types::{Json, Sensitive};
use serde_json::json;

use crate::error::ApiError;
use crate::lifecycle::Unsealed;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, fields};
use crate::tokens::TokenStore;
use crate::wrapping;

/// Fields of the requests below `sys/wrapping`.
pub(super) fn fields(tail: &str) -> Schema {
    match tail {
        "wrap" => Schema::ANY,
        _ => Schema::of(&["token"]),
    }
}

pub(super) async fn call(unsealed: &Unsealed, tail: &str, call: Call) -> Result<Reply, ApiError> {
    let tokens = &unsealed.services.tokens;
    if tail != "lookup" {
        call.require_write()?;
    }
    match tail {
        "wrap" if call.wrap_ttl_s == 0 => {
            Err(ApiError::invalid("endpoint requires response wrapping to be used"))
        }
        "wrap" => {
            let mut call = call;
            Ok(Reply::ok(Json::Object(std::mem::take(&mut *call.data))))
        }
        "lookup" => lookup(tokens, &call).await,
        "unwrap" => {
            let hash = named(tokens, &call).await?.ok_or_else(no_good)?;
            let (kept, _) = tokens.unwrap(&hash, call.now).await?.ok_or_else(no_good)?;
            wrapping::unwrap(&kept)
        }
        "rewrap" => {
            let hash = named(tokens, &call).await?.ok_or_else(no_good)?;
            let (kept, old) = tokens.unwrap(&hash, call.now).await?.ok_or_else(no_good)?;
            let reply = wrapping::unwrap(&kept)?;
            wrapping::wrap(tokens, &old.path, old.creation_ttl_s, reply, call.now).await
        }
        other => Err(ApiError::NoHandler(format!("sys/wrapping/{other}"))),
    }
}

/// When, by which request and for how long it was wrapped; needs no token but the wrapping one.
async fn lookup(tokens: &TokenStore, call: &Call) -> Result<Reply, ApiError> {
    let token = fields::text(&call.data, "token")?.map(|text| Sensitive::new(text.to_owned()));
    let shown = token.as_ref().or(call.token.as_ref());
    let shown = shown.ok_or_else(|| ApiError::invalid("missing \"token\" value in input"))?;
    let (_, record) = tokens.find_wrapping(shown, call.now).await?.ok_or_else(no_good)?;
    Ok(Reply::ok(json!({
        "creation_time": record.created.to_string(),
        "creation_path": record.path,
        "creation_ttl": record.creation_ttl_s,
    })))
}

/// The wrapping token in the field `token`, else the caller's own.
async fn named(tokens: &TokenStore, call: &Call) -> Result<Option<String>, ApiError> {
    match fields::text(&call.data, "token")?.filter(|text| !text.is_empty()) {
        Some(text) => {
            let found = tokens.find_wrapping(&Sensitive::new(text.to_owned()), call.now).await?;
            Ok(found.map(|(hash, _)| hash))
        }
        None => Ok(call.caller.as_ref().map(|caller| caller.token_id_hash.clone())),
    }
}

fn no_good() -> ApiError {
    ApiError::invalid("wrapping token is not valid or does not exist")
}
