//! The ledger: events in entries, entries in one hash chain per writer, at
//! `regent/ledger/{writer}/{yyyymmdd}/{seq as 8 digits}` (PROTOCOLS.md §8).
//!
//! `seq` runs on over days and starts at 1. The hash of an entry is SHA-256 over its canonical
//! bytes, which hold the hash of the entry before it.
//!
//! ```text
//! entry   events, entries, where they lie       verify  whether entries hang together
//! chain   a writer's view: what comes next      judge   whether a chain is the one that its writer knows
//! ```

mod chain;
mod entry;
mod judge;
mod verify;

pub use chain::Chain;
pub use entry::{
    EVENTS_PER_ENTRY_MAX, Entry, Epoch, Event, GENESIS, Head, REMEMBERED_IDS_MAX, day_of, day_path,
    entry_path, event_id, kinds, writer_path,
};
pub use judge::{Gone, judge};
pub use verify::{ChainError, verify_chain};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
