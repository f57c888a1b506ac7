//! What stops a controller's pass for reasons of the API server. What a person should see on an object is said by
//! each component's own refusals.

use kube::runtime::watcher;
use regent_types::{Advice, Explain};

use crate::watch_error;

/// Why a pass ended early. Holds no text of the server's answer beyond code and reason, because an answer about a
/// Secret could quote it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused or could not be reached.
    #[error("{verb} {object}: {said}")]
    Api {
        /// What was asked.
        verb: &'static str,
        /// Of which object.
        object: String,
        /// Status code and reason, or the kind of transport failure.
        said: String,
    },
    /// The object changed after it was decided on: decide again.
    #[error("{object} changed meanwhile")]
    Changed {
        /// Which object.
        object: String,
    },
    /// The watches have not listed their objects in time.
    #[error("objects are not listed yet")]
    NotListed,
}

impl ReconcileError {
    /// Says what failed, without the server's text.
    pub fn api(verb: &'static str, object: &str, error: &kube::Error) -> Self {
        Self::Api { verb, object: object.to_owned(), said: watch_error::answered(error) }
    }

    /// A watch that broke; it is taken up again with pauses.
    pub fn watch(kind: &str, error: &watcher::Error) -> Self {
        Self::Api { verb: "watch", object: kind.to_owned(), said: watch_error::said(error) }
    }
}

impl Explain for ReconcileError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api { .. } => "ApiServer",
            Self::Changed { .. } => "Changed",
            Self::NotListed => "NotListed",
        }
    }

    fn advice(&self) -> Advice {
        let (expected, action) = match self {
            Self::Api { .. } => (
                "an API server that serves this component's account",
                "if it is forbidden, name the namespace in the installation; else none, it is tried again",
            ),
            Self::Changed { .. } => ("an unchanged object", "none: it is decided anew"),
            Self::NotListed => ("watches that list", "look whether all CRDs are installed"),
        };
        Advice::new(expected, self.to_string(), action)
    }
}
