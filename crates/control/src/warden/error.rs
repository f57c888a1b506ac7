//! What can keep warden from its work.

use regent_operator::api_error::ApiError;
use regent_operator::ledger::LedgerError;
use regent_types::{Advice, Explain};

/// Why a pass ended early. It becomes the `Ready` condition and the pass is made again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The object went or changed while its status was written, so that what was to be durable is not.
    #[error("{object} changed meanwhile")]
    Changed {
        /// `Kind name` of the object.
        object: String,
    },
    /// The authority refused or did not answer.
    #[error("{doing} failed: {source}")]
    Authority {
        /// What was being done.
        doing: &'static str,
        /// The refusal, without any value.
        source: regent_vault::Error,
    },
    /// No login, and too few shares that the unseal identity opens to make a root token.
    #[error("nobody can log in and {openable} of {threshold} shares can be opened here: {source}")]
    NoWayIn {
        /// Shares that could be opened.
        openable: usize,
        /// Shares that open the seal.
        threshold: i64,
        /// Why the configurator cannot log in.
        source: regent_vault::Error,
    },
    /// A mount is in the way.
    #[error("{0}")]
    Conflict(String),
    /// What the API server says of the keys that it signs tokens with.
    #[error("the API server's signing keys cannot be used: {0}")]
    Issuer(String),
    /// The unseal identity or a share sealed to it is damaged.
    #[error("{what} cannot be used: {source}")]
    Seal {
        /// Which of them, as a message names it.
        what: &'static str,
        /// What is wrong with it.
        source: regent_manifest::Error,
    },
    /// The identity's Secret is not what warden writes.
    #[error("{object} does not hold {expected}")]
    Object {
        /// Kind and name of the object.
        object: String,
        /// What should be in it.
        expected: &'static str,
    },
    /// The sealed shares in Kubernetes are not those of this authority.
    #[error("ConfigMap regent-sealed-shares {0}")]
    SharesCopy(&'static str),
    /// The seal that is declared cannot be made.
    #[error("spec.seal cannot be made: expected {0}")]
    BadSeal(&'static str),
    /// Initialization returned other shares than were asked for.
    #[error("the authority sealed {found} shares where {expected} were asked for")]
    Shares {
        /// Holders, and `threshold` for the unseal identity.
        expected: usize,
        /// Shares returned that are sealed to whom they should be.
        found: usize,
    },
    /// A revoked root token still works.
    #[error("a root token was revoked and is still accepted")]
    RootAlive,
    /// The ledger did not take an event.
    #[error("recording an event failed: {0}")]
    Ledger(#[source] LedgerError),
    /// The pass took too long.
    #[error("a pass took longer than {0:?}")]
    Deadline(std::time::Duration),
    /// A certificate or its key cannot be made.
    #[error("{what} cannot be made: {detail}")]
    Certificate {
        /// Which of them, as a message names it.
        what: &'static str,
        /// Why, by the library that makes it.
        detail: String,
    },
    /// A task of warden's own failed.
    #[error("a task of warden failed")]
    Task,
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api(_) => "ApiError",
            Self::Changed { .. } => "Changed",
            Self::Authority { source, .. } => source.reason(),
            Self::NoWayIn { .. } => "CannotLogIn",
            Self::Conflict(_) => "MountConflict",
            Self::Issuer(_) => "SigningKeysUnusable",
            Self::Seal { .. } | Self::Object { .. } => "UnsealIdentityUnusable",
            Self::Shares { .. } => "UnexpectedShares",
            Self::SharesCopy(_) => "SealedSharesUnusable",
            Self::BadSeal(_) => "BadSeal",
            Self::RootAlive => "RootTokenAlive",
            Self::Ledger(source) => source.reason(),
            Self::Deadline(_) => "Timeout",
            Self::Certificate { .. } => "CertificateFailed",
            Self::Task => "InternalError",
        }
    }

    fn advice(&self) -> Advice {
        let (expected, action) = match self {
            Self::Api(_) => {
                ("an API server that answers", "check warden's Role with `regent verify`")
            }
            Self::Changed { .. } => ("an unchanged object", "none: it is decided anew"),
            Self::Authority { source, .. } => return source.advice(),
            Self::Ledger(source) => return source.advice(),
            Self::NoWayIn { threshold: 0, .. } => (
                "a kubernetes login, or sealed shares to repair it",
                "if regent initialized it, run `regent authority recover --identity FILE --shares \
                 FILE`, else let role regent-configurator log in",
            ),
            Self::NoWayIn { .. } => (
                "a kubernetes login, or enough shares to repair it",
                "run `regent authority recover --identity FILE` with the holders' identities; \
                 with seal.unattended false, `regent authority unseal --identity FILE`",
            ),
            Self::Conflict(_) => {
                ("mounts that are this installation's own", "move it away, or name another mount")
            }
            Self::Issuer(_) => (
                "an issuer and public keys, RSA or elliptic, at /openid/v1/jwks",
                "look with `kubectl get --raw /openid/v1/jwks`, or let login.method be TokenReview",
            ),
            Self::SharesCopy(_) => (
                "the sealed shares of this authority",
                "put a copy back with `regent authority recover --identity FILE --shares FILE`",
            ),
            Self::BadSeal(_) => ("a seal that can be made", "correct spec.seal in Git"),
            Self::Seal { .. } | Self::Object { .. } => (
                "what warden wrote there",
                "delete the object, then run `regent authority recover --identity FILE`",
            ),
            Self::Shares { .. } => (
                "one share per holder and as many as the threshold for the unseal identity",
                "check that the authority is regent's own, of the same version",
            ),
            Self::RootAlive => {
                ("a revoked token", "seal the authority and read its audit log before going on")
            }
            Self::Certificate { .. } => (
                "a CA key that signs, and warden as the only one who writes it",
                "delete Secret regent-authority-ca: warden makes another one",
            ),
            Self::Deadline(_) | Self::Task => ("an end", "none: it is tried again"),
        };
        Advice::new(expected, self.to_string(), action)
    }
}

impl Error {
    /// A request to the API server that failed: `verb` of `object`, which is `Kind name`.
    pub(super) fn api(verb: &'static str, object: &str) -> impl FnOnce(kube::Error) -> Self {
        let object = object.to_owned();
        move |error| Self::Api(ApiError::new(verb, object, &error))
    }

    /// RuntimeAuthority `name`, whose status could not be written because it went or changed.
    pub(super) fn changed(name: &str) -> Self {
        Self::Changed { object: format!("RuntimeAuthority {name}") }
    }

    /// A failure to deal with the authority.
    pub(super) fn authority(doing: &'static str) -> impl FnOnce(regent_vault::Error) -> Self {
        move |source| Self::Authority { doing, source }
    }
}
