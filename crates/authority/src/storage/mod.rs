//! One data file, and who may touch it.
//!
//! ```text
//! View ─ encrypts ─▶ Barrier ─▶ Store ─ bounded queue ─▶ committer thread ─▶ redb
//!                                │                        one fsync a batch
//!                                └─ reads: snapshots, on the blocking pool, at most READS_MAX
//! ```
//!
//! `Store` knows nothing of encryption: keys are paths in clear, values are what the barrier
//! sealed, except below `seal/`, where the seal keeps what must be readable while sealed
//! (ciphertext and settings only). One table; a commit either happened as a whole or not at all.

mod committer;
mod database;
mod error;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use self::database::Backend;
pub(crate) use self::error::StoreError;
pub(crate) use self::store::{Snapshot, Store};
pub(crate) use self::write::Write;
