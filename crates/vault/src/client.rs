//! The client: paths are encoded, statuses become errors, nothing is retried.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::config::Config;
use crate::transport::{Outgoing, Reply, Transport};
use crate::{Error, Token, wire};

/// A client of one authority. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.transport.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for `config`; nothing is sent yet. Fails with [`Error::Address`] or
    /// [`Error::Trust`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { transport: Arc::new(Transport::new(&config)?) })
    }

    /// The base address, without trailing `/`.
    pub fn address(&self) -> &str {
        &self.transport.base
    }

    /// Any request with `token`: `path` is below `/v1/` (segments are percent-encoded here, a query
    /// is kept).
    ///
    /// The answer's whole JSON body, or `None` for 204 and for a 404 that names no error (nothing
    /// there). Meant for configuration: secret values are read with [`crate::Kv`].
    pub async fn request(
        &self,
        token: &Token,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Error> {
        let body = body.map(|b| wire::body(path, b)).transpose()?.unwrap_or_default();
        let reply = self.send(Some(token), method, path, body).await?;
        match reply.status {
            StatusCode::NOT_FOUND => match wire::messages(&reply.body) {
                none if none.is_empty() => Ok(None),
                messages => Err(Error::NotFound { path: path.to_owned(), messages }),
            },
            _ => {
                let reply = self.check(path, reply)?;
                if reply.body.iter().all(u8::is_ascii_whitespace) {
                    return Ok(None);
                }
                wire::parse(path, &reply.body, "a JSON body").map(Some)
            }
        }
    }

    /// Sends and returns whatever status came back.
    pub(crate) async fn send(
        &self,
        token: Option<&Token>,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, Error> {
        let path = encode(path)?;
        self.transport.exchange(Outgoing { method, path: &path, token, body }).await
    }

    /// `reply` if it is a success, else the error that its status means.
    pub(crate) fn check(&self, path: &str, reply: Reply) -> Result<Reply, Error> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        let path = path.to_owned();
        let address = || self.address().to_owned();
        let messages = wire::messages(&reply.body);
        let says = |text: &str| messages.iter().any(|m| m.contains(text));
        Err(match reply.status.as_u16() {
            // KV v2's one text for a failed check-and-set (reference: authority.md §1.3).
            400 if says("did not match the current version") => Error::CasMismatch { path },
            // What a KV v2 mount says for a moment after it was made (OpenBao builtin/logical/kv/upgrade.go).
            400 if says("Upgrading from non-versioned") => Error::Upgrading { path },
            400 => Error::BadRequest { path, messages },
            401 | 403 => Error::Denied { path, messages },
            404 => Error::NotFound { path, messages },
            413 => Error::TooLarge { path, limit: 0 },
            status @ (429 | 472 | 473 | 300..=399) => Error::Standby { address: address(), status },
            503 if messages.is_empty() || says("sealed") => Error::Sealed { address: address() },
            503 => Error::Standby { address: address(), status: 503 },
            status => Error::Server { path, status, messages },
        })
    }
}

/// Percent-encodes each segment of `path`; a query (written by this crate or a constant) is kept as
/// it is. Empty, `.` and `..` segments and control characters are refused; a trailing `/` is kept.
pub(crate) fn encode(path: &str) -> Result<String, Error> {
    let bad = || Error::Path { path: path.chars().take(200).collect() };
    let (plain, query) = match path.split_once('?') {
        Some((plain, query)) => (plain, Some(query)),
        None => (path, None),
    };
    let segments: Vec<&str> = plain.strip_suffix('/').unwrap_or(plain).split('/').collect();
    let mut encoded = String::with_capacity(path.len() + 8);
    for (index, segment) in segments.iter().enumerate() {
        if matches!(*segment, "" | "." | "..") || segment.chars().any(char::is_control) {
            return Err(bad());
        }
        if index > 0 {
            encoded.push('/');
        }
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    encoded.push(char::from(byte));
                }
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    if plain.ends_with('/') {
        encoded.push('/');
    }
    if let Some(query) = query {
        encoded.push('?');
        encoded.push_str(query);
    }
    Ok(encoded)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn segments_are_encoded_and_never_walk_upwards() {
        assert_eq!(
            encode("secret/data/a b%/ü?version=3").ok().as_deref(),
            Some("secret/data/a%20b%25/%C3%BC?version=3")
        );
        assert_eq!(
            encode("secret/metadata/a/?list=true").ok().as_deref(),
            Some("secret/metadata/a/?list=true")
        );
        for bad in ["", "a//b", "a/../b", "./a", "a/\n", "/a"] {
            assert!(matches!(encode(bad), Err(Error::Path { .. })), "{bad:?}");
        }
    }
}
