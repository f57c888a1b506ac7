//! Watches that broke: they are taken up again with pauses, and each time it is said, because no condition can be
//! written while the API server does not answer.

use futures::future::{Ready, ready};
use kube::runtime::{controller, watcher};

/// Code and reason, or the kind of transport failure; no text of the server's answer, which could quote a Secret.
pub fn watch_summary(error: &watcher::Error) -> String {
    use watcher::Error as Watch;
    match error {
        Watch::WatchError(status) => format!("{} {}", status.code, status.reason),
        Watch::InitialListFailed(error)
        | Watch::WatchStartFailed(error)
        | Watch::WatchFailed(error) => request_summary(error),
        _ => "no answer".into(),
    }
}

/// What kube says for a reason where the answer was no Status: for a path that it does not know, the API server answers
/// in plain text.
pub const UNPARSED: &str = "Failed to parse error data";

/// The same of one request.
pub fn request_summary(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.reason == UNPARSED => status.code.to_string(),
        kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
        kube::Error::SerdeError(_) => "an answer that does not parse".into(),
        _ => "no answer".into(),
    }
}

/// Takes what a controller of `component` came to: says when one of its own watches broke. Failed passes have said so
/// themselves.
pub fn log_broken_watches<T, E>(
    component: &'static str,
) -> impl FnMut(Result<T, controller::Error<E, watcher::Error>>) -> Ready<()>
where
    E: std::error::Error + 'static,
{
    move |done| {
        if let Err(controller::Error::QueueError(error)) = done {
            tracing::warn!(
                component,
                found = watch_summary(&error),
                "watch broke and is taken up again"
            );
        }
        ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    /// A kind that is not defined says so by its code; what the server wrote is not repeated.
    #[test]
    fn a_broken_watch_says_code_and_reason_alone() {
        let mut status = Status::failure("a value", "NotFound");
        status.code = 404;
        let error = kube::Error::Api(Box::new(status));
        assert_eq!(watch_summary(&watcher::Error::InitialListFailed(error)), "404 NotFound");
        let mut plain = Status::failure("404 page not found", UNPARSED);
        plain.code = 404;
        assert_eq!(request_summary(&kube::Error::Api(Box::new(plain))), "404");
        assert_eq!(watch_summary(&watcher::Error::NoResourceVersion), "no answer");
    }
}
