//! What can go wrong with a repository.

use regent_types::{Advice, Explain};

use super::OBJECT_BYTES_MAX;
use super::names::printable_text;

/// A repository could not be read or written. Paths and names only; never the content of a file.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The object database or a reference failed.
    #[error("{verb}")]
    Git {
        /// What was tried, with the place.
        verb: String,
        /// What gix says; it names paths and addresses, never content.
        #[source]
        source: Box<gix::Error>,
    },
    /// An address that no repository is fetched from.
    #[error("address {url} cannot be used: expected {expected}")]
    Address {
        /// The address without credentials.
        url: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No branch or tag of that name.
    #[error("no branch or tag {reference}")]
    NoReference {
        /// The name that was looked for.
        reference: String,
    },
    /// A limit was exceeded (DESIGN.md §6: a limit on everything).
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What is too large, with its place.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
}

impl GitError {
    pub(crate) fn git(verb: impl Into<String>, source: impl Into<gix::Error>) -> Self {
        let (verb, source) = (verb.into(), source.into());
        if source.is_resource_exhausted() {
            let limit = format!("{} MiB unpacked", OBJECT_BYTES_MAX >> 20);
            return Self::Limit { what: format!("an object ({verb})"), limit };
        }
        Self::Git { verb, source: Box::new(source) }
    }
}

impl Explain for GitError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Git { .. } => "Unreachable",
            Self::Address { .. } => "BadAddress",
            Self::NoReference { .. } => "NoSuchReference",
            Self::Limit { .. } => "TooLarge",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Git { verb, source } => Advice::new(
                "a readable Git repository",
                chain(verb, source.as_ref()),
                "check spec.url, the network and the credentials; it is tried again by itself",
            ),
            Self::Address { url, expected } => {
                Advice::new(*expected, url.clone(), "correct the address of the repository")
            }
            Self::NoReference { reference } => Advice::new(
                format!("a branch or tag named {reference}"),
                "no such reference in the repository",
                "correct spec.reference, or push that branch",
            ),
            Self::Limit { what, limit } => Advice::new(
                format!("at most {limit}"),
                what.clone(),
                "move it out of the repository, or split the repository",
            ),
        }
    }
}

/// `verb` and everything below it, outermost first.
fn chain(verb: &str, error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = verb.to_owned();
    let mut next = Some(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    // A server may have said some of it.
    printable_text(&text)
}
