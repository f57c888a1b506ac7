//! Snapshots: all records at a place outside the authority's own volume, each restored on trial.
//!
//! ```text
//! schedule ─▶ round ─▶ take ── part by part ──▶ writer ─▶ Place (a directory)      one thread a use of the place,
//!                │                                            │                    each with a deadline
//!                ├─▶ trial ◀── reader ◀───────────────────────┘
//!                │     └▶ a data file of its own, every record opened, deleted
//!                ├─▶ earlier ones, read through
//!                ├─▶ retention (pure): which go
//!                └─▶ history, standing (pure): what is said of them
//! restore: a snapshot → a new data file, without any key
//! ```
//!
//! Records leave as they are stored: ciphertext under the keyring, and what the seal keeps readable, sealed shares
//! included. So a snapshot needs no key of its own, and whoever holds it has what a thief of the disk would have.
//! What makes it whole is a chain of SHA-256 over its chunks, which anybody can check; what makes it this authority's is
//! a MAC over the chain's end, under a key derived from the root key.
//!
//! **A place that hangs** costs nobody anything: what uses it runs on threads that nobody joins, holds neither a key nor
//! a lock nor a moment of the data file, and is given up when its time is over.

mod directory;
mod entry;
mod error;
mod format;
mod history;
mod load;
mod place;
mod reader;
mod report;
mod restore;
mod restored;
mod retention;
mod round;
mod schedule;
mod snapshots;
mod standing;
mod take;
#[cfg(test)]
mod tests;
mod threads;
mod trial;
mod writer;

pub(crate) use self::error::SnapshotError;
pub use self::restore::{RestoreError, RestoredFile, restore};
pub(crate) use self::restored::{RESTORED_KEY, Restored};
pub(crate) use self::snapshots::{Asked, Snapshots};
