//! `sys/generate-root/{attempt,update}`: bodies as Vault's.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::values::{share, text};
use crate::error::ApiError;
use crate::lifecycle::{Core, RootStatus};
use crate::reply::Reply;
use crate::request::fields;
use crate::wipe::Data;

/// `GET attempt`: how far it is; never the one-time pad.
pub(super) async fn status(core: &Core) -> Result<Reply, ApiError> {
    core.root_status().await.map(body)
}

/// `PUT attempt`: the one-time pad is made here and answered once.
pub(super) async fn start(core: &Core, now: Timestamp) -> Result<Reply, ApiError> {
    core.root_start(now).await.map(body)
}

/// `DELETE attempt` {nonce}: needs the nonce while people are giving shares.
pub(super) async fn cancel(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, ApiError> {
    core.root_cancel(fields::text(data, "nonce")?, now).await?;
    Ok(Reply::no_content())
}

/// `PUT update` {key, nonce}: the last share's answer holds the encoded token.
pub(super) async fn update(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, ApiError> {
    let nonce = fields::text(data, "nonce")?.unwrap_or_default();
    core.root_update(nonce, share(data, "key")?, now).await.map(body)
}

fn body(status: RootStatus) -> Reply {
    let otp = status.otp.as_ref().map_or_else(|| Value::String(String::new()), text);
    Reply::bare(json!({
        "nonce": status.nonce,
        "started": status.started,
        "progress": status.progress,
        "required": status.required,
        "complete": status.complete,
        "encoded_token": status.encoded_token,
        "encoded_root_token": status.encoded_token,
        "pgp_fingerprint": "",
        "otp": otp,
        "otp_length": status.otp_length,
    }))
}
