//! Who a Kubernetes token belongs to: asked of whoever runs this crate, so that it needs no
//! Kubernetes client.

use futures::future::BoxFuture;
use regent_types::Sensitive;

/// The Kubernetes API to ask.
#[derive(Debug)]
pub struct ReviewTarget {
    /// `kubernetes_host` of the mount's config.
    pub host: String,
    /// `kubernetes_ca_cert`; `None`: the trust of the place this runs in.
    pub ca_pem: Option<String>,
    /// `token_reviewer_jwt`; `None`: the own ServiceAccount's token.
    pub reviewer_jwt: Option<Sensitive<String>>,
}

/// What TokenReview (`authentication.k8s.io/v1`) said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Whether the token is good.
    pub authenticated: bool,
    /// `status.user.username`; for an account `system:serviceaccount:{namespace}:{name}`.
    pub username: String,
    /// `status.user.uid`: of the account, new when it is deleted and made again.
    pub uid: String,
    /// `status.user.groups`; no decision here rests on them.
    pub groups: Vec<String>,
    /// Which of the asked audiences it is for.
    pub audiences: Vec<String>,
    /// What the API server complained of.
    pub error: Option<String>,
}

/// Why no review could be had.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The API server did not answer.
    #[error("the Kubernetes API at {host} did not answer the token review: {detail}")]
    Unreachable {
        /// As [`ReviewTarget::host`] named it.
        host: String,
        /// What happened; no token in it.
        detail: String,
    },
    /// It answered 401: it does not take the token that asked, which is the one that logs in where no
    /// other is configured.
    #[error(
        "the Kubernetes API at {host} does not take the token that asked for the review: {detail}"
    )]
    Unauthorized {
        /// As [`ReviewTarget::host`] named it.
        host: String,
        /// What it said; no token in it.
        detail: String,
    },
    /// It refused the request: this authority may not create TokenReviews.
    #[error("the Kubernetes API at {host} refused the token review: {detail}")]
    Refused {
        /// As [`ReviewTarget::host`] named it.
        host: String,
        /// What it said; no token in it.
        detail: String,
    },
}

/// Asks who a Kubernetes token belongs to.
pub trait TokenReviewer: Send + Sync {
    /// Reviews `jwt` for `audiences` (empty: the API server's own). Must have a deadline of its
    /// own.
    ///
    /// # Errors
    /// [`ReviewError`] if there is no answer; a bad token is an answer.
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        jwt: &'a Sensitive<String>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>>;
}
