//! `sys/init` as OpenBao and Vault serve it: the answer holds every share in clear, once
//! (reference: authority.md §1.5). Whoever calls this seals them before anything else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use regent_types::Sensitive;
use serde::{Deserialize, Serialize};

use crate::{Client, Error, Share, Token, wire};

/// What `sys/init` answers. Nobody else has it, and nobody can ask for it again.
#[derive(Debug)]
pub struct ClearShares {
    /// As many as were asked for.
    pub shares: Vec<Share>,
    /// The root token: for configuring, then revoked; never stored.
    pub root_token: Token,
}

#[derive(Serialize)]
struct Body {
    secret_shares: i64,
    secret_threshold: i64,
}

#[derive(Deserialize)]
struct KeyShare(#[serde(deserialize_with = "wire::sensitive")] Sensitive<String>);

#[derive(Deserialize)]
struct Answer {
    keys_base64: Vec<KeyShare>,
    #[serde(deserialize_with = "wire::sensitive")]
    root_token: Sensitive<String>,
}

impl Client {
    /// Initializes with `shares` Shamir shares, `threshold` of which open the seal.
    /// [`Error::BadRequest`] if it is already initialized, or if the threshold is 1 and there is
    /// more than one share: such shares would all be the key itself.
    pub async fn init(&self, shares: i64, threshold: i64) -> Result<ClearShares, Error> {
        let path = "sys/init";
        let body = Body { secret_shares: shares, secret_threshold: threshold };
        let body = wire::body(path, &body)?;
        let answer: Answer = self.bare(Method::PUT, path, body, "keys_base64, root_token").await?;
        let malformed = || Error::Protocol {
            path: path.to_owned(),
            expected: "as many base64 shares as were asked for",
        };
        let decode = |key: &KeyShare| STANDARD.decode(key.0.expose()).map(Share::new);
        let decoded: Result<Vec<Share>, _> = answer.keys_base64.iter().map(decode).collect();
        let decoded = decoded.map_err(|_| malformed())?;
        if i64::try_from(decoded.len()).ok() != Some(shares) {
            return Err(malformed());
        }
        Ok(ClearShares { shares: decoded, root_token: Token::new(answer.root_token) })
    }
}
