//! TokenReviews under the authority's own identity.

use std::path::PathBuf;

use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};
use regent_authority::{Review, ReviewError, ReviewTarget, TokenReviewer};
use regent_types::Sensitive;

/// Asks the API server that the mount's config names, with the authority's own projected token.
pub struct Reviewer {
    /// The authority's own API token, read for each review.
    pub token_file: PathBuf,
    /// CA of the API server where the mount's config names none, as in a pod; the system's roots where the file
    /// is not there.
    pub ca_file: Option<PathBuf>,
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
                Err(kube::Error::Api(status)) if status.code == 401 => {
                    let (host, detail) = (target.host.clone(), status.reason.clone());
                    Err(ReviewError::Unauthorized { host, detail })
                }
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
    /// The CA of the place this runs in.
    fn ca(&self) -> Result<Option<Vec<Vec<u8>>>, String> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(pem) => certificates(&pem).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn client(&self, target: &ReviewTarget) -> Result<kube::Client, String> {
        let host = target.host.parse().map_err(|_| "kubernetes_host is no URL".to_owned())?;
        let mut config = kube::Config::new(host);
        config.connect_timeout = Some(std::time::Duration::from_secs(3));
        config.read_timeout = Some(std::time::Duration::from_secs(5));
        config.default_retry = false;
        config.root_cert = match &target.ca_pem {
            Some(pem) => Some(certificates(pem)?),
            None => self.ca()?,
        };
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
