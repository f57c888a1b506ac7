//! Errors of the client: what the authority or the way to it said. Paths and the authority's own
//! error texts appear in them, a value never.

use std::sync::Arc;
use std::time::Duration;

use regent_types::{Advice, Explain};

/// Why a request has no answer, or has one that means no.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none that regent talks to.
    #[error("authority address {address}: {problem}")]
    Address {
        /// As given, without credentials.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The CA certificates cannot be used.
    #[error("CA certificates for {address}: {problem}")]
    Trust {
        /// The address they are for.
        address: String,
        /// What is wrong with them.
        problem: String,
    },
    /// No connection, or it broke before the answer.
    #[error("authority at {address} cannot be reached")]
    Unreachable {
        /// Where it should answer.
        address: String,
        /// What the transport said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("authority did not answer {path} within {deadline:?}")]
    Timeout {
        /// Path of the request, below `/v1/`.
        path: String,
        /// How long the client waited.
        deadline: Duration,
    },
    /// The authority is sealed (503).
    #[error("authority at {address} is sealed")]
    Sealed {
        /// URL of the authority that answered.
        address: String,
    },
    /// A standby or overloaded node answered (429, 473, redirects, 503 without a leader).
    #[error("authority at {address} is not serving (status {status})")]
    Standby {
        /// URL of the authority that answered.
        address: String,
        /// HTTP status that it answered with.
        status: u16,
    },
    /// A mount that was made a moment ago is being made one of versions (400): KV v2 says so until it serves.
    #[error("{path} is being upgraded to versioned data")]
    Upgrading {
        /// Path of the request, below `/v1/`.
        path: String,
    },
    /// No token, a bad token, or a policy without that permission (403).
    #[error("authority denied {path}: {}", messages.join("; "))]
    Denied {
        /// Path of the request, below `/v1/`.
        path: String,
        /// What the authority said.
        messages: Vec<String>,
    },
    /// A conditional write found another version than the one it named.
    #[error("{path} is at another version than the write named")]
    CasMismatch {
        /// Path of the request, below `/v1/`.
        path: String,
    },
    /// No such mount or route, or the thing to change is not there.
    #[error("{path} does not exist: {}", messages.join("; "))]
    NotFound {
        /// Path of the request, below `/v1/`.
        path: String,
        /// What the authority said.
        messages: Vec<String>,
    },
    /// The authority refused the request as malformed (400).
    #[error("authority refused {path}: {}", messages.join("; "))]
    BadRequest {
        /// Path of the request, below `/v1/`.
        path: String,
        /// What the authority said.
        messages: Vec<String>,
    },
    /// A value that is no UTF-8 text cannot be a JSON string.
    #[error("value of key {key} is not UTF-8 text")]
    NotText {
        /// Key of the value.
        key: String,
    },
    /// A path with empty, `.` or `..` segments or control characters.
    #[error("{path:?} is no path of the Vault API")]
    Path {
        /// The path that was given, its first 200 characters.
        path: String,
    },
    /// The answer is larger than the client takes, or the request than the authority takes (413).
    #[error("{path}: body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Path of the request, below `/v1/`.
        path: String,
        /// The limit in bytes; 0 where the authority set it.
        limit: usize,
    },
    /// The answer is not what the Vault API says it is.
    #[error("{path}: expected {expected} in the answer")]
    Protocol {
        /// Path of the request, below `/v1/`.
        path: String,
        /// What is missing or malformed.
        expected: &'static str,
    },
    /// A status that no other variant stands for, mostly 5xx.
    #[error("authority answered {path} with status {status}: {}", messages.join("; "))]
    Server {
        /// Path of the request, below `/v1/`.
        path: String,
        /// HTTP status that it answered with.
        status: u16,
        /// What the authority said.
        messages: Vec<String>,
    },
    /// The token for logging in cannot be read.
    #[error("service account token {place} cannot be read")]
    Jwt {
        /// Where it should be.
        place: String,
        /// Why it could not be read.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// The authority is sealed.
    pub fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed { .. })
    }

    /// Nothing usable answers there.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }

    /// Whether the authority answered 403: the token is bad or its policy too narrow.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// The condition of a write did not hold.
    pub fn is_cas(&self) -> bool {
        matches!(self, Self::CasMismatch { .. })
    }

    /// The mount serves in a moment.
    pub fn is_upgrading(&self) -> bool {
        matches!(self, Self::Upgrading { .. })
    }

    /// The same request may well succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Sealed { .. } | Self::Standby { .. } | Self::Upgrading { .. } => true,
            Self::Server { status, .. } => *status >= 500 || *status == 412,
            _ => false,
        }
    }
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Address { .. } => "BadAuthorityAddress",
            Self::Trust { .. } => "BadAuthorityCa",
            Self::Unreachable { .. } => "Unreachable",
            Self::Timeout { .. } => "Timeout",
            Self::Sealed { .. } => "Sealed",
            Self::Standby { .. } => "Standby",
            Self::Upgrading { .. } => "Upgrading",
            Self::Denied { .. } => "Denied",
            Self::CasMismatch { .. } => "CasMismatch",
            Self::NotFound { .. } => "NotFound",
            Self::BadRequest { .. } => "BadRequest",
            Self::NotText { .. } => "NotText",
            Self::Path { .. } => "BadPath",
            Self::TooLarge { .. } => "TooLarge",
            Self::Protocol { .. } => "UnexpectedAnswer",
            Self::Server { .. } => "AuthorityError",
            Self::Jwt { .. } => "NoServiceAccountToken",
        }
    }

    fn advice(&self) -> Advice {
        let (expected, action) = match self {
            Self::Address { .. } => (
                "https://HOST:PORT, or http:// on a loopback address",
                "correct the address in RuntimeAuthority or in the store",
            ),
            Self::Trust { .. } => {
                ("PEM certificates of the CA that signed the authority's", "name the right CA")
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => (
                "an authority that answers",
                "look whether it runs and no network policy is in the way; it is tried again",
            ),
            Self::Sealed { .. } => {
                ("an unsealed authority", "run `regent status`; it says who can unseal it")
            }
            Self::Standby { .. } => {
                ("the active node", "none: it is tried again until one is active")
            }
            Self::Upgrading { .. } => {
                ("a mount that serves", "none: it is tried again until the mount serves")
            }
            Self::Denied { .. } => (
                "a role whose policy allows this path",
                "run `regent verify`; it compares roles and policies with the table",
            ),
            Self::CasMismatch { .. } => {
                ("the version that was read before", "none: it is read again before the next try")
            }
            Self::NotFound { .. } => {
                ("that mount or object", "look at the mounts with `regent verify`")
            }
            Self::BadRequest { .. } | Self::Protocol { .. } => (
                "an authority that speaks the Vault API",
                "check its version and that the address leads to it",
            ),
            Self::NotText { .. } => (
                "UTF-8 text: values of the authority are JSON strings",
                "store the value as base64 and read it with decodingStrategy: Base64",
            ),
            Self::Path { .. } => ("segments joined by single '/'", "correct the path"),
            Self::TooLarge { .. } => ("a smaller body", "split the secret into several"),
            Self::Server { .. } => {
                ("success", "read the authority's log; transient ones are tried again")
            }
            Self::Jwt { .. } => (
                "a projected service account token for audience regent-authority",
                "check the token volume of this workload",
            ),
        };
        Advice::new(expected, self.to_string(), action)
    }
}
