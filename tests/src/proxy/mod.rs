//! What stands between one component and the API server, and makes the faults that a network, a load balancer or an
//! overloaded API server makes.
//!
//! ```text
//!   component ─TLS─► listener ─► storm? ─► forward ─► kube-apiserver
//!                       │          └ 429, 500          └ streams watches, until they are cut
//!                       └ closed: partitioned        every request is noted in the trace
//! ```
//!
//! It shows a certificate of the API server's own CA and hands on the bearer token: who asks is decided by the real
//! one. One proxy a replica, so that one replica alone can be cut off.

mod forward;
mod shared;
mod trace;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::sync::watch;

use crate::ports;
use crate::real::Real;
use shared::Shared;
pub(crate) use shared::Storm;
pub(crate) use trace::Trace;

/// All proxies of a world, by the name of the replica that each serves.
pub(crate) struct Proxies(BTreeMap<String, Proxy>);

impl Proxies {
    /// Starts one before `real` for each of `holders`.
    pub(crate) async fn start(real: &Real, holders: impl Iterator<Item = String>) -> Result<Self> {
        let (certificate, key) = real.serving_files();
        let tls = RustlsConfig::from_pem_file(certificate, key).await?;
        let mut all = BTreeMap::new();
        for holder in holders {
            let upstream = real.anonymous()?;
            all.insert(holder, Proxy::start(upstream, tls.clone())?);
        }
        Ok(Self(all))
    }

    /// Where each replica reaches the API server.
    pub(crate) fn urls(&self) -> BTreeMap<String, String> {
        let url = |proxy: &Proxy| format!("https://{}", proxy.address);
        self.0.iter().map(|(holder, proxy)| (holder.clone(), url(proxy))).collect()
    }

    /// The proxy of one replica.
    pub(crate) fn of(&mut self, holder: &str) -> Result<&mut Proxy> {
        self.0.get_mut(holder).with_context(|| format!("no proxy of {holder}"))
    }

    /// All of them, with whom each serves.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Proxy)> {
        self.0.iter().map(|(holder, proxy)| (holder.as_str(), proxy))
    }
}

/// One listener. Ends with its value.
pub(crate) struct Proxy {
    address: SocketAddr,
    tls: RustlsConfig,
    shared: Arc<Shared>,
    open: Option<Handle<SocketAddr>>,
}

impl Proxy {
    fn start(upstream: kube::Client, tls: RustlsConfig) -> Result<Self> {
        let state = Mutex::default();
        let shared = Arc::new(Shared { upstream, state, cut: watch::Sender::new(0) });
        let listener = TcpListener::bind(("127.0.0.1", ports::free()?))?;
        let address = listener.local_addr()?;
        let mut proxy = Self { address, tls, shared, open: None };
        proxy.listen(listener)?;
        Ok(proxy)
    }

    fn listen(&mut self, listener: TcpListener) -> Result<()> {
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let router = Router::new().fallback(forward::answer).with_state(Arc::clone(&self.shared));
        let server = axum_server::from_tcp_rustls(listener, self.tls.clone())?
            .handle(handle.clone())
            .serve(router.into_make_service());
        // It ends when the handle says so; what goes wrong with a connection is that connection's alone.
        let _server = tokio::spawn(server);
        self.open = Some(handle);
        Ok(())
    }

    /// Breaks every connection and takes no new one: the replica is on its own.
    pub(crate) fn partition(&mut self) {
        if let Some(handle) = self.open.take() {
            handle.shutdown();
        }
    }

    /// Takes connections again, at the same address.
    pub(crate) fn heal(&mut self) -> Result<()> {
        if self.open.is_none() {
            let listener = TcpListener::bind(self.address).context("the proxy's own port")?;
            self.listen(listener)?;
        }
        Ok(())
    }

    /// Answers a share of the requests itself from now on, or none.
    pub(crate) fn storm(&self, storm: Option<Storm>) {
        self.shared.state().storm = storm;
    }

    /// Breaks all running watches in the middle of their answers.
    pub(crate) fn cut_watches(&self) {
        self.shared.cut.send_modify(|epoch| *epoch += 1);
    }

    /// Looks at what was asked so far.
    pub(crate) fn trace<T>(&self, look: impl FnOnce(&mut Trace) -> T) -> T {
        look(&mut self.shared.state().trace)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.partition();
    }
}
