//! Response wrapping: an answer is kept under a token that is good for fetching it once, and the client gets
//! the token. Between pipeline and engines: any answer can be wrapped, `sys/wrapping` hands it out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_types::{Json, Sensitive};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::error::ApiError;
use crate::reply::{AuthReply, Reply, ReplyStatus, Shape, WrapReply};
use crate::tokens::TokenStore;
use crate::wipe::{Payload, encode};

/// What is kept of an answer.
#[derive(Serialize, Deserialize)]
struct Kept {
    data: Option<Json>,
    auth: Option<KeptAuth>,
    warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptAuth {
    client_token: String,
    accessor: String,
    policies: Vec<String>,
    metadata: BTreeMap<String, String>,
    lease_duration_s: u64,
    renewable: bool,
    orphan: bool,
    num_uses: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.data.iter_mut().for_each(Json::wipe);
        self.auth.iter_mut().for_each(|auth| auth.client_token.zeroize());
    }
}

/// Keeps `reply` for `ttl_s` seconds and answers the token that fetches it. What says nothing, or what is
/// not there, is answered as it is.
pub(crate) async fn wrap(
    tokens: &TokenStore,
    path: &str,
    ttl_s: u64,
    reply: Reply,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    let speaks = reply.data.is_some() || reply.auth.is_some();
    if reply.status != ReplyStatus::Ok || reply.shape == Shape::Bare || !speaks {
        return Ok(reply);
    }
    let mut reply = reply;
    let wrapped_accessor = reply.auth.as_ref().map(|auth| auth.accessor.clone());
    let kept = Kept {
        data: reply.data.as_mut().map(|data| std::mem::take(&mut **data)),
        auth: reply.auth.take().map(|auth| KeptAuth {
            client_token: auth.client_token.expose().clone(),
            accessor: auth.accessor,
            policies: auth.policies,
            metadata: auth.metadata,
            lease_duration_s: auth.lease_duration_s,
            renewable: auth.renewable,
            orphan: auth.orphan,
            num_uses: auth.num_uses,
        }),
        warnings: std::mem::take(&mut reply.warnings),
    };
    let token = tokens.wrap(path, ttl_s, encode(&kept, "wrapped answer")?, now).await?;
    Ok(Reply::wrapped(WrapReply {
        token: token.client_token,
        accessor: token.accessor,
        ttl_s: token.lease_duration_s,
        created: now,
        path: path.to_owned(),
        wrapped_accessor,
    }))
}

/// The answer that was kept.
pub(crate) fn unwrap(kept: &[u8]) -> Result<Reply, ApiError> {
    let mut kept: Kept =
        serde_json::from_slice(kept).map_err(|_| ApiError::corrupt("wrapped answer"))?;
    let mut reply = match kept.auth.take() {
        Some(auth) => Reply::auth(AuthReply {
            client_token: Sensitive::new(auth.client_token),
            accessor: auth.accessor,
            policies: auth.policies,
            metadata: auth.metadata,
            lease_duration_s: auth.lease_duration_s,
            renewable: auth.renewable,
            orphan: auth.orphan,
            num_uses: auth.num_uses,
            token_type: "service",
        }),
        None => Reply::ok(Json::Null),
    };
    reply.data = kept.data.take().map(Payload::new);
    reply.warnings = std::mem::take(&mut kept.warnings);
    Ok(reply)
}
