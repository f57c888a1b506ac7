//! The sandbox itself: how it starts, and its router.

use std::sync::Arc;

use regent_types::Sensitive;

use crate::Error;
use crate::api;
use crate::seed;
use crate::state::ClusterState;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Issuer of ServiceAccount tokens.
    pub issuer: String,
    /// Audiences of tokens for the API server itself.
    pub audiences: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let issuer = "https://sandbox.regent.local".to_owned();
        Self { audiences: vec![issuer.clone()], issuer }
    }
}

/// A Kubernetes API in memory. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) state: Arc<ClusterState>,
}

impl Sandbox {
    /// A new, empty cluster with a certificate authority and signing key of its own.
    pub fn start(options: Options) -> Result<Self, Error> {
        let mut raw = [0_u8; 24];
        getrandom::fill(&mut raw)
            .map_err(|e| Error::Crypto { what: "an admin token", detail: e.to_string() })?;
        let admin: String = raw.iter().map(|b| format!("{b:02x}")).collect();
        let state = ClusterState::new(&options.issuer, options.audiences, Sensitive::new(admin))?;
        seed::plant(&state.store);
        Ok(Self { state: Arc::new(state) })
    }

    /// The API as a router: authentication and authorization included.
    pub fn router(&self) -> axum::Router {
        let state = Arc::clone(&self.state);
        axum::Router::new().fallback(move |request: http::Request<axum::body::Body>| {
            api::answer(Arc::clone(&state), request)
        })
    }

    /// Bearer token of the admin, new for each sandbox.
    pub fn admin_token(&self) -> Sensitive<String> {
        self.state.admin_token.duplicate()
    }

    /// Requests that RBAC refused so far, newest last: `user verb resource namespace/name`.
    pub fn refusals(&self) -> Vec<String> {
        self.state.refusals()
    }
}
