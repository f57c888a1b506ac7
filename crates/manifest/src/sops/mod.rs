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
mod limits;
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
pub use limits::{DEPTH_MAX, DOCUMENTS_MAX, KEY_BYTES_MAX, NODES_MAX, TEXT_BYTES_MAX};
pub use open::{Opened, open};
pub use reseal::reseal;
pub use seal::{DEFAULT_ENCRYPTED_REGEX, SealOptions, seal};

pub(crate) use document::{Leaf, MERGE_KEY, Mark, PathStep, Stream};
pub(crate) use envelope::{TOKEN_PREFIX, Token};
pub(crate) use metadata::Metadata;
pub(crate) use open::covered;
pub(crate) use parse::parse;
pub(crate) use scalar::{ScalarKind, resolve};
