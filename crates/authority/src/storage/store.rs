//! The data file: bytes by key, durable commits, snapshot reads.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::check::{self, Checked};
use super::committer::{self, Commit, Condition, Gauge, Job, QUEUE_LEN_MAX};
use super::database::{Backend, OpenDatabase};
use super::error::StoreError;
use super::export::{Export, Pair};
use super::snapshot::Records;
use super::write::Write;

/// Longer looks at once on the blocking pool.
const LOOKS_MAX: usize = 16;

/// Names in one listing: 100,000 × ~100 bytes is a 10 MB answer.
const LIST_LEN_MAX: usize = 100_000;

pub(crate) struct Store {
    open: Arc<OpenDatabase>,
    checked: watch::Receiver<Checked>,
    gauge: Arc<Gauge>,
    looks: Semaphore,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the data file, checks it, and starts the committer thread.
    pub(crate) fn open(backend: Backend) -> Result<Self, StoreError> {
        let open = Arc::new(OpenDatabase::new(backend)?);
        open.with(committer::prepare)?;
        let gauge = Arc::new(Gauge::default());
        let (sender, mut receiver) = mpsc::channel(QUEUE_LEN_MAX);
        let (theirs, told) = (open.clone(), gauge.clone());
        let thread = std::thread::Builder::new()
            .name("authority-commit".to_owned())
            .spawn(move || committer::run(&theirs, &told, &mut receiver))
            .map_err(|error| StoreError::Io(Arc::new(error)))?;
        Ok(Self {
            checked: open.checked(),
            open,
            gauge,
            looks: Semaphore::new(LOOKS_MAX),
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether the disk takes what is written, as of the last time it was tried, and whether what it
    /// holds is as it was written.
    pub(crate) fn condition(&self) -> Condition {
        match *self.checked.borrow() {
            Checked::Bad(_) => Condition::Damaged,
            Checked::Good | Checked::Pending => self.gauge.read(),
        }
    }

    /// Another number after each commit: what was read under the same number is still so.
    pub(crate) fn generation(&self) -> u64 {
        self.open.generation()
    }

    /// The bytes at `key`.
    pub(crate) async fn get(&self, key: String) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.look(move |records| records.get(&key)).await?;
        // Only what is not found can be hidden by a damaged page.
        if found.is_none() {
            check::passed(&self.checked).await?;
        }
        Ok(found)
    }

    /// Whether a check was begun when it was opened.
    #[cfg(test)]
    pub(super) fn is_checked_apart(&self) -> bool {
        self.open.is_checking()
    }

    /// The bytes at `key`, on this thread: for a start, when nobody waits yet.
    pub(crate) fn get_now(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.open.with_records(|records| records.get(key))?;
        if found.is_none() {
            futures::executor::block_on(check::passed(&self.checked))?;
        }
        Ok(found)
    }

    /// What `act` reads, from one snapshot: nothing changes while it looks.
    pub(crate) async fn snapshot<T: Send + 'static>(
        &self,
        act: impl Fn(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let looked = self.look(move |records| {
            let snapshot = Snapshot { records, missed: Cell::new(false) };
            Ok((act(&snapshot)?, snapshot.missed.get()))
        });
        let (found, missed) = looked.await?;
        // Only what is not found can be hidden by a damaged page.
        if missed {
            check::passed(&self.checked).await?;
        }
        Ok(found)
    }

    /// Names directly below `prefix`, sorted; a folder once, with its `/`.
    pub(crate) async fn list(&self, prefix: String) -> Result<Vec<String>, StoreError> {
        check::passed(&self.checked).await?;
        self.look_aside(move |records| children(records, &prefix)).await
    }

    /// At most `limit` full keys below `prefix` that sort after `after`.
    pub(crate) async fn scan(
        &self,
        prefix: String,
        after: String,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        check::passed(&self.checked).await?;
        self.look(move |records| {
            let from = if after > prefix { format!("{after}\0") } else { prefix.clone() };
            let mut keys = Vec::new();
            for key in records.keys_from(&from)?.take(limit) {
                let key = key?;
                if !key.starts_with(&prefix) {
                    break;
                }
                keys.push(key);
            }
            Ok(keys)
        })
        .await
    }

    /// All records as of now, to be read by [`Store::part`]. Waits until the file is known to be undamaged: what is missing
    /// from a damaged one would be missing from its snapshot.
    pub(crate) async fn export(&self) -> Result<Arc<Export>, StoreError> {
        check::passed(&self.checked).await?;
        let open = self.open.clone();
        let begun = tokio::task::spawn_blocking(move || open.with(Export::begin)).await;
        begun.map_err(|_| StoreError::Closed)?.map(Arc::new)
    }

    /// Records of `export` after the key `after`, until they are `bytes` or more; none at the end.
    pub(crate) async fn part(
        &self,
        export: &Arc<Export>,
        after: Option<String>,
        bytes: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let (open, export) = (self.open.clone(), export.clone());
        let read = move || open.with(|_| export.part(after.as_deref(), bytes));
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
    }

    /// Commits `writes` together; when this returns they are on disk. Once queued they happen even
    /// if the caller goes away.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let queue = self.queue().ok_or(StoreError::Closed)?;
        let (done, landed) = oneshot::channel();
        let job = Job::Commit(Commit { writes, done });
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
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

    /// A look that takes microseconds, done by who asks. One that is refused because the disk has just
    /// failed is done again when the file has been opened anew.
    async fn look<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Records) -> Result<T, StoreError> + Send + 'static,
    {
        match self.open.try_with_records(&act) {
            Some(Err(StoreError::Io(_) | StoreError::Transaction(_))) => self.mend().await,
            Some(result) => return result,
            None => {}
        }
        self.look_aside(act).await
    }

    /// A look that may take longer, beside those who answer requests.
    async fn look_aside<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Records) -> Result<T, StoreError> + Send + 'static,
    {
        let _permit = self.looks.acquire().await.map_err(|_| StoreError::Closed)?;
        let open = self.open.clone();
        let looking = tokio::task::spawn_blocking(move || open.with_records(act));
        looking.await.map_err(|_| StoreError::Closed)?
    }

    /// Returns when the committer has seen to a database that refuses to be read.
    async fn mend(&self) {
        let Some(queue) = self.queue() else { return };
        let (done, mended) = oneshot::channel();
        if queue.send(Job::Mend(done)).await.is_ok() {
            // Dropped without a word only when the store is closed.
            let _ = mended.await;
        }
    }

    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The data file at one moment.
pub(crate) struct Snapshot<'a> {
    records: &'a Records,
    /// Whether something was not found.
    missed: Cell<bool>,
}

impl Snapshot<'_> {
    /// The bytes at `key`.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.records.get(key)?;
        self.missed.set(self.missed.get() || found.is_none());
        Ok(found)
    }
}

/// Seeks past each folder instead of walking it: the cost is the number of names, not of keys.
fn children(records: &Records, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut from = prefix.to_owned();
    while names.len() <= LIST_LEN_MAX {
        let mut next = None;
        for key in records.keys_from(&from)? {
            let key = key?;
            let Some(rest) = key.strip_prefix(prefix) else { break };
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
