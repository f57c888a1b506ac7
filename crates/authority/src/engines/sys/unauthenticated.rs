//! What needs no token and works sealed. The list is explicit; everything else below `sys/` needs a
//! token.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::values::{number, share};
use super::{regent, root, status};
use crate::error::ApiError;
use crate::lifecycle::Core;
use crate::random;
use crate::reply::Reply;
use crate::request::{Operation, fields};
use crate::wipe::Data;

/// Paths that need no token. `sys/regent/*` are this authority's own (PROTOCOLS.md §3).
const PATHS: [&str; 10] = [
    "sys/health",
    "sys/seal-status",
    "sys/leader",
    "sys/init",
    "sys/unseal",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/regent/init",
    "sys/regent/sealed-shares",
    "sys/regent/recover",
];

/// Whether `path` is answered here.
pub(crate) fn serves(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Answers one of [`PATHS`]; a 405 for another method.
pub(crate) async fn call(
    core: &Core,
    op: Operation,
    path: &str,
    data: Data,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    use Operation::{Delete, Read, Update};
    match (path, op) {
        ("sys/health", Read) => status::health(core, &data, now),
        ("sys/seal-status", Read) => Ok(status::seal_status(core).await),
        ("sys/leader", Read) => status::leader(core),
        ("sys/init", Read) => {
            let initialized = core.seal_config().is_some();
            Ok(Reply::bare(json!({"initialized": initialized})))
        }
        ("sys/init", Update) => init(core, &data, now).await,
        ("sys/unseal", Update) => unseal(core, &data).await,
        ("sys/generate-root/attempt", Read) => root::status(core).await,
        ("sys/generate-root/attempt", Update) => root::start(core, &data, now).await,
        ("sys/generate-root/attempt", Delete) => root::cancel(core, &data, now).await,
        ("sys/generate-root/update", Update) => root::update(core, &data, now).await,
        ("sys/regent/init", Update) => regent::init(core, &data, now).await,
        ("sys/regent/sealed-shares", Read) => regent::sealed_shares(core).await,
        ("sys/regent/recover", Update) => regent::recover(core, &data).await,
        _ => Err(ApiError::Unsupported),
    }
}

/// `sys/init`: shares in clear, as Vault answers.
async fn init(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, ApiError> {
    for name in ["pgp_keys", "root_token_pgp_key", "recovery_pgp_keys"] {
        if data.get(name).is_some_and(is_given) {
            return Err(ApiError::invalid(format!(
                "{name}: not supported; sys/regent/init seals shares to age recipients"
            )));
        }
    }
    let shares = number(data, "secret_shares")?;
    let threshold = number(data, "secret_threshold")?;
    let made = core.init_plain(shares, threshold, now).await?;
    let list = |encode: fn(&[u8]) -> String| -> Value {
        made.shares.iter().map(|share| Value::String(encode(share))).collect()
    };
    Ok(Reply::bare(json!({
        "keys": list(random::hex),
        "keys_base64": list(base64_of),
        "root_token": made.root_token.expose(),
    })))
}

/// `sys/unseal`: one share, or `reset`.
async fn unseal(core: &Core, data: &Data) -> Result<Reply, ApiError> {
    if fields::flag(data, "reset")?.unwrap_or(false) {
        core.unseal_reset().await;
    } else {
        core.unseal(share(data, "key")?).await?;
    }
    Ok(status::seal_status(core).await)
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}
