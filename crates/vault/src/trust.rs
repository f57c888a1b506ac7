//! Which CAs are trusted, and the connections made under that trust.
//!
//! A file of certificates is looked at again while requests are made: at most every ten seconds, and whenever a
//! connection could not be made. Other certificates mean other connections, so that nobody goes on under a CA that
//! was taken away. A new file that cannot be used is reported once, and what was trusted stays.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::Error;
use crate::address::Address;
use crate::config::Config;
use crate::file::read_if_there;

/// Idle connections kept a host: as many as a component has reconciles under way (8) and as many
/// again.
const IDLE_MAX: usize = 16;
/// How long an idle connection is kept; servers close theirs after 75 s and more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest a TCP connect may take within the deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the file is looked at: a kubelet takes a minute to bring it, and it changes twice in ten years.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// Connections under one set of roots.
pub(crate) type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Roots, where they come from, and the pool under them.
pub(crate) struct Trust {
    address: Address,
    connect_timeout: Duration,
    given: Option<Vec<u8>>,
    /// `None` where nothing can change.
    file: Option<PathBuf>,
    now: RwLock<Now>,
}

struct Now {
    /// What the file held when it was last looked at.
    held: Option<Vec<u8>>,
    looked: Instant,
    pool: Result<Pool, Error>,
}

impl Trust {
    /// Fails where there is no file that could make it good later.
    pub(crate) fn new(config: &Config, address: &Address) -> Result<Self, Error> {
        let file = config.ca_file.clone().filter(|_| address.tls);
        let mut trust = Self {
            address: address.clone(),
            connect_timeout: CONNECT_TIMEOUT.min(config.deadline),
            given: config.ca_pem.clone(),
            file,
            now: RwLock::new(Now {
                held: None,
                looked: Instant::now(),
                pool: Err(Error::Trust { address: address.base.clone(), problem: String::new() }),
            }),
        };
        let held = trust.read();
        let pool = match &held {
            Err(problem) => Err(trust.fail(problem.clone())),
            Ok(held) => trust.connect(held.as_deref()),
        };
        if trust.file.is_none() {
            pool.as_ref().map_err(Error::clone)?;
        }
        let held = held.ok().flatten();
        trust.now = RwLock::new(Now { held, looked: Instant::now(), pool });
        Ok(trust)
    }

    /// The connections to use now.
    pub(crate) fn pool(&self) -> Result<Pool, Error> {
        let (due, pool) = {
            let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
            let due = now.pool.is_err() || now.looked.elapsed() >= LOOK_EVERY;
            (due, now.pool.clone())
        };
        if due && self.renewed() {
            return self.now.read().unwrap_or_else(PoisonError::into_inner).pool.clone();
        }
        pool
    }

    /// Looks at the file; whether something else is trusted since.
    pub(crate) fn renewed(&self) -> bool {
        if self.file.is_none() {
            return false;
        }
        let read = self.read();
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        now.looked = Instant::now();
        let held = match read {
            Ok(Some(held)) if now.held.as_ref() == Some(&held) => return false,
            Ok(Some(held)) => held,
            // Gone for a moment, or not there yet.
            Ok(None) => return false,
            Err(problem) => {
                tracing::warn!(
                    address = self.address.base,
                    problem,
                    "CA certificates were not read"
                );
                return false;
            }
        };
        let pool = self.connect(Some(&held));
        now.held = Some(held);
        match pool {
            Err(error) if now.pool.is_ok() => {
                tracing::error!(%error, "new CA certificates were refused; the old ones stay");
                false
            }
            pool => {
                let usable = pool.is_ok();
                now.pool = pool;
                usable
            }
        }
    }

    fn read(&self) -> Result<Option<Vec<u8>>, String> {
        self.file.as_ref().map_or(Ok(None), |path| read_if_there(path, FILE_LEN_MAX))
    }

    fn fail(&self, problem: String) -> Error {
        Error::Trust { address: self.address.base.clone(), problem }
    }

    /// Connections under what was given and what the file `held`.
    fn connect(&self, held: Option<&[u8]>) -> Result<Pool, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.connect_timeout));
        let tls = self.tls(held)?;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = match self.address.tls {
            true => builder.https_only().enable_http1().wrap_connector(tcp),
            false => builder.https_or_http().enable_http1().wrap_connector(tcp),
        };
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector))
    }

    /// TLS with these roots only. Without any https fails closed: nothing is trusted by default.
    fn tls(&self, held: Option<&[u8]>) -> Result<rustls::ClientConfig, Error> {
        let mut roots = rustls::RootCertStore::empty();
        if self.address.tls {
            let texts: Vec<&[u8]> = self.given.as_deref().into_iter().chain(held).collect();
            if let (Some(path), true) = (&self.file, texts.is_empty()) {
                return Err(self.fail(format!("{} is not there yet", path.display())));
            }
            if texts.is_empty() {
                return Err(self.fail("none given, and https needs them".to_owned()));
            }
            for certificate in texts.into_iter().flat_map(CertificateDer::pem_slice_iter) {
                let der = certificate.map_err(|e| self.fail(e.to_string()))?;
                roots.add(der).map_err(|e| self.fail(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(self.fail("the PEM text holds no certificate".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| self.fail(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }
}
