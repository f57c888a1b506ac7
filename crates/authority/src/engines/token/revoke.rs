//! `revoke*`: which token is meant, and whether its children end with it.

use super::lookup;
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::request::Call;

/// `revoke`: a token that is not there has ended.
pub(super) async fn token(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    if let Some((hash, _)) = lookup::named_token(cx, call).await? {
        cx.services.tokens.revoke_tree(&hash).await?;
    }
    Ok(Reply::no_content())
}

/// `revoke-self`: the caller's token and its tree.
pub(super) async fn revoke_self(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    cx.services.tokens.revoke_tree(&caller.token_id_hash).await?;
    Ok(Reply::no_content())
}

/// `revoke-accessor`: the tree of the token that `accessor` names.
pub(super) async fn accessor(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let (hash, _) = lookup::named_accessor(cx, call).await?;
    cx.services.tokens.revoke_tree(&hash).await?;
    Ok(Reply::no_content())
}

/// `revoke-orphan`: the token ends, its children go on without a parent.
pub(super) async fn orphan(cx: Context<'_>, call: &Call) -> Result<Reply, ApiError> {
    let found = lookup::named_token(cx, call).await?;
    let (hash, _) = found.ok_or_else(|| ApiError::invalid("token to revoke not found"))?;
    cx.services.tokens.revoke_orphan(&hash).await?;
    Ok(Reply::no_content())
}
