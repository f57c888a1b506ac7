//! `sys/rotate`, `sys/rotate/keyring` (its name since OpenBao 2.4) and `sys/rotate/config`.

use serde_json::json;

use crate::barrier::KeyStatus;
use crate::error::ApiError;
use crate::lifecycle::{Core, KEY_AGE_MAX};
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation, fields};

/// Fields of writes below `sys/rotate`.
pub(super) fn fields(tail: &str) -> Schema {
    match tail {
        "config" => Schema::of(&["enabled", "max_operations", "interval"]),
        _ => Schema::NONE,
    }
}

pub(super) async fn call(core: &Core, tail: &str, call: &Call) -> Result<Reply, ApiError> {
    match (tail, call.op) {
        ("" | "keyring", op) if op.is_write() => {
            core.rotate(call.now).await?;
            Ok(Reply::no_content())
        }
        ("config", Operation::Read) => Ok(Reply::mirrored(json!({
            "enabled": true,
            "max_operations": KeyStatus::ROTATES_AFTER,
            "interval": KEY_AGE_MAX.as_secs(),
        }))),
        ("config", op) if op.is_write() => unchanged(call),
        ("" | "keyring" | "config", _) => Err(ApiError::Unsupported),
        (other, _) => Err(ApiError::NoHandler(format!("sys/rotate/{other}"))),
    }
}

/// When a key has served long enough is no setting: only what is in force is accepted.
fn unchanged(call: &Call) -> Result<Reply, ApiError> {
    let max = i64::try_from(KeyStatus::ROTATES_AFTER).unwrap_or(i64::MAX);
    let interval_s = KEY_AGE_MAX.as_secs();
    let data = &call.data;
    let fixed = [
        ("enabled", fields::flag(data, "enabled")?.is_none_or(|on| on), "true".to_owned()),
        (
            "max_operations",
            fields::integer(data, "max_operations")?.is_none_or(|n| n == max),
            max.to_string(),
        ),
        (
            "interval",
            fields::signed_seconds(data, "interval")?.is_none_or(|s| s == interval_s),
            format!("{interval_s} s"),
        ),
    ];
    let wrong = fixed.into_iter().filter(|(_, same, _)| !same);
    let wrong: Vec<String> = wrong
        .map(|(name, _, value)| format!("field {name:?} is fixed to {value} in this authority"))
        .collect();
    if wrong.is_empty() { Ok(Reply::no_content()) } else { Err(ApiError::Invalid(wrong)) }
}
