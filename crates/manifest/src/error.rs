//! The one error of this crate. It names files' places, key paths and public keys, never a value.

use regent_types::{Advice, Explain};

use crate::skipped::Skipped;

/// Why a manifest, an identity or a Secret was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A limit of this crate was passed.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What was counted, such as `the number of values`.
        what: &'static str,
        /// The limit, in bytes or pieces.
        limit: usize,
    },
    /// Bytes that are not UTF-8 text. They are never repaired.
    #[error("not UTF-8 text but {found}, at byte {byte} (line {line})")]
    NotUtf8 {
        /// The encoding, as far as the first bytes tell.
        found: &'static str,
        /// Offset of the first byte that is no UTF-8, from 0.
        byte: usize,
        /// Its line, from 1.
        line: usize,
    },
    /// An identity file without an identity.
    #[error("the identity file holds no identity")]
    NoIdentity,
    /// An identity file with nothing but lines that regent does not read.
    #[error("the identity file holds no age X25519 identity: {}", listed(.skipped))]
    NoUsableIdentity {
        /// What was passed over.
        skipped: Vec<Skipped>,
    },
    /// A recipient that is no age X25519 recipient.
    #[error("not an age X25519 recipient: {shown}")]
    BadRecipient {
        /// The recipient if it looks like one, else a placeholder (it might be a private key).
        shown: String,
    },
    /// No recipient was given.
    #[error("no recipient given")]
    NoRecipients,
    /// No identity at hand opens it.
    #[error("none of the identities at hand opens this{}", passed_over(.skipped))]
    WrongIdentity {
        /// Recipients it was sealed to; empty where an age file does not tell.
        expected: Vec<String>,
        /// Recipients of the identities that were tried.
        held: Vec<String>,
        /// Lines of the identity file that were not tried.
        skipped: Vec<Skipped>,
    },
    /// An age file that is damaged.
    #[error("the age file is damaged: {what}")]
    BadAgeFile {
        /// Part of the age file that does not read.
        what: &'static str,
    },
    /// Text that is not YAML.
    #[error("not valid YAML at line {line}, column {column}")]
    NotYaml {
        /// Line in the file, from 1.
        line: usize,
        /// Column in the line, from 1.
        column: usize,
    },
    /// One key twice in one mapping.
    #[error("key {path} appears twice (line {line})")]
    DuplicateKey {
        /// Keys from the root to it, joined by dots.
        path: String,
        /// Line of its second occurrence, from 1.
        line: usize,
    },
    /// YAML or SOPS that regent does not read, because its meaning would be ambiguous or lost.
    #[error("not supported: {what} (line {line})")]
    Unsupported {
        /// The construct, such as `anchor`.
        what: String,
        /// 1-based line; 0 where there is none.
        line: usize,
    },
    /// There is no `sops` block.
    #[error("the manifest is not sealed: it has no sops block")]
    NotSealed,
    /// Ciphertext without the `sops` block that belongs to it.
    #[error("{path} is ciphertext, but the manifest has lost its sops block")]
    LostSeal {
        /// Keys from the root to the first value that is ciphertext, joined by dots.
        path: String,
    },
    /// The `sops` block stands in another document than the first one, which is the one that counts.
    #[error("the sops block stands in document {document}, and the first document has none")]
    SealNotFirst {
        /// The first document that has a block, from 1.
        document: usize,
    },
    /// There is one already.
    #[error("the manifest is sealed already")]
    AlreadySealed,
    /// The rule covers no value.
    #[error("nothing to seal: no value lies under {rule}")]
    NothingToSeal {
        /// The rule, as written.
        rule: String,
    },
    /// The rule of what is encrypted is invalid.
    #[error("invalid rule {rule}: {why}")]
    BadRule {
        /// The rule's name or text.
        rule: String,
        /// What is wrong with its pattern.
        why: String,
    },
    /// A field of the `sops` block is missing or malformed.
    #[error("field {field} of the sops block is {why}")]
    BadMetadata {
        /// Name of the field inside the `sops` block.
        field: &'static str,
        /// Missing, or in which way malformed.
        why: &'static str,
    },
    /// The rule says encrypted, the file says plain.
    #[error("{path} stands in plain text although the rule covers it")]
    PlainUnderRule {
        /// Keys from the root to the value, joined by dots.
        path: String,
    },
    /// A ciphertext was altered, moved to another key, or belongs to another file.
    #[error("the ciphertext at {path} is not what was sealed there")]
    BadCiphertext {
        /// Keys from the root to the value, joined by dots.
        path: String,
    },
    /// The MAC over all values does not match.
    #[error("the manifest was changed after it was sealed: its MAC does not match")]
    BadMac,
    /// The plaintext is not a v1 Secret.
    #[error("expected one v1 Secret, found {found}")]
    NotSecret {
        /// apiVersion and kind found, or how many documents.
        found: String,
    },
    /// A field of the Secret is missing or malformed.
    #[error("field {field} of the Secret is {why}")]
    BadSecret {
        /// Keys from the root of the Secret to the field, joined by dots.
        field: String,
        /// Missing, or in which way malformed.
        why: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The result would not read back as what went in; nothing was produced.
    #[error("this YAML cannot be written back without changing it")]
    NotFaithful,
}

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>, line: usize) -> Self {
        Self::Unsupported { what: what.into(), line }
    }
}

