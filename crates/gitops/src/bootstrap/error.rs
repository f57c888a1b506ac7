//! What keeps bootstrap from going on.

use regent_operator::api_error::{ApiError, Category};
use regent_types::{Advice, Explain};

/// A step that is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum BootstrapError {
    /// A Secret could not be read or written.
    #[error("{error}{}", said(words.as_ref()))]
    Secret {
        error: ApiError,
        /// What the API server said, where it quotes no value.
        words: Option<String>,
    },
    /// Another object could not be read or written.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The manifest changed after it was decided on.
    #[error("the manifest changed meanwhile")]
    Changed,
    /// The HMAC key Secret holds no key.
    #[error("Secret {secret} holds no usable key")]
    BadKey { secret: String },
    /// RuntimeSecrets are not known yet, so that nothing may be produced.
    #[error("RuntimeSecrets could not be listed yet")]
    Blind,
    /// The operating system gave no randomness, or a thread ended without an answer.
    #[error("{what}")]
    Host { what: &'static str },
}

fn said(words: Option<&String>) -> String {
    words.map(|words| format!(": {words}")).unwrap_or_default()
}

impl BootstrapError {
    pub(super) fn secret(verb: &'static str, secret: &str, error: &kube::Error) -> Self {
        Self::refused(verb, secret, error, None)
    }

    /// The same of a write; `words` are those of the API server that may be repeated.
    pub(super) fn refused(
        verb: &'static str,
        secret: &str,
        error: &kube::Error,
        words: Option<String>,
    ) -> Self {
        Self::Secret { error: ApiError::new(verb, format!("Secret {secret}"), error), words }
    }

    pub(super) fn api(verb: &'static str, object: &str, error: &kube::Error) -> Self {
        Self::Api(ApiError::new(verb, object, error))
    }

    /// Whether it stays until a person does something.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Secret { error, .. } | Self::Api(error) => !error.is_transient(),
            Self::BadKey { .. } => true,
            Self::Changed | Self::Blind | Self::Host { .. } => false,
        }
    }
}

impl Explain for BootstrapError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "SecretRefused",
            Self::Api(_) => "ApiRefused",
            Self::Changed => "Changed",
            Self::BadKey { .. } => "BadKey",
            Self::Blind => "NotReady",
            Self::Host { .. } => "HostFailed",
        }
    }

    fn advice(&self) -> Advice {
        let found = self.to_string();
        match self {
            Self::Secret { error, .. } if error.category() == Category::Forbidden => Advice::new(
                "a RoleBinding of regent-bootstrap-secrets in this namespace",
                found,
                "name the namespace in the installation of regent",
            ),
            Self::Secret { error, .. } if error.category() == Category::Invalid => Advice::new(
                "a Secret that the API server takes",
                found,
                "correct the manifest and seal it again; the Secret that is there stays",
            ),
            Self::Api(error) => error.advice(),
            Self::Secret { .. } | Self::Changed | Self::Blind | Self::Host { .. } => {
                Advice::new("the API server to answer", found, "it is tried again by itself")
            }
            Self::BadKey { .. } => Advice::new(
                "32 bytes under key `key`",
                found,
                "delete that Secret: a new key is made, and values are reported as unknown once",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn a_person_is_asked_for_help_only_where_time_alone_does_not_help() {
        let lasting = |code: u16| {
            let mut status = Status::failure("no", "Reason");
            status.code = code;
            let error = kube::Error::Api(Box::new(status));
            BootstrapError::secret("create", "a/b", &error).is_lasting()
        };
        assert!(lasting(403) && lasting(422) && lasting(404));
        assert!([409, 408, 429, 500, 503].into_iter().all(|code| !lasting(code)));
    }
}
