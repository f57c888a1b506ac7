//! One HTTP exchange: pooled connections, deadline, size limit. Knows nothing of Vault but its
//! status codes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::address::Address;
use crate::login::Token;
use crate::{Config, Error, wire};

/// Largest answer taken: a KV secret is below 1 MiB (Vault's default entry limit), lists of names
/// are longer.
pub(crate) const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// Idle connections kept a host: as many as a component has reconciles under way (8) and as many
/// again.
const IDLE_MAX: usize = 16;
/// How long an idle connection is kept; servers close theirs after 75 s and more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest a TCP connect may take within the deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// What goes out.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    /// Encoded path below `/v1/`, with query.
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a Token>,
    pub(crate) body: Bytes,
}

pub(crate) struct Transport {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) base: String,
    deadline: Duration,
}

impl Transport {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let address = Address::parse(&config.address)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT.min(config.deadline)));
        let tls = tls_config(&address, config.ca_pem.as_deref())?;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = match address.tls {
            true => builder.https_only().enable_http1().wrap_connector(tcp),
            false => builder.https_or_http().enable_http1().wrap_connector(tcp),
        };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Self { pool, base: address.base, deadline: config.deadline })
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
        let mut sent = self.pool.request(self.build(out)?).await;
        if let Err(error) = &sent
            && !error.is_connect()
            && matches!(out.method.as_str(), "GET" | "HEAD" | "LIST")
        {
            // The connection died before the answer, and the request changes nothing: once more.
            sent = self.pool.request(self.build(out)?).await;
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

/// TLS with `ca_pem` as the only roots. Without them https fails closed: nothing is trusted by
/// default.
fn tls_config(address: &Address, ca_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, Error> {
    let fail = |problem: String| Error::Trust { address: address.base.clone(), problem };
    let mut roots = rustls::RootCertStore::empty();
    if address.tls {
        let pem = ca_pem.ok_or_else(|| fail("none given, and https needs them".to_owned()))?;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let der = certificate.map_err(|e| fail(e.to_string()))?;
            roots.add(der).map_err(|e| fail(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(fail("the PEM text holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
