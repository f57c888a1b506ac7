//! The unauthenticated system endpoints: health, seal, initialization of the embedded authority,
//! recovery, generate-root (reference: authority.md §1.5; the `sys/regent/*` ones are PROTOCOLS.md
//! §3's).

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};
use bytes::Bytes;
use http::Method;
use regent_types::Sensitive;
use regent_types::seal::{SealedShare, SealedShares};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Client, Error, Share, Token, wire};

/// Vault encodes root tokens without padding, others with.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answer of `sys/health`, which needs no token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Whether it was ever initialized.
    pub initialized: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Whether it is a standby node.
    #[serde(default)]
    pub standby: bool,
    /// Version of the server's software; empty where it says none.
    #[serde(default)]
    pub version: String,
    /// Its clock, in seconds since 1970; 0 where it says none.
    #[serde(default)]
    pub server_time_utc: i64,
}

/// `sys/seal-status`, also the answer of `sys/unseal`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SealStatus {
    /// Whether it was ever initialized.
    #[serde(default)]
    pub initialized: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Shares that open the seal; 0 before initialization.
    #[serde(default)]
    pub t: i64,
    /// Shares that the seal was split into; 0 before initialization.
    #[serde(default)]
    pub n: i64,
    /// Shares given so far.
    #[serde(default)]
    pub progress: i64,
}

/// One holder in an [`InitRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShareHolder {
    /// A name for people.
    pub name: String,
    /// Public age key that the holder's share is encrypted to.
    pub recipient: String,
}

/// Body of `sys/regent/init`, which the embedded authority alone serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InitRequest {
    /// One holder for each share of the seal.
    pub holders: Vec<ShareHolder>,
    /// Shares that open the seal.
    pub threshold: i64,
    /// `threshold` further shares are sealed to it.
    pub unseal_recipient: Option<String>,
}

/// Answer of `sys/regent/init`; the root token in it is given once.
#[derive(Debug)]
pub struct InitAnswer {
    /// The sealed shares, the same as `sys/regent/sealed-shares` returns.
    pub sealed_shares: Vec<SealedShare>,
    /// The root token: for configuring, then revoked; never stored.
    pub root_token: Token,
}

#[derive(Deserialize)]
struct InitWire {
    sealed_shares: Vec<SealedShare>,
    #[serde(deserialize_with = "wire::sensitive")]
    root_token: Sensitive<String>,
}

#[derive(Deserialize)]
struct RootProgress {
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    complete: bool,
    #[serde(default = "wire::nothing", deserialize_with = "wire::optional")]
    otp: Sensitive<String>,
    #[serde(default = "wire::nothing", deserialize_with = "wire::optional")]
    encoded_token: Sensitive<String>,
    #[serde(default = "wire::nothing", deserialize_with = "wire::optional")]
    encoded_root_token: Sensitive<String>,
}

impl Client {
    /// `sys/health`: any of Vault's status codes (200, 429, 472, 473, 501, 503) is an answer, not
    /// an error.
    pub async fn health(&self) -> Result<Health, Error> {
        let path = "sys/health";
        let reply = self.send(None, Method::GET, path, Bytes::new()).await?;
        match wire::parse(path, &reply.body, "initialized and sealed") {
            Ok(health) => Ok(health),
            Err(error) => self.check(path, reply).and(Err(error)),
        }
    }

    /// Whether the seal is open and how many shares are missing; needs no token.
    pub async fn seal_status(&self) -> Result<SealStatus, Error> {
        self.bare(Method::GET, "sys/seal-status", Bytes::new(), "sealed").await
    }

    /// `sys/regent/init` of the embedded authority. [`Error::BadRequest`] if it is already
    /// initialized.
    pub async fn init_embedded(&self, request: &InitRequest) -> Result<InitAnswer, Error> {
        let path = "sys/regent/init";
        let body = wire::body(path, request)?;
        let wire: InitWire = self.bare(Method::PUT, path, body, "root_token").await?;
        Ok(InitAnswer {
            sealed_shares: wire.sealed_shares,
            root_token: Token::new(wire.root_token),
        })
    }

    /// `sys/regent/sealed-shares`: works while sealed, for it is ciphertext.
    pub async fn sealed_shares(&self) -> Result<SealedShares, Error> {
        self.bare(Method::GET, "sys/regent/sealed-shares", Bytes::new(), "sealed_shares").await
    }

