//! Group commit: one thread takes what is waiting, commits it in one transaction, then answers all.
//!
//! While the disk syncs one batch the next one gathers, so the rate of commits grows with the
//! number of writers and a lone writer waits for one sync only. No timer, no added latency.
//!
//! **A disk that refuses** (full, most of all) makes redb refuse everything, reads too. Then the file is opened anew, so
//! that reads go on, and the next write is tried when the disk takes as much beside it, after a
//! pause that grows: it heals by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use redb::{Durability, ReadableDatabase as _};
use tokio::sync::{mpsc, oneshot};

use super::chunks::{self, CHUNKS};
use super::database::OpenDatabase;
use super::error::StoreError;
use super::snapshot::{Records, TABLE};
use super::trouble::Trouble;
use super::write::Write;

/// Commits that may wait: beyond it writers wait to enqueue. Requests are bounded far below this.
pub(super) const QUEUE_LEN_MAX: usize = 1024;

/// Commits in one transaction: bounds how long one sync can grow (256 × 1 MiB body limit at the
/// very worst).
const BATCH_LEN_MAX: usize = 256;

/// Records removed before it is worth to give their space back to the file system, and the shortest
/// time from one time that it is to the next.
const REMOVED_MIN: u64 = 10_000;
const GIVE_BACK_EVERY: Duration = Duration::from_secs(60);

/// Room that is looked for before the first write after a failure: what the tree needs beside the
/// records themselves.
const ROOM_BYTES: usize = 1 << 20;

/// Changes of one caller and where to say how it went.
pub(super) struct Commit {
    pub(super) writes: Vec<Write>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

pub(super) enum Job {
    Commit(Commit),
    /// A read found the database refusing: see to it, then say so.
    Mend(oneshot::Sender<()>),
}

/// Whether the disk takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Good,
    /// It is read; the last write failed.
    ReadOnly,
    /// It cannot be read either.
    Failed,
    /// It is read and written, but a page is not as it was written.
    Damaged,
}

/// The [`Condition`], for whoever asks without waiting.
#[derive(Default)]
pub(super) struct Gauge(AtomicU8);

impl Gauge {
    pub(super) fn read(&self) -> Condition {
        match self.0.load(Ordering::Relaxed) {
            0 => Condition::Good,
            1 => Condition::ReadOnly,
            _ => Condition::Failed,
        }
    }

