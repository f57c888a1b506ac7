//! The data file: bytes by key, durable commits, snapshot reads.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use redb::ReadableDatabase as _;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::committer::{self, Commit, QUEUE_LEN_MAX};
use super::database::{self, Backend, OpenDatabase, TABLE};
use super::error::StoreError;
use super::write::Write;

/// Reads at once on the blocking pool; a read takes microseconds unless the disk is cold.
const READS_MAX: usize = 16;

/// Names in one listing: 100,000 × ~100 bytes is a 10 MB answer.
const LIST_LEN_MAX: usize = 100_000;

pub(crate) struct Store {
    open: Arc<OpenDatabase>,
    reads: Semaphore,
    queue: Mutex<Option<mpsc::Sender<Commit>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the data file, checks it, and starts the committer thread.
    pub(crate) fn open(backend: Backend) -> Result<Self, StoreError> {
        let database = database::open(backend)?;
        committer::prepare(&database)?;
        let open = Arc::new(OpenDatabase::new(database));
        let (sender, mut receiver) = mpsc::channel(QUEUE_LEN_MAX);
        let theirs = open.clone();
        let thread = std::thread::Builder::new()
            .name("authority-commit".to_owned())
            .spawn(move || committer::run(&theirs, &mut receiver))
            .map_err(|error| StoreError::Io(Arc::new(error)))?;
        Ok(Self {
            open,
            reads: Semaphore::new(READS_MAX),
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The bytes at `key`.
    pub(crate) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |table| {
            let value = table.get(key.as_str()).map_err(StoreError::of)?;
            Ok(value.map(|value| value.value().to_vec()))
        })
        .await
    }

    /// What `act` reads, from one snapshot: nothing changes while it looks.
    pub(crate) async fn snapshot<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(move |table| act(&Snapshot(table))).await
    }

    /// Names directly below `prefix`, sorted; a folder once, with its `/`.
    pub(crate) async fn list(&self, prefix: String) -> Result<Vec<String>, StoreError> {
        self.read(move |table| children(table, &prefix)).await
    }

    /// At most `limit` full keys below `prefix` that sort after `after`.
    pub(crate) async fn scan(
        &self,
        prefix: String,
        after: String,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(move |table| {
            let from = if after > prefix { format!("{after}\0") } else { prefix.clone() };
            let range = table.range::<&str>(from.as_str()..).map_err(StoreError::of)?;
            let mut keys = Vec::new();
            for entry in range.take(limit) {
                let (key, _) = entry.map_err(StoreError::of)?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                keys.push(key.value().to_owned());
            }
            Ok(keys)
        })
        .await
    }

    /// Commits `writes` together; when this returns they are on disk. Once queued they happen even
    /// if the caller goes away.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or(StoreError::Closed)?;
        let (done, landed) = oneshot::channel();
        queue.send(Commit { writes, done }).await.map_err(|_| StoreError::Closed)?;
        landed.await.map_err(|_| StoreError::Closed)?
    }

    /// Commits what is queued and closes the file; its lock is free when this returns. May be
    /// repeated.
    pub(crate) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let open = self.open.clone();
        let closing = tokio::task::spawn_blocking(move || {
            if let Some(thread) = thread {
                // A panicked committer has nothing left to commit.
                let _ = thread.join();
            }
            open.close();
        });
        // It fails only if the runtime is going down, which closes the file too.
        let _ = closing.await;
    }

    async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&redb::ReadOnlyTable<&'static str, &'static [u8]>) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.reads.acquire().await.map_err(|_| StoreError::Closed)?;
        let open = self.open.clone();
        let reading = tokio::task::spawn_blocking(move || {
            open.with(|database| {
                let snapshot = database.begin_read().map_err(StoreError::of)?;
                act(&snapshot.open_table(TABLE).map_err(StoreError::of)?)
            })
        });
        reading.await.map_err(|_| StoreError::Closed)?
    }
}

/// The data file at one moment.
pub(crate) struct Snapshot<'a>(&'a redb::ReadOnlyTable<&'static str, &'static [u8]>);

impl Snapshot<'_> {
    /// The bytes at `key`.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.0.get(key).map_err(StoreError::of)?;
        Ok(value.map(|value| value.value().to_vec()))
    }
}

/// Seeks past each folder instead of walking it: the cost is the number of names, not of keys.
fn children(
    table: &redb::ReadOnlyTable<&'static str, &'static [u8]>,
    prefix: &str,
) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut from = prefix.to_owned();
    while names.len() <= LIST_LEN_MAX {
        let mut range = table.range::<&str>(from.as_str()..).map_err(StoreError::of)?;
        let mut next = None;
        for entry in range.by_ref() {
            let (key, _) = entry.map_err(StoreError::of)?;
            let Some(rest) = key.value().strip_prefix(prefix) else { break };
            match rest.split_once('/') {
                Some((folder, _)) => {
                    names.push(format!("{folder}/"));
                    // '0' is the character after '/': the first key past the folder.
                    next = Some(format!("{prefix}{folder}0"));
                    break;
                }
                None => names.push(rest.to_owned()),
            }
            if names.len() > LIST_LEN_MAX {
                break;
            }
        }
        match next {
            Some(next) => from = next,
            None if names.len() > LIST_LEN_MAX => break,
            None => return Ok(sorted(names)),
        }
    }
    Err(StoreError::TooMany(LIST_LEN_MAX))
}

/// Byte order of keys puts `a-b` between `a` and `a/…`; names are answered in their own order.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}
