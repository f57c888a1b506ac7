//! `sys/regent/*`: initialization and recovery with shares that only ever leave as ciphertext
//! (PROTOCOLS.md §3).

use jiff::Timestamp;
use regent_types::Json;
use serde_json::{Value, json};

use super::values::{number, token};
use crate::error::{ApiError, InternalCause};
use crate::lifecycle::Core;
use crate::reply::Reply;
use crate::request::fields;
use crate::seal::shamir::{SHARES_MAX, Share};
use crate::seal::{Holder, SealedShare, decode_share};
use crate::wipe::Data;

/// `PUT sys/regent/init` {holders: [{name, recipient}], threshold, unseal_recipient} →
/// {sealed_shares, root_token}.
pub(super) async fn init(core: &Core, data: &Data, now: Timestamp) -> Result<Reply, ApiError> {
    let holders = holders(data)?;
    let threshold = number(data, "threshold")?;
    let unseal = fields::text(data, "unseal_recipient")?.map(str::to_owned);
    let made = core.init_sealed(holders, threshold, unseal, now).await?;
    Ok(Reply::bare(json!({
        "sealed_shares": listed(&made.sealed)?,
        "threshold": threshold,
        "root_token": token(&made.root_token),
    })))
}

/// `GET sys/regent/sealed-shares` → {sealed_shares, threshold}; 404 before initialization.
pub(super) async fn sealed_shares(core: &Core) -> Result<Reply, ApiError> {
    let seal = core.seal_config().ok_or(ApiError::NotFound)?;
    let shares = core.sealed_shares().await?;
    Ok(Reply::bare(json!({"sealed_shares": listed(&shares)?, "threshold": seal.config.threshold})))
}

/// `PUT sys/regent/recover` {shares: [base64], unseal_recipient} → {sealed_shares, threshold}.
pub(super) async fn recover(core: &Core, data: &Data) -> Result<Reply, ApiError> {
    let expected = || ApiError::invalid("field \"shares\": expected a list of base64 shares");
    let given = data.get("shares").and_then(Json::as_array).ok_or_else(expected)?;
    if given.len() > SHARES_MAX {
        return Err(ApiError::invalid(format!("field \"shares\": more than {SHARES_MAX}")));
    }
    let shares: Option<Vec<Share>> =
        given.iter().map(|share| share.as_str().and_then(decode_share)).collect();
    let unseal = fields::text(data, "unseal_recipient")?.map(str::to_owned);
    let (sealed, threshold) = core.recover(shares.ok_or_else(expected)?, unseal).await?;
    Ok(Reply::bare(json!({"sealed_shares": listed(&sealed)?, "threshold": threshold})))
}

fn holders(data: &Data) -> Result<Vec<Holder>, ApiError> {
    let expected = || ApiError::invalid("field \"holders\": expected a list of {name, recipient}");
    let items = data.get("holders").and_then(Json::as_array).ok_or_else(expected)?;
    let one = |item: &Json| {
        let field = |name| item.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(Holder { name: field("name")?, recipient: field("recipient")? })
    };
    items.iter().map(one).collect::<Option<_>>().ok_or_else(expected)
}

fn listed(shares: &[SealedShare]) -> Result<Value, ApiError> {
    serde_json::to_value(shares)
        .map_err(|_| ApiError::Internal(InternalCause::Encode("sealed shares")))
}
