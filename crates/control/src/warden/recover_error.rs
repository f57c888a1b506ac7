//! Why a person's act at the authority failed.

use regent_types::{Advice, Explain};
use regent_vault::Error as Vault;

use super::Error;

/// Why a person's act failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The identities open fewer shares than the threshold.
    #[error("these identities open {opened} of the {threshold} shares that are needed")]
    WrongIdentity {
        /// Shares that the identities open.
        opened: usize,
        /// Shares that open the seal.
        threshold: i64,
        /// Every holder as `name (recipient)`.
        expected: Vec<String>,
        /// Recipients of the identities given.
        held: Vec<String>,
    },
    /// A share does not open although it is sealed to one of the identities.
    #[error("the share of {holder} is damaged: {source}")]
    Damaged {
        /// Name of the holder in `spec.seal`.
        holder: String,
        /// What is wrong with it.
        source: regent_manifest::Error,
    },
    /// No sealed shares are known.
    #[error("no sealed shares of this authority are kept in the cluster")]
    NoShares,
    /// A file of shares was named where none is needed.
    #[error("the embedded authority keeps its sealed shares itself")]
    SharesNotNeeded,
    /// What is to be joined is not shared, or the login mount is not this installation's own.
    #[error("this installation cannot join: {0}")]
    CannotJoin(String),
    /// Warden has not published the recipient of its unseal identity.
    #[error("RuntimeAuthority status names no unsealRecipient")]
    NoRecipient,
    /// Warden has not published how the authority reaches the API server.
    #[error("RuntimeAuthority status does not say how the authority reaches the API server")]
    NoKubernetes,
    /// The API server, or a write on the way, failed.
    #[error(transparent)]
    Warden(#[from] Error),
    /// The authority refused or did not answer.
    #[error("{doing} failed: {source}")]
    Authority {
        /// What was being done.
        doing: &'static str,
        /// The refusal, without any value.
        source: regent_vault::Error,
    },
}

impl Explain for RecoverError {
    fn reason(&self) -> &'static str {
        match self {
            Self::WrongIdentity { .. } => "WrongIdentity",
            Self::Damaged { .. } => "DamagedShare",
            Self::NoShares => "NoSealedShares",
            Self::SharesNotNeeded => "SharesNotNeeded",
            Self::CannotJoin(_) => "CannotJoin",
            Self::NoRecipient => "NoUnsealRecipient",
            Self::NoKubernetes => "NoKubernetes",
            Self::Warden(source) => source.reason(),
            Self::Authority { source, .. } => source.reason(),
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::WrongIdentity { threshold, expected, held, .. } => Advice::new(
                format!("identities of {threshold} of: {}", expected.join(", ")),
                format!("identities of: {}", held.join(", ")),
                "name the holders' identity files with --identity, once for each",
            ),
            Self::Damaged { .. } => Advice::new(
                "the ciphertext that initialization made",
                self.to_string(),
                "compare it with ConfigMap regent-sealed-shares and the copy beside the snapshots",
            ),
            Self::NoShares => Advice::new(
                "ConfigMap regent-sealed-shares",
                self.to_string(),
                "name a copy kept beside the root of trust with --shares FILE",
            ),
            Self::SharesNotNeeded => {
                Advice::new("no --shares", self.to_string(), "leave --shares out")
            }
            Self::CannotJoin(_) => Advice::new(
                "an external authority of another installation, and a login mount that nobody has",
                self.to_string(),
                "name a mount of this installation's own in spec.external.login; after cluster loss the \
                 command is `regent authority recover`",
            ),
            Self::NoRecipient | Self::NoKubernetes => Advice::new(
                "what warden publishes at its first pass",
                self.to_string(),
                "start warden and try again",
            ),
            Self::Warden(source) => source.advice(),
            // Shares of another authority, most likely: the authority says only that they are bad.
            Self::Authority { doing, source: source @ Vault::BadRequest { .. } } => Advice::new(
                "shares of this very authority",
                format!("{doing}: {source}"),
                "look whether the shares and the address belong together",
            ),
            Self::Authority { source, .. } => source.advice(),
        }
    }
}