impl Explain for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "TooLarge",
            Self::NotUtf8 { .. } => "NotUtf8",
            Self::NoIdentity | Self::NoUsableIdentity { .. } => "NoIdentity",
            Self::BadRecipient { .. } => "BadRecipient",
            Self::NoRecipients => "NoRecipients",
            Self::WrongIdentity { .. } => "WrongIdentity",
            Self::BadAgeFile { .. } => "BadAgeFile",
            Self::NotYaml { .. } => "NotYaml",
            Self::DuplicateKey { .. } => "DuplicateKey",
            Self::Unsupported { .. } => "Unsupported",
            Self::NotSealed => "NotSealed",
            Self::LostSeal { .. } | Self::SealNotFirst { .. } => "LostSeal",
            Self::AlreadySealed => "AlreadySealed",
            Self::NothingToSeal { .. } => "NothingToSeal",
            Self::BadRule { .. } => "BadRule",
            Self::BadMetadata { .. } => "BadMetadata",
            Self::PlainUnderRule { .. } => "PlainUnderRule",
            Self::BadCiphertext { .. } => "BadCiphertext",
            Self::BadMac => "BadMac",
            Self::NotSecret { .. } => "NotSecret",
            Self::BadSecret { .. } => "BadSecret",
            Self::NoRandomness => "NoRandomness",
            Self::NotFaithful => "NotFaithful",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::NoIdentity | Self::NoUsableIdentity { .. } | Self::WrongIdentity { .. } => {
                self.advice_on_identities()
            }
            Self::BadRecipient { .. } | Self::NoRecipients | Self::BadAgeFile { .. } => {
                self.advice_on_age()
            }
            Self::NotSecret { .. } | Self::BadSecret { .. } => self.advice_on_secret(),
            Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::NotYaml { .. }
            | Self::DuplicateKey { .. }
            | Self::Unsupported { .. }
            | Self::NotFaithful
            | Self::NoRandomness => self.advice_on_text(),
            Self::NotSealed
            | Self::LostSeal { .. }
            | Self::SealNotFirst { .. }
            | Self::AlreadySealed
            | Self::NothingToSeal { .. }
            | Self::BadRule { .. }
            | Self::BadMetadata { .. }
            | Self::PlainUnderRule { .. }
            | Self::BadCiphertext { .. }
            | Self::BadMac => self.advice_on_seal(),
        }
    }
}

impl Error {
    fn advice_on_identities(&self) -> Advice {
        let found = match self {
            Self::WrongIdentity { expected, held, skipped } => {
                return Advice::new(
                    format!("an identity of one of: {}", list(expected)),
                    format!("identities of: {}{}", list(held), passed_over(skipped)),
                    "give the identity file of one of these recipients, or have a holder seal the \
                     manifest again to a recipient of yours",
                );
            }
            other => other.to_string(),
        };
        Advice::new(
            "an age identity file: comments and lines that start with AGE-SECRET-KEY-1",
            found,
            "give the file with the age X25519 identity, or make one with `regent keygen`",
        )
    }

    fn advice_on_age(&self) -> Advice {
        let (expected, action) = match self {
            Self::BadAgeFile { .. } => (
                "an ASCII-armored age file",
                "take the file from Git or from the authority again; do not edit it",
            ),
            _ => (
                "recipients of the form age1… (X25519, 62 characters)",
                "give the `# public key:` line of an identity file",
            ),
        };
        Advice::new(expected, self.to_string(), action)
    }

    fn advice_on_secret(&self) -> Advice {
        Advice::new(
            "one v1 Secret with metadata.name and text under stringData or base64 under data",
            self.to_string(),
            "correct the Secret, and seal it again with `regent seal`",
        )
    }

    fn advice_on_text(&self) -> Advice {
        let (expected, action) = match self {
            Self::TooLarge { .. } => ("a manifest within the limit", "split the manifest"),
            Self::NotUtf8 { .. } => {
                ("UTF-8 text", "save the file as UTF-8; put other bytes under data, as base64")
            }
            Self::NotYaml { .. } => ("YAML", "correct the file at that place"),
            Self::DuplicateKey { .. } => ("each key once", "remove one of the two"),
            Self::Unsupported { .. } => {
                ("block-style YAML with string keys", "write it out in the plain form")
            }
            Self::NoRandomness => ("randomness from the operating system", "try again"),
            _ => ("a result that reads back as the input", "simplify the YAML and report the case"),
        };
        Advice::new(expected, self.to_string(), action)
    }

    fn advice_on_seal(&self) -> Advice {
        let (expected, action) = match self {
            Self::NotSealed => {
                ("a sops block", "seal the file with `regent seal` before committing")
            }
            Self::LostSeal { .. } | Self::SealNotFirst { .. } => (
                "the sops block of the file, which holds its key",
                "restore the file from Git's history: its values stay sealed, and nobody can open \
                 them without the block",
            ),
            Self::AlreadySealed => (
                "a plain manifest",
                "open it with `regent open`, change it, and seal it again with `regent seal`",
            ),
            Self::NothingToSeal { .. } => {
                ("at least one value under the rule", "correct the rule or the manifest")
            }
            Self::BadRule { .. } => {
                ("at most one valid rule of what is encrypted", "correct the rule and seal again")
            }
            Self::BadMetadata { .. } => {
                ("the sops block as it was written", "take the file from Git history again")
            }
            Self::PlainUnderRule { .. } => (
                "only ciphertext under the rule",
                "treat that value as leaked: replace it, and seal the whole file again with \
                 `regent seal`",
            ),
            _ => (
                "a file exactly as it was sealed",
                "find out who changed it (git log); restore it from Git's history, or seal the \
                 Secret again with `regent seal`",
            ),
        };
        Advice::new(expected, self.to_string(), action)
    }
}

fn listed(skipped: &[Skipped]) -> String {
    skipped.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn passed_over(all: &[Skipped]) -> String {
    if all.is_empty() { String::new() } else { format!(" (not tried: {})", listed(all)) }
}

fn list(recipients: &[String]) -> String {
    if recipients.is_empty() { "(none named)".to_owned() } else { recipients.join(", ") }
}