    /// `sys/regent/recover`: proves possession with `shares`, unseals, and makes new shares for the
    /// stored holders and for `unseal_recipient`; every older share is dead then.
    pub async fn recover(
        &self,
        shares: &[Share],
        unseal_recipient: &str,
    ) -> Result<SealedShares, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            shares: Vec<&'a str>,
            unseal_recipient: &'a str,
        }
        let path = "sys/regent/recover";
        let texts: Vec<Zeroizing<String>> = shares.iter().map(share_text).collect();
        let shares = texts.iter().map(|t| t.as_str()).collect();
        let body = wire::body(path, &Body { shares, unseal_recipient })?;
        self.bare(Method::PUT, path, body, "sealed_shares").await
    }

    /// `sys/unseal` with one share.
    pub async fn unseal(&self, share: &Share) -> Result<SealStatus, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            key: &'a str,
        }
        let text = share_text(share);
        let body = wire::body("sys/unseal", &Body { key: &text })?;
        self.bare(Method::PUT, "sys/unseal", body, "sealed").await
    }

    /// Forgets shares given to an unseal that was never finished.
    pub async fn unseal_reset(&self) -> Result<SealStatus, Error> {
        let body = wire::body("sys/unseal", &serde_json::json!({ "reset": true }))?;
        self.bare(Method::PUT, "sys/unseal", body, "sealed").await
    }

    /// `sys/generate-root`: a new root token from `shares` (the threshold of them). An attempt of
    /// somebody else that has no shares yet is replaced; this one is cancelled when it fails.
    pub async fn generate_root(&self, shares: &[Share]) -> Result<Token, Error> {
        let begun = match self.begin_root().await {
            // An attempt is under way; a server that protects one with shares refuses to cancel it.
            Err(Error::BadRequest { .. }) => {
                self.cancel_root("").await?;
                self.begin_root().await?
            }
            other => other?,
        };
        let result = self.give_shares(shares, &begun).await;
        if result.is_err()
            && let Err(error) = self.cancel_root(&format!("?nonce={}", begun.nonce)).await
        {
            tracing::debug!(%error, "generate-root attempt was not cancelled");
        }
        result
    }

    async fn begin_root(&self) -> Result<RootProgress, Error> {
        let body = Bytes::from_static(b"{}");
        self.bare(Method::PUT, "sys/generate-root/attempt", body, "nonce and otp").await
    }

    async fn cancel_root(&self, query: &str) -> Result<(), Error> {
        let path = format!("sys/generate-root/attempt{query}");
        let reply = self.send(None, Method::DELETE, &path, Bytes::new()).await?;
        self.check(&path, reply).map(drop)
    }

    async fn give_shares(&self, shares: &[Share], begun: &RootProgress) -> Result<Token, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            key: &'a str,
            nonce: &'a str,
        }
        let path = "sys/generate-root/update";
        for share in shares {
            let text = share_text(share);
            let body = wire::body(path, &Body { key: &text, nonce: &begun.nonce })?;
            let seen: RootProgress = self.bare(Method::PUT, path, body, "complete").await?;
            if seen.complete {
                let encoded = match seen.encoded_token.expose().as_str() {
                    "" => &seen.encoded_root_token,
                    _ => &seen.encoded_token,
                };
                let token = decode_root(encoded.expose(), begun.otp.expose());
                return token.ok_or_else(|| Error::Protocol {
                    path: path.to_owned(),
                    expected: "a token encoded with the one-time password",
                });
            }
        }
        Err(Error::Protocol { path: path.to_owned(), expected: "completion by these shares" })
    }

    /// An unauthenticated request whose answer has no envelope.
    pub(crate) async fn bare<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        expected: &'static str,
    ) -> Result<T, Error> {
        let reply = self.check(path, self.send(None, method, path, body).await?)?;
        wire::parse(path, &reply.body, expected)
    }
}

fn share_text(share: &Share) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(share.expose()))
}

/// base64(token XOR one-time password), as Vault encodes it.
fn decode_root(encoded: &str, otp: &str) -> Option<Token> {
    let bytes = Zeroizing::new(LENIENT.decode(encoded).ok()?);
    if bytes.is_empty() || bytes.len() != otp.len() {
        return None;
    }
    let mixed = bytes.iter().zip(otp.bytes()).map(|(a, b)| char::from(a ^ b));
    let token: Sensitive<String> = Sensitive::new(mixed.collect());
    token.expose().chars().all(|c| c.is_ascii_graphic()).then(|| Token::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_tokens_are_decoded_with_their_one_time_password() {
        let (token, otp) = ("hvs.0123456789abcdefghijklmn", "ABCDEFGHIJKLMNOPQRSTUVWXYZ12");
        let xor: Vec<u8> = token.bytes().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
        for encoded in
            [STANDARD.encode(&xor), STANDARD.encode(&xor).trim_end_matches('=').to_owned()]
        {
            assert_eq!(decode_root(&encoded, otp).unwrap().expose(), token);
        }
        assert!(decode_root(&STANDARD.encode(&xor), "short").is_none());
        assert!(decode_root("", "").is_none());
    }
}
