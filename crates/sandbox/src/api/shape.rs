//! An object in the form that was asked for.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::context::Cx;
use super::form::Form;
use super::{events, table};

/// One object as it is sent.
pub(super) fn shape(cx: &Cx<'_>, object: &Value) -> Value {
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
pub(super) fn one(cx: &Cx<'_>, object: &Value, code: StatusCode) -> Response {
    (code, axum::Json(shape(cx, object))).into_response()
}
