//! What the API server answered where it refused, or that it did not answer.
//!
//! Holds code and reason alone: the text of an answer about a Secret could quote it.

use kube::runtime::watcher;
use regent_types::{Advice, Explain};

use crate::watch_error::{request_summary, watch_summary};

/// A request that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{verb} {object}: {summary}")]
pub struct ApiError {
    /// What was asked, such as `get` or `update status of`.
    pub verb: &'static str,
    /// Of which object: `Kind namespace/name`.
    pub object: String,
    /// HTTP status code; 0 where there was no usable answer.
    pub code: u16,
    summary: String,
}

/// What can be done about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The object is not there, or its kind is not defined.
    NotFound,
    /// Somebody changed or made the object in between: decide anew.
    Conflict,
    /// RBAC or an admission policy refuses it: a person must act.
    Forbidden,
    /// The object is not as the API server wants it: a person must act.
    Invalid,
    /// Overloaded, failing, or out of reach: the same request may succeed later.
    Transient,
}

impl ApiError {
    /// A request that `error` ended.
    pub fn new(verb: &'static str, object: impl Into<String>, error: &kube::Error) -> Self {
        let code = match error {
            kube::Error::Api(status) => status.code,
            _ => 0,
        };
        Self { verb, object: object.into(), code, summary: request_summary(error) }
    }

    /// A watch of `kind` that `error` broke.
    pub fn watch(kind: &str, error: &watcher::Error) -> Self {
        let code = match error {
            watcher::Error::WatchError(status) => status.code,
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
            _ => 0,
        };
        Self { verb: "watch", object: kind.to_owned(), code, summary: watch_summary(error) }
    }

    /// What can be done about it.
    pub fn category(&self) -> Category {
        match self.code {
            404 | 410 => Category::NotFound,
            409 => Category::Conflict,
            401 | 403 => Category::Forbidden,
            0 | 408 | 429 | 500.. => Category::Transient,
            _ => Category::Invalid,
        }
    }

    /// Whether the same request may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self.category(), Category::Transient | Category::Conflict)
    }

    /// Whether somebody else changed the object in between: the next look settles it.
    pub fn is_conflict(&self) -> bool {
        self.category() == Category::Conflict
    }

    /// Code and reason, or the kind of transport failure.
    pub fn summary(&self) -> &str {
        &self.summary
    }
}

impl Explain for ApiError {
    fn reason(&self) -> &'static str {
        match self.category() {
            Category::Conflict => "Changed",
            _ => "ApiServer",
        }
    }

    fn advice(&self) -> Advice {
        let action = match self.category() {
            Category::Conflict => "none: it is decided anew",
            Category::Transient => "none: it is tried again",
            Category::NotFound => "look whether all CRDs are installed",
            Category::Forbidden => {
                "name the namespace in the installation, and compare the component's RBAC with `regent install`"
            }
            Category::Invalid => "compare the installed CRDs and policies with `regent install`",
        };
        Advice::new("an API server that serves this component's account", self.to_string(), action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn error(code: u16, reason: &str) -> ApiError {
        let mut status = Status::failure("a value of the Secret", reason);
        status.code = code;
        ApiError::new("get", "Secret a/b", &kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_refusal_says_code_and_reason_and_no_text_of_the_server() {
        let error = error(403, "Forbidden");
        assert_eq!(error.to_string(), "get Secret a/b: 403 Forbidden");
        assert!(!format!("{error:?}").contains("a value"));
    }

    #[test]
    fn categories_follow_the_code() {
        let all = [
            (404, Category::NotFound),
            (409, Category::Conflict),
            (403, Category::Forbidden),
            (422, Category::Invalid),
            (429, Category::Transient),
            (503, Category::Transient),
        ];
        for (code, category) in all {
            assert_eq!(error(code, "R").category(), category, "{code}");
        }
        assert!(error(409, "Conflict").is_transient() && !error(403, "Forbidden").is_transient());
    }
}
