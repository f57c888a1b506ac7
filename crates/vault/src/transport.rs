//! One HTTP exchange: pooled connections, deadline, size limit. Knows nothing of Vault but its
//! status codes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Error as PoolError;
use zeroize::Zeroizing;

use crate::address::Address;
use crate::config::Config;
use crate::login::Token;
use crate::trust::Trust;
use crate::{Error, wire};

/// Largest answer taken: a KV secret is below 1 MiB (Vault's default entry limit), lists of names
/// are longer.
pub(crate) const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    /// Encoded path below `/v1/`, with query.
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a Token>,
    pub(crate) body: Bytes,
}

pub(crate) struct Transport {
    trust: Trust,
    pub(crate) base: String,
    deadline: Duration,
}

impl Transport {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let address = Address::parse(&config.address)?;
        let trust = Trust::new(config, &address)?;
        Ok(Self { trust, base: address.base, deadline: config.deadline })
    }

    /// Sends `out` and reads the whole answer within the deadline.
    pub(crate) async fn exchange(&self, out: Outgoing<'_>) -> Result<Reply, Error> {
        let path = out.path;
        match tokio::time::timeout(self.deadline, self.attempt(&out)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { path: path.to_owned(), deadline: self.deadline }),
        }
    }

    async fn attempt(&self, out: &Outgoing<'_>) -> Result<Reply, Error> {
        let mut pool = self.trust.pool()?;
        let mut sent = pool.request(self.build(out)?).await;
        if sent.as_ref().is_err_and(PoolError::is_connect) && self.trust.renewed() {
            // Nothing was sent: perhaps the certificate is of a CA that is trusted since a moment ago.
            pool = self.trust.pool()?;
            sent = pool.request(self.build(out)?).await;
        }
        if let Err(error) = &sent
            && !error.is_connect()
            && matches!(out.method.as_str(), "GET" | "HEAD" | "LIST")
        {
            // The connection died before the answer, and the request changes nothing: once more.
            sent = pool.request(self.build(out)?).await;
        }
        let answer = sent.map_err(|e| self.unreachable(e))?;
        let status = answer.status();
        let body = self.read(out.path, answer.into_body()).await?;
        Ok(Reply { status, body })
    }

    fn build(&self, out: &Outgoing<'_>) -> Result<Request<Full<Bytes>>, Error> {
        let bad = || Error::Path { path: out.path.to_owned() };
        let content = match out.method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder()
            .method(out.method.clone())
            .uri(format!("{}/v1/{}", self.base, out.path))
            .header("X-Vault-Request", "true")
            .header(CONTENT_TYPE, content);
        if let Some(token) = out.token {
            let mut value = HeaderValue::from_str(token.expose()).map_err(|_| Error::Denied {
                path: out.path.to_owned(),
                messages: vec!["the token holds characters that no token has".to_owned()],
            })?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        request.body(Full::new(out.body.clone())).map_err(|_| bad())
    }

    async fn read(
        &self,
        path: &str,
        mut body: hyper::body::Incoming,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut all = Zeroizing::new(Vec::with_capacity(4_096));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.unreachable(e))?;
            let Ok(data) = frame.into_data() else { continue };
            if all.len() + data.len() > ANSWER_LEN_MAX {
                return Err(Error::TooLarge { path: path.to_owned(), limit: ANSWER_LEN_MAX });
            }
            wire::append(&mut all, &data);
        }
        Ok(all)
    }

    fn unreachable(&self, source: impl Into<TransportError>) -> Error {
        let TransportError(source) = source.into();
        Error::Unreachable { address: self.base.clone(), source }
    }
}

/// The two error types of the transport as one.
struct TransportError(Arc<dyn std::error::Error + Send + Sync>);

impl From<PoolError> for TransportError {
    fn from(error: PoolError) -> Self {
        Self(Arc::new(error))
    }
}

impl From<hyper::Error> for TransportError {
    fn from(error: hyper::Error) -> Self {
        Self(Arc::new(error))
    }
}