    fn set(&self, condition: Condition) {
        let number = match condition {
            Condition::Good => 0,
            Condition::ReadOnly => 1,
            Condition::Failed | Condition::Damaged => 2,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Runs until the last sender is dropped; commits all that was queued before.
pub(super) fn run(open: &OpenDatabase, gauge: &Gauge, queue: &mut mpsc::Receiver<Job>) {
    let mut committer =
        Committer { open, gauge, trouble: Trouble::default(), removed: 0, given_back: None };
    while let Some(first) = queue.blocking_recv() {
        let (mut batch, mut readers, mut next) = (Vec::new(), Vec::new(), Some(first));
        while let Some(job) = next {
            match job {
                Job::Commit(commit) => batch.push(commit),
                Job::Mend(done) => readers.push(done),
            }
            next = if batch.len() + readers.len() < BATCH_LEN_MAX {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        if !readers.is_empty() {
            committer.mend_for_readers();
        }
        for done in readers {
            // Who does not wait any more needs no answer.
            let _ = done.send(());
        }
        if batch.is_empty() {
            continue;
        }
        let removes = batch.iter().any(|commit| commit.writes.iter().any(Write::is_removal));
        let result = committer.commit(&batch);
        for commit in batch {
            // The caller may have gone; its change has happened all the same.
            let _ = commit.done.send(result.clone());
        }
        // Who waits goes first: it takes a moment. While records are being removed it is too early.
        if queue.is_empty() && !removes {
            committer.give_back();
        }
    }
}

struct Committer<'a> {
    open: &'a OpenDatabase,
    gauge: &'a Gauge,
    trouble: Trouble,
    /// Records removed since space was given back last.
    removed: u64,
    given_back: Option<Instant>,
}

impl Committer<'_> {
    fn commit(&mut self, batch: &[Commit]) -> Result<(), StoreError> {
        if self.trouble.is_on() {
            let bytes = batch.iter().flat_map(|commit| &commit.writes).map(Write::len).sum();
            if !self.trouble.may_try(Instant::now()) {
                return Err(StoreError::CannotWrite);
            }
            if !self.open.has_room(ROOM_BYTES.saturating_add(bytes)) {
                self.trouble.failed(Instant::now());
                return Err(StoreError::CannotWrite);
            }
            if self.open.is_broken() {
                self.reopen()?;
            }
        }
        match self.open.commit(|database| apply(database, batch)) {
            Ok(()) => {
                if self.trouble.is_on() {
                    tracing::info!(component = "authority", "the disk takes writes again");
                }
                self.trouble.over();
                self.gauge.set(Condition::Good);
                let writes = batch.iter().flat_map(|commit| &commit.writes);
                let removed = writes.filter(|write| write.is_removal()).count();
                self.removed = self.removed.saturating_add(removed as u64);
                Ok(())
            }
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                self.note(&error);
                self.reopen()?;
                Err(StoreError::CannotWrite)
            }
        }
    }

    /// A read was refused: whatever the reason, opening anew is what helps, if anything does.
    fn mend_for_readers(&mut self) {
        let refuses =
            |database: &redb::Database| database.begin_read().map_err(StoreError::of).map(drop);
        let Err(error) = self.open.with(refuses) else { return };
        if matches!(error, StoreError::Closed) || !self.trouble.may_try(Instant::now()) {
            return;
        }
        self.note(&error);
        // What comes of it, the gauge and the log tell.
        let _ = self.reopen();
    }

    /// Makes the file smaller once more records were removed than are left: then it costs less than
    /// their removal did. Reads wait meanwhile.
    fn give_back(&mut self) {
        if self.removed < REMOVED_MIN || self.trouble.is_on() {
            return;
        }
        if self.given_back.is_some_and(|at| at.elapsed() < GIVE_BACK_EVERY) {
            return;
        }
        let left = self.open.with_records(Records::count);
        if !left.is_ok_and(|left| left < self.removed) {
            return;
        }
        (self.removed, self.given_back) = (0, Some(Instant::now()));
        if let Err(error) = self.open.compact() {
            self.note(&error);
            // What comes of it, the gauge and the log tell.
            let _ = self.reopen();
        }
    }

    fn note(&mut self, error: &StoreError) {
        if !self.trouble.is_on() {
            tracing::error!(
                component = "authority",
                error = error as &dyn std::error::Error,
                "the disk refused; reads go on, and the next write is tried when there is room"
            );
        }
        self.trouble.failed(Instant::now());
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        match self.open.reopen() {
            Ok(()) => {
                self.gauge.set(Condition::ReadOnly);
                Ok(())
            }
            Err(error) => {
                self.gauge.set(Condition::Failed);
                tracing::error!(
                    component = "authority",
                    error = &error as &dyn std::error::Error,
                    "the data file cannot be opened again; nothing is served until it can"
                );
                Err(error)
            }
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
        let mut parts = transaction.open_table(CHUNKS).map_err(StoreError::of)?;
        for write in batch.iter().flat_map(|commit| &commit.writes) {
            let replaced = match write {
                Write::Put(key, value) => {
                    let cut = chunks::cut(value, &mut parts)?;
                    let record = cut.as_deref().unwrap_or(value);
                    table.insert(key.as_str(), record).map_err(StoreError::of)?
                }
                Write::Delete(key) => table.remove(key.as_str()).map_err(StoreError::of)?,
            };
            if let Some(replaced) = replaced {
                chunks::remove(replaced.value(), &mut parts)?;
            }
        }
    }
    transaction.commit().map_err(StoreError::of)
}

/// Makes the tables exist, so that reads need no special case.
pub(super) fn prepare(database: &redb::Database) -> Result<(), StoreError> {
    let snapshot = database.begin_read().map_err(StoreError::of)?;
    let opened = snapshot.open_table(TABLE).map(drop);
    match opened.and_then(|()| snapshot.open_table(CHUNKS).map(drop)) {
        Ok(()) => Ok(()),
        Err(redb::TableError::TableDoesNotExist(_)) => apply(database, &[]),
        Err(error) => Err(StoreError::of(error)),
    }
}
