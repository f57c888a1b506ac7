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
use crate::request::Operation;
use crate::request::fields::flag;
use crate::request::schema::Schema;
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

/// Which fields requests at [`PATHS`] have.
pub(crate) fn fields(path: &str, op: Operation) -> Schema {
    match (path, op) {
        ("sys/health", _) => Schema::of(&[
            "standbyok",
            "perfstandbyok",
            "activecode",
            "standbycode",
            "sealedcode",
            "uninitcode",
            "drsecondarycode",
            "performancestandbycode",
            "removedcode",
            "haunhealthycode",
        ]),
        ("sys/init", Operation::Update) => INIT,
        ("sys/unseal", Operation::Update) => {
            Schema { acts: &["key", "reset"], refused: &[("migrate", "there is one kind of seal")] }
        }
        ("sys/generate-root/attempt", Operation::Update) => Schema {
            acts: &[],
            refused: &[
                ("otp", "the one-time pad is made here, and is in the answer"),
                ("pgp_key", "the token is answered under a one-time pad"),
            ],
        },
        ("sys/generate-root/attempt", Operation::Delete) => Schema::of(&["nonce"]),
        ("sys/generate-root/update", Operation::Update) => Schema::of(&["key", "nonce"]),
        ("sys/regent/init", Operation::Update) => {
            Schema::of(&["holders", "threshold", "unseal_recipient"])
        }
        ("sys/regent/recover", Operation::Update) => Schema::of(&["shares", "unseal_recipient"]),
        _ => Schema::NONE,
    }
}

const INIT: Schema = Schema {
    acts: &["secret_shares", "secret_threshold"],
    refused: &[
        ("pgp_keys", SEALED_INSTEAD),
        ("root_token_pgp_key", SEALED_INSTEAD),
        ("recovery_pgp_keys", SEALED_INSTEAD),
        ("recovery_shares", "shares unseal here; there are none for recovery"),
        ("recovery_threshold", "shares unseal here; there are none for recovery"),
        ("stored_shares", "no share is stored"),
    ],
};

const SEALED_INSTEAD: &str = "sys/regent/init seals shares to age recipients";

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
        ("sys/generate-root/attempt", Update) => root::start(core, now).await,
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
    if flag(data, "reset")?.unwrap_or(false) {
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
