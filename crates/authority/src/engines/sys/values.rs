//! What several handlers below `sys/` read from a request or put into an answer.

use regent_types::Sensitive;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::ApiError;
use crate::request::fields;
use crate::seal::decode_share;
use crate::seal::shamir::Share;
use crate::wipe::Data;

/// The share in field `name`.
pub(super) fn share(data: &Data, name: &str) -> Result<Share, ApiError> {
    let text = fields::text(data, name)?;
    let text =
        text.ok_or_else(|| ApiError::invalid(format!("field {name:?} must be specified")))?;
    decode_share(text)
        .ok_or_else(|| ApiError::invalid(format!("field {name:?}: neither base64 nor hexadecimal")))
}

/// A small number in field `name`; 0 if absent.
pub(super) fn number(data: &Data, name: &str) -> Result<usize, ApiError> {
    let value = fields::count(data, name)?.unwrap_or(0);
    usize::try_from(value).map_err(|_| ApiError::invalid(format!("field {name:?}: too large")))
}

/// A JSON value of a text that wipes itself: the copy in the value is wiped with the reply.
pub(super) fn text(value: &Zeroizing<String>) -> Value {
    Value::String(String::clone(value))
}

/// The same for a token.
pub(super) fn token(value: &Sensitive<String>) -> Value {
    Value::String(value.expose().clone())
}
