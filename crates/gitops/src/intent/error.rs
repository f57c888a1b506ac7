//! Why a sync was refused or failed. Every refusal names file and line; none repeats what stands
//! there.

use regent_manifest::claims::Rivals;
use regent_operator::api_error::ApiError;
use regent_types::{Advice, Explain};

use super::lint_rule::LintRule;
use crate::gitrepo::{GitError, printable};

/// A place in the repository: a file, and a line counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileLine {
    /// File, by its path inside the repository.
    pub(super) file: String,
    pub(super) line: usize,
}

impl std::fmt::Display for FileLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", printable(self.file.as_bytes()), self.line)
    }
}

/// A sync was refused (the repository must change) or failed (it is tried again).
#[derive(Debug, thiserror::Error)]
pub(super) enum IntentError {
    /// The address of the repository cannot be used.
    #[error("address {url} cannot be used: expected {expected}")]
    Url {
        /// The address without credentials.
        url: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The repository cannot be read.
    #[error("repository {repository}")]
    Repository {
        /// Its address without credentials.
        repository: String,
        #[source]
        source: GitError,
    },
    /// The credentials Secret cannot be used.
    #[error("credentials Secret {name}: {problem}")]
    Credentials {
        /// Name of the Secret.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A rule of the repository was broken: plaintext Secret, private key, unencrypted data.
    #[error("{file_line}: {message}")]
    Lint { file_line: FileLine, rule: LintRule, message: String, advice: &'static str },
    /// A manifest whose content cannot be read as text, or is not there.
    #[error("{file_line}: {problem}")]
    Unreadable {
        file_line: FileLine,
        problem: String,
        /// What its author can do.
        advice: &'static str,
    },
    /// A file that cannot be read as YAML or JSON, or an object that is none.
    #[error("{file_line}: {problem}")]
    Invalid { file_line: FileLine, problem: String },
    /// An object of a kind, or in a namespace, that intent may not write.
    #[error("{file_line}: intent may not write {what}")]
    ForbiddenKind {
        file_line: FileLine,
        /// Kind, with its namespace where that is the reason.
        what: String,
        advice: &'static str,
    },
    /// The same object twice.
    #[error("{file_line}: {object} is declared at {first} already")]
    Duplicate { file_line: FileLine, object: String, first: FileLine },
    /// Two RuntimeSecrets that claim the same.
    #[error("{file_line}: {}", rivals.message())]
    Rivals {
        file_line: FileLine,
        /// What both claim, and the first place.
        rivals: Box<Rivals>,
    },
    /// No objects at all where there were some, or ever.
    #[error("{path} of commit {commit} holds no objects")]
    Empty { path: String, commit: String },
    /// The list of what was applied before is not there as it was kept.
    #[error("the list of applied objects (set {set}) is incomplete")]
    InventoryLost { set: String },
    /// More objects than a list of them is kept of.
    #[error("{objects} objects are more than a GitSource can hold")]
    TooManyObjects { objects: i64 },
    /// The API server took everything but the status.
    #[error("the status of the GitSource could not be written")]
    StatusRefused(#[source] ApiError),
    /// The account to impersonate is one of regent's own.
    #[error("account {account} is one of regent's own")]
    OwnAccount { account: String },
    /// Objects could not be applied or removed.
    #[error("{failed} of {total} objects could not be {verb}; first: {first}")]
    Apply { verb: &'static str, failed: usize, total: usize, first: String },
    /// An object belongs to another GitSource.
    #[error("{object} belongs to source {owner}")]
    Claimed {
        object: String,
        /// Label of the owning source.
        owner: String,
    },
    /// The API server refused something else, or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The GitSource changed while it was synced: its status is not written over the newer one.
    #[error("the GitSource changed meanwhile")]
    Changed,
    /// A thread that reads the repository ended without an answer.
    #[error("reading the repository was interrupted")]
    Interrupted,
}

impl IntentError {
    /// Where in the repository it stands, if it is about a place.
    pub(super) fn place(&self) -> Option<&FileLine> {
        match self {
            Self::Lint { file_line, .. }
            | Self::Unreadable { file_line, .. }
            | Self::Invalid { file_line, .. }
            | Self::ForbiddenKind { file_line, .. }
            | Self::Duplicate { file_line, .. }
            | Self::Rivals { file_line, .. } => Some(file_line),
            _ => None,
        }
    }

    /// Whether nothing at all of the commit may be applied.
    pub(super) fn refuses_all(&self) -> bool {
        matches!(self, Self::Lint { rule: LintRule::DecryptionKey, .. })
    }

    /// What is told first: keys in the clear, then other secrets in the clear, then whatever else must change in Git.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Lint { rule: LintRule::DecryptionKey, .. } => 0,
            Self::Lint { rule: LintRule::PrivateKey, .. } => 1,
            Self::Lint { rule: LintRule::PlaintextSecret, .. } => 2,
            _ if self.place().is_some() => 3,
            _ => 4,
        }
    }

    /// The same failure of one object, with the place it stands at in the repository.
    pub(super) fn in_file(self, file_line: &FileLine) -> Self {
        match self {
            Self::Apply { verb, failed, total, first } => {
                Self::Apply { verb, failed, total, first: format!("{first} ({file_line})") }
            }
            other => other,
        }
    }

    /// Whether trying again without a new commit can help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Repository { source, .. } => matches!(source, GitError::Git { .. }),
            Self::Credentials { .. } | Self::Apply { .. } | Self::Claimed { .. } => true,
            Self::Api(_) | Self::Changed | Self::Interrupted => true,
            Self::InventoryLost { .. } | Self::StatusRefused(_) => true,
            Self::TooManyObjects { .. } => false,
            Self::Url { .. } | Self::Lint { .. } | Self::Invalid { .. } => false,
            Self::Unreadable { .. } => false,
            Self::ForbiddenKind { .. } | Self::Duplicate { .. } | Self::Rivals { .. } => false,
            Self::Empty { .. } | Self::OwnAccount { .. } => false,
        }
    }
}

impl Explain for IntentError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Url { .. } => "BadAddress",
            Self::Repository { source, .. } => source.reason(),
            Self::Credentials { .. } => "BadCredentials",
            Self::Lint { rule, .. } => rule.reason(),
            Self::Unreadable { .. } => "UnreadableFile",
            Self::Invalid { .. } => "InvalidManifest",
            Self::ForbiddenKind { .. } => "ForbiddenKind",
            Self::Duplicate { .. } => "DuplicateObject",
            Self::Rivals { rivals, .. } => rivals.reason(),
            Self::Empty { .. } => "EmptySource",
            Self::InventoryLost { .. } => "InventoryLost",
            Self::TooManyObjects { .. } => "TooManyObjects",
            Self::StatusRefused(_) => "StatusRefused",
            Self::OwnAccount { .. } => "ForbiddenAccount",
            Self::Apply { .. } => "ApplyFailed",
            Self::Claimed { .. } => "ClaimedByAnotherSource",
            Self::Api(_) => "ApiRefused",
            Self::Changed => "Changed",
            Self::Interrupted => "Interrupted",
        }
    }

    fn advice(&self) -> Advice {
        let text = self.to_string();
        match self {
            Self::Url { expected, url } => Advice::new(*expected, url.clone(), "correct spec.url"),
            Self::Repository { source, .. } => source.advice(),
            Self::Credentials { name, problem } => Advice::new(
                "keys username and password",
                format!("Secret {name}: {problem}"),
                "correct the Secret, or let the GitSource name none",
            ),
            Self::Lint { rule, advice, .. } => Advice::new(rule.expected(), text, *advice),
            Self::Unreadable { advice, .. } => {
                Advice::new("manifests as UTF-8 text in the repository itself", text, *advice)
            }
            Self::Invalid { .. } => {
                Advice::new("Kubernetes objects as YAML or JSON", text, "correct the file")
            }
            Self::ForbiddenKind { advice, .. } => {
                Advice::new("kinds that intent may write", text, *advice)
            }
            Self::Duplicate { .. } => {
                Advice::new("each object once", text, "remove one of the two")
            }
            Self::Rivals { .. } => Advice::new(
                "each path and each bootstrap Secret claimed by one RuntimeSecret",
                text,
                "remove one of the two, or let it declare another one",
            ),
            Self::Empty { .. } => Advice::new(
                "at least one object",
                text,
                "correct spec.path; to remove everything, delete the objects or the GitSource",
            ),
            Self::InventoryLost { .. } => Advice::new(
                "the ConfigMaps regent-inventory-* as they were written",
                text,
                "nothing was removed this time; look for objects that left the repository meanwhile",
            ),
            Self::TooManyObjects { .. } => {
                Advice::new("fewer objects in one repository", text, "split the repository")
            }
            Self::StatusRefused(error) => Advice::new(
                "the API server to take the status",
                format!("{text}: {error}"),
                "what was applied stays; only the status is written again",
            ),
            Self::OwnAccount { .. } => Advice::new(
                "an account made for this repository",
                text,
                "name another account in GitSource.spec.serviceAccountName",
            ),
            Self::Claimed { .. } => Advice::new(
                "an object of one source only",
                text,
                "remove it from one repository; or remove its label regent.dev/source to move it",
            ),
            Self::Changed => Advice::new("an unchanged GitSource", text, "none: it is synced anew"),
            Self::Apply { .. } | Self::Api(_) | Self::Interrupted => Advice::new(
                "the API server to accept every object",
                text,
                "read the refusal; it is tried again by itself",
            ),
        }
    }
}
