//! Where and how components log in to the authority.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A login mount of the authority: one an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Login {
    /// Name below `auth/`; nobody else logs in there. Policies bear it in their names, unless it is `kubernetes`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9-]{1,63}$"))]
    pub mount: String,
    /// How the authority judges a token.
    pub method: LoginMethod,
}

impl Default for Login {
    fn default() -> Self {
        Self { mount: "kubernetes".to_owned(), method: LoginMethod::TokenReview }
    }
}

/// How the authority judges a login token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoginMethod {
    /// It asks the API server (mount of type `kubernetes`): for an authority that runs in this cluster, or that has a
    /// network path to its API server and an account to ask with.
    #[default]
    TokenReview,
    /// It checks the signature against the API server's public keys, which warden keeps there (mount of type `jwt`):
    /// for an authority outside the cluster.
    Keys,
}
