//! age X25519 keys: the root of trust of phase 0, and what shares are sealed to (PROTOCOLS.md §3).
//!
//! ```text
//! identity    private halves: generate, parse an identity file, choose a subset
//! lines       an identity file line by line: what is ours, and what is passed over
//! recipient   public halves: age1…
//! file        ASCII-armored age files: encrypt_to, decrypt
//! share       one share of a seal as an age file
//! ```
//! Formats: <https://c2sp.org/age>, as `age-keygen` and `age -a` write them.

mod file;
mod identity;
mod lines;
mod recipient;
mod share;

pub use crate::skipped::Skipped;
pub use file::{decrypt, encrypt_to};
pub use identity::{Identities, NewIdentity, generate, identity_file_text};
pub use recipient::Recipient;
pub use share::seal_share;

pub(crate) use file::{Refused, unwrap_limited};

/// An identity file is a few lines; a larger one is another file given by mistake.
pub const IDENTITY_FILE_BYTES_MAX: usize = 64 * 1024;
/// Identities tried on each age file; one holder's file has one, bootstrap's Secret a handful.
pub const IDENTITIES_MAX: usize = 64;
/// Lines of an identity file that are named as passed over; further ones are not.
pub const SKIPPED_MAX: usize = 8;
/// Recipients of one age file or manifest.
pub const RECIPIENTS_MAX: usize = 64;
/// Plaintext of one age file: shares, data keys, snapshots' keys; never bulk data.
pub const PLAINTEXT_BYTES_MAX: usize = 1024 * 1024;
