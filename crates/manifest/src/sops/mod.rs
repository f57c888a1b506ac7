//! SOPS YAML, read and written as SOPS 3.13 does, by splicing the original text.
//!
//! ```text
//! text ── parse ──▶ Stream: leaves, containers, comments with byte spans
//!                     │  scalar   go-yaml v3 resolution → the bytes that are hashed and encrypted
//!                     │  rule     which values are encrypted
//!                     │  metadata the `sops` block       envelope  ENC[…] tokens
//!   seal ─────────────┤  mac      SHA-512 over all values, in order
//!   open ─────────────┤  comments which mapping a comment belongs to
//!   reseal ───────────┘  splice   edits of the text; the user's document is never re-emitted
//! ```
//! The MAC is always checked; there is no switch. What is written is read back
//! before it is returned.
//!
//! Known of the format, not mended here: the MAC hashes values without their keys or lengths, so
//! plain values next to each other are bound as one text only; ciphertext is bound to its key path.

mod comments;
mod document;
mod envelope;
mod gotime;
mod inspect;
mod mac;
mod metadata;
mod open;
mod parse;
mod reseal;
mod rule;
mod scalar;
mod seal;
mod shamir;
mod splice;

pub use inspect::{Inspection, inspect, is_sealed, refuse_sealed};
pub use open::{Opened, open};
pub use reseal::reseal;
pub use seal::{DEFAULT_ENCRYPTED_REGEX, SealOptions, seal};

pub(crate) use document::{Leaf, MERGE_KEY, Mark, PathStep, Stream};
pub(crate) use envelope::{TOKEN_PREFIX, Token};
pub(crate) use metadata::Metadata;
pub(crate) use open::covered;
pub(crate) use parse::parse;
pub(crate) use scalar::{ScalarKind, resolve};

/// A manifest's text: what an EncryptedManifest may hold, and what etcd takes (1 MiB).
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Nested mappings and sequences. A Secret has three; values of a chart, custom resources and JSON in YAML have tens.
/// Each collection keeps the keys above it, so that this times [`NODES_MAX`] is what a text costs.
pub const DEPTH_MAX: usize = 128;
/// Keys, values and collections in one stream: at about 100 bytes each this is the text limit.
pub const NODES_MAX: usize = 10_000;
/// Documents in one stream.
pub const DOCUMENTS_MAX: usize = 256;
/// Bytes of one key. A Kubernetes key has at most 253.
pub const KEY_BYTES_MAX: usize = 1024;
