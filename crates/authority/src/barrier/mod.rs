//! Everything at rest is ciphertext: AES-256-GCM under a keyring, the storage key as associated
//! data.
//!
//! ```text
//! KEK (Shamir shares) ── wraps ──▶ root key ── seals ──▶ keyring (`core/keyring`) ── seals ──▶ records
//! ```
//!
//! Sealed means: no keyring in memory. Then `get`, `list`, `commit` and sealing a record all answer
//! [`BarrierError::Sealed`]. A record moved to another key does not open.

mod encrypted_store;
mod error;
mod keyring;
mod record;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use self::encrypted_store::Barrier;
pub(crate) use self::error::BarrierError;
pub(crate) use self::keyring::{KEYRING_KEY, KeyStatus, Keyring};
pub(crate) use self::record::{open_with, seal_with};
pub(crate) use self::view::{Batch, Stripes, View};
