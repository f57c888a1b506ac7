//! Client of the Vault API, used alike for the embedded authority, OpenBao and Vault.
//!
//! ```text
//!   Session ──► Client ──► transport ──► trust ──► http (loopback) or https (CAs of the configuration)
//!     │ one login,           │ one exchange: deadline, size limit, status → Error
//!     │ renewed in time      ├─ sys      health, seal, init, recover, generate-root
//!     │                      ├─ init     initialization that answers with clear shares
//!     └─► Kv                 └─ kubernetes  login
//!          data, metadata, list: values go from the wire straight into `Sensitive`
//! ```
//!
//! **Architecture invariant `no-retry-below`:** a failed request is returned to the caller, who
//! requeues. Two exceptions: a read whose connection died before the answer is sent once more, and
//! a 403 is answered by one new login.

mod address;
mod client;
mod config;
mod error;
mod file;
mod init;
mod kubernetes;
mod kv;
mod login;
mod session;
mod sys;
mod transport;
mod trust;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use config::Config;
pub use error::Error;
pub use file::read_if_there;
pub use http::Method;
pub use init::ClearShares;
pub use kv::{Kv, KvConfig, KvMetadata, KvSecret, VersionInfo, VersionState, append_json_text};
pub use login::{FileJwt, JwtSource, Login, Token};
pub use regent_types::seal::{SealedShare, SealedShares};
pub use session::Session;
pub use sys::{Health, InitAnswer, InitRequest, SealStatus, ShareHolder};

/// One opened Shamir share: y bytes, then one x byte (Vault's layout).
pub type Share = regent_types::Sensitive<Vec<u8>>;
