//! What needs no token and works sealed. The list is explicit; everything else below `sys/` needs a
//! token.

use jiff::Timestamp;
use regent_types::Sensitive;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{regent, root, status};
use crate::engines::{Data, Fault, Operation, Reply, fields};
use crate::lifecycle::Core;
use crate::seal::decode;
use crate::seal::shamir::Share;

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

/// Answers one of [`PATHS`].
pub(crate) async fn call(
    core: &Core,
    op: Operation,
    path: &str,
    data: Data,
    now: Timestamp,
) -> Result<Reply, Fault> {
    use Operation::{Delete, Read, Update};
    match (path, op) {
        ("sys/health", Read) => status::health(core, &data, now).await,
        ("sys/seal-status", Read) => status::seal_status(core).await,
        ("sys/leader", Read) => status::leader(core),
        ("sys/init", Read) => {
            let initialized = core.seal_config().await?.is_some();
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
        _ => Err(Fault::Unsupported),
    }
}

/// `sys/init`: shares in clear, as Vault answers.
async fn init(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, Fault> {
    for name in ["pgp_keys", "root_token_pgp_key", "recovery_pgp_keys"] {
        if data.get(name).is_some_and(is_given) {
            return Err(Fault::invalid(format!(
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
        "keys": list(crate::random::hex),
        "keys_base64": list(base64_of),
        "root_token": made.root_token.expose(),
    })))
}

/// `sys/unseal`: one share, or `reset`.
async fn unseal(core: &Core, data: &Data) -> Result<Reply, Fault> {
    if fields::flag(data, "reset")?.unwrap_or(false) {
        core.unseal_reset().await;
    } else {
        core.unseal(share(data, "key")?).await?;
    }
    status::seal_status(core).await
}

/// The share in field `name`.
pub(super) fn share(data: &Data, name: &str) -> Result<Share, Fault> {
    let text = fields::text(data, name)?;
    let text = text.ok_or_else(|| Fault::invalid(format!("field {name:?} must be specified")))?;
    decode(text)
        .ok_or_else(|| Fault::invalid(format!("field {name:?}: neither base64 nor hexadecimal")))
}

/// A small number in field `name`; 0 if absent.
pub(super) fn number(data: &Data, name: &str) -> Result<usize, Fault> {
    let value = fields::count(data, name)?.unwrap_or(0);
    usize::try_from(value).map_err(|_| Fault::invalid(format!("field {name:?}: too large")))
}

/// Standard base64.
pub(super) fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A JSON value of a text that wipes itself: the copy in the value is wiped with the reply.
pub(super) fn text(value: &Zeroizing<String>) -> Value {
    Value::String(String::clone(value))
}

/// The same for a token.
pub(super) fn token(value: &Sensitive<String>) -> Value {
    Value::String(value.expose().clone())
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}
