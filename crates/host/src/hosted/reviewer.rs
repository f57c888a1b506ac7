//! TokenReviews under the authority's own identity, over connections that stay open.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::client::{Body, ConfigExt};
use regent_authority::{Review, ReviewError, ReviewTarget, TokenReviewer};
use regent_types::Sensitive;
use regent_vault::read_if_there;

/// Longest that a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Longest that a review may take, with its connection.
const REVIEW_MAX: Duration = Duration::from_secs(5);
/// How long a connection is kept that nobody needs.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Connections kept to one API server: as many as logins at once, so that a burst makes none anew.
const IDLE_COUNT_MAX: usize = 64;
/// API servers whose connections are kept: one a mount, of which there are few.
const SERVERS_MAX: usize = 8;
/// Longest answer: a TokenReview repeats the token that was asked about.
const ANSWER_LEN_MAX: usize = 256 << 10;
/// Longest file read: a bundle of certificates.
const FILE_LEN_MAX: u64 = 1 << 20;

type Https = Client<hyper_rustls::HttpsConnector<HttpConnector>, Body>;

/// Asks the API server that the mount's config names, with the authority's own projected token.
pub struct Reviewer {
    token_file: PathBuf,
    ca_file: Option<PathBuf>,
    servers: Mutex<Vec<ApiServer>>,
}

/// One API server under one trust, and the connections to it.
struct ApiServer {
    host: String,
    ca: Option<Vec<u8>>,
    client: Https,
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
            let asking = async {
                let request = || self.request(target, &review);
                match answer(&client, request()?).await {
                    // The API server may close a connection at the moment it is used again. To ask
                    // twice changes nothing.
                    Err(_) => answer(&client, request()?).await,
                    answer => answer,
                }
            };
            let answer = tokio::time::timeout(REVIEW_MAX, asking).await;
            let late = |_| Err(format!("no answer within {} s", REVIEW_MAX.as_secs()));
            let (status, bytes) = answer.unwrap_or_else(late).map_err(&unreachable)?;
            if status.is_success() {
                let answer = serde_json::from_slice::<TokenReview>(&bytes);
                return answer.map(told).map_err(|_| unreachable("no TokenReview".to_owned()));
            }
            let said = serde_json::from_slice::<Status>(&bytes).ok().and_then(|said| said.reason);
            let (host, said) = (target.host.clone(), said.unwrap_or_default());
            Err(match status {
                StatusCode::UNAUTHORIZED => ReviewError::Unauthorized { host, detail: said },
                _ => ReviewError::Refused { host, detail: format!("{} {said}", status.as_u16()) },
            })
        })
    }
}

impl Reviewer {
    /// `token_file` is the authority's own API token, read for each review; `ca_file` the CA of the API
    /// server where the mount's config names none, as in a pod, and the system's roots where the file
    /// is not there.
    pub fn new(token_file: PathBuf, ca_file: Option<PathBuf>) -> Self {
        Self { token_file, ca_file, servers: Mutex::default() }
    }

    /// The connections to the API server of `target`. Another CA is another trust: they are made anew.
    fn client(&self, target: &ReviewTarget) -> Result<Https, String> {
        let ca = match (&target.ca_pem, &self.ca_file) {
            (Some(pem), _) => Some(pem.clone().into_bytes()),
            (None, Some(path)) => read_if_there(path, FILE_LEN_MAX)?,
            (None, None) => None,
        };
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = servers.iter().find(|s| s.host == target.host && s.ca == ca) {
            return Ok(known.client.clone());
        }
        let client = connections(&target.host, ca.as_deref())?;
        if servers.len() >= SERVERS_MAX {
            servers.remove(0);
        }
        servers.push(ApiServer { host: target.host.clone(), ca, client: client.clone() });
        Ok(client)
    }

    fn request(
        &self,
        target: &ReviewTarget,
        review: &TokenReview,
    ) -> Result<Request<Body>, String> {
        let mut bearer = match &target.reviewer_jwt {
            Some(token) => bearer(token.expose()),
            None => {
                let path = &self.token_file;
                let token = read_if_there(path, FILE_LEN_MAX)?.map(Sensitive::new);
                let token = token.ok_or_else(|| format!("{}: not there", path.display()))?;
                bearer(std::str::from_utf8(token.expose()).unwrap_or_default())
            }
        }?;
        bearer.set_sensitive(true);
        let body = serde_json::to_vec(review).map_err(|_| "a token that is no text".to_owned())?;
        let host = target.host.trim_end_matches('/');
        Request::post(format!("{host}/apis/authentication.k8s.io/v1/tokenreviews"))
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|_| "kubernetes_host is no URL".to_owned())
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| "the reviewer's token is none".to_owned())
}

async fn answer(client: &Https, request: Request<Body>) -> Result<(StatusCode, Vec<u8>), String> {
    let answer = client.request(request).await.map_err(|error| chain(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_LEN_MAX).collect().await;
    let body = body.map_err(|_| "its answer ended early, or is too long".to_owned())?;
    Ok((status, body.to_bytes().to_vec()))
}

/// What went wrong, and why; no token is in it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Small requests at once: without `TCP_NODELAY` each would wait for the last one's acknowledgement.
fn connections(host: &str, ca: Option<&[u8]>) -> Result<Https, String> {
    let host = host.parse().map_err(|_| "kubernetes_host is no URL".to_owned())?;
    let mut config = kube::Config::new(host);
    config.root_cert = ca.map(certificates).transpose()?;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_MAX));
    let https = config.rustls_https_connector_with_connector(connector);
    let https = https.map_err(|error| error.to_string())?;
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_COUNT_MAX)
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .build(https))
}

/// DER certificates of a PEM text.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem)
        .map(|c| c.map(|c| c.to_vec()).map_err(|e| format!("CA of the API server: {e}")))
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
