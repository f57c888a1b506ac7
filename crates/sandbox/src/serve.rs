//! How the sandbox is reached: over TLS on loopback, and in process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use http::{HeaderValue, Request, header};
use regent_types::Sensitive;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tower::ServiceExt;

use crate::certificates::CertificateAuthority;
use crate::{Error, Sandbox};

/// How long open requests may go on after stop; watches do not end by themselves.
const STOP_GRACE: Duration = Duration::from_millis(100);

/// A TLS listener that serves the API until it is stopped.
pub struct Serving {
    addr: SocketAddr,
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// Address that it listens on, with the port that was chosen.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and ends open connections.
    pub async fn stop(self) {
        self.handle.graceful_shutdown(Some(STOP_GRACE));
        // The server's own error no longer matters: it is being ended.
        let _ended = self.task.await;
    }
}

impl Sandbox {
    /// Serves the API over TLS on `addr`; port 0 takes a free one.
    pub async fn serve(&self, addr: SocketAddr) -> Result<Serving, Error> {
        let fail = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => Error::PortInUse { addr },
            _ => Error::Listen { addr, source },
        };
        let listener = std::net::TcpListener::bind(addr).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        let config = RustlsConfig::from_config(Arc::new(server_config(&self.state.authority)?));
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, config)
            .map_err(fail)?
            .handle(handle.clone())
            .serve(self.router().into_make_service());
        Ok(Serving { addr: bound, handle, task: tokio::spawn(server) })
    }

    /// The CA that signed the serving certificate.
    pub fn ca_pem(&self) -> String {
        self.state.authority.ca_pem.clone()
    }

    /// A kubeconfig of the admin for a listener at `addr`.
    pub fn kubeconfig(&self, addr: SocketAddr) -> Sensitive<String> {
        let ca = base64::engine::general_purpose::STANDARD.encode(self.ca_pem());
        let token = self.admin_token();
        Sensitive::new(format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sandbox\nclusters:\n- name: sandbox\n  cluster:\n    server: https://{addr}\n    certificate-authority-data: {ca}\nusers:\n- name: admin\n  user:\n    token: {}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: admin\n",
            token.expose(),
        ))
    }

    /// A client straight over the router, as whoever `token` gives at each request.
    pub fn client(
        &self,
        token: Arc<dyn Fn() -> String + Send + Sync>,
        namespace: &str,
    ) -> kube::Client {
        let router = self.router();
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            let router = router.clone();
            if let Ok(value) = HeaderValue::from_str(&format!("Bearer {}", token())) {
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            router.oneshot(request.map(axum::body::Body::new))
        });
        kube::Client::new(service, namespace)
    }

    /// A client of the admin.
    pub fn admin(&self) -> kube::Client {
        let token = self.admin_token();
        self.client(Arc::new(move || token.expose().clone()), "default")
    }
}

fn server_config(authority: &CertificateAuthority) -> Result<rustls::ServerConfig, Error> {
    let fail = |e: rustls::Error| Error::Crypto { what: "a TLS server", detail: e.to_string() };
    let chain = authority.chain.iter().cloned().map(Into::into).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(authority.key.expose().clone()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fail)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(fail)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
