//! What can go wrong between a decision and its effect. Texts of the API server about Secrets are
//! never repeated: they may hold data.

use regent_protocol::{Decider, Outcome, Reason};
use regent_types::{Advice, Explain};

use regent_operator::api_error::ApiError;
use regent_operator::ledger::LedgerError;

/// Errors of the orchestrator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The authority refused or did not answer.
    #[error("authority: {0}")]
    Authority(#[source] regent_vault::Error),
    /// An event is not in the ledger.
    #[error("ledger: {0}")]
    Ledger(#[source] LedgerError),
    /// The random source of the system failed; its own words.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// The HMAC key in the authority cannot be used.
    #[error("regent/keys/hmac holds no usable key")]
    Key,
    /// Another release wrote the record.
    #[error(transparent)]
    NotUnderstood(#[from] regent_protocol::NotUnderstood),
    /// The newest version of a record was deleted or destroyed.
    #[error(
        "version {version} of regent/{record} was deleted, and only that record says what may be done with its path; \
         undelete that version, or restore the authority's storage"
    )]
    RecordDeleted {
        /// Path in the `regent/` mount.
        record: String,
        /// The version that is gone.
        version: i64,
    },
    /// Somebody else made runs of every name that a run may have.
    #[error("every name for WorkflowRun {name} is taken by runs of somebody else")]
    NoRunName {
        /// Namespace and first name that was tried.
        name: String,
    },
    /// A target was asked for and there is none.
    #[error("no target engine for {path}")]
    Target {
        /// Path of the secret.
        path: String,
    },
}

impl Error {
    /// An error of the API server about `object`. Only its reason and code are kept.
    pub(super) fn api(verb: &'static str, object: impl Into<String>, error: &kube::Error) -> Self {
        Self::Api(ApiError::new(verb, object, error))
    }

    /// How a look ends where the record itself stops it.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NotUnderstood(why) => Some(why.outcome()),
            Self::RecordDeleted { .. } => {
                let (by, reason) = (Decider::World, Reason::RecordDeleted);
                Some(Outcome::Blocked { by, reason, message: self.to_string() })
            }
            Self::Ledger(LedgerError::Gone { .. }) => {
                let (by, reason) = (Decider::Person, Reason::LedgerWentBack);
                let message = format!("{self}; {}", self.advice().action);
                Some(Outcome::Blocked { by, reason, message })
            }
            _ => None,
        }
    }

    /// Whether the authority is what is missing: absent, sealed, unreachable or refusing the login.
    pub(super) fn is_authority(&self) -> bool {
        let away = |e: &regent_vault::Error| e.is_transient() || e.is_denied();
        match self {
            Self::Authority(e) => away(e),
            Self::Ledger(LedgerError::Write { source, .. }) => away(source),
            Self::Ledger(e) => e.is_transient(),
            _ => false,
        }
    }
}

impl From<regent_vault::Error> for Error {
    fn from(error: regent_vault::Error) -> Self {
        Self::Authority(error)
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api(e) => e.reason(),
            Self::Authority(e) => e.reason(),
            Self::Ledger(e) => e.reason(),
            Self::Random(_) => "NoRandomness",
            Self::Key => "HmacKeyUnusable",
            Self::NotUnderstood(why) => why.reason(),
            Self::RecordDeleted { .. } => Reason::RecordDeleted.as_str(),
            Self::NoRunName { .. } => "RunNameTaken",
            Self::Target { .. } => "NoTarget",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Api(e) => e.advice(),
            Self::Authority(e) => e.advice(),
            Self::Ledger(e) => e.advice(),
            Self::Random(why) => Advice::new("random bytes", why.clone(), "check the host"),
            Self::Key => Advice::new(
                "a key id and 32 bytes at regent/keys/hmac",
                "something else",
                "restore the authority's storage; records cannot be compared without that key",
            ),
            Self::NotUnderstood(why) => why.advice(),
            Self::NoRunName { name } => {
                Advice::new("a free name for a run", name.clone(), "delete runs that nobody needs")
            }
            Self::RecordDeleted { .. } => {
                let action = "undelete that version, or restore the authority's storage";
                Advice::new("the newest version of the record", self.to_string(), action)
            }
            Self::Target { path } => {
                Advice::new("a target engine", path.clone(), "remove the target from the policy")
            }
        }
    }
}

impl Error {
    /// A watch that broke; it is begun again by itself.
    pub(super) fn watch(kind: &str, error: &kube::runtime::watcher::Error) -> Self {
        Self::Api(ApiError::watch(kind, error))
    }
}

impl Error {
    /// Whether somebody else changed the object in between: the next look settles it.
    pub(super) fn is_race(&self) -> bool {
        matches!(self, Self::Api(e) if e.is_conflict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H14: a record that somebody deleted holds its path, and is no reason to ask again and again.
    #[test]
    fn h14_a_deleted_record_holds_its_path_and_names_the_version_that_is_gone() {
        let record = "record/runtime/payments/db".to_owned();
        let error = Error::RecordDeleted { record, version: 7 };
        let Some(Outcome::Blocked { by, reason, message }) = error.outcome() else {
            panic!("it is held")
        };
        assert_eq!((by, reason), (Decider::World, Reason::RecordDeleted));
        assert!(message.contains("version 7 of regent/record/runtime/payments/db"), "{message}");
        assert!(!error.is_authority() && Error::Key.outcome().is_none());
    }
}
