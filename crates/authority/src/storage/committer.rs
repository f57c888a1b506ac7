//! Group commit: one thread takes what is waiting, commits it in one transaction, then answers all.
//!
//! While the disk syncs one batch the next one gathers, so the rate of commits grows with the
//! number of writers and a lone writer waits for one sync only. No timer, no added latency.

use std::sync::Arc;

use redb::{Durability, ReadableDatabase as _};
use tokio::sync::{mpsc, oneshot};

use super::database::{OpenDatabase, TABLE};
use super::error::StoreError;
use super::write::Write;

/// Commits that may wait: beyond it writers wait to enqueue. Requests are bounded far below this.
pub(super) const QUEUE_LEN_MAX: usize = 1024;

/// Commits in one transaction: bounds how long one sync can grow (256 × 1 MiB body limit at the
/// very worst).
const BATCH_LEN_MAX: usize = 256;

/// Changes of one caller and where to say how it went.
pub(super) struct Commit {
    pub(super) writes: Vec<Write>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

/// Runs until the last sender is dropped; commits all that was queued before.
pub(super) fn run(open: &OpenDatabase, queue: &mut mpsc::Receiver<Commit>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_LEN_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let result = open.with(|database| apply(database, &batch));
        for commit in batch {
            // The caller may have gone; its change has happened all the same.
            let _ = commit.done.send(result.clone());
        }
    }
}

fn apply(database: &redb::Database, batch: &[Commit]) -> Result<(), StoreError> {
    let mut transaction = database.begin_write().map_err(StoreError::of)?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| StoreError::Io(Arc::new(std::io::Error::other(error))))?;
    {
        let mut table = transaction.open_table(TABLE).map_err(StoreError::of)?;
        for write in batch.iter().flat_map(|commit| &commit.writes) {
            match write {
                Write::Put(key, value) => {
                    table.insert(key.as_str(), value.as_slice()).map_err(StoreError::of)?;
                }
                Write::Delete(key) => {
                    table.remove(key.as_str()).map_err(StoreError::of)?;
                }
            }
        }
    }
    transaction.commit().map_err(StoreError::of)
}

/// Makes the table exist, so that reads need no special case.
pub(super) fn prepare(database: &redb::Database) -> Result<(), StoreError> {
    let snapshot = database.begin_read().map_err(StoreError::of)?;
    match snapshot.open_table(TABLE) {
        Ok(_) => Ok(()),
        Err(redb::TableError::TableDoesNotExist(_)) => apply(database, &[]),
        Err(error) => Err(StoreError::of(error)),
    }
}
