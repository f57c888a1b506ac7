//! The records as of the last commit, kept for whoever reads before the next one.
//!
//! To begin a read transaction and to find the table costs as much as reading. Nothing is kept while
//! a commit is under way that would keep its pages from being used again.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::chunks::{self, CHUNKS};
use super::error::StoreError;

/// Storage key to sealed bytes, or to where these are.
pub(super) const TABLE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("records");

/// The records, as of one moment.
pub(super) struct Records {
    records: ReadOnlyTable<&'static str, &'static [u8]>,
    chunks: ReadOnlyTable<u64, &'static [u8]>,
}

impl Records {
    pub(super) fn new(
        records: ReadOnlyTable<&'static str, &'static [u8]>,
        chunks: ReadOnlyTable<u64, &'static [u8]>,
    ) -> Self {
        Self { records, chunks }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.records.get(key).map_err(StoreError::of)?;
        found.map(|record| chunks::whole(record.value(), &self.chunks)).transpose()
    }

    /// Keys from `from` on, in order.
    pub(super) fn keys_from(
        &self,
        from: &str,
    ) -> Result<impl Iterator<Item = Result<String, StoreError>>, StoreError> {
        let range = self.records.range::<&str>(from..).map_err(StoreError::of)?;
        Ok(range.map(|entry| {
            let (key, _) = entry.map_err(StoreError::of)?;
            Ok(key.value().to_owned())
        }))
    }

    /// Keys with the whole of their records, in order.
    pub(super) fn pairs_from(
        &self,
        from: Bound<&str>,
    ) -> Result<impl Iterator<Item = Result<(String, Vec<u8>), StoreError>>, StoreError> {
        let range = self.records.range::<&str>((from, Bound::Unbounded)).map_err(StoreError::of)?;
        Ok(range.map(|entry| {
            let (key, record) = entry.map_err(StoreError::of)?;
            Ok((key.value().to_owned(), chunks::whole(record.value(), &self.chunks)?))
        }))
    }

    /// How many there are.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        self.records.len().map_err(StoreError::of)
    }
}

/// What is kept, and how often it has been replaced.
#[derive(Default)]
pub(super) struct Snapshots {
    newest: RwLock<Option<Arc<Snapshot>>>,
    generation: AtomicU64,
}

struct Snapshot {
    records: Records,
    #[expect(dead_code, reason = "the records are as it found them while it lives")]
    transaction: ReadTransaction,
}

impl Snapshots {
    /// Another number after each commit.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Runs `act` on the records as of the last commit.
    pub(super) fn with<T>(
        &self,
        database: &Database,
        act: impl FnOnce(&Records) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.newest.read().unwrap_or_else(PoisonError::into_inner).clone();
        let snapshot = match kept {
            Some(kept) => kept,
            None => self.take(database)?,
        };
        act(&snapshot.records)
    }

    /// Lets go of what is kept: a commit is about to begin, or the database to be closed.
    pub(super) fn release(&self) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes a commit, before whoever waits for it is told.
    pub(super) fn advance(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.release();
    }

    fn take(&self, database: &Database) -> Result<Arc<Snapshot>, StoreError> {
        let generation = self.generation();
        let transaction = database.begin_read().map_err(StoreError::of)?;
        let records = transaction.open_table(TABLE).map_err(StoreError::of)?;
        let chunks = transaction.open_table(CHUNKS).map_err(StoreError::of)?;
        let records = Records::new(records, chunks);
        let snapshot = Arc::new(Snapshot { records, transaction });
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        // What was taken before a commit is not kept after it.
        if generation == self.generation() {
            *newest = Some(snapshot.clone());
        }
        Ok(snapshot)
    }
}
