//! The form an answer is asked for: the object itself, its metadata only, or a table.

use http::HeaderMap;

/// What `Accept` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Whole,
    Metadata,
    /// A table for `kubectl get`.
    Table,
    Discovery,
}

impl Form {
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let accept =
            headers.get(http::header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if accept.contains("as=Table") && accept.contains("application/json") {
            Self::Table
        } else if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else if accept.contains("as=APIGroupDiscoveryList") {
            Self::Discovery
        } else {
            Self::Whole
        }
    }
}
