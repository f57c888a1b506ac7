//! All records as of one moment, part by part: what a snapshot is made of.
//!
//! The moment is held by a read transaction. While it lives, pages that are replaced cannot be used again, so it is let go
//! of as soon as nobody wants another part; whoever writes the parts somewhere slow does it on another thread. Each part
//! is read under the lock of the database for as long as that takes and no longer.

use std::ops::Bound;

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::chunks::CHUNKS;
use super::error::StoreError;
use super::snapshot::{Records, TABLE};

/// A key and the whole of its record.
pub(crate) type Pair = (String, Vec<u8>);

/// All records as of one moment.
pub(crate) struct Export {
    records: Records,
    #[expect(dead_code, reason = "the records are as it found them while it lives")]
    transaction: ReadTransaction,
    count: u64,
}

impl Export {
    pub(super) fn begin(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(StoreError::of)?;
        let records = transaction.open_table(TABLE).map_err(StoreError::of)?;
        let chunks = transaction.open_table(CHUNKS).map_err(StoreError::of)?;
        let records = Records::new(records, chunks);
        let count = records.count()?;
        Ok(Self { records, transaction, count })
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The record at `key`, whole.
    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.records.get(key)
    }

    /// Records after the key `after`, in order, until they are `bytes` or more; none at the end.
    pub(super) fn part(&self, after: Option<&str>, bytes: usize) -> Result<Vec<Pair>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut part, mut size) = (Vec::new(), 0);
        for pair in self.records.pairs_from(from)? {
            let (key, value) = pair?;
            size += key.len() + value.len();
            part.push((key, value));
            if size >= bytes {
                break;
            }
        }
        Ok(part)
    }
}
