//! What stops a pass for reasons of the API server. Refusals that a person should see on the object
//! are [`super::verdict::Refusal`]s.

use regent_types::{Advice, Explain};

/// A request to the API server that failed. Holds no text of the server's answer beyond code and
/// reason, because an answer about a Secret could quote it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
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
    /// The watches have not listed their objects in time.
    #[error("objects are not listed yet")]
    NotListed,
}

impl Error {
    /// Says what failed, without the server's text.
    pub(crate) fn api(verb: &'static str, object: &str, error: &kube::Error) -> Self {
        let said = match error {
            kube::Error::Api(status) => format!("{} {}", status.code, status.reason),
            kube::Error::SerdeError(_) => "an answer that does not parse".into(),
            _ => "no answer".into(),
        };
        Self::Api { verb, object: object.to_owned(), said }
    }

    /// A watch that broke; it is taken up again with pauses.
    pub(crate) fn watch(error: &kube::runtime::watcher::Error) -> Self {
        use kube::runtime::watcher::Error as Watch;
        let said = match error {
            Watch::WatchError(status) => format!("{} {}", status.code, status.reason),
            Watch::InitialListFailed(e) | Watch::WatchStartFailed(e) | Watch::WatchFailed(e) => {
                return Self::api("watch", "objects", e);
            }
            _ => "no answer".into(),
        };
        Self::Api { verb: "watch", object: "objects".into(), said }
    }
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api { .. } => "ApiServer",
            Self::NotListed => "NotListed",
        }
    }

    fn advice(&self) -> Advice {
        let (expected, action) = match self {
            Self::Api { .. } => (
                "an API server that serves regent-materializer",
                "if it is forbidden, name the namespace in the installation; else none, it is tried again",
            ),
            Self::NotListed => ("watches that list", "look whether all CRDs are installed"),
        };
        Advice::new(expected, self.to_string(), action)
    }
}
