//! Encrypted manifests: what stands in Git before the runtime authority exists.
//!
//! ```text
//! keys     age X25519 identities and recipients: phase 0's root of trust, sealed shares
//! sops     SOPS YAML over text spans: seal, open (MAC always checked), inspect, reseal
//! secret   the v1 Secret inside an opened manifest, as values that never print
//! claims   two RuntimeSecrets of one revision that claim the same
//! lint     what must not stand in Git: plaintext Secrets, private keys, holes in a sealed file
//! text     bytes as UTF-8, refused at the byte that is none
//! tree     YAML as those read it who apply it, for claims and lint
//! error    one error, which names places and recipients and never a value
//! ```
//!
//! **Architecture invariant `manifest-is-pure`:** no file, socket or clock. Text and keys come in,
//! text goes out, time is an argument. Randomness (data keys, nonces, identities) is the one
//! exception.

pub mod claims;
mod error;
pub mod keys;
pub mod lint;
pub mod secret;
mod skipped;
pub mod sops;
pub mod text;
mod tree;

pub use error::Error;
