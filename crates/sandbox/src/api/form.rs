//! The form an answer is asked for: the object itself, its metadata only, or a table.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Cx, events, table};

/// What `Accept` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object.
    #[default]
    Whole,
    /// PartialObjectMetadata.
    Metadata,
    /// A table for `kubectl get`.
    Table,
    /// Aggregated discovery.
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

/// One object as it is sent.
pub(crate) fn shape(cx: &Cx<'_>, object: &Value) -> Value {
    match cx.form {
        Form::Metadata => json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": object["metadata"],
        }),
        Form::Table => table::of(cx, &[object], object["metadata"]["resourceVersion"].clone()),
        Form::Whole | Form::Discovery => events::shown(&cx.kind, object.clone()),
    }
}

/// One object as an answer.
pub(crate) fn one(cx: &Cx<'_>, object: &Value, code: StatusCode) -> Response {
    (code, axum::Json(shape(cx, object))).into_response()
}
