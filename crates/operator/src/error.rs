//! What stops a reconcile for reasons of the API server. What a person should see on an object is said by each
//! component's own refusals.

use kube::runtime::watcher;
use regent_types::{Advice, Explain};

use crate::api_error::ApiError;

/// Why a reconcile ended early.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The object changed after it was decided on: decide again.
    #[error("{object} changed meanwhile")]
    Changed {
        /// `Kind namespace/name` of the object that was decided on.
        object: String,
    },
    /// The watches have not listed their objects in time.
    #[error("objects are not listed yet")]
    NotListed,
}

impl ReconcileError {
    /// A request that `error` ended.
    pub fn api(verb: &'static str, object: &str, error: &kube::Error) -> Self {
        Self::Api(ApiError::new(verb, object, error))
    }

    /// A watch of `kind` that broke; it is taken up again with pauses.
    pub fn watch(kind: &str, error: &watcher::Error) -> Self {
        Self::Api(ApiError::watch(kind, error))
    }
}

impl Explain for ReconcileError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api(error) => error.reason(),
            Self::Changed { .. } => "Changed",
            Self::NotListed => "NotListed",
        }
    }

    fn advice(&self) -> Advice {
        let (expected, action) = match self {
            Self::Api(error) => return error.advice(),
            Self::Changed { .. } => ("an unchanged object", "none: it is decided anew"),
            Self::NotListed => ("watches that list", "look whether all CRDs are installed"),
        };
        Advice::new(expected, self.to_string(), action)
    }
}
