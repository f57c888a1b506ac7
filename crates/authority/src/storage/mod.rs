//! One data file, and who may touch it.
//!
//! ```text
//! View ─ encrypts ─▶ Barrier ─▶ Store ─ bounded queue ─▶ committer thread ─▶ redb
//!                                │                        one fsync a batch; opens anew what failed
//!                                └─ looks: snapshots, by who asks; listings on the blocking pool
//! ```
//!
//! `export` and `import` are how all records leave for a snapshot and come back as another data file.
//!
//! `Store` knows nothing of encryption: keys are paths in clear, values are what the barrier
//! sealed, except below `seal/`, where the seal keeps what must be readable while sealed
//! (ciphertext and settings only). One table of records and one of their parts where they are long; a commit either
//! happened as a whole or not at all.

mod check;
mod chunks;
mod committer;
mod database;
mod error;
mod export;
mod import;
mod snapshot;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod trouble;
mod write;

pub(crate) use self::committer::Condition;
pub(crate) use self::database::Backend;
#[cfg(test)]
pub(crate) use self::database::OpenWith;
pub(crate) use self::error::StoreError;
pub(crate) use self::export::{Export, Pair};
pub(crate) use self::import::{Import, read_all};
pub(crate) use self::store::{Snapshot, Store};
pub(crate) use self::write::Write;
