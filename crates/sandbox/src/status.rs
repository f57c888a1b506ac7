//! Error answers, with the body a real API server gives: kind `Status`, reason, code, details.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found(resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} {name:?} not found")).about(resource, name)
    }

    pub(crate) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::new(409, "Conflict", message).about(resource, name)
    }

    pub(crate) fn stale(resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    pub(crate) fn exists(resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} {name:?} already exists"))
            .about(resource, name)
    }

    pub(crate) fn expired(message: &str) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 422 with its causes: (field, message); `kind` is `Kind` or `Kind.group`.
    pub(crate) fn invalid(kind: &str, name: &str, causes: &[(String, String)]) -> Self {
        let all: Vec<String> = causes.iter().map(|(f, m)| format!("{f}: {m}")).collect();
        let joined = match all.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let failure = Self::new(422, "Invalid", format!("{kind} {name:?} is invalid: {joined}"));
        let causes: Vec<Value> = causes
            .iter()
            .map(|(field, message)| {
                json!({ "reason": cause(message), "field": field, "message": message })
            })
            .collect();
        let mut failure = failure.about(kind, name);
        failure.details["causes"] = causes.into();
        failure
    }

    /// What an admission policy says, in the words of the real API server.
    pub(crate) fn denied(
        code: u16,
        reason: &'static str,
        resource: &str,
        name: &str,
        why: &str,
    ) -> Self {
        let message = format!("{resource} {name:?} is forbidden: {why}");
        let mut failure = Self::new(code, reason, message).about(resource, name);
        failure.details["causes"] = json!([{ "message": why }]);
        failure
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(crate) fn method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    /// Says which object it is about; `resource` is `name` or `name.group`.
    pub(crate) fn about(mut self, resource: &str, name: &str) -> Self {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        self.details = json!({ "kind": plural });
        if !name.is_empty() {
            self.details["name"] = json!(name);
        }
        if !group.is_empty() {
            self.details["group"] = json!(group);
        }
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

/// The reason of a cause follows from how its message starts.
fn cause(message: &str) -> &'static str {
    match message.split_once(": ").map_or(message, |(start, _)| start) {
        "Required value" => "FieldValueRequired",
        "Unsupported value" => "FieldValueNotSupported",
        "Forbidden" => "FieldValueForbidden",
        "Too long" => "FieldValueTooLong",
        "Too many" => "FieldValueTooMany",
        _ if message.contains(" in body must be of type ") => "FieldValueTypeInvalid",
        _ => "FieldValueInvalid",
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, axum::Json(self.body())).into_response()
    }
}
