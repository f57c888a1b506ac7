//! Hosts the embedded authority: its storage, its audit log, loopback HTTP, and the TokenReviews it asks for
//! under its own identity.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::Handle;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use regent_authority::{
    Audit, Authority, Options, Review, ReviewError, ReviewTarget, Storage, TokenReviewer,
};
use regent_types::{Advice, Sensitive};

use crate::failure::Failure;

/// A running authority.
pub(super) struct Hosted {
    /// Where it answers.
    pub(super) addr: SocketAddr,
    authority: Authority,
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Hosted {
    /// Opens the storage in `folder` and serves it on `addr`; `token_file` is the authority's own API token.
    pub(super) async fn start(
        folder: &Path,
        addr: SocketAddr,
        token_file: PathBuf,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|e| cannot_serve(addr, &e))?;
        let options = Options::new(
            Storage::File(folder.join("authority.redb")),
            Audit::File(folder.join("audit.log")),
            Arc::new(Reviewer { token_file }),
        );
        let authority = Authority::open(options)
            .map_err(|e| Failure::of("opening the authority's storage", &e))?;
        let listener = std::net::TcpListener::bind(addr).map_err(|e| cannot_serve(addr, &e))?;
        listener.set_nonblocking(true).map_err(|e| cannot_serve(addr, &e))?;
        let addr = listener.local_addr().map_err(|e| cannot_serve(addr, &e))?;
        let handle = Handle::new();
        let server = axum_server::from_tcp(listener)
            .map_err(|e| cannot_serve(addr, &e))?
            .handle(handle.clone())
            .serve(authority.router().into_make_service_with_connect_info::<SocketAddr>());
        Ok(Self { addr, authority, handle, task: tokio::spawn(server) })
    }

    /// Ends the server and closes the storage.
    pub(super) async fn stop(self) {
        self.handle.shutdown();
        // The server's own error no longer matters: it is being ended.
        let _ended = self.task.await;
        self.authority.close().await;
    }
}

fn cannot_serve(addr: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(
        if error.kind() == std::io::ErrorKind::AddrInUse { "PortInUse" } else { "CannotServe" },
        "the authority cannot be served",
        Advice::new(
            "a free loopback port",
            format!("{addr}: {error}"),
            "name another one with --authority-port, or leave it out for a free one",
        ),
    )
}

/// Asks the API server that the mount's config names, with the authority's own projected token.
struct Reviewer {
    token_file: PathBuf,
}

impl TokenReviewer for Reviewer {
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        jwt: &'a Sensitive<String>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        Box::pin(async move {
            let unreachable =
                |detail: String| ReviewError::Unreachable { host: target.host.clone(), detail };
            let client = self.client(target).map_err(&unreachable)?;
            let review = TokenReview {
                spec: TokenReviewSpec {
                    token: Some(jwt.expose().clone()),
                    audiences: (!audiences.is_empty()).then(|| audiences.to_vec()),
                },
                ..TokenReview::default()
            };
            let api: Api<TokenReview> = Api::all(client);
            match api.create(&PostParams::default(), &review).await {
                Ok(answer) => Ok(told(answer)),
                Err(kube::Error::Api(status)) => Err(ReviewError::Refused {
                    host: target.host.clone(),
                    detail: format!("{} {}", status.code, status.reason),
                }),
                Err(error) => Err(unreachable(error.to_string())),
            }
        })
    }
}

impl Reviewer {
    fn client(&self, target: &ReviewTarget) -> Result<kube::Client, String> {
        let host = target.host.parse().map_err(|_| "kubernetes_host is no URL".to_owned())?;
        let mut config = kube::Config::new(host);
        config.connect_timeout = Some(std::time::Duration::from_secs(3));
        config.read_timeout = Some(std::time::Duration::from_secs(5));
        config.default_retry = false;
        if let Some(pem) = &target.ca_pem {
            config.root_cert = Some(certificates(pem)?);
        }
        match &target.reviewer_jwt {
            Some(token) => config.auth_info.token = Some(token.expose().clone().into()),
            None => config.auth_info.token_file = Some(self.token_file.display().to_string()),
        }
        kube::Client::try_from(config).map_err(|e| e.to_string())
    }
}

/// DER certificates of a PEM text.
fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|c| c.map(|c| c.to_vec()).map_err(|e| format!("kubernetes_ca_cert: {e}")))
        .collect()
}

fn told(answer: TokenReview) -> Review {
    let status = answer.status.unwrap_or_default();
    let user = status.user.unwrap_or_default();
    Review {
        authenticated: status.authenticated.unwrap_or(false),
        username: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
        audiences: status.audiences.unwrap_or_default(),
        error: status.error,
    }
}
